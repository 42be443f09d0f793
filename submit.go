package reducto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/wireid"
)

// SubmitOption changes how one submission is sent.
type SubmitOption func(*submitConfig)

type submitConfig struct{ resend bool }

// WithResubmit has a submission sent again also where nobody can tell whether the
// service took it on, as often as the client retries. There can be several jobs
// then, and several bills. They share the submission id, by which a receiver of
// this library processes only one of them.
func WithResubmit() SubmitOption { return func(c *submitConfig) { c.resend = true } }

// submission is a request of an asynchronous endpoint.
type submission interface {
	// check refuses what certainly cannot be accepted.
	check() error
	// private has what the request holds that no error may repeat.
	private() []string
	// wire is the body, given the async object in its common form.
	wire(*asyncWire) any
}

// submit is the way of every asynchronous submission.
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

// prepare validates everything that can be validated before hooks run.
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
		return nil, &RequestError{Op: op, Field: "Async.SubmissionID", Reason: "it has to be 1 to 128 letters, digits, '-' and '_'"}
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
	return s, nil
}

// NewSubmissionID makes an id for Async.SubmissionID, for programs that write it down
// before they submit: a UUIDv7, as submissions without one are given.
func NewSubmissionID() string {
	// It fails only if crypto/rand does, which ends the program instead.
	return uuid.Must(uuid.NewV7()).String()
}

func (c *Client) submit(ctx context.Context, op, path string, s *Submission, req submission, priority bool, cfg submitConfig) (jobID string, err error) {
	var result SubmitResult
	var told int // hooks that are owed an AfterSubmit
	defer func() { c.tellHooks(ctx, s, told, result) }()
	reject := func(err error) error {
		result = SubmitResult{Outcome: SubmitRejected, Err: err}
		return err
	}
	for i, hook := range c.cfg.hooks {
		if err := hook.BeforeSubmit(ctx, s); err != nil {
			if _, direct := err.(*RequestError); direct { //nolint:errorlint // what wraps one has more to say
				return "", reject(withOp(err, op))
			}
			return "", reject(&RequestError{Op: op, Reason: "a submit hook refused", Err: err})
		}
		told = i + 1
	}
	var sent struct { // all that lives as long as the request
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
		read: func(a *answer) (err error) {
			sent.jobID, err = readJobID(a)
			return err
		},
	}
	if err := r.json(req.wire(&sent.async)); err != nil {
		return "", reject(err)
	}
	taken, err := c.send(ctx, r)
	switch {
	case err == nil:
		result = SubmitResult{Outcome: SubmitAccepted, JobID: sent.jobID, Sent: taken}
		return sent.jobID, nil
	case taken == 0:
		return "", reject(err)
	}
	err = &UnknownOutcomeError{SubmissionID: s.ID, Err: err}
	result = SubmitResult{Outcome: SubmitUnknown, Sent: taken, Err: err}
	return "", err
}

// withOp puts the name of the called method into a *RequestError; nil if err is
// none.
func withOp(err error, op string) error {
	var refused *RequestError
	if !errors.As(err, &refused) {
		return nil
	}
	named := *refused
	if named.Op == "" {
		named.Op = op
	}
	return &named
}

// tellHooks tells the first n hooks, in reverse, what became of the submission.
// The job may exist whatever happens here, so a hook can neither fail nor panic
// its way out, nor hold the caller longer than its time.
func (c *Client) tellHooks(ctx context.Context, s *Submission, n int, r SubmitResult) {
	if r.Outcome == 0 { // a hook or a Marshaler panicked on the way
		r = SubmitResult{Outcome: SubmitUnknown, Sent: 1, Err: errors.New("reducto: the submission was abandoned by a panic")}
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

// private are the permissions in a request: the queries of presigned URLs and the
// passwords in others, and the document's password.
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

func (r ParseRequest) private() []string { return private(r.Input, r.Settings.DocumentPassword) }
func (r ExtractRequest) private() []string {
	return private(r.Input, r.Parsing.Settings.DocumentPassword)
}
func (r SplitRequest) private() []string {
	return private(r.Input, r.Parsing.Settings.DocumentPassword)
}
func (r PipelineRequest) private() []string { return private(r.Input, r.Settings.DocumentPassword) }
func (r EditRequest) private() []string     { return private(r.Input, "") }
func (r ClassifyRequest) private() []string { return private(r.Input, "") }

// secrets are the strings that hooks added, which no error may repeat.
func (s *Submission) secrets() []string {
	var out []string
	for _, m := range s.added {
		if m.key == MetadataSubmissionID {
			continue
		}
		if value, ok := text(m.value); ok {
			out = append(out, value)
		}
	}
	return out
}
