package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto"
)

const (
	// minAttempts is how often a function is called at least, however late the
	// record was received.
	minAttempts = 3
	// keyPause is how long nothing is claimed after the API refused the client's key.
	keyPause = time.Minute
)

// work calls the function for a claimed record and records what became of it. It
// is a goroutine of its own.
func (in *Inbox) work(c *claim, get getJob) {
	d := in.delivery(c)
	verdict, ok := in.giveBack(c)
	if !ok {
		verdict, ok = in.settleRecord(c, d, get)
	}
	if !ok {
		verdict, ok = in.giveBack(c) // it may have taken a while
	}
	if !ok {
		verdict = in.callRecord(c, d)
	}
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	in.conclude(c, verdict)
}

// giveBack is the verdict on a record that is not begun, if it must not be any
// more.
func (in *Inbox) giveBack(c *claim) (Verdict, bool) {
	if in.drain.Err() == nil && c.ctx.Err() == nil {
		return Verdict{}, false
	}
	return Verdict{Lease: c.lease(), State: StateReceived, Keep: true, Error: c.record.Error}, true
}

// delivery is the record as the function gets it.
func (in *Inbox) delivery(c *claim) *Delivery {
	r := &c.record
	return &Delivery{
		Event: Event{
			JobID:        r.JobID,
			Status:       r.Status,
			Metadata:     r.Metadata,
			SubmissionID: r.SubmissionID,
		},
		Outcome:    r.Outcome,
		Attempt:    r.Attempt,
		ReceivedAt: r.ReceivedAt,
		completer:  &completer{inbox: in, claim: c},
	}
}

// now is the store's time, as far as it can be told without asking.
func (c *claim) now() time.Time { return c.record.ReadAt.Add(time.Since(c.read)) }

