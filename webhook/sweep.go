package webhook

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/wireid"
)

// The schedules of looks at a job of which nothing was heard, after the first.
var (
	// Deliveries are expected: a look is for one that was missed.
	sweepSchedule = []time.Duration{
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
	}
	// None is expected: looking is the only way.
	pollSchedule = []time.Duration{
		time.Second, 1500 * time.Millisecond, 2250 * time.Millisecond, 3400 * time.Millisecond, 5 * time.Second,
		7500 * time.Millisecond, 11 * time.Second, 17 * time.Second, 25 * time.Second, 30 * time.Second,
	}
)

const (
	// sweepBatch is how many overdue records a sweep asks the store for at a time, and
	// sweepBatches how often: one list of the jobs is to serve as many as there are.
	sweepBatch   = 1000
	sweepBatches = 100
	// sweepEvery is how often an idle sweeper looks for overdue records.
	sweepEvery = time.Second
	// sweepLock is how long the right to sweep lasts without being renewed.
	sweepLock = 30 * time.Second
	// alertUnbound is after how long a submission whose answer was lost, and that was
	// not found, is an alert.
	alertUnbound = time.Hour
	// unknownAfter is after how long it ends as OutcomeUnknown.
	unknownAfter = 24 * time.Hour
	// alertPending is how old a pending job has to be to be an alert: an hour before
	// the service forgets it.
	alertPending = 11 * time.Hour
)

// sweeper looks for the ends of jobs of which nothing was heard. Any number of
// processes may have one; the store lets one at a time work.
type sweeper struct {
	in     *Inbox
	client *reducto.Client // without retries: the pacer is what spaces requests
	pace   *pacer
	owner  string
	until  time.Time       // until when the right to sweep is certainly ours
	seen   map[string]bool // submissions of which this look has seen a job that runs

	failures int   // of the store in a row, when it was to record what this look found
	trouble  error // why something of it could not be recorded
}

func newSweeper(in *Inbox, client *reducto.Client) (*sweeper, error) {
	once, err := client.With(reducto.WithMaxRetries(0))
	if err != nil {
		return nil, err
	}
	return &sweeper{in: in, client: once, pace: &pacer{most: in.cfg.inbox.sweepRate}, owner: uuid.NewString()}, nil
}

