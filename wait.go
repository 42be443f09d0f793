package reducto

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"time"
)

const (
	// A wait polls after pollMin first and after at most pollMax later. A page takes a
	// few seconds, a batch job takes hours.
	pollMin = time.Second
	pollMax = 30 * time.Second
	// visibleWithin is how long the service may answer 404 for a new job.
	visibleWithin = 60 * time.Second
)

// WaitOption configures a wait.
type WaitOption func(*waitConfig)

type waitConfig struct {
	min, max time.Duration
	update   func(*Job)
}

// WithPollInterval sets the first and the longest interval between two polls. The
// interval grows from the first to the longest. The first interval is at least one
// millisecond, and the longest is at least the first. Default: 1 s and 30 s.
func WithPollInterval(first, longest time.Duration) WaitOption {
	return func(c *waitConfig) {
		c.min = max(first, time.Millisecond)
		c.max = max(longest, c.min)
	}
}

// WithOnUpdate calls f with each state of a job that a wait gets. It runs on the
// waiting goroutine.
func WithOnUpdate(f func(*Job)) WaitOption { return func(c *waitConfig) { c.update = f } }

func waiting(opts []WaitOption) waitConfig {
	c := waitConfig{min: pollMin, max: pollMax}
	for _, opt := range opts {
		if opt != nil {
			opt(&c)
		}
	}
	return c
}

func (c *waitConfig) saw(job *Job) {
	if c.update != nil {
		c.update(job)
	}
}

// pause returns the interval after the given round, which counts from 1. It grows by
// half each round, has 20 % jitter, and is not shorter than the service asked for.
func (c *waitConfig) pause(round int, asked time.Duration) time.Duration {
	d := c.min
	for range round - 1 {
		if d += d / 2; d >= c.max {
			d = c.max
			break
		}
	}
	d = d - d/10 + backoff(1, d/5, d/5)
	if asked > 0 {
		d = max(d, asked+backoff(1, pollMin, pollMin))
	}
	return d
}

// Wait waits until a job ends and returns it. It polls at once, then in growing
// intervals. It continues after rate limits, server errors and lost connections until
// ctx ends, so use a context with a deadline.
//
// If the job failed or was cancelled, Wait returns it with a *JobError. If ctx ends
// first, Wait returns the last known state of the job, which may be nil, and a
// *WaitError. The wait ends at once if the key is refused (ErrUnauthorized,
// ErrForbidden) or the job is unknown (ErrNotFound). It also ends at once with
// ErrExpired if the job expired, was deleted, or completed without a result. Wait
// treats an unknown status as running.
func (c *Client) Wait(ctx context.Context, jobID string, opts ...WaitOption) (*Job, error) {
	return c.wait(ctx, jobID, time.Time{}, opts)
}

func (c *Client) wait(ctx context.Context, jobID string, submitted time.Time, opts []WaitOption) (_ *Job, err error) {
	if err := checkJobID("Wait", jobID); err != nil {
		return nil, err
	}
	if c.cfg.tracer != nil {
		var end func(error)
		ctx, end = c.trace(ctx, &Operation{Name: "Wait", JobID: jobID})
		defer func() { end(err) }()
	}
	cfg := waiting(opts)
	w := &waitedJob{id: jobID, submitted: submitted}
	for round := 1; ; round++ {
		asked, done, err := c.poll(ctx, w, &cfg)
		if done {
			return w.last, err
		}
		if ended := sleep(ctx, cfg.pause(round, asked)); ended != nil {
			return w.last, w.stopped(ended)
		}
	}
}

// waitedJob is a job that a wait polls.
type waitedJob struct {
	id        string
	submitted time.Time // zero if this process did not submit it
	last      *Job      // nil before the first successful poll
	failed    error     // of the last poll
}

