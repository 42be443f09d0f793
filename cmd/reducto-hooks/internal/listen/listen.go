// Package listen delivers the webhooks of an account to a local URL, without a tunnel.
// A Listener polls the list of jobs, and posts the webhook that Reducto would have
// sent for each job that has ended.
//
// It remembers on disk which jobs it has forwarded. So it continues after a lost
// network, a sleep or a restart. A job is forwarded once, unless the process ends while
// the receiver processes it: after a kill, or three seconds after Ctrl-C.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	// DefaultInterval is the default of Listener.Interval.
	DefaultInterval = 2 * time.Second
	// life is how far back a Listener forwards jobs. Jobs expire after 12 hours, and
	// some accounts list them for a day.
	life = 24 * time.Hour
	// maxJobs is how many jobs are forwarded at a time. Most of them wait for their
	// next attempt if the receiver is down.
	maxJobs = 64
	// scanPause is the pause after a scan that the API refused.
	scanPause = 10 * time.Second
)

// Listener forwards webhooks to a local URL. Set the fields, then call Run or Replay.
// Do not change a field after that.
type Listener struct {
	// Client is the client of the account. It is required.
	Client *reducto.Client
	// Forward is the URL that receives the webhooks. It is required.
	Forward *url.URL
	// State is the path of the file that remembers what was forwarded. It is required.
	// StatePath returns it.
	State string
	// Sign is the *webhook.Secret, *webhook.Signer or *webhook.Svix that signs the
	// webhooks. Default: they are not signed.
	Sign webhook.Verifier
	// Records has what a local Inbox recorded at submission: an *inbox.Inbox. The Listener
	// only reads it. Default: none.
	Records Records

	// All forwards all jobs of the last 24 hours. Without it, the Listener forwards the
	// jobs that were submitted after its first run, and those that have a record.
	All bool
	// Types forwards jobs of these types only. Default: all types.
	Types []reducto.JobType
	// JobID forwards this job only, also if it was submitted before the first run.
	JobID string
	// FromNow does not catch up with jobs that were submitted before this run.
	FromNow bool
	// RetryFailed forwards the jobs again that an earlier run gave up.
	RetryFailed bool

	// Interval is the pause between two polls. Default: DefaultInterval.
	Interval time.Duration
	// HTTP sends the webhooks. Default: a client that does not follow redirects.
	HTTP *http.Client
	// OnAttempt is called after each attempt, and OnTrouble when the API or Records fails
	// and when it works again. One call is made at a time. Default: none.
	OnAttempt func(Attempt)
	OnTrouble func(Trouble)
}

// Records is the part of an inbox.Inbox that a Listener uses.
type Records interface {
	// Get returns the record of a job. Its error is reducto.ErrNotFound if there is none.
	Get(ctx context.Context, jobID string) (inbox.Record, error)
}

// Trouble says that the Listener cannot reach the API or the records, or can again.
type Trouble struct {
	// What is "Reducto" or "the database".
	What string
	// Err is the error. It is nil if the trouble has ended.
	Err error
	// Retry is the pause before the next request.
	Retry time.Duration
	// Lost is how long the trouble lasted. It is zero while it lasts.
	Lost time.Duration
}

// ErrNotDelivered is the error of Replay if the receiver did not accept the webhook.
var ErrNotDelivered = errors.New("listen: the receiver did not accept the webhook")

// run is one call of Run or Replay.
type run struct {
	*Listener
	client  *reducto.Client // without retries: the pacer spaces all requests
	http    *http.Client
	pace    pacer
	state   *state
	began   time.Time
	fresh   bool // begin has not set the state's times
	known   bool // an earlier run used the key
	stop    context.CancelCauseFunc
	slots   chan struct{}  // one for each job that is being forwarded
	work    sync.WaitGroup // those jobs
	open    map[string]openJob
	horizon time.Time // earlier scans have seen all jobs that were submitted before

	reached atomic.Bool // the API has accepted the key
	report  sync.Mutex  // held during callbacks, guards what follows
	api, db time.Time   // since when there is trouble
}

