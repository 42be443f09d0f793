package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/wireid"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/internal/fetch"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// The pauses between two polls for one job.
var (
	// webhookSchedule is for jobs whose delivery is overdue.
	webhookSchedule = []time.Duration{
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
	}
	// pollSchedule is for jobs without a webhook.
	pollSchedule = []time.Duration{
		time.Second, 1500 * time.Millisecond, 2250 * time.Millisecond, 3400 * time.Millisecond, 5 * time.Second,
		7500 * time.Millisecond, 11 * time.Second, 17 * time.Second, 25 * time.Second, 30 * time.Second,
	}
)

const (
	// reconcileEvery is how often the reconciler asks the store for overdue records.
	reconcileEvery = time.Second
	// overdueBatch is how many records it asks for at a time. overdueBatches is how
	// often it asks in one pass. So one list of jobs serves many records.
	overdueBatch   = 1000
	overdueBatches = 100
	// lockName and lockTime are the lock of the process that reconciles.
	lockName = "sweep"
	lockTime = 30 * time.Second
	// alertLost is the age at which a submission without a job is logged as an error.
	// unknownAfter is the age at which it ends as webhook.OutcomeUnknown.
	alertLost    = time.Hour
	unknownAfter = 24 * time.Hour
	// alertBefore is how long before a job expires a pending record is logged as an
	// error.
	alertBefore = time.Hour
	// listFrom is the number of jobs from which the list of jobs is used. Fewer jobs
	// are fetched one by one.
	listFrom = 3
	// maxStoreFailures ends a pass after that many failures of the store in a row.
	maxStoreFailures = 3
)

// reconciler finds jobs that have ended without a delivery. It asks the store for
// overdue records, polls the API for them, and notifies the store. One process at a
// time reconciles.
type reconciler struct {
	in     *Inbox
	client *reducto.Client // without retries: the rate limiter spaces all requests
	rate   *rateLimiter
	owner  string
	until  time.Time // until when the lock is certainly held

	failures int   // of the store in a row
	trouble  error // the first failure of the store in this pass
}

func newReconciler(in *Inbox, client *reducto.Client) (*reconciler, error) {
	once, err := client.With(reducto.WithMaxRetries(0))
	if err != nil {
		return nil, err
	}
	return &reconciler{in: in, client: once, rate: &rateLimiter{max: in.cfg.pollRate}, owner: uuid.NewString()}, nil
}

// run reconciles until ctx ends.
func (p *reconciler) run(ctx context.Context) {
	defer p.unlock(ctx)
	for {
		err := p.reconcile(ctx)
		pause := reconcileEvery
		switch {
		case ctx.Err() != nil:
			return
		case isKeyRefused(err):
			p.in.pauseForKey(err)
			pause = keyPause
		case err != nil:
			p.in.log.Log(ctx, slog.LevelWarn, "inbox: the reconciler failed; it tries again", safe.Error(err))
			pause = 10 * reconcileEvery
		}
		if safe.Sleep(ctx, pause) != nil {
			return
		}
	}
}

// reconcile polls once for all records that are overdue, if this process has the
// lock.
func (p *reconciler) reconcile(ctx context.Context) error {
	mine, err := p.lock(ctx)
	if err != nil || !mine {
		p.in.health.reconciled(err == nil)
		return err
	}
	overdue, err := p.overdue(ctx)
	if err != nil {
		return err
	}
	p.failures, p.trouble = 0, nil
	if len(overdue) > 0 {
		tracing, end := p.in.trace(ctx, &reducto.Operation{Name: "Reconcile"})
		err = p.poll(tracing, overdue)
		end(err)
	}
	p.in.health.reconciled(err == nil || isKeyRefused(err) || errors.Is(err, reducto.ErrRateLimited))
	if err == nil {
		err = p.trouble
	}
	return err
}

