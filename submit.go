package reducto

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/wireid"
)

// Async holds the options of an asynchronous submission.
type Async struct {
	// Webhook is the webhook to call when the job ends. Use NoWebhook for none.
	// Default: the client's (WithWebhook).
	Webhook Webhook
	// Metadata is any value that marshals to JSON. The webhook's body returns it
	// unchanged. If a SubmitHook adds metadata, as a webhook secret does, the value must
	// be nil or marshal to an object. The keys "secret", "submission_id" and
	// "traceparent" are then reserved. The library never modifies the value.
	Metadata any
	// Priority asks for priority processing, if the account has a budget for it.
	// Default: false.
	Priority bool
	// SubmissionID identifies the submission: at most 128 letters, digits, '-' and '_'.
	// To submit again after an UnknownOutcomeError, set the id of that error. A receiver
	// then processes only one of the jobs. Default: a new UUIDv7.
	SubmissionID string
}

// IsZero reports whether nothing is set.
func (a Async) IsZero() bool {
	return a.Webhook.IsZero() && a.Metadata == nil && !a.Priority && a.SubmissionID == ""
}

// asyncWire is the async object of the parse, extract, split and pipeline endpoints.
// The edit endpoint has another form.
type asyncWire struct {
	Metadata json.RawMessage `json:"metadata,omitempty"`
	Priority bool            `json:"priority,omitempty"`
	Webhook  *webhookWire    `json:"webhook,omitempty"`
}

// SubmitHook runs code before and after every asynchronous submission of a Client. For
// example, a webhook secret adds itself to the metadata, and an inbox records the
// submission before it is sent.
//
// Hooks run once for each submission, not for each attempt. They do not run for
// synchronous calls and Do. They run on the caller's goroutine.
type SubmitHook interface {
	// BeforeSubmit may add metadata. If it returns an error, nothing is sent. Hooks run
	// in the order in which they were given.
	BeforeSubmit(ctx context.Context, s *Submission) error
	// AfterSubmit receives the outcome if BeforeSubmit of this hook succeeded. Hooks run
	// in reverse order. The context is detached from the caller's and lasts two seconds.
	// AfterSubmit cannot fail the submission, because the job may exist.
	AfterSubmit(ctx context.Context, s *Submission, r SubmitResult)
}

// SubmitOutcome is the outcome of a submission.
type SubmitOutcome int

// The outcomes of a submission.
const (
	// SubmitOutcomeAccepted: there is a job; SubmitResult.JobID is its id.
	SubmitOutcomeAccepted SubmitOutcome = iota + 1
	// SubmitOutcomeRejected: there is certainly no job.
	SubmitOutcomeRejected
	// SubmitOutcomeUnknown: there may be a job; see UnknownOutcomeError.
	SubmitOutcomeUnknown
)

// String returns the name of the outcome in lower case.
func (o SubmitOutcome) String() string {
	switch o {
	case SubmitOutcomeAccepted:
		return "accepted"
	case SubmitOutcomeRejected:
		return "rejected"
	case SubmitOutcomeUnknown:
		return "unknown"
	}
	return fmt.Sprintf("SubmitOutcome(%d)", int(o))
}

// SubmitResult is the outcome of a submission, for SubmitHook.AfterSubmit.
type SubmitResult struct {
	// Outcome says whether there is a job.
	Outcome SubmitOutcome
	// JobID is the job's id if the outcome is SubmitOutcomeAccepted.
	JobID string
	// Sent is how many jobs may exist: the accepted one, and one for each attempt with an
	// unknown outcome. It exceeds 1 only with WithResubmit.
	Sent int
	// Err is the reason why no job exists, or why the outcome is unknown.
	Err error
}

// Submission is an asynchronous submission, as its hooks see it.
type Submission struct {
	// ID identifies the submission: Async.SubmissionID, or a UUIDv7 made for it.
	ID string
	// Type is the kind of job.
	Type JobType
	// Webhook is the webhook in effect: the request's, or the client's default.
	Webhook Webhook
	// Traceparent is the span of the submission, as the client's Tracer returns it. It is
	// empty without a Tracer.
	Traceparent string

	metadata []byte // the user's, as JSON; nil for none
	added    []member
}

type member struct {
	key   string
	value json.RawMessage
}

// Metadata keys that this library reserves. A receiver removes them.
const (
	// MetadataSecret carries the webhook secret or token.
	MetadataSecret = "secret"
	// MetadataSubmissionID carries the submission id.
	MetadataSubmissionID = "submission_id"
	// MetadataTraceparent carries the trace of the submission. See WithTracer.
	MetadataTraceparent = "traceparent"
)