func (l *Listener) start() (*run, error) {
	switch {
	case l.Client == nil:
		return nil, errors.New("listen: no client: set Client")
	case l.Forward == nil || l.Forward.Host == "" || l.Forward.Scheme != "http" && l.Forward.Scheme != "https":
		return nil, errors.New("listen: the URL to forward to is not complete: give one such as http://localhost:8080/webhook")
	case l.State == "":
		return nil, errors.New("listen: no state file: set State")
	}
	switch l.Sign.(type) {
	case nil, *webhook.Secret, *webhook.Signer, *webhook.Svix:
	default:
		return nil, fmt.Errorf("listen: a %T cannot sign: use a Secret, Signer or Svix", l.Sign)
	}
	client, err := l.Client.With(reducto.WithMaxRetries(0), reducto.WithSyncTimeout(reducto.DefaultTimeout))
	if err != nil {
		return nil, err
	}
	r := &run{
		Listener: l, client: client, http: new(http.Client), began: time.Now(),
		stop: func(error) {}, slots: make(chan struct{}, maxJobs), open: map[string]openJob{},
	}
	if l.HTTP != nil {
		*r.http = *l.HTTP
	}
	r.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return r, nil
}

// Run forwards webhooks until ctx ends, and returns nil then. A job whose attempts are
// not finished is forwarded by the next Run. It waits up to 3 seconds for the answers
// of the receiver.
//
// It returns an error if the API refuses the key at first, or if the state file cannot be
// read or written, or is in use (ErrLocked).
func (l *Listener) Run(ctx context.Context) error {
	r, err := l.start()
	if err != nil {
		return err
	}
	if r.state, err = openState(l.State); err != nil {
		return err
	}
	defer r.state.close()
	since, _ := r.state.times()
	r.known, r.fresh = !since.IsZero(), l.FromNow || since.IsZero()
	if l.RetryFailed {
		r.state.forget(kindFailed)
	}
	parent := ctx
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	defer r.work.Wait()
	for ctx.Err() == nil {
		pause := l.Interval
		if pause <= 0 {
			pause = DefaultInterval
		}
		if err := r.scan(ctx); err != nil && ctx.Err() == nil {
			pause = scanPause
			r.trouble("Reducto", &r.api, err, pause)
		}
		_ = sleep(ctx, pause)
	}
	if parent.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// Replay forwards the webhook of a job that has ended, also if it was forwarded before.
// It works beside a running Listener. Its error is ErrNotDelivered if the receiver did
// not accept the webhook.
func (l *Listener) Replay(ctx context.Context, jobID string) error {
	r, err := l.start()
	if err != nil {
		return err
	}
	if r.state, err = openState(l.State); err == nil {
		defer r.state.close()
	} else if !errors.Is(err, ErrLocked) {
		return err
	}
	j, err := r.get(ctx, jobID)
	switch {
	case isGone(err):
		return fmt.Errorf("listen: the API does not know job %s: it expired, was deleted or belongs to another key: %w", jobID, err)
	case err != nil:
		return err
	case !j.Status.Terminal():
		return fmt.Errorf("listen: job %s has not ended, its status is %s: wait for its end, then replay it", jobID, j.Status)
	}
	delivered, err := r.forward(ctx, j)
	if err == nil && !delivered {
		err = fmt.Errorf("%w: job %s", ErrNotDelivered, jobID)
	}
	return err
}

// trouble reports a failure of what, and its end if err is nil. since is the time of
// the first failure. Failures in between are not reported.
func (r *run) trouble(what string, since *time.Time, err error, retry time.Duration) {
	r.report.Lock()
	defer r.report.Unlock()
	t := Trouble{What: what, Err: err, Retry: retry}
	switch {
	case err == nil && !since.IsZero():
		t.Lost = time.Since(*since)
		*since = time.Time{}
	case err != nil && since.IsZero():
		*since = time.Now()
	default:
		return
	}
	if r.OnTrouble != nil {
		r.OnTrouble(t)
	}
}

// sleep waits for d. It returns an error if ctx ended first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