// lock takes or keeps the lock. It renews the lock after half of its time, as each
// renewal is a write.
func (p *reconciler) lock(ctx context.Context) (bool, error) {
	asked := time.Now()
	if asked.Add(lockTime / 2).Before(p.until) {
		return true, nil
	}
	ctx, cancel := p.in.storeContext(ctx)
	defer cancel()
	mine, err := p.in.store.lock(ctx, lockName, p.owner, lockTime)
	if mine && err == nil {
		p.until = asked.Add(lockTime)
	}
	return mine, err
}

// unlock releases the lock, so that other processes need not wait for its end.
func (p *reconciler) unlock(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	p.until = time.Time{}
	_, _ = p.in.store.lock(ctx, lockName, p.owner, 0)
}

// nextPoll returns the pause until a record is overdue again.
func nextPoll(r *Record) time.Duration {
	schedule := pollSchedule
	if r.Webhook {
		schedule = webhookSchedule
	}
	return spread(schedule[min(r.Polls, len(schedule)-1)])
}

// overdue returns the records that are overdue. If the store fails after some, it
// returns those.
func (p *reconciler) overdue(ctx context.Context) ([]Record, error) {
	var all []Record
	for range overdueBatches {
		storeCtx, cancel := p.in.storeContext(ctx)
		batch, err := p.in.store.Overdue(storeCtx, overdueBatch, nextPoll)
		cancel()
		if err != nil && len(all) == 0 {
			return nil, err
		}
		for i := range batch {
			batch[i].Metadata = nil // not needed, and perhaps large
		}
		all = append(all, batch...)
		if err != nil || len(batch) == 0 {
			break
		}
	}
	return all, nil
}

// overdueJobs are the records to poll for. named has records with jobs, by the key of
// each job. lost has records without a job, by the key of the submission.
type overdueJobs struct{ named, lost map[string]*Record }