// secrets returns the strings that hooks added. Errors must not contain them.
func (s *Submission) secrets() []string {
	var out []string
	for _, m := range s.added {
		if m.key == MetadataSubmissionID || m.key == MetadataTraceparent {
			continue
		}
		if value, ok := text(m.value); ok {
			out = append(out, value)
		}
	}
	return out
}

// AddMetadata adds a member to the submission's metadata, which its webhook returns.
// The value must marshal to JSON. AddMetadata fails if the user's metadata is not an
// object, or has the key or a reserved one. It also fails if a hook added the key
// before.
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
			return &RequestError{Field: "Async.Metadata", Reason: "its JSON cannot be decoded", Err: err}
		}
		for _, reserved := range []string{key, MetadataSecret, MetadataSubmissionID, MetadataTraceparent} {
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

// Metadata returns the user's metadata as JSON, without additions of hooks; nil if
// there is none. Do not modify it.
func (s *Submission) Metadata() json.RawMessage { return s.metadata }

// TakesMetadata reports whether metadata can be added: the user's metadata is an
// object or absent.
func (s *Submission) TakesMetadata() bool { return s.metadata == nil || s.metadata[0] == '{' }

// HasMetadata reports whether a hook has added metadata under the key.
func (s *Submission) HasMetadata(key string) bool {
	return slices.ContainsFunc(s.added, func(m member) bool { return m.key == key })
}

// wireMetadata appends the additions of hooks to the user's metadata. It does not
// change the bytes of the user.
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

// afterSubmitTimeout bounds AfterSubmit, which runs even if the caller's context ended.
const afterSubmitTimeout = 2 * time.Second

// SubmitOption changes how one submission is sent.
type SubmitOption func(*submitConfig)

type submitConfig struct{ resend bool }

// WithResubmit retries a submission even if the outcome of an attempt is unknown. It
// can create several jobs, which are all billed. They share the submission id, so a
// receiver of this library processes only one of them.
func WithResubmit() SubmitOption { return func(c *submitConfig) { c.resend = true } }

// submission is a request of an asynchronous endpoint.
type submission interface {
	// check refuses a request that the service certainly would not accept.
	check() error
	// private returns the secrets in the request. Errors must not contain them.
	private() []string
	// wire returns the body to send; the async object is nil for a synchronous call.
	wire(*asyncWire) any
}

// submit sends an asynchronous submission. Every endpoint uses it.
func submit[R Result](ctx context.Context, c *Client, op, path string, kind JobType, req submission, a Async, opts []SubmitOption) (*Handle[R], error) {
	s, err := c.prepare(op, kind, req, a)
	if err != nil {
		return nil, err
	}
	jobID, err := c.submit(ctx, op, path, s, req, a.Priority, submitOptions(opts))
	if err != nil {
		return nil, err
	}
	h := Attach[R](c, jobID)
	h.SubmissionID = s.ID
	h.submittedAt = time.Now()
	return h, nil
}

func submitOptions(opts []SubmitOption) submitConfig {
	if len(opts) == 0 {
		return submitConfig{}
	}
	cfg := new(submitConfig)
	for _, opt := range opts {
		if opt != nil {
			opt(cfg)
		}
	}
	return *cfg
}

// prepare validates a submission before its hooks run.
func (c *Client) prepare(op string, kind JobType, req submission, a Async) (*Submission, error) {
	if err := req.check(); err != nil {
		return nil, withOp(err, op)
	}
	s := &Submission{ID: a.SubmissionID, Type: kind, Webhook: a.Webhook}
	if s.Webhook.IsZero() {
		s.Webhook = c.cfg.webhook
	}
	if err := s.Webhook.check(); err != nil {
		return nil, &RequestError{Op: op, Field: "Async.Webhook", Err: err}
	}
	switch {
	case s.ID == "":
		s.ID = NewSubmissionID()
	case !wireid.IsPart(s.ID):
		return nil, &RequestError{Op: op, Field: "Async.SubmissionID", Reason: "it must have 1 to 128 letters, digits, '-' and '_'"}
	}
	if a.Metadata != nil {
		raw, err := json.Marshal(a.Metadata)
		if err != nil {
			return nil, &RequestError{Op: op, Field: "Async.Metadata", Reason: "it does not marshal to JSON", Err: err}
		}
		if !members.IsNull(raw) {
			s.metadata = raw
		}
	}
	if s.Webhook.Enabled() && len(c.cfg.hooks) > 0 && len(s.metadata) > c.cfg.maxMetadata {
		return nil, &RequestError{Op: op, Field: "Async.Metadata", Reason: fmt.Sprintf(
			"it has %d bytes, more than the %d that a receiver accepts in a delivery: send a reference instead, or raise WithMaxMetadataBytes and the receiver's WithMaxBodyBytes",
			len(s.metadata), c.cfg.maxMetadata)}
	}
	c.warnUnreachable(s.Webhook)
	return s, nil
}

// NewSubmissionID returns a new UUIDv7 for Async.SubmissionID. Use it to store the id
// before you submit.
func NewSubmissionID() string {
	// NewV7 fails only if crypto/rand fails, which ends the program.
	return uuid.Must(uuid.NewV7()).String()
}

func (c *Client) submit(ctx context.Context, op, path string, s *Submission, req submission, priority bool, cfg submitConfig) (jobID string, err error) {
	if c.cfg.tracer != nil {
		o := &Operation{Name: op, SubmissionID: s.ID}
		var end func(error)
		ctx, end = c.trace(ctx, o)
		s.Traceparent = c.cfg.tracer.Traceparent(ctx)
		defer func() {
			o.JobID = jobID
			end(err)
		}()
	}
	var result SubmitResult
	var told int // the number of hooks to call AfterSubmit of
	defer func() { c.tellHooks(ctx, s, told, result) }()
	reject := func(err error) error {
		result = SubmitResult{Outcome: SubmitOutcomeRejected, Err: err}
		return err
	}
	for i, hook := range c.cfg.hooks {
		if err := hook.BeforeSubmit(ctx, s); err != nil {
			if _, direct := err.(*RequestError); direct { //nolint:errorlint // a wrapping error has more to say
				return "", reject(withOp(err, op))
			}
			return "", reject(&RequestError{Op: op, Reason: "a submit hook returned an error", Err: err})
		}
		told = i + 1
	}
	if s.Traceparent != "" && s.Webhook.Enabled() {
		// It fails if the metadata is no object or has the key. That is no reason to refuse
		// the submission.
		_ = s.AddMetadata(MetadataTraceparent, s.Traceparent)
	}
	var sent struct { // one allocation for values that live as long as the request
		call    call
		async   asyncWire
		webhook webhookWire
		jobID   string
	}
	sent.async = asyncWire{Metadata: s.wireMetadata(), Priority: priority}
	if s.Webhook.Enabled() {
		sent.webhook = s.Webhook.wire()
		sent.async.Webhook = &sent.webhook
	}
	r := &sent.call
	*r = call{
		op: op, method: http.MethodPost, path: path,
		resend: cfg.resend, timeout: c.cfg.timeout,
		secrets: append(s.secrets(), req.private()...),
		jobID:   &sent.jobID,
	}
	if err := r.json(req.wire(&sent.async)); err != nil {
		return "", reject(err)
	}
	taken, err := c.send(ctx, r)
	switch {
	case err == nil:
		result = SubmitResult{Outcome: SubmitOutcomeAccepted, JobID: sent.jobID, Sent: taken}
		return sent.jobID, nil
	case taken == 0:
		return "", reject(err)
	}
	err = &UnknownOutcomeError{SubmissionID: s.ID, Err: err}
	result = SubmitResult{Outcome: SubmitOutcomeUnknown, Sent: taken, Err: err}
	return "", err
}

// tellHooks calls AfterSubmit of the first n hooks in reverse order. The job may
// exist, so a hook can neither fail the submission nor panic. Each has a time limit.
func (c *Client) tellHooks(ctx context.Context, s *Submission, n int, r SubmitResult) {
	if r.Outcome == 0 { // a hook or a Marshaler panicked on the way
		r = SubmitResult{Outcome: SubmitOutcomeUnknown, Sent: 1, Err: errors.New("reducto: a panic ended the submission")}
	}
	if n == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	for i := n - 1; i >= 0; i-- {
		func() {
			ctx, cancel := context.WithTimeout(ctx, afterSubmitTimeout)
			defer cancel()
			defer func() {
				if p := recover(); p != nil {
					c.cfg.logger.ErrorContext(ctx, "reducto: a submit hook panicked",
						slog.String("submission_id", s.ID), slog.String("panic", fmt.Sprintf("%T", p)))
				}
			}()
			c.cfg.hooks[i].AfterSubmit(ctx, s, r)
		}()
	}
}

// private returns the secrets in a request: the queries of presigned URLs, passwords
// in other URLs, and the document's password.
func private(in Input, p Password) []string {
	var secrets []string
	for _, ref := range in.refs {
		if _, query, ok := strings.Cut(ref, "?"); ok && query != "" {
			secrets = append(secrets, query)
		}
		_, rest, _ := strings.Cut(ref, "://")
		if end := strings.IndexAny(rest, "/?#"); end >= 0 {
			rest = rest[:end]
		}
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			if _, password, ok := strings.Cut(rest[:at], ":"); ok && password != "" {
				secrets = append(secrets, password)
				if plain, err := url.PathUnescape(password); err == nil && plain != password {
					secrets = append(secrets, plain)
				}
			}
		}
	}
	if p != "" {
		secrets = append(secrets, string(p))
	}
	return secrets
}