// run sweeps until ctx ends.
func (s *sweeper) run(ctx context.Context) {
	defer s.release(ctx)
	for {
		_, err := s.sweep(ctx)
		pause := sweepEvery
		switch {
		case ctx.Err() != nil:
			return
		case isKeyRefused(err):
			s.in.pauseForKey(err)
			pause = keyPause
		case err != nil:
			s.in.log.log(ctx, slog.LevelWarn, "a sweep failed; it is repeated", errorAttr(err))
			pause = 10 * sweepEvery
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// sweep looks once for all records that are overdue, if it is this process's turn.
// It returns how many it looked for.
func (s *sweeper) sweep(ctx context.Context) (int, error) {
	mine, err := s.lock(ctx)
	if err != nil || !mine {
		s.in.health.swept(err == nil)
		return 0, err
	}
	n := 0
	for _, expected := range []bool{true, false} {
		schedule := pollSchedule
		if expected {
			schedule = sweepSchedule
		}
		overdue, err := s.overdue(ctx, expected, schedule)
		if err != nil {
			s.in.health.swept(false)
			return n, err
		}
		n += len(overdue)
		if err := s.look(ctx, overdue); err != nil {
			s.in.health.swept(isKeyRefused(err) || errors.Is(err, reducto.ErrRateLimited))
			return n, err
		}
	}
	s.in.health.swept(true)
	return n, nil
}

// release gives the right to sweep up: another process need not wait for it.
func (s *sweeper) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s.until = time.Time{}
	_, _ = s.in.store.Lock(ctx, "sweep", s.owner, 0)
}

// lock takes or keeps the right to sweep. It is renewed when half of it is over:
// on a disk each renewal costs a write.
func (s *sweeper) lock(ctx context.Context) (bool, error) {
	asked := time.Now()
	if asked.Add(sweepLock / 2).Before(s.until) {
		return true, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.in.cfg.inbox.storeTimeout, errIntakeTimeout)
	defer cancel()
	mine, err := s.in.store.Lock(ctx, "sweep", s.owner, sweepLock)
	if mine && err == nil {
		s.until = asked.Add(sweepLock)
	}
	return mine, err
}

// overdue takes on the records that are due for a look, the longest due first. If
// the store fails after some, these are looked for. That it returned fewer than it
// was asked for does not mean that there are no more: it may have a bound of its own.
func (s *sweeper) overdue(ctx context.Context, expected bool, schedule []time.Duration) ([]Record, error) {
	var all []Record
	for range sweepBatches {
		ctx, cancel := context.WithTimeoutCause(ctx, s.in.cfg.inbox.storeTimeout, errIntakeTimeout)
		batch, err := s.in.store.Overdue(ctx, sweepBatch, expected, schedule)
		cancel()
		if err != nil && len(all) == 0 {
			return nil, err
		}
		for i := range batch {
			batch[i].Metadata = nil // there may be many, and large ones
		}
		all = append(all, batch...)
		if err != nil || len(batch) == 0 {
			break
		}
	}
	return all, nil
}

// look finds out what became of records. That some of it could not be recorded keeps it
// from nothing else.
func (s *sweeper) look(ctx context.Context, records []Record) error {
	s.failures, s.trouble = 0, nil
	if err := s.lookFor(ctx, records); err != nil {
		return err
	}
	return s.trouble
}

// lookFor asks the API about records, by the list of jobs where that takes fewer
// requests than asking for each.
func (s *sweeper) lookFor(ctx context.Context, records []Record) error {
	byJob := map[string]*Record{} // by the key of the job
	unbound := map[string]*Record{}
	s.seen = map[string]bool{}
	for i := range records {
		r := &records[i]
		if len(r.JobIDs) == len(r.Unconfirmed) && r.SubmissionID != "" {
			unbound[r.SubmissionID] = r
		}
		if len(r.JobIDs) > 0 && r.ReadAt.Sub(r.SubmittedAt) >= alertPending { // looks are rare by then, and so are these
			s.in.logRecord(ctx, slog.LevelError, "a job is still pending, and the service will forget it soon", r,
				slog.Duration("age", r.ReadAt.Sub(r.SubmittedAt)))
		}
		for _, id := range r.JobIDs {
			byJob[wireid.Key(id)] = r
		}
	}
	if len(byJob) > listWorth || len(unbound) > 0 {
		if err := s.list(ctx, byJob, unbound); err != nil {
			return err
		}
	}
	for i := range records { // not on the list: only the job itself can tell
		r := &records[i]
		if !slices.ContainsFunc(r.JobIDs, func(id string) bool { return byJob[wireid.Key(id)] == r }) {
			continue
		}
		if mine, err := s.lock(ctx); err != nil || !mine {
			return err
		}
		if err := s.ask(ctx, r); err != nil {
			return err
		}
	}
	for id, r := range unbound {
		if s.seen[id] {
			continue
		}
		age := r.ReadAt.Sub(r.SubmittedAt)
		if age >= alertUnbound {
			s.in.logRecord(ctx, slog.LevelError, "a submission's answer was lost, and neither a delivery nor a job of it has been seen", r, slog.Duration("age", age))
		}
		if age < unknownAfter {
			continue
		}
		if err := s.found(ctx, finding{r, Arrival{SubmissionID: r.SubmissionID, Outcome: OutcomeUnknown}}); err != nil {
			return err
		}
	}
	return nil
}

// listWorth is up to how many jobs are asked for one by one.
const listWorth = 2

// list goes through the list of jobs, newest first, until it has seen all that is
// wanted, or is past the oldest of it, or fewer are left than there are pages to
// go: these are asked for. What it finds is taken out of the maps.
func (s *sweeper) list(ctx context.Context, byJob, unbound map[string]*Record) error {
	var oldest time.Time
	for _, m := range []map[string]*Record{byJob, unbound} {
		for _, r := range m {
			if oldest.IsZero() || r.SubmittedAt.Before(oldest) {
				oldest = r.SubmittedAt
			}
		}
	}
	o := reducto.ListJobsOptions{Limit: reducto.MaxJobsPerPage, ExcludeConfigs: len(unbound) == 0}
	var first time.Time // when the newest job was made
	ahead := 0          // pages to go, as it seems
	for pages := 1; len(byJob) > 0 || len(unbound) > 0; pages++ {
		if len(unbound) == 0 && len(byJob) <= max(listWorth, ahead) {
			return nil
		}
		page, err := s.page(ctx, o)
		if err != nil {
			return err
		}
		var last time.Time
		var ends []finding
		for i := range page.Jobs {
			job := &page.Jobs[i]
			if !job.CreatedAt.IsZero() {
				if last = job.CreatedAt.Time; first.IsZero() {
					first = last
				}
			}
			if end, ok := s.listed(job, byJob, unbound); ok {
				ends = append(ends, end)
			}
		}
		if err := s.found(ctx, ends...); err != nil {
			return err
		}
		if page.NextCursor == "" || page.NextCursor == o.Cursor || !last.IsZero() && last.Before(oldest.Add(-clockSkew)) {
			return nil
		}
		o.Cursor = page.NextCursor
		if each := first.Sub(last) / time.Duration(pages); !last.IsZero() && each > 0 {
			ahead = int(last.Sub(oldest) / each)
		}
		if mine, err := s.lock(ctx); err != nil || !mine { // it takes a while: keep the right to it
			return err
		}
	}
	return nil
}

func (s *sweeper) page(ctx context.Context, o reducto.ListJobsOptions) (*reducto.JobPage, error) {
	var page *reducto.JobPage
	err := s.request(ctx, func() (err error) {
		page, err = s.client.ListJobs(ctx, o)
		return err
	})
	return page, err
}

// request spaces and counts a request to the API.
func (s *sweeper) request(ctx context.Context, send func() error) error {
	if err := s.pace.wait(ctx); err != nil {
		return err
	}
	err := send()
	s.pace.learn(err)
	if err == nil {
		s.in.health.swept(true) // it may take long, but it goes on
	}
	s.in.measure.count(MetricPolls, pollLabel(err), 1)
	return err
}

// listed looks whether a job of the list is wanted, and has ended.
func (s *sweeper) listed(job *reducto.JobSummary, byJob, unbound map[string]*Record) (finding, bool) {
	key := wireid.Key(job.JobID)
	r := byJob[key]
	delete(byJob, key)
	if r != nil && unconfirmed(r, job.JobID) && namesAnother(job.RawConfig, r.Key) {
		r = nil // a delivery named it, and the API says otherwise
	}
	confirmed := false
	if r == nil || unconfirmed(r, job.JobID) { // or else Bind has said whose it is
		owner, sure := configOwner(job.RawConfig)
		id := owner
		if !sure && unbound[owner] == nil {
			// Anybody can write of another submission, in a prompt or in metadata of his own.
			id = mentionIn(job.RawConfig, func(id string) bool { return unbound[id] != nil })
		}
		if u := unbound[id]; u != nil {
			r, confirmed = u, id == owner
			if confirmed || owner == "" { // or else its own job may still be on the list
				s.seen[id] = true
				if job.Status.Terminal() {
					delete(unbound, id)
				}
			}
		}
	}
	if r == nil || !job.Status.Terminal() {
		return finding{}, false
	}
	end := findingOf(r, job.JobID, job.Status)
	end.arrival.Confirmed = confirmed
	return end, true
}

// unconfirmed reports whether only a delivery named a job as the record's.
func unconfirmed(r *Record, jobID string) bool {
	key := wireid.Key(jobID)
	return slices.ContainsFunc(r.Unconfirmed, func(id string) bool { return wireid.Key(id) == key })
}

// ask gets a record's jobs one by one, those first that Bind has named.
func (s *sweeper) ask(ctx context.Context, r *Record) error {
	named := slices.DeleteFunc(slices.Clone(r.JobIDs), func(id string) bool { return unconfirmed(r, id) })
	gone := 0
	for i, id := range slices.Concat(named, r.Unconfirmed) {
		var job *reducto.Job
		err := s.request(ctx, func() (err error) {
			job, err = getJob(s.client.GetJob).fetch(ctx, id)
			return err
		})
		switch {
		case err == nil && job.Status.Terminal():
			if err := s.found(ctx, findingOf(r, id, job.Status)); err != nil || i < len(named) {
				return err
			} // or else another submission may have it: there can be more
		case err == nil:
		case isKeyRefused(err), errors.Is(err, reducto.ErrRateLimited), ctx.Err() != nil:
			return err
		case errors.Is(err, reducto.ErrExpired):
			if !errors.Is(err, reducto.ErrNotFound) || r.ReadAt.Sub(r.SubmittedAt) >= visibleWithin {
				if i < len(named) {
					gone++
				}
			}
		default: // the service is in trouble; nothing is known of the job
			s.in.log.log(ctx, slog.LevelWarn, "an overdue job could not be fetched; it is tried again", slog.String("job_id", id), errorAttr(err))
		}
	}
	if gone > 0 && gone == len(named) {
		return s.found(ctx, finding{r, Arrival{JobID: named[0], SubmissionID: r.SubmissionID, Outcome: OutcomeExpired}})
	}
	return nil
}

func isKeyRefused(err error) bool {
	return errors.Is(err, reducto.ErrUnauthorized) || errors.Is(err, reducto.ErrForbidden)
}
