package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/internal/body"
	"github.com/reducto-go/reducto/webhook/internal/fetch"
	"github.com/reducto-go/reducto/webhook/internal/run"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

const (
	// minAttempts is how often the function is called at least, however late the
	// record was received.
	minAttempts = 3
	// keyPause is the pause after the API refused the client's key.
	keyPause = time.Minute
)

// work processes a claimed record: it asks the API how the job ended, calls the
// function, and records the completion.
func (in *Inbox) work(c *claim, get fetch.GetJob) {
	d := in.delivery(c)
	done := in.giveBack(c)
	if done == nil {
		done = in.prepare(c, d, get)
	}
	if done == nil {
		done = in.giveBack(c) // prepare may have taken long
	}
	recorded := false
	if done == nil {
		done, recorded = in.call(c, d)
	}
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	if recorded || in.record(c, done) {
		in.concluded(c, done)
	}
}

// delivery returns the delivery of a record.
func (in *Inbox) delivery(c *claim) *webhook.Delivery {
	r := &c.record
	d := webhook.NewDelivery(webhook.Event{
		JobID: r.JobID, Status: r.Status, Metadata: r.Metadata, SubmissionID: r.SubmissionID, Traceparent: r.Traceparent,
	}, r.Outcome, &source{inbox: in, claim: c})
	d.Attempt, d.ReceivedAt = r.Attempt, r.ReceivedAt
	return d
}

// source is the webhook.Source of an Inbox's deliveries.
type source struct {
	inbox *Inbox
	claim *claim
}

// release returns the completion that makes the record due again after a time,
// without counting the attempt.
func (c *claim) release(after time.Duration, reason string) *Completion {
	return &Completion{Lease: c.lease(), State: StateReceived, After: after, Attempt: c.record.Attempt - 1, Error: reason}
}

// giveBack returns a completion that releases the record if its work may no longer
// begin. Otherwise it returns nil.
func (in *Inbox) giveBack(c *claim) *Completion {
	if in.drain.Err() == nil && c.ctx.Err() == nil {
		return nil
	}
	return c.release(0, c.record.Error)
}

