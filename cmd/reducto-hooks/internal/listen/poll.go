package listen

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	// minGap and maxGap are the bounds of the pause between two requests. The API
	// allows 200 requests a second for jobs, which other programs use too.
	minGap = 50 * time.Millisecond
	maxGap = 2 * time.Second
	// maxPause is the longest pause after a failure without a Retry-After, and
	// maxRetryAfter the longest Retry-After, which can be wrong: jobs expire meanwhile.
	maxPause      = 30 * time.Second
	maxRetryAfter = 15 * time.Minute
	// keyPause is the pause after an answer that refuses a key that worked before.
	keyPause = time.Minute
	// databasePause is the pause after a failure of the database.
	databasePause = 5 * time.Second
)

// pacer spaces the requests to the API. After a failure no request is sent for a
// while, longer each time. A 429 also lowers the rate.
type pacer struct {
	mu       sync.Mutex
	gap      time.Duration
	next     time.Time // when the next request may be sent
	failures int       // in a row
}

func (p *pacer) wait(ctx context.Context) error {
	for {
		p.mu.Lock()
		now := time.Now()
		pause := p.next.Sub(now)
		if pause <= 0 {
			p.gap = max(p.gap, minGap)
			p.next = now.Add(p.gap)
		}
		p.mu.Unlock()
		if err := sleep(ctx, pause); err != nil || pause <= 0 {
			return err
		}
	}
}

// learn adapts the pace to a request's result. It returns the pause after a failure.
func (p *pacer) learn(err error) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.failures, p.gap = 0, max(minGap, p.gap*9/10)
		return 0
	}
	pause := min(time.Second<<min(p.failures, 10), maxPause)
	pause = time.Duration(float64(pause) * (0.8 + 0.4*rand.Float64()))
	p.failures++
	if api, ok := errors.AsType[*reducto.APIError](err); ok {
		pause = max(pause, min(api.RetryAfter, maxRetryAfter))
	}
	switch {
	case errors.Is(err, reducto.ErrRateLimited):
		p.gap = min(2*p.gap, maxGap)
	case isKeyRefused(err):
		pause = max(pause, keyPause)
	}
	if until := time.Now().Add(pause); until.After(p.next) {
		p.next = until
	}
	return pause
}

// request sends a request to the API until it is answered. It returns only errors that
// a repetition does not change, and those of ctx.
func (r *run) request(ctx context.Context, send func() error) error {
	for {
		if err := r.pace.wait(ctx); err != nil {
			return err
		}
		err := send()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil, isGone(err):
			r.pace.learn(nil)
			r.reached.Store(true)
			r.trouble("Reducto", &r.api, nil, 0)
			return err
		}
		pause := r.pace.learn(err)
		switch {
		case isKeyRefused(err) && !r.reached.Load() && !(r.known && errors.Is(err, reducto.ErrForbidden)): // 403 can be a proxy's
			r.stop(err)
			return err
		case isRefused(err):
			return err
		}
		r.trouble("Reducto", &r.api, err, pause)
	}
}

func isKeyRefused(err error) bool {
	return errors.Is(err, reducto.ErrUnauthorized) || errors.Is(err, reducto.ErrForbidden)
}

// isGone reports whether the API does not know a job, or has deleted it.
func isGone(err error) bool {
	return errors.Is(err, reducto.ErrNotFound) || errors.Is(err, reducto.ErrExpired)
}

// isRefused reports whether the same request would fail again.
func isRefused(err error) bool {
	if _, ok := errors.AsType[*reducto.RequestError](err); ok {
		return true
	}
	return errors.Is(err, reducto.ErrInvalidRequest)
}

func (r *run) page(ctx context.Context, o reducto.ListJobsOptions) (page *reducto.JobPage, asked time.Time, err error) {
	err = r.request(ctx, func() error {
		asked = time.Now()
		page, err = r.client.ListJobs(ctx, o)
		return err
	})
	return page, asked, err
}

// job is a job as the Listener needs it.
type job struct {
	ID        string            `json:"-"`
	Status    reducto.JobStatus `json:"status"`
	Type      reducto.JobType   `json:"type"`
	CreatedAt reducto.Time      `json:"created_at"`
	Duration  *float64          `json:"duration"`
	// RawConfig is the request. Its form is not documented.
	RawConfig json.RawMessage `json:"raw_config"`

	ended time.Time // the earliest time of its end, zero if unknown
}

// get returns one job. It does not decode the result.
func (r *run) get(ctx context.Context, id string) (*job, error) {
	j := &job{}
	err := r.request(ctx, func() error {
		*j = job{ID: id}
		return r.client.Do(ctx, http.MethodGet, "/job/"+url.PathEscape(id), nil, j)
	})
	if err != nil {
		return nil, err
	}
	j.ended = endOf(j.CreatedAt.Time, j.Duration, time.Time{})
	return j, nil
}

// endOf returns the earliest time at which a job can have ended. The API does not tell
// when it ended. running is when the job was last seen running.
func endOf(created time.Time, duration *float64, running time.Time) time.Time {
	end := created
	if duration != nil && !end.IsZero() && *duration > 0 && *duration < life.Seconds() {
		end = end.Add(time.Duration(*duration * float64(time.Second)))
	}
	if running.After(end) {
		return running
	}
	return end
}

// record returns the record of a job, or nil. It repeats the call until the database
// answers or ctx ends.
func (r *run) record(ctx context.Context, jobID string) (*inbox.Record, error) {
	if r.Records == nil {
		return nil, nil
	}
	for {
		record, err := r.Records.Get(ctx, jobID)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && !errors.Is(err, reducto.ErrNotFound) && !isRefused(err):
			r.trouble("the database", &r.db, err, databasePause)
			if err := sleep(ctx, databasePause); err != nil {
				return nil, err
			}
			continue
		}
		r.trouble("the database", &r.db, nil, 0)
		if err != nil {
			return nil, nil
		}
		return &record, nil
	}
}