// stopped returns the error of a wait that ended before the job.
func (w *waitedJob) stopped(reason error) error {
	if w.failed != nil {
		reason = &causedError{err: reason, cause: w.failed}
	}
	return &WaitError{JobID: w.id, Last: w.last, Err: reason}
}

// poll gets the job once. done reports whether that ends the wait; otherwise asked is
// the delay that the service asked for.
func (c *Client) poll(ctx context.Context, w *waitedJob, cfg *waitConfig) (asked time.Duration, done bool, err error) {
	r, job, err := c.jobCall("Wait", w.id)
	if err != nil {
		return 0, true, err
	}
	if f := c.attempt(ctx, r); f != nil {
		if ended := contextError(ctx); ended != nil {
			return 0, true, w.stopped(ended)
		}
		if w.survives(f) {
			w.failed = f.err
			return min(f.after, c.cfg.maxRetryAfter), false, nil
		}
		return 0, true, f.err
	}
	if job, err = c.received(ctx, job, w.id); err != nil {
		if ended := contextError(ctx); ended != nil {
			return 0, true, w.stopped(ended)
		}
		if passes(err) {
			w.failed = err
			return 0, false, nil
		}
		return 0, true, err
	}
	w.last, w.failed = job, nil
	cfg.saw(job)
	switch {
	case !job.Status.Terminal():
		return 0, false, nil
	case job.Status != JobStatusCompleted:
		return 0, true, &JobError{Job: job}
	case job.Result == nil:
		return 0, true, &ResultTypeError{JobID: w.id, Want: "any"}
	}
	return 0, true, nil
}

// passes reports whether a failed download may succeed later.
func passes(err error) bool {
	if _, lost := errors.AsType[*ConnectionError](err); lost {
		return !errors.Is(err, ErrTooLarge)
	}
	api, ok := errors.AsType[*APIError](err)
	return ok && (api.StatusCode >= 500 || api.StatusCode == http.StatusTooManyRequests)
}

// survives reports whether the wait continues after a failure.
func (w *waitedJob) survives(f *failure) bool {
	if f.transient {
		return true
	}
	refused, ok := errors.AsType[*RequestError](f.err)
	if ok && refused.Field == "API key" {
		return true // the function may return the key next time
	}
	api, ok := errors.AsType[*APIError](f.err)
	if !ok || api.StatusCode != http.StatusNotFound {
		return false
	}
	if w.last != nil {
		api.gone = true
		return false
	}
	return !w.submitted.IsZero() && time.Since(w.submitted) < visibleWithin
}

// WaitEach waits for many jobs. It yields each job when it ends, with the error that
// Wait would return. The job is never nil: without an answer it has only its JobID.
// WaitEach yields every id exactly once, even if ctx ends, and counts repeated ids
// once. In each round it reads the list of jobs, instead of each job. Leaving the loop
// ends the wait.
func (c *Client) WaitEach(ctx context.Context, jobIDs []string, opts ...WaitOption) iter.Seq2[*Job, error] {
	return func(yield func(*Job, error) bool) {
		ctx := ctx
		if c.cfg.tracer != nil {
			var end func(error)
			ctx, end = c.trace(ctx, &Operation{Name: "WaitEach"})
			defer end(nil) // the jobs have the errors
		}
		g := &waitGroup{client: c, cfg: waiting(opts)}
		seen := make(map[string]bool, len(jobIDs))
		for _, id := range jobIDs {
			if seen[id] {
				continue
			}
			seen[id] = true
			if err := checkJobID("WaitEach", id); err != nil {
				if !yield(&Job{JobID: id}, err) {
					return
				}
				continue
			}
			g.jobs = append(g.jobs, &groupJob{waitedJob: waitedJob{id: id}})
		}
		g.run(ctx, yield)
	}
}

type waitGroup struct {
	client *Client
	cfg    waitConfig
	jobs   []*groupJob
	round  int
}

type groupJob struct {
	waitedJob
	// A job that is not on the list is polled by itself, in growing intervals.
	misses, nextMiss int
	ended            bool // by the list
}

