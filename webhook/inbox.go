package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
)

// Inbox is the durable receiver. It is three things at once:
//
//   - an http.Handler: a delivery is verified, put into the Store together with
//     those that arrive at the same time, and answered 200 once it is there;
//   - a reducto.SubmitHook: submissions are recorded before they are sent, so that
//     a job whose delivery never comes is missed, looked for, and found;
//   - with Run, a worker: it calls your function for every job that has ended, in
//     whatever way, until it succeeds, once at a time across all processes that
//     share the Store.
//
// Give the client only the Inbox (reducto.WithSubmitHook): it calls its verifier's
// hook itself. Without a webhook in effect it finds the ends of jobs by asking, so
// it works without a public URL too.
//
// See the package comment for what is guaranteed with which Store.
type Inbox struct {
	receiver
	store safeStore
	fn    Func
	// volatile: the store is memory, which a 200 must not rely on.
	volatile bool

	receive *gather[Arrival, Receipt]
	finish  *gather[Verdict, bool]
	wake    signal // something may be due
	ended   broadcast
	health  health

	mu        sync.Mutex
	running   map[claimKey]*claim
	state     runState
	stopRun   context.CancelCauseFunc
	runEnded  chan struct{}
	detachRun func() bool

	drain      context.Context // ended by Shutdown: nothing is begun any more
	stopClaims context.CancelFunc
}

// NewInbox makes an Inbox that believes what v verifies, keeps what it hears in s,
// and calls f. Everything is checked here; the error is a *reducto.RequestError.
// It starts no goroutine: Run does.
func NewInbox(v Verifier, s Store, f Func, opts ...Option) (*Inbox, error) {
	refuse := func(field string, err error) (*Inbox, error) {
		return nil, &reducto.RequestError{Op: "webhook.NewInbox", Field: field, Err: err}
	}
	if err := checkVerifier(v); err != nil {
		return refuse("the verifier", err)
	}
	if isNil(s) {
		return refuse("the store", errors.New("it is nil: use NewMemoryStore, or package sqlstore"))
	}
	if f == nil {
		return refuse("the function", errors.New("it is nil: what is to be done with a job?"))
	}
	cfg, err := configure(opts)
	if err != nil {
		return refuse("", err)
	}
	if len(cfg.forHandler) > 0 {
		return refuse("options", fmt.Errorf("%s is for a Handler: leave it out", cfg.forHandler[0]))
	}
	in := &Inbox{
		store:   safeStore{s},
		fn:      f,
		running: map[claimKey]*claim{},
		wake:    newSignal(),
	}
	in.drain, in.stopClaims = context.WithCancel(context.Background())
	if d, ok := s.(Durabler); ok {
		in.volatile = d.Durability() == Volatile
	}
	in.init(v, cfg)
	in.receive = &gather[Arrival, Receipt]{max: cfg.inbox.batch, least: cfg.inbox.storeTimeout, do: in.storeReceive}
	if o, ok := s.(Overlapper); ok && o.Overlaps() {
		in.receive.beside = worthACommit
	}
	in.finish = &gather[Verdict, bool]{max: cfg.inbox.batch, do: in.storeFinish}
	return in, nil
}

// worthACommit is how many deliveries have a commit of their own beside another one.
// With fewer, commits would cost more than the waiting that they spare.
const worthACommit = 24

// ServeHTTP answers one delivery. It implements http.Handler. It can be used
// without Run, by a process that only receives.
func (in *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	event, refused := in.intake(w, r, received)
	if refused == nil {
		refused = in.take(r, &event)
	} else {
		in.measure.count(MetricDeliveries, refused.label(), 1)
	}
	in.respond(w, refused)
	in.measure.observe(MetricIntakeSeconds, time.Since(received))
}

// holdUnbound is how long a delivery that overtakes the answer to its submission
// waits for that answer, which binds it to its job.
const holdUnbound = 2 * time.Minute

// take puts a verified delivery into the store and says what to answer.
func (in *Inbox) take(r *http.Request, e *Event) *answer {
	// The sender may go away; what it said must not.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(r.Context()), in.cfg.inbox.intakeTimeout, errIntakeTimeout)
	defer cancel()
	in.measure.count(MetricKeys, e.KeyID, 1)
	receipt, err := in.receive.ask(ctx, Arrival{
		JobID:        e.JobID,
		SubmissionID: e.SubmissionID,
		Status:       e.Status,
		Outcome:      outcomeOf(e.Status),
		Metadata:     e.Metadata,
		Source:       SourceWebhook,
		Hold:         holdUnbound,
	})
	if err != nil {
		in.stats.refused.Add(1)
		in.measure.count(MetricDeliveries, "store_error", 1)
		if suppressed, ok := in.consumed.allow(time.Now()); ok {
			in.log.log(ctx, slog.LevelError, "the store failed; the delivery is answered 503", append(e.attrs(),
				errorAttr(err), slog.Int("suppressed", suppressed))...)
		}
		in.health.storeFailed(err)
		return &answerRetry
	}
	in.health.storeWorked()
	if receipt.Conflict && e.Status.Terminal() {
		in.conflict(ctx, e, "the delivery contradicts an earlier one of the same job")
		in.measure.count(MetricConflicts, "", 1)
	}
	switch receipt.Kind {
	case ReceiptAccepted:
		in.stats.accepted.Add(1)
		in.measure.count(MetricDeliveries, "accepted", 1)
		if in.log.on() { // or it is much to put together for each delivery
			in.log.log(ctx, slog.LevelDebug, "received", e.attrs()...)
		}
		in.wake.send()
		in.ended.send()
		if in.volatile {
			return in.answerFromMemory(r, receipt.Key, in.cfg.funcTimeout)
		}
		return &answerReceived
	case ReceiptBusy:
		in.stats.refused.Add(1)
		in.measure.count(MetricDeliveries, "busy", 1)
		in.log.log(ctx, slog.LevelWarn, "too many jobs were named with the token of one submission; the delivery is answered 503", e.attrs()...)
		in.wake.send()
		return &answerRetry
	case ReceiptDuplicate:
		in.stats.duplicates.Add(1)
		in.measure.count(MetricDeliveries, "duplicate", 1)
		if in.volatile {
			return in.answerFromMemory(r, receipt.Key, in.cfg.joinTimeout)
		}
		return &answerReceived
	}
	in.stats.unauthorized.Add(1)
	in.measure.count(MetricDeliveries, "refused", 1)
	in.logRefused(r, "delivery refused: its job is none of those that its submission made")
	return &answerUnauthorized
}

