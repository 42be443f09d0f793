package reducto

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto/internal/redact"
)

// Webhook is where the service announces that a job has ended. Build one with
// DirectWebhook, SvixWebhook or NoWebhook; the zero value means the client's
// default (WithWebhook).
//
// A direct webhook's URL is part of its protection, so a Webhook prints without
// the URL's query.
type Webhook struct {
	mode     string
	url      string
	channels []string
}

const (
	webhookDirect   = "direct"
	webhookSvix     = "svix"
	webhookDisabled = "disabled"
)

// DirectWebhook has the service POST {"status","job_id","metadata"} to url:
// unsigned, tried four times at most. The URL must be http or https and reachable
// from the internet; Reducto recommends https.
// See https://docs.reducto.ai/workflows/direct-webhooks.
func DirectWebhook(url string) Webhook { return Webhook{mode: webhookDirect, url: url} }

// SvixWebhook has the service announce the end through Svix, signed, to the
// endpoints configured in Reducto's portal; channels limits it to these, none
// means all of them. See https://docs.reducto.ai/workflows/svix-webhooks.
func SvixWebhook(channels ...string) Webhook {
	return Webhook{mode: webhookSvix, channels: slices.Clone(channels)}
}

// NoWebhook has the service announce nothing, also where the client has a
// default.
func NoWebhook() Webhook { return Webhook{mode: webhookDisabled} }

// IsZero reports whether w leaves the choice to the client's default.
func (w Webhook) IsZero() bool { return w.mode == "" }

// Enabled reports whether w announces anything.
func (w Webhook) Enabled() bool { return w.mode == webhookDirect || w.mode == webhookSvix }

// Mode is "direct", "svix", "disabled" or, for the zero value, empty.
func (w Webhook) Mode() string { return w.mode }

// URL is where a direct webhook goes; empty for the others.
func (w Webhook) URL() string { return w.url }

// String shows the mode and, for a direct webhook, the URL without its query.
func (w Webhook) String() string {
	switch w.mode {
	case webhookDirect:
		return "direct " + redact.URL(w.url)
	case "":
		return "default"
	}
	return strings.TrimSpace(w.mode + " " + strings.Join(w.channels, ","))
}

// Format prints String with every verb, so that %+v does not show more.
func (w Webhook) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, w.String()) }

// LogValue logs String.
func (w Webhook) LogValue() slog.Value { return slog.StringValue(w.String()) }

func (w Webhook) check() error {
	if w.mode != webhookDirect {
		return nil
	}
	if w.url == "" {
		return errors.New("the URL is empty: give the full URL of your endpoint, such as https://example.com/webhook")
	}
	if plainURL(w.url) {
		return nil
	}
	u, err := url.Parse(w.url)
	switch {
	case err != nil:
		return errors.New("the URL cannot be parsed: give one such as https://example.com/webhook")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the URL's scheme is %q: it must be http or https", u.Scheme)
	case u.Hostname() == "":
		return errors.New("the URL has no host: give the full URL of your endpoint, such as https://example.com/webhook")
	}
	return nil
}

// wire is for an enabled webhook.
func (w Webhook) wire() webhookWire {
	return webhookWire{Mode: w.mode, URL: w.url, Channels: w.channels}
}

// Async is what every asynchronous submission can say about itself.
type Async struct {
	// Webhook is where the end of the job is announced. Zero: the client's default
	// (WithWebhook); NoWebhook() for none.
	Webhook Webhook
	// Metadata comes back in the webhook's body as it was sent: anything that
	// marshals to JSON. With a SubmitHook that adds to it (a webhook secret does) it
	// must marshal to an object or be nil, and must not use the keys "secret" and
	// "submission_id", which belong to this library. The value is never written to.
	Metadata any
	// Priority asks for priority processing, where the account has a budget for it.
	// Default: false.
	Priority bool
	// SubmissionID identifies this submission; empty: a new UUIDv7. Give the one of
	// an UnknownOutcomeError to send the same submission again: a receiver that
	// knows it processes only one of the jobs. At most 128 letters, digits, '-' and
	// '_'.
	SubmissionID string
}

// IsZero reports whether nothing is set.
func (a Async) IsZero() bool {
	return a.Webhook.IsZero() && a.Metadata == nil && !a.Priority && a.SubmissionID == ""
}

// asyncWire is the async object of the parse, extract, split and pipeline
// endpoints. Edit spells the same things in another way.
type asyncWire struct {
	Metadata json.RawMessage `json:"metadata,omitempty"`
	Priority bool            `json:"priority,omitempty"`
	Webhook  *webhookWire    `json:"webhook,omitempty"`
}

type webhookWire struct {
	Mode     string   `json:"mode"`
	URL      string   `json:"url,omitempty"`
	Channels []string `json:"channels,omitempty"`
}