// settleRecord lets the API decide how the job ended. If that cannot be told yet,
// or there is nothing to call the function for, it returns the verdict.
func (in *Inbox) settleRecord(c *claim, d *Delivery, get getJob) (Verdict, bool) {
	r := &c.record
	switch {
	case r.JobID == "":
		in.logRecord(c.ctx, slog.LevelError, "unknown: a submission's answer was lost, and no job of it was found", r)
		d.Outcome = OutcomeUnknown
		d.source = brokenSource(errNoJob)
		return Verdict{}, false
	case r.Outcome == OutcomeExpired:
		in.stats.expired.Add(1)
		in.logRecord(c.ctx, slog.LevelError, "expired: the job or its result is gone", r)
		d.source = brokenSource(&goneError{jobID: r.JobID, err: errNotFoundBefore})
		return Verdict{}, false
	case !in.cfg.refetch && r.Status.Terminal():
		d.source = newJobSource(get, r.JobID, nil)
		return Verdict{}, false
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	defer context.AfterFunc(in.drain, cancel)() // Shutdown does not wait for it
	job, err := get.fetch(ctx, r.JobID)
	switch {
	case in.foreign(c, job, err):
		return in.disown(c)
	case err == nil && job.Status.Terminal():
		if contradicts(job.Status, r.Status) {
			in.conflict(c.ctx, &d.Event, "the API says that the job ended otherwise than the delivery does, and is believed",
				slog.String("api_status", string(job.Status)))
			in.measure.count(MetricConflicts, "", 1)
		}
		in.measureLag(r, job)
		if d.Outcome = outcomeOf(job.Status); d.Status == "" {
			d.Status = job.Status // nobody announced it
		}
		d.source = newJobSource(get, r.JobID, job)
		return Verdict{}, false
	case err == nil:
		return in.stillRunning(c, d, job)
	case errors.Is(err, reducto.ErrExpired) && !(errors.Is(err, reducto.ErrNotFound) && c.young()):
		return in.gone(c, d, err)
	}
	if v, ok := in.giveBack(c); ok {
		return v, true
	}
	v := Verdict{Lease: c.lease(), State: StateReceived, Keep: true, Error: head(fmt.Sprint(err), maxErrorLen)}
	switch {
	case errors.Is(err, reducto.ErrUnauthorized), errors.Is(err, reducto.ErrForbidden):
		in.pauseForKey(err)
		v.After = keyPause
	default:
		v.After = max(in.backoff(in.lagRound(c)), in.health.pauseForRate(err, time.Now()))
		in.logRecord(c.ctx, slog.LevelWarn, "the job could not be fetched; it is tried again", r, errorAttr(err))
	}
	return v, true
}

// measureLag measures how long after its job a delivery came, where that can be
// told.
func (in *Inbox) measureLag(r *Record, job *reducto.Job) {
	if r.Source != SourceWebhook || r.Attempt > 1 || job.CreatedAt.IsZero() || job.Duration == nil {
		return
	}
	ended := job.CreatedAt.Add(time.Duration(*job.Duration * float64(time.Second)))
	in.measure.observe(MetricLagSeconds, max(0, r.ReceivedAt.Sub(ended)))
}

// stillRunning waits, without a worker, for an end that was announced but cannot
// be read yet.
func (in *Inbox) stillRunning(c *claim, d *Delivery, job *reducto.Job) (Verdict, bool) {
	r := &c.record
	if c.now().Sub(r.firstSeen()) > 3*in.cfg.inbox.jobLife {
		d.Outcome = OutcomeUnknown
		d.source = brokenSource(errNeverEnded)
		return Verdict{}, false
	}
	in.logRecord(c.ctx, slog.LevelDebug, "the API says that the job still runs", r, slog.String("api_status", string(job.Status)))
	return Verdict{Lease: c.lease(), State: StateReceived, Keep: true, After: in.backoff(in.lagRound(c)),
		Error: "the API says that the job is " + head(string(job.Status), maxStatusLen)}, true
}

// contestedAgain is after how long it is looked whether a job that was announced for a
// submission has been given up by another one.
const contestedAgain = 30 * time.Second

// gone is the end of a record whose job or result exists no more. One that was
// submitted here, or tracked, ends so before the function's eyes. One that began
// with its delivery is most likely a duplicate from beyond the tombstones.
func (in *Inbox) gone(c *claim, d *Delivery, err error) (Verdict, bool) {
	d.Outcome = OutcomeExpired
	in.stats.expired.Add(1)
	if r := &c.record; r.SubmittedAt.IsZero() && r.SubmissionID != "" && slices.Contains(r.Unconfirmed, r.JobID) {
		// It may never have been the submission's: whoever has the token can name any. What
		// is heard of the submission next is news again.
		in.logRecord(c.ctx, slog.LevelError, "expired: the job is gone, and its submission is not known here; the function is not called", r, errorAttr(err))
		v := Verdict{Lease: c.lease(), State: StatePending, Keep: true, Error: head(fmt.Sprint(err), maxErrorLen)}
		if c.now().Sub(r.ReceivedAt) < unknownAfter {
			v.After = contestedAgain
		}
		return v, true
	}
	if c.record.SubmittedAt.IsZero() {
		in.logRecord(c.ctx, slog.LevelError, "expired: the job is gone, and was not submitted here; the function is not called", &c.record, errorAttr(err))
		return Verdict{Lease: c.lease(), State: StateDone, Outcome: OutcomeExpired, Error: head(fmt.Sprint(err), maxErrorLen)}, true
	}
	in.logRecord(c.ctx, slog.LevelError, "expired: the job or its result is gone", &c.record, errorAttr(err))
	d.source = brokenSource(err)
	return Verdict{}, false
}

// callRecord calls the function and judges what it returns.
func (in *Inbox) callRecord(c *claim, d *Delivery) Verdict {
	ctx, cancel := context.WithTimeoutCause(c.ctx, in.cfg.funcTimeout, errFuncTimeout)
	defer cancel()
	started := time.Now()
	c.outcome = d.Outcome
	in.stats.calls.Add(1)
	in.measure.observe(MetricAgeSeconds, c.now().Sub(c.record.ReceivedAt))
	res := in.contained(ctx, d)
	in.measure.observe(MetricHandlerSeconds, time.Since(started))
	return in.judgeRecord(ctx, c, res)
}

// result is what became of a call of the function. It refers to nothing of the
// function's.
type result struct {
	failed, expired, permanent, panicked bool

	label string // of MetricHandled, if nothing else fits
	text  string // of its error or panic
	stack string
}

// contained calls the function on a goroutine of its own, so that whatever it does
// to it, the worker goes on. That goroutine also looks at the error: what it is
// can be decided by methods of the user's.
func (in *Inbox) contained(ctx context.Context, d *Delivery) result {
	ended := make(chan result, 1)
	go func() {
		r := result{failed: true, panicked: true, label: "panicked", text: "the function ended its goroutine: it called runtime.Goexit"}
		defer func() { ended <- r }()
		defer func() {
			if p := recover(); p != nil {
				r.stack = head(string(debug.Stack()), 16<<10)
				r.text = "the function panicked: " + head(fmt.Sprint(p), 1<<10)
			}
		}()
		r = resultOf(in.fn(ctx, d))
	}()
	return <-ended
}

func resultOf(err error) result {
	if err == nil {
		return result{label: "done"}
	}
	return result{
		failed: true, label: "failed",
		expired:   errors.Is(err, reducto.ErrExpired),
		permanent: IsPermanent(err),
		text:      head(fmt.Sprint(err), maxErrorLen),
	}
}

const maxErrorLen = 4 << 10

func (in *Inbox) judgeRecord(ctx context.Context, c *claim, res result) Verdict {
	r := &c.record
	v := Verdict{Lease: c.lease(), State: StateDone, Outcome: c.outcome}
	if c.inTx() {
		return in.judgeTx(ctx, c, res)
	}
	if !res.failed {
		in.measure.count(MetricHandled, res.label, 1)
		return v
	}
	in.stats.failures.Add(1)
	if res.panicked {
		in.stats.panics.Add(1)
	}
	v.Error = res.text
	if res.stack != "" {
		v.Error = head(res.text+"\n"+res.stack, maxErrorLen)
	}
	text := slog.String("error", res.text)
	switch {
	case c.isLost():
		in.measure.count(MetricHandled, res.label, 1)
		in.logRecord(ctx, slog.LevelWarn, "the function ended after its lease was lost; what it says is not recorded", r, text)
		v.State, v.Keep = StateReceived, true
	case res.expired:
		in.stats.expired.Add(1)
		in.measure.count(MetricHandled, "expired", 1)
		v.Outcome = OutcomeExpired
		in.logRecord(ctx, slog.LevelError, "expired: the job or its result is gone, the function gave up", r, text)
	case res.permanent:
		in.measure.count(MetricHandled, "permanent", 1)
		v.State = StateDead
	case !res.panicked && errors.Is(context.Cause(ctx), ErrShutdown):
		in.measure.count(MetricHandled, "shutdown", 1)
		v.State, v.Keep = StateReceived, true
		in.logRecord(ctx, slog.LevelWarn, "the function was stopped by Shutdown; the record is given back", r, text)
	default:
		in.measure.count(MetricHandled, res.label, 1)
		in.retryOrBury(ctx, c, &v, res)
	}
	return v
}

// retryOrBury decides whether a function that failed is called again.
func (in *Inbox) retryOrBury(ctx context.Context, c *claim, v *Verdict, res result) {
	r := &c.record
	delay := in.backoff(r.Attempt)
	deadline := r.firstSeen().Add(in.cfg.inbox.jobLife - in.cfg.inbox.giveUpBefore)
	level := slog.LevelWarn
	attrs := []slog.Attr{slog.String("error", res.text)}
	if res.panicked {
		level = slog.LevelError
		attrs = append(attrs, slog.String("stack", res.stack))
	}
	if r.Attempt >= minAttempts && c.now().Add(delay).After(deadline) {
		v.State = StateDead
		in.logRecord(ctx, level, "the function failed, and the job's time is over", r, attrs...)
		return
	}
	v.State, v.After = StateReceived, delay
	in.logRecord(ctx, level, "the function failed; it is called again", r, append(attrs, slog.Duration("again_in", delay))...)
}

// backoff is the pause after the given attempt, which counts from 1: doubling, and
// half of it random.
func (in *Inbox) backoff(attempt int) time.Duration {
	d, most := in.cfg.inbox.backoffMin, in.cfg.inbox.backoffMax
	for range attempt - 1 {
		if d > most/2 {
			d = most
			break
		}
		d *= 2
	}
	return d/2 + rand.N(d/2+1)
}

// lagRound grows with the time since the record was received, for pauses that are
// not the function's attempts.
func (in *Inbox) lagRound(c *claim) int {
	round := 1
	for age := c.now().Sub(c.record.ReceivedAt); age > in.cfg.inbox.backoffMin && round < 20; age /= 2 {
		round++
	}
	return round
}

// young reports whether the job may have been submitted too short a time ago for
// the API to know it.
func (c *claim) young() bool {
	r, now := &c.record, c.now()
	if r.SubmittedAt.IsZero() && isUUID(r.SubmissionID) {
		if id, err := uuid.Parse(r.SubmissionID); err == nil && id.Version() == 7 &&
			now.Sub(time.Unix(id.Time().UnixTime())) > visibleWithin+clockSkew {
			return false // its id tells
		}
	}
	return now.Sub(r.firstSeen()) < visibleWithin
}

// firstSeen is when the service must have had the job at the latest.
func (r *Record) firstSeen() time.Time {
	if r.SubmittedAt.IsZero() {
		return r.ReceivedAt
	}
	return r.SubmittedAt
}

// conclude records the verdict, again while the store fails and the lease lasts.
func (in *Inbox) conclude(c *claim, v Verdict) {
	ctx := context.WithoutCancel(c.ctx)
	if v.Key == "" { // it was recorded with the user's transaction
		in.concluded(ctx, c, v)
		return
	}
	for round := 1; ; round++ {
		if c.isLost() {
			return
		}
		ok, err := in.finish.ask(ctx, v)
		switch {
		case err == nil && ok:
			in.health.storeWorked()
			in.concluded(ctx, c, v)
			return
		case err == nil:
			in.measure.count(MetricFenced, "", 1)
			in.logRecord(ctx, slog.LevelWarn, "lease lost: what became of the record is not recorded", &c.record)
			return
		}
		in.health.storeFailed(err)
		in.logRecord(ctx, slog.LevelError, "the store failed; what became of the record is recorded again", &c.record, errorAttr(err))
		timer := time.NewTimer(min(in.backoff(round), 10*time.Second))
		select {
		case <-timer.C:
		case <-c.giveUp:
			// Shutdown's time is over. The lease ends by itself.
			timer.Stop()
			return
		}
		if c.left(time.Now()) <= 0 {
			return
		}
	}
}

// concluded tells whoever watches.
func (in *Inbox) concluded(ctx context.Context, c *claim, v Verdict) {
	r := &c.record
	switch v.State {
	case StateDone:
		in.measure.count(MetricOutcomes, string(v.Outcome), 1)
		in.measure.observe(MetricDoneSeconds, c.now().Sub(r.firstSeen()))
		in.logRecord(ctx, slog.LevelDebug, "processed", r, slog.String("final_outcome", string(v.Outcome)))
	case StateDead:
		in.measure.count(MetricDead, "", 1)
		in.logRecord(ctx, slog.LevelError, "dead: the function failed for good; see List and Replay", r, slog.String("error", v.Error))
	}
	in.ended.send()
}

// logRecord logs about a record, without its metadata.
func (in *Inbox) logRecord(ctx context.Context, level slog.Level, msg string, r *Record, more ...slog.Attr) {
	if in.log.handler == nil {
		return
	}
	attrs := []slog.Attr{
		slog.String("job_id", r.JobID), slog.String("submission_id", r.SubmissionID),
		slog.String("status", string(r.Status)), slog.String("outcome", string(r.Outcome)),
		slog.Int("attempt", r.Attempt), slog.Int64("token", r.Token),
	}
	if !r.ReceivedAt.IsZero() {
		attrs = append(attrs, slog.Duration("delivery_age", r.ReadAt.Sub(r.ReceivedAt)))
	}
	in.log.log(ctx, level, msg, append(attrs, more...)...)
}