// poll asks the API about the jobs of the records. It uses the list of jobs if that
// takes fewer requests than the jobs one by one.
func (p *reconciler) poll(ctx context.Context, records []Record) error {
	todo := overdueJobs{named: map[string]*Record{}, lost: map[string]*Record{}}
	for i := range records {
		r := &records[i]
		if len(r.JobIDs) == 0 {
			todo.lost[wireid.Key(r.SubmissionID)] = r
		} else if age := r.ReadAt.Sub(r.SubmittedAt); age >= p.in.cfg.jobExpiry-alertBefore {
			p.in.logRecord(ctx, slog.LevelError, "inbox: a job is still pending, and is about to expire", r, slog.Duration("age", age))
		}
		for _, id := range r.JobIDs {
			todo.named[wireid.Key(id)] = r
		}
	}
	if len(todo.named) >= listFrom || len(todo.lost) > 0 {
		if err := p.list(ctx, todo); err != nil {
			return err
		}
	}
	for i := range records { // the list had no end of these
		r := &records[i]
		if !slices.ContainsFunc(r.JobIDs, func(id string) bool { return todo.named[wireid.Key(id)] == r }) {
			continue
		}
		if mine, err := p.lock(ctx); err != nil || !mine {
			return err
		}
		if err := p.fetch(ctx, r); err != nil {
			return err
		}
	}
	for _, r := range todo.lost {
		age := r.ReadAt.Sub(r.SubmittedAt)
		if age >= alertLost {
			p.in.logRecord(ctx, slog.LevelError, "inbox: the answer to a submission was lost, and no delivery and no job of it was found", r, slog.Duration("age", age))
		}
		if age >= unknownAfter {
			if err := p.notify(ctx, ending{r, Notification{SubmissionID: r.SubmissionID, Outcome: webhook.OutcomeUnknown}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// list reads the list of jobs, the newest first. It stops when it has found all, when
// it is past the oldest record, or when fetching the rest one by one takes fewer
// requests. It removes from todo what it finds.
func (p *reconciler) list(ctx context.Context, todo overdueJobs) error {
	var oldest time.Time
	for _, m := range []map[string]*Record{todo.named, todo.lost} {
		for _, r := range m {
			if oldest.IsZero() || r.SubmittedAt.Before(oldest) {
				oldest = r.SubmittedAt
			}
		}
	}
	o := reducto.ListJobsOptions{Limit: reducto.MaxJobsPerPage, ExcludeConfigs: len(todo.lost) == 0}
	var newest time.Time
	ahead := 0 // estimated number of pages to the oldest record
	for pages := 1; len(todo.named) > 0 || len(todo.lost) > 0; pages++ {
		if len(todo.lost) == 0 && len(todo.named) < max(listFrom, ahead+1) {
			return nil
		}
		page, err := p.page(ctx, o)
		if err != nil {
			return err
		}
		var last time.Time
		var ends []ending
		for i := range page.Jobs {
			job := &page.Jobs[i]
			if !job.CreatedAt.IsZero() {
				if last = job.CreatedAt.Time; newest.IsZero() {
					newest = last
				}
			}
			if r := p.find(ctx, job, todo); r != nil && job.Status.Terminal() {
				ends = append(ends, endingOf(r, job.JobID, job.Status))
			}
		}
		if err := p.notify(ctx, ends...); err != nil {
			return err
		}
		if page.NextCursor == "" || page.NextCursor == o.Cursor || !last.IsZero() && last.Before(oldest.Add(-clockSkew)) {
			return nil
		}
		o.Cursor = page.NextCursor
		if each := newest.Sub(last) / time.Duration(pages); !last.IsZero() && each > 0 {
			ahead = int(last.Sub(oldest) / each)
		}
		if mine, err := p.lock(ctx); err != nil || !mine { // a long list outlasts the lock
			return err
		}
	}
	return nil
}

// find returns the record that a listed job belongs to, or nil, and removes it from
// todo. If the answer to the submission was lost, it binds the job.
func (p *reconciler) find(ctx context.Context, job *reducto.JobSummary, todo overdueJobs) *Record {
	key := wireid.Key(job.JobID)
	if r := todo.named[key]; r != nil {
		delete(todo.named, key)
		return r
	}
	r := submissionIn(job.RawConfig, todo.lost)
	if r == nil {
		return nil
	}
	ctx, cancel := p.in.storeContext(ctx)
	defer cancel()
	err := p.in.store.Bind(ctx, Answer{SubmissionID: r.SubmissionID, JobID: job.JobID})
	if errors.Is(err, ErrConflict) {
		return nil // the job belongs to another record, and its metadata only names this one
	}
	delete(todo.lost, r.Key)
	if err != nil {
		p.fail(fmt.Errorf("inbox: a job that was found could not be recorded: %w", err))
		return nil
	}
	p.in.noteAnswer(Answer{SubmissionID: r.SubmissionID, JobID: job.JobID}, "found in the list of jobs")
	return r
}

// submissionIn returns the record of the submission that a job's configuration names,
// or nil. Reducto repeats the request's metadata there. The form is not documented:
// it can be cut off, or be JSON within JSON. So this looks for the name of the member
// and takes the id that follows.
func submissionIn(config reducto.RawConfig, wanted map[string]*Record) *Record {
	rest := string(config)
	for {
		before, after, found := strings.Cut(rest, reducto.MetadataSubmissionID)
		if !found {
			return nil
		}
		if before != "" && wireid.IsPart("_"+before[len(before)-1:]) {
			rest = after // the end of another name
			continue
		}
		rest = strings.TrimLeft(after, "\\\"': \t\r\n")
		end := strings.IndexFunc(rest, func(r rune) bool { return !wireid.IsPart("_" + string(r)) })
		if end < 0 {
			return nil // the id may be cut off
		}
		if r := wanted[wireid.Key(rest[:end])]; r != nil {
			return r
		}
	}
}

func (p *reconciler) page(ctx context.Context, o reducto.ListJobsOptions) (*reducto.JobPage, error) {
	var page *reducto.JobPage
	err := p.request(ctx, func() (err error) {
		page, err = p.client.ListJobs(ctx, o)
		return err
	})
	return page, err
}

// request sends a request to the API at the allowed rate.
func (p *reconciler) request(ctx context.Context, send func() error) error {
	if err := p.rate.wait(ctx); err != nil {
		return err
	}
	err := send()
	p.rate.learn(err)
	if err == nil {
		p.in.health.reconciled(true) // a pass can take long, but it makes progress
	}
	p.in.measure.count(MetricPolls, pollLabel(err), 1)
	return err
}

// fetch gets the jobs of a record one by one.
func (p *reconciler) fetch(ctx context.Context, r *Record) error {
	gone := 0
	for _, id := range r.JobIDs {
		var job *reducto.Job
		err := p.request(ctx, func() (err error) {
			job, err = fetch.GetJob(p.client.GetJob).Fetch(ctx, id)
			return err
		})
		switch {
		case err == nil && job.Status.Terminal():
			return p.notify(ctx, endingOf(r, id, job.Status))
		case err == nil:
		case isKeyRefused(err), errors.Is(err, reducto.ErrRateLimited), ctx.Err() != nil:
			return err
		case errors.Is(err, reducto.ErrExpired):
			if !errors.Is(err, reducto.ErrNotFound) || r.ReadAt.Sub(r.SubmittedAt) >= fetch.VisibleWithin {
				gone++
			}
		default:
			p.in.log.Log(ctx, slog.LevelWarn, "inbox: an overdue job could not be fetched; it is fetched again", slog.String("job_id", id), safe.Error(err))
		}
	}
	if gone > 0 && gone == len(r.JobIDs) {
		return p.notify(ctx, ending{r, Notification{JobID: r.JobIDs[0], SubmissionID: r.SubmissionID, Outcome: webhook.OutcomeExpired}})
	}
	return nil
}

func isKeyRefused(err error) bool {
	return errors.Is(err, reducto.ErrUnauthorized) || errors.Is(err, reducto.ErrForbidden)
}

// ending is the end of a record's job.
type ending struct {
	record       *Record
	notification Notification
}

func endingOf(r *Record, jobID string, status reducto.JobStatus) ending {
	return ending{r, Notification{JobID: jobID, SubmissionID: r.SubmissionID, Status: status, Outcome: webhook.OutcomeOf(status)}}
}

// notify records that jobs have ended, with the same method as deliveries. If a
// delivery arrives at the same time, one of the two is a duplicate. It returns an error
// if the store seems to be down.
func (p *reconciler) notify(ctx context.Context, ends ...ending) error {
	for batch := range slices.Chunk(ends, batchSize) {
		if p.receive(ctx, batch) == nil {
			continue
		}
		for i := range batch { // one record may be the cause; do not lose the others
			if err := p.receive(ctx, batch[i:i+1]); err != nil {
				p.fail(fmt.Errorf("inbox: the end of a job could not be recorded: %w", err))
			}
			if p.failures >= maxStoreFailures {
				return p.trouble
			}
		}
	}
	return nil
}

func (p *reconciler) fail(err error) {
	p.failures++
	if p.trouble == nil {
		p.trouble = err
	}
}

func (p *reconciler) receive(ctx context.Context, ends []ending) error {
	list := make([]Notification, len(ends))
	for i, end := range ends {
		list[i] = end.notification
		list[i].Source = SourcePoll
	}
	results, err := p.in.storeReceive(ctx, list)
	if err != nil {
		return err
	}
	if len(results) != len(list) {
		return fmt.Errorf("the store gave %d answers to %d notifications", len(results), len(list))
	}
	p.failures = 0
	for i, result := range results {
		if result.Kind != Accepted {
			continue
		}
		r := ends[i].record
		_, end := p.in.trace(ctx, &reducto.Operation{
			Name: "Reconciled", JobID: list[i].JobID, SubmissionID: r.SubmissionID, Traceparent: r.Traceparent,
		})
		end(nil)
		if r.Webhook {
			p.in.measure.count(MetricReconciled, "", 1)
			p.in.logRecord(ctx, slog.LevelWarn, "inbox: no delivery came; the reconciler found the job's end", r,
				slog.String("found", list[i].JobID), slog.String("found_outcome", string(list[i].Outcome)))
		}
		p.in.note(HistoryEntry{Key: result.Key, Kind: HistoryPolled, JobID: list[i].JobID, Detail: string(list[i].Outcome)})
		p.in.wake.send()
		p.in.ended.send()
	}
	return nil
}