func (g *waitGroup) run(ctx context.Context, yield func(*Job, error) bool) {
	for g.round = 1; len(g.jobs) > 0; g.round++ {
		asked, err := g.list(ctx)
		if err != nil {
			g.abandon(err, yield)
			return
		}
		more, wait := g.collect(ctx, yield)
		if !more {
			return
		}
		if len(g.jobs) == 0 {
			return
		}
		if ended := sleep(ctx, g.cfg.pause(g.round, max(asked, wait))); ended != nil {
			g.abandon(ended, yield)
			return
		}
	}
}

// list marks the jobs that have ended. It returns only permanent errors. For a single
// job it makes no request.
func (g *waitGroup) list(ctx context.Context) (asked time.Duration, err error) {
	if len(g.jobs) == 1 {
		g.jobs[0].ended = true
		return 0, nil
	}
	wanted := make(map[string]*groupJob, len(g.jobs))
	for _, j := range g.jobs {
		wanted[j.id] = j
		j.ended = false
	}
	o := ListJobsOptions{Limit: MaxJobsPerPage, ExcludeConfigs: true}
	// The pages also have other jobs of the account, so read one page more than needed.
	for range len(g.jobs)/MaxJobsPerPage + 2 {
		r, page, err := g.client.listCall("WaitEach", o)
		if err != nil {
			return 0, err
		}
		if f := g.client.attempt(ctx, r); f != nil {
			if ended := contextError(ctx); ended != nil {
				return 0, ended
			}
			for _, j := range g.jobs {
				j.failed = f.err
			}
			if !f.transient {
				return 0, f.err
			}
			return min(f.after, g.client.cfg.maxRetryAfter), nil
		}
		for _, s := range page.Jobs {
			j, ok := wanted[s.JobID]
			if !ok {
				continue
			}
			delete(wanted, s.JobID)
			if j.ended = s.Status.Terminal(); !j.ended {
				j.last, j.failed = s.job(), nil
				g.cfg.saw(j.last)
			}
		}
		if len(wanted) == 0 || page.NextCursor == "" {
			break
		}
		o.Cursor = page.NextCursor
	}
	for _, j := range wanted {
		if g.round >= j.nextMiss {
			j.ended = true // maybe: GetJob decides
			j.nextMiss = g.round + 1<<min(j.misses, 5)
			j.misses++
		}
	}
	return 0, nil
}

// collect gets the jobs that have ended and yields them.
func (g *waitGroup) collect(ctx context.Context, yield func(*Job, error) bool) (more bool, asked time.Duration) {
	for _, j := range slices.Clone(g.jobs) {
		if !j.ended {
			continue
		}
		wait, done, err := g.client.poll(ctx, &j.waitedJob, &g.cfg)
		asked = max(asked, wait)
		if !done {
			continue
		}
		if ctx.Err() != nil && err != nil {
			g.abandon(contextError(ctx), yield)
			return false, 0
		}
		g.jobs = slices.DeleteFunc(g.jobs, func(o *groupJob) bool { return o == j })
		if errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrForbidden) {
			if yield(j.shown(), err) {
				g.abandon(err, yield)
			}
			return false, 0
		}
		if !yield(j.shown(), err) {
			return false, 0
		}
		if wait > 0 {
			break // the service asked for a delay
		}
	}
	return true, asked
}

// abandon yields the remaining jobs, each with the reason.
func (g *waitGroup) abandon(reason error, yield func(*Job, error) bool) {
	for _, j := range g.jobs {
		err := reason
		if errors.Is(reason, context.Canceled) || errors.Is(reason, context.DeadlineExceeded) {
			err = j.stopped(reason)
		}
		if !yield(j.shown(), err) {
			return
		}
	}
}

func (j *groupJob) shown() *Job {
	if j.last == nil {
		return &Job{JobID: j.id}
	}
	return j.last
}