// answerFromMemory answers a delivery that only memory has: a 200 must not promise
// what ends with the process. So it comes after the function has succeeded, or has
// given up for good; a function that failed is answered 500, and what takes too long
// 503, so that the service delivers again.
func (in *Inbox) answerFromMemory(r *http.Request, key string, patience time.Duration) *answer {
	in.mu.Lock()
	active := in.state == runActive
	in.mu.Unlock()
	if !active {
		patience = min(patience, in.cfg.inbox.intakeTimeout) // perhaps another Inbox runs
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		woken := in.ended.wait() // before the look, so that nothing is missed
		record, err := in.read(context.WithoutCancel(r.Context()), key)
		switch {
		case err != nil:
			return &answerRetry
		case record == nil || record.State == StateDone || record.State == StateDead:
			return &answerReceived
		case record.State == StateReceived && record.Attempt > 0 && record.Error != "":
			return &answerFailed
		}
		select {
		case <-woken:
		case <-r.Context().Done():
			return &answerRetry
		case <-timeout.C:
			return &answerRetry
		}
	}
}

var errIntakeTimeout = fmt.Errorf("webhook: the store took too long: %w", context.DeadlineExceeded)

func (in *Inbox) storeReceive(ctx context.Context, arrivals []Arrival) ([]Receipt, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, in.cfg.inbox.storeTimeout, errIntakeTimeout)
	defer cancel()
	return in.store.Receive(ctx, arrivals)
}

func (in *Inbox) storeFinish(ctx context.Context, verdicts []Verdict) ([]bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, in.cfg.inbox.storeTimeout, errIntakeTimeout)
	defer cancel()
	return in.store.Finish(ctx, verdicts)
}

// BeforeSubmit records the submission, and lets the verifier's hook add to its
// metadata. If the store fails, nothing is sent. It implements reducto.SubmitHook.
func (in *Inbox) BeforeSubmit(ctx context.Context, s *reducto.Submission) error {
	if hook, ok := in.verifier.(reducto.SubmitHook); ok {
		if err := hook.BeforeSubmit(ctx, s); err != nil {
			return err
		}
	}
	if !s.HasMetadata(reducto.MetadataSubmissionID) && s.TakesMetadata() {
		// A delivery that overtakes the answer is bound by it, and where the answer is
		// lost a sweep finds the job by it. Without a webhook that is not worth a refusal.
		if err := s.AddMetadata(reducto.MetadataSubmissionID, s.ID); err != nil && s.Webhook.Enabled() {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, in.cfg.inbox.storeTimeout, errIntakeTimeout)
	defer cancel()
	look := in.cfg.inbox.firstLook
	if !s.Webhook.Enabled() {
		look = pollSchedule[0]
	}
	err := in.store.Submit(ctx, Submitted{
		ID: s.ID, Type: s.Type, Metadata: s.Metadata(), Webhook: s.Webhook.Enabled(), LookAfter: look,
	})
	if err != nil {
		return fmt.Errorf("webhook: the submission could not be recorded, so it is not sent: %w", err)
	}
	return nil
}

// AfterSubmit binds the submission to its job. If that fails the submission is
// found all the same, by its delivery or by a sweep. It implements
// reducto.SubmitHook.
func (in *Inbox) AfterSubmit(ctx context.Context, s *reducto.Submission, r reducto.SubmitResult) {
	if hook, ok := in.verifier.(reducto.SubmitHook); ok {
		defer hook.AfterSubmit(ctx, s, r)
	}
	var err error
	if r.Outcome == reducto.SubmitOutcomeRejected {
		err = in.store.Withdraw(ctx, s.ID)
	} else {
		err = in.bind(ctx, s.ID, r)
		in.wake.send()
	}
	if err != nil {
		in.log.log(ctx, slog.LevelWarn, "a submission's end could not be recorded; its delivery or a sweep will tell",
			slog.String("submission_id", s.ID), slog.String("job_id", r.JobID), errorAttr(err))
	}
}

// bindPause is how long a failed Bind waits before it is tried again.
const bindPause = 200 * time.Millisecond

// bind binds, and tries again while there is time if that failed: to name a job a
// second time changes nothing, and a connection to the store can break.
func (in *Inbox) bind(ctx context.Context, id string, r reducto.SubmitResult) error {
	for {
		err := in.store.Bind(ctx, id, r.JobID, max(1, r.Sent))
		if err == nil || r.JobID == "" {
			return err
		}
		timer := time.NewTimer(bindPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// Track takes in a job that was submitted elsewhere: its end is looked for, and
// your function called with it. A job that has a record is left as it is.
func (in *Inbox) Track(ctx context.Context, jobID string) error {
	if err := checkJobID("webhook.Track", jobID); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, in.cfg.inbox.storeTimeout, errIntakeTimeout)
	defer cancel()
	return in.store.Submit(ctx, Submitted{JobID: jobID})
}

// Format prints no more than the type, with every verb.
func (in *Inbox) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "webhook.Inbox") }
