package listen

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	// firstPage is the size of the first page of a scan. Mostly it is the only one. Each
	// further page is larger by growth.
	firstPage = 25
	growth    = 4
	// overlap is how far a scan goes back into the time that earlier scans have seen,
	// for jobs that the list shows late.
	overlap = 10 * time.Second
	// visibleWithin is how long the API may not know a job that it has just accepted.
	visibleWithin = time.Minute
)

// openJob is a job that is to be forwarded at its end.
type openJob struct {
	id      string
	created time.Time
	running time.Time // when it was last seen running
}

// scan reads the list of jobs, the newest first, down to the jobs that earlier scans
// have seen. It goes on to the jobs that still ran, until fetching the others one by one
// takes no more requests than it has sent. It starts to forward those that have ended.
func (r *run) scan(ctx context.Context) error {
	todo := maps.Clone(r.open)
	o := reducto.ListJobsOptions{Limit: firstPage, ExcludeConfigs: true}
	var newest, last time.Time
	for pages := 1; ; pages++ {
		page, asked, err := r.page(ctx, o)
		if err != nil {
			return err
		}
		for i := range page.Jobs {
			if at := page.Jobs[i].CreatedAt; !at.IsZero() {
				if last = at.Time; newest.IsZero() {
					newest = last
				}
			}
		}
		if err := r.begin(newest); err != nil {
			return err
		}
		for i := range page.Jobs {
			j := &page.Jobs[i]
			delete(todo, inbox.Key(j.JobID))
			one := &job{ID: j.JobID, Status: j.Status, Type: j.Type, CreatedAt: j.CreatedAt, Duration: j.Duration}
			if err := r.consider(ctx, one, asked); err != nil {
				return err
			}
		}
		if page.NextCursor == "" || page.NextCursor == o.Cursor || last.Before(r.horizon) && len(todo) <= pages {
			break
		}
		o.Cursor, o.Limit = page.NextCursor, min(growth*o.Limit, reducto.MaxJobsPerPage)
	}
	for key, open := range todo {
		asked := time.Now()
		j, err := r.get(ctx, open.id)
		switch {
		case isGone(err), err == nil && asked.Sub(open.created) > life: // it expired, or never ends
			delete(r.open, key)
			continue
		case err == nil:
			err = r.consider(ctx, j, asked)
		}
		if err != nil {
			return err
		}
	}
	r.horizon = newest.Add(-overlap)
	return nil
}

// begin sets on the first run from which time on jobs are forwarded. The time is that
// of the newest job, as our clock may differ from the API's. It is the time of the
// start if the first answer came late.
func (r *run) begin(newest time.Time) error {
	if !r.horizon.IsZero() {
		return nil
	}
	since, floor := r.state.times()
	if r.fresh {
		start := r.began
		if since = newest; since.IsZero() {
			since = time.Unix(0, 0) // all jobs are new
		} else if t := newest.Add(r.began.Sub(time.Now().Round(0))); t.After(start) {
			start = t // our clock is behind the API's
		}
		if start.Before(since) {
			since = start
		}
		if r.FromNow {
			floor = since
		}
		if err := r.state.setTimes(since, floor); err != nil {
			r.stop(err)
			return err
		}
		r.fresh = false
	}
	if r.horizon = r.floor(); !r.All && r.JobID == "" && r.Records == nil && since.After(r.horizon) {
		r.horizon = since
	}
	return nil
}

// floor returns the time before which no job is forwarded.
func (r *run) floor() time.Time {
	_, floor := r.state.times()
	if oldest := time.Now().Add(-life); oldest.After(floor) {
		return oldest
	}
	return floor
}

// consider starts to forward a job if it has ended, and remembers it if it still runs.
func (r *run) consider(ctx context.Context, j *job, asked time.Time) error {
	key := inbox.Key(j.ID)
	if r.state.kind(key) != "" {
		delete(r.open, key)
		return nil
	}
	open, known := r.open[key]
	if !known {
		if wanted, err := r.wants(ctx, j); err != nil || !wanted {
			return err
		}
	}
	if !j.Status.Terminal() {
		r.open[key] = openJob{id: j.ID, created: j.CreatedAt.Time, running: asked}
		return nil
	}
	delete(r.open, key)
	if j.Status == reducto.JobStatusCancelled {
		return nil // Reducto sends no webhook
	}
	j.ended = endOf(j.CreatedAt.Time, j.Duration, open.running)
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.state.hold(key, kindBusy, j.CreatedAt.Time)
	r.work.Go(func() {
		defer func() { <-r.slots }()
		if _, err := r.forward(ctx, j); err != nil && ctx.Err() == nil {
			r.stop(err)
		}
	})
	return nil
}

// wants reports whether the filters select a job.
func (r *run) wants(ctx context.Context, j *job) (bool, error) {
	created := j.CreatedAt.Time
	since, _ := r.state.times()
	switch {
	case r.JobID != "" && inbox.Key(r.JobID) != inbox.Key(j.ID):
		return false, nil
	case len(r.Types) > 0 && !slices.ContainsFunc(r.Types, func(t reducto.JobType) bool { return strings.EqualFold(string(t), string(j.Type)) }):
		return false, nil
	case !j.CreatedAt.IsZero() && !created.After(r.floor()):
		return false, nil
	case r.All || r.JobID != "" || created.After(since):
		return true, nil
	}
	record, err := r.record(ctx, j.ID)
	if err != nil || record != nil {
		return record != nil, err
	}
	// Most jobs are asked for once. A recent one may not be bound to its record yet.
	if r.Records != nil && created.Before(since.Add(-visibleWithin)) {
		r.state.hold(inbox.Key(j.ID), kindIgnored, created)
	}
	return false, nil
}