// SubmitHook takes part in every asynchronous submission of a Client. A webhook
// secret is one: it adds itself to the metadata. An inbox is one: it records the
// submission before it is sent.
//
// Hooks run once a submission, however often it is tried, and neither for
// synchronous calls nor for Do. They run on the caller's goroutine.
type SubmitHook interface {
	// BeforeSubmit runs in the order in which the hooks were given. It may add
	// metadata, and may refuse the submission with an error: nothing is sent then.
	BeforeSubmit(ctx context.Context, s *Submission) error
	// AfterSubmit runs in the reverse order, for every hook whose BeforeSubmit
	// succeeded, with the outcome. Its context is detached from the caller's and
	// lasts two seconds. It cannot fail the submission, for the job may exist.
	AfterSubmit(ctx context.Context, s *Submission, r SubmitResult)
}

// SubmitOutcome is what became of a submission.
type SubmitOutcome int

// The outcomes of a submission.
const (
	// SubmitAccepted: there is a job; SubmitResult.JobID is its id.
	SubmitAccepted SubmitOutcome = iota + 1
	// SubmitRejected: there is certainly no job.
	SubmitRejected
	// SubmitUnknown: nobody can tell; see UnknownOutcomeError.
	SubmitUnknown
)

// String is the outcome's name in lower case.
func (o SubmitOutcome) String() string {
	switch o {
	case SubmitAccepted:
		return "accepted"
	case SubmitRejected:
		return "rejected"
	case SubmitUnknown:
		return "unknown"
	}
	return fmt.Sprintf("SubmitOutcome(%d)", int(o))
}

// SubmitResult tells a SubmitHook what became of a submission.
type SubmitResult struct {
	// Outcome says whether there is a job.
	Outcome SubmitOutcome
	// JobID is the job's id if the outcome is SubmitAccepted.
	JobID string
	// Sent is how many jobs there may be: the accepted one, and one for every attempt
	// whose outcome is unknown. It is more than one only with WithResubmit.
	Sent int
	// Err is why there is none, or why it is unknown.
	Err error
}

// Submission is one asynchronous submission as its hooks see it.
type Submission struct {
	// ID identifies the submission: Async.SubmissionID, or a UUIDv7 made for it.
	ID string
	// Type is the kind of job.
	Type JobType
	// Webhook is the webhook in effect: the request's, or the client's default.
	Webhook Webhook

	metadata []byte // what the user gave, as JSON; nil for nothing
	added    []member
}

type member struct {
	key   string
	value json.RawMessage
}

// Keys of the metadata that belong to this library. A receiver strips them.
const (
	// MetadataSecret carries the webhook secret or token.
	MetadataSecret = "secret"
	// MetadataSubmissionID carries the submission id.
	MetadataSubmissionID = "submission_id"
)

// AddMetadata adds a member to the submission's metadata, which comes back in
// its webhook. It fails if the user's metadata is not an object, uses the key
// itself or a reserved one, or if a hook added the key before. The value must
// marshal to JSON.
func (s *Submission) AddMetadata(key string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("metadata %q does not marshal: %w", key, err)
	}
	if s.metadata != nil {
		if s.metadata[0] != '{' {
			return &RequestError{
				Field:  "Async.Metadata",
				Reason: "it must marshal to a JSON object, because " + key + " is added to it: wrap your value in a map or a struct",
			}
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(s.metadata, &members); err != nil {
			return &RequestError{Field: "Async.Metadata", Reason: "it cannot be read back", Err: err}
		}
		for _, reserved := range []string{key, MetadataSecret, MetadataSubmissionID} {
			if _, ok := members[reserved]; ok {
				return &RequestError{
					Field:  "Async.Metadata",
					Reason: fmt.Sprintf("the key %q is reserved: use another name", reserved),
				}
			}
		}
	}
	for _, m := range s.added {
		if m.key == key {
			return &RequestError{
				Field:  "Async.Metadata",
				Reason: fmt.Sprintf("two hooks add the key %q: give the client only one of them (an inbox calls its verifier's hook itself)", key),
			}
		}
	}
	s.added = append(s.added, member{key, raw})
	return nil
}

// Metadata is the user's metadata as JSON, without what hooks have added; nil if
// there is none. Do not change it.
func (s *Submission) Metadata() json.RawMessage { return s.metadata }

// TakesMetadata reports whether metadata can be added: whether the user gave none,
// or an object.
func (s *Submission) TakesMetadata() bool { return s.metadata == nil || s.metadata[0] == '{' }

// HasMetadata reports whether a hook has added metadata under the key.
func (s *Submission) HasMetadata(key string) bool {
	return slices.ContainsFunc(s.added, func(m member) bool { return m.key == key })
}

// wireMetadata merges what hooks added into the user's own members, which travel
// as the very bytes that they marshalled to.
func (s *Submission) wireMetadata() json.RawMessage {
	if len(s.added) == 0 {
		return s.metadata
	}
	var b bytes.Buffer
	b.WriteByte('{')
	if s.metadata != nil {
		inner := bytes.TrimSpace(s.metadata[1 : len(s.metadata)-1])
		b.Write(inner)
		if len(inner) > 0 {
			b.WriteByte(',')
		}
	}
	for i, m := range s.added {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(m.key)
		b.Write(key)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Format prints no metadata: hooks put secrets there.
func (s Submission) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "submission %s (%s)", s.ID, s.Type)
}

// afterSubmitTimeout bounds a hook that runs when the caller has been answered
// by the service and may be gone.
const afterSubmitTimeout = 2 * time.Second