// prepare finds out how the job ended, and sets the delivery's outcome and source. It
// returns nil if the function is to be called, and otherwise the completion.
func (in *Inbox) prepare(c *claim, d *webhook.Delivery, get fetch.GetJob) *Completion {
	r := &c.record
	set := func(o webhook.Outcome, once *fetch.Once) *Completion {
		d.Outcome = o
		c.once = once
		return nil
	}
	switch {
	case r.JobID == "":
		in.logRecord(c.ctx, slog.LevelError, "inbox: unknown: the answer to a submission was lost, and no job of it was found", r)
		return set(webhook.OutcomeUnknown, fetch.Failing(errNoJob))
	case r.Outcome == webhook.OutcomeExpired:
		in.stats.expired.Add(1)
		in.logRecord(c.ctx, slog.LevelError, "inbox: expired: the job or its result no longer exists", r)
		return set(webhook.OutcomeExpired, fetch.Failing(&fetch.GoneError{JobID: r.JobID, Err: errNotFound}))
	case !in.cfg.refetch && r.Status.Terminal():
		return set(d.Outcome, fetch.NewOnce(get, r.JobID, nil))
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	defer context.AfterFunc(in.drain, cancel)() // Shutdown does not wait for the API
	ctx, end := in.trace(ctx, &reducto.Operation{
		Name: "Confirm", JobID: r.JobID, SubmissionID: r.SubmissionID, Traceparent: r.Traceparent,
	})
	job, err := get.Fetch(ctx, r.JobID)
	end(err)
	switch {
	case err == nil && job.Status.Terminal():
		if contradicts(job.Status, r.Status) {
			in.conflict(c.ctx, "inbox: the API contradicts the delivery about the job's end; the API decides",
				append(recordAttrs(r), slog.String("api_status", string(job.Status)))...)
		}
		in.measureLag(r, job)
		if d.Status == "" {
			d.Status = job.Status
		}
		return set(webhook.OutcomeOf(job.Status), fetch.NewOnce(get, r.JobID, job))
	case err == nil && c.now().Sub(r.firstSeen()) > 3*in.cfg.jobExpiry:
		return set(webhook.OutcomeUnknown, fetch.Failing(errNeverEnded))
	case err == nil:
		in.logRecord(c.ctx, slog.LevelDebug, "inbox: the API says that the job still runs", r, slog.String("api_status", string(job.Status)))
		return c.release(in.backoff(in.lagRound(c)), "the API says that the job is "+safe.Head(string(job.Status), body.MaxStatusLen))
	case errors.Is(err, reducto.ErrExpired) && !(errors.Is(err, reducto.ErrNotFound) && c.young()):
		in.stats.expired.Add(1)
		if r.SubmittedAt.IsZero() {
			// Most likely this is a duplicate of a record that was purged.
			in.logRecord(c.ctx, slog.LevelError, "inbox: expired: the job no longer exists, and was not submitted here; the function is not called", r, safe.Error(err))
			return &Completion{
				Lease: c.lease(), State: StateDone, Attempt: r.Attempt,
				Outcome: webhook.OutcomeExpired, Error: safe.Head(fmt.Sprint(err), safe.MaxText),
			}
		}
		in.logRecord(c.ctx, slog.LevelError, "inbox: expired: the job or its result no longer exists", r, safe.Error(err))
		return set(webhook.OutcomeExpired, fetch.Failing(err))
	}
	if done := in.giveBack(c); done != nil {
		return done
	}
	after := keyPause
	if isKeyRefused(err) {
		in.pauseForKey(err)
	} else {
		after = max(in.backoff(in.lagRound(c)), in.health.pauseForRate(err, time.Now()))
		in.logRecord(c.ctx, slog.LevelWarn, "inbox: the job could not be fetched; it is fetched again", r, safe.Error(err))
	}
	return c.release(after, safe.Head(fmt.Sprint(err), safe.MaxText))
}

var (
	errNoJob      = errors.New("inbox: the answer to the submission was lost, and no job of it was found")
	errNotFound   = errors.New("the API no longer knows it")
	errNeverEnded = errors.New("inbox: a delivery said that the job ended, but the API says that it still runs")
)

// measureLag measures how long after the job's end the delivery came, if the job
// tells.
func (in *Inbox) measureLag(r *Record, job *reducto.Job) {
	if r.Source != SourceWebhook || r.Attempt > 1 || job.CreatedAt.IsZero() || job.Duration == nil {
		return
	}
	ended := job.CreatedAt.Add(time.Duration(*job.Duration * float64(time.Second)))
	in.measure.observe(MetricLagSeconds, max(0, r.ReceivedAt.Sub(ended)))
}

// call calls the function on a goroutine of its own, so runtime.Goexit in the function
// does not end the worker. It returns the completion, and whether CompleteTx has
// recorded it.
func (in *Inbox) call(c *claim, d *webhook.Delivery) (done *Completion, recorded bool) {
	ctx, cancel := context.WithTimeoutCause(c.ctx, in.cfg.funcTimeout, run.ErrTimeout)
	defer cancel()
	started := time.Now()
	c.outcome = d.Outcome
	in.stats.calls.Add(1)
	in.measure.observe(MetricAgeSeconds, c.now().Sub(c.record.ReceivedAt))
	ended := make(chan run.Result, 1)
	go run.Func(func() error { return in.fn(ctx, d) }, func(r run.Result) { ended <- r })
	r := <-ended
	in.measure.observe(MetricHandlerSeconds, time.Since(started))
	label := r.Kind.String()
	if c.calledTx() {
		committed, err := in.committed(ctx, c)
		switch {
		case err != nil:
			return c.release(0, ""), false // the lease is lost
		case committed:
			if r.Kind != run.Succeeded {
				in.logRecord(ctx, slog.LevelWarn, "inbox: the function failed after its transaction was committed; the record is done", &c.record, slog.String("error", r.Text))
			}
			in.measure.count(MetricHandled, run.Succeeded.String(), 1)
			return &Completion{State: StateDone, Outcome: c.outcome}, true
		case r.Kind == run.Succeeded:
			r = run.Result{Kind: run.Failed, Text: errNotCommitted.Error()}
			label = "not_committed"
		}
	}
	return in.judge(ctx, c, r, label), false
}

// judge returns the completion for the function's result.
func (in *Inbox) judge(ctx context.Context, c *claim, r run.Result, label string) *Completion {
	done := &Completion{Lease: c.lease(), State: StateDone, Attempt: c.record.Attempt, Outcome: c.outcome}
	text := slog.String("error", r.Text)
	switch {
	case r.Kind == run.Succeeded:
		in.measure.count(MetricHandled, label, 1)
		return done
	case r.Kind == run.Panicked:
		in.stats.panics.Add(1)
	}
	in.stats.failures.Add(1)
	done.Error = r.Text
	if r.Stack != "" {
		done.Error = safe.Head(r.Text+"\n"+r.Stack, safe.MaxText)
	}
	switch {
	case c.isLost():
		in.logRecord(ctx, slog.LevelWarn, "inbox: the function ended after its lease was lost; its result is not recorded", &c.record, text)
		done.State = StateReceived
	case r.Kind == run.Expired:
		in.stats.expired.Add(1)
		done.Outcome = webhook.OutcomeExpired
		in.logRecord(ctx, slog.LevelError, "inbox: expired: the function found that the job or its result no longer exists", &c.record, text)
	case r.Kind == run.Permanent:
		done.State = StateDead
	case r.Kind == run.Failed && errors.Is(context.Cause(ctx), webhook.ErrShutdown):
		label = "shutdown"
		done = c.release(0, r.Text)
		in.logRecord(ctx, slog.LevelWarn, "inbox: Shutdown stopped the function; its record is given back", &c.record, text)
	default:
		in.retry(ctx, c, done, r)
	}
	in.measure.count(MetricHandled, label, 1)
	return done
}

// retry makes the record due again after the backoff, or dead if the job is about to
// expire.
func (in *Inbox) retry(ctx context.Context, c *claim, done *Completion, r run.Result) {
	delay := in.backoff(c.record.Attempt)
	deadline := c.record.firstSeen().Add(in.cfg.jobExpiry - in.cfg.giveUpBefore)
	level, attrs := slog.LevelWarn, []slog.Attr{slog.String("error", r.Text)}
	if r.Kind == run.Panicked {
		level, attrs = slog.LevelError, append(attrs, slog.String("stack", r.Stack))
	}
	if c.record.Attempt >= minAttempts && c.now().Add(delay).After(deadline) {
		done.State = StateDead
		in.logRecord(ctx, level, "inbox: the function failed, and its job is about to expire", &c.record, attrs...)
		return
	}
	done.State, done.After = StateReceived, delay
	in.logRecord(ctx, level, "inbox: the function failed; it is called again", &c.record, append(attrs, slog.Duration("retry_in", delay))...)
}

// backoff returns the pause after an attempt, counted from 1. It doubles with each
// attempt, and half of it is random.
func (in *Inbox) backoff(attempt int) time.Duration {
	d := in.cfg.minBackoff
	for range attempt - 1 {
		if d > in.cfg.maxBackoff/2 {
			d = in.cfg.maxBackoff
			break
		}
		d *= 2
	}
	return d/2 + rand.N(d/2+1)
}

// lagRound replaces the attempt in a backoff that the function did not cause. It grows
// with the time since the record was received.
func (in *Inbox) lagRound(c *claim) int {
	round := 1
	for age := c.now().Sub(c.record.ReceivedAt); age > in.cfg.minBackoff && round < 20; age /= 2 {
		round++
	}
	return round
}

// young reports whether the API may not know the job yet.
func (c *claim) young() bool {
	r, now := &c.record, c.now()
	if made, ok := fetch.MadeAt(r.SubmissionID); ok && r.SubmittedAt.IsZero() && now.Sub(made) > fetch.VisibleWithin+clockSkew {
		return false
	}
	return now.Sub(r.firstSeen()) < fetch.VisibleWithin
}

// clockSkew is how much two clocks may differ.
const clockSkew = 5 * time.Minute

// firstSeen returns a time at which the API had the job.
func (r *Record) firstSeen() time.Time {
	if r.SubmittedAt.IsZero() {
		return r.ReceivedAt
	}
	return r.SubmittedAt
}

// record writes a completion to the store. It repeats while the store fails and the
// lease lasts. It reports whether the store accepted it.
func (in *Inbox) record(c *claim, done *Completion) bool {
	ctx := context.WithoutCancel(c.ctx)
	for round := 1; !c.isLost(); round++ {
		ok, err := in.finish.ask(ctx, *done)
		switch {
		case err == nil && ok:
			in.health.storeWorked()
			return true
		case err == nil:
			in.measure.count(MetricFenced, "", 1)
			in.logRecord(ctx, slog.LevelWarn, "inbox: lease lost: the completion was refused", &c.record)
			in.noteClaim(c, HistoryFenced, "the completion was refused")
			return false
		}
		in.health.storeFailed(err)
		in.logRecord(ctx, slog.LevelError, "inbox: the store failed; the completion is recorded again", &c.record, safe.Error(err))
		if !in.pauseInLease(c, round) {
			return false
		}
	}
	return false
}

// pauseInLease waits before the store is called again for a claim. It returns false
// if the lease has ended, or if Shutdown stops waiting.
func (in *Inbox) pauseInLease(c *claim, round int) bool {
	timer := time.NewTimer(min(in.backoff(round), 10*time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
		return c.left(time.Now()) > 0
	case <-c.giveUp:
		return false
	}
}

// concluded logs and measures a completion, and wakes those who wait for it.
func (in *Inbox) concluded(c *claim, done *Completion) {
	ctx, r := context.WithoutCancel(c.ctx), &c.record
	switch done.State {
	case StateDone:
		in.measure.count(MetricOutcomes, string(done.Outcome), 1)
		in.measure.observe(MetricDoneSeconds, c.now().Sub(r.firstSeen()))
		in.logRecord(ctx, slog.LevelDebug, "inbox: processed", r, slog.String("final_outcome", string(done.Outcome)))
	case StateDead:
		in.measure.count(MetricDead, "", 1)
		in.logRecord(ctx, slog.LevelError, "inbox: dead: the Inbox has given up; see List and Replay", r, slog.String("error", done.Error))
	}
	in.noteEnd(c, done)
	in.ended.send()
}

// recordAttrs returns a record for the log, without its metadata.
func recordAttrs(r *Record) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("job_id", r.JobID), slog.String("submission_id", r.SubmissionID),
		slog.String("status", string(r.Status)), slog.String("outcome", string(r.Outcome)),
		slog.Int("attempt", r.Attempt), slog.Int64("token", r.Token),
	}
	if !r.ReceivedAt.IsZero() {
		attrs = append(attrs, slog.Duration("delivery_age", r.ReadAt.Sub(r.ReceivedAt)))
	}
	return attrs
}

func (in *Inbox) logRecord(ctx context.Context, level slog.Level, msg string, r *Record, more ...slog.Attr) {
	if in.log.On() {
		in.log.Log(ctx, level, msg, append(recordAttrs(r), more...)...)
	}
}
