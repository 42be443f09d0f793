package inbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/internal/fetch"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

type runState int

const (
	runIdle runState = iota
	runActive
	runOver
)

// Run calls the function for jobs that have ended. It polls for jobs without a
// delivery, and purges old records. It returns nil after Shutdown, or an error when ctx
// ends.
//
// To stop gracefully, call Shutdown while ctx is alive. When ctx ends, the contexts of
// the functions end too, with the cause webhook.ErrShutdown. Run waits until the
// functions have returned, and returns the cause of ctx's end.
//
// The client should have this Inbox as its submit hook. Do not call Run again while it
// runs. Any number of processes can run an Inbox on the same Store.
func (in *Inbox) Run(ctx context.Context, client *reducto.Client) error {
	run, err := in.begin(ctx, client, "inbox.Run")
	if err != nil {
		return err
	}
	defer in.finished()
	var background sync.WaitGroup
	beat, stopBeat := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() { in.heartbeat(beat) })
	polling, stopPolling := context.WithCancel(ctx)
	background.Go(func() { run.reconciler.run(polling) })
	background.Go(func() { in.housekeep(polling) })
	_ = in.dispatch(ctx, run, false)
	stopPolling()
	run.workers.Wait()
	stopBeat()
	background.Wait()
	in.flush(ctx)
	if in.drain.Err() != nil {
		return nil
	}
	return causeOf(ctx)
}

// RunOnce does the work that is due now, and returns. It calls the function for all jobs
// that have ended, polls for overdue jobs, and purges old records. Use it in programs
// that a scheduler starts, and where a process gets no CPU between requests. No
// goroutine is left, unless a logger or an Observer blocks.
//
// Its error is the store's or the API's. Errors of the function are in the records. When
// ctx ends, the functions are stopped as in Run. The next RunOnce calls them again. So
// end ctx some seconds before the platform stops the process.
func (in *Inbox) RunOnce(ctx context.Context, client *reducto.Client) error {
	run, err := in.begin(ctx, client, "inbox.RunOnce")
	if err != nil {
		return err
	}
	defer in.finished()
	var background sync.WaitGroup
	beat, stopBeat := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() { in.heartbeat(beat) })
	// Polling and the functions can each take all of the time. So neither waits for the
	// other, and the purge waits for neither.
	polling, stopPolling := context.WithCancel(ctx)
	defer stopPolling()
	polled := make(chan error, 1)
	background.Go(func() {
		defer close(polled) // even if the store ends the goroutine
		defer run.reconciler.unlock(ctx)
		in.purge(polling)
		polled <- run.reconciler.reconcile(polling)
	})
	if err = in.dispatch(ctx, run, true); err != nil || in.drain.Err() != nil {
		stopPolling()
	} else {
		err = errors.Join(<-polled, in.dispatch(ctx, run, true))
	}
	run.workers.Wait()
	stopBeat()
	background.Wait()
	if in.cfg.observer != nil {
		measuring, cancel := in.storeContext(context.WithoutCancel(ctx)) // ctx often ends the work
		in.gauges(measuring)
		cancel()
	}
	in.flush(ctx)
	return errors.Join(err, causeOf(ctx))
}

var errWasShutDown = errors.New("the Inbox was shut down")

func causeOf(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

// running is one run of an Inbox.
type running struct {
	get        fetch.GetJob
	reconciler *reconciler
	workers    sync.WaitGroup
	free       signal          // a worker has ended
	parent     context.Context // of the functions' contexts
	giveUp     chan struct{}   // closed when parent ends
}

func (in *Inbox) begin(ctx context.Context, client *reducto.Client, op string) (*running, error) {
	if client == nil {
		return nil, &reducto.RequestError{Op: op, Field: "client", Reason: "it is nil"}
	}
	run := &running{get: client.GetJob, free: newSignal(), giveUp: make(chan struct{})}
	var err error
	if run.reconciler, err = newReconciler(in, client); err != nil {
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.drain.Err() != nil:
		return nil, &reducto.RequestError{Op: op, Reason: "make a new Inbox", Err: errWasShutDown}
	case in.state == runActive:
		return nil, &reducto.RequestError{Op: op, Reason: "the Inbox is running already"}
	}
	parent, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	var once sync.Once
	stop := func(cause error) {
		once.Do(func() {
			cancel(cause)
			close(run.giveUp)
		})
	}
	run.parent = parent
	in.health.begin()
	in.state, in.stopRun, in.runEnded = runActive, stop, make(chan struct{})
	in.detachRun = context.AfterFunc(ctx, func() { stop(webhook.ErrShutdown) })
	return run, nil
}

func (in *Inbox) finished() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.detachRun()
	in.stopRun(webhook.ErrShutdown)
	in.state = runOver
	close(in.runEnded)
}

// contended is the pause if records are due but other processes claimed them.
const contended = 20 * time.Millisecond

// dispatch claims records and starts workers until the run ends. With once, it ends
// when nothing is due.
func (in *Inbox) dispatch(ctx context.Context, run *running, once bool) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, claimed, err := in.claim(ctx, run)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && once:
			return err
		case claimed > 0:
			continue // there may be more
		}
		if once && in.runningCount() == 0 && next != 0 {
			return nil
		}
		if next == 0 {
			next = contended
		}
		timer.Reset(next)
		select {
		case <-in.drain.Done():
			return nil
		case <-ctx.Done():
			return nil
		case <-run.free:
		case <-in.wake:
		case <-timer.C:
		}
	}
}

// claim claims a record for each free worker. next is when to try again.
func (in *Inbox) claim(ctx context.Context, run *running) (next time.Duration, claimed int, err error) {
	if in.drain.Err() != nil {
		return in.cfg.claimInterval, 0, nil
	}
	if wait := in.health.pause(time.Now()); wait > 0 {
		return wait, 0, nil
	}
	free := in.cfg.workers - in.runningCount()
	if free <= 0 {
		return time.Hour, 0, nil // run.free wakes it
	}
	asked := time.Now()
	records, due, err := in.storeClaim(ctx, min(free, batchSize))
	if err != nil {
		if ctx.Err() == nil {
			in.health.storeFailed(err)
			in.log.Log(ctx, slog.LevelError, "inbox: the store failed; records are claimed later", safe.Error(err))
		}
		return max(in.cfg.claimInterval, time.Second), 0, err
	}
	in.health.storeWorked()
	for _, r := range records {
		in.start(run, r, asked)
	}
	next = in.cfg.claimInterval
	if due >= 0 {
		next = min(next, due)
	}
	return next, len(records), nil
}

func (in *Inbox) storeClaim(ctx context.Context, n int) (records []Record, due time.Duration, err error) {
	ctx, cancel := in.storeContext(ctx)
	defer cancel()
	return in.store.Claim(ctx, n, in.cfg.lease)
}

// start starts a worker for a record that was claimed no earlier than asked.
func (in *Inbox) start(run *running, r Record, asked time.Time) {
	c := &claim{record: r, read: time.Now(), giveUp: run.giveUp}
	c.ctx, c.cancel = context.WithCancelCause(run.parent)
	c.renewed(asked, in.cfg.lease)
	in.mu.Lock()
	in.running[c.lease()] = c
	in.mu.Unlock()
	in.watch(c)
	in.noteClaim(c, HistoryClaimed, "")
	run.workers.Go(func() {
		defer func() {
			c.unwatch()
			c.cancel(nil)
			in.mu.Lock()
			delete(in.running, c.lease())
			in.mu.Unlock()
			run.free.send()
		}()
		in.work(c, run.get)
	})
}

func (in *Inbox) runningCount() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.running)
}

const (
	// gaugeEvery is how often records are counted for the Observer.
	gaugeEvery = 15 * time.Second
	// purgeEvery is how often old records are removed, and purgeBatch how many at once.
	purgeEvery = 10 * time.Minute
	purgeBatch = 1000
)

// housekeep purges and measures until ctx ends.
func (in *Inbox) housekeep(ctx context.Context) {
	var purged time.Time
	for ctx.Err() == nil {
		if now := time.Now(); purged.IsZero() || now.Sub(purged) >= purgeEvery {
			purged = now
			in.purge(ctx)
		}
		if in.cfg.observer != nil {
			in.gauges(ctx)
		}
		_ = safe.Sleep(ctx, gaugeEvery)
	}
}

// Flush waits until the history, all log records and all measurements are written, or
// returns ctx's error. Call it after ServeHTTP where a process gets no CPU after the
// answer, as in AWS Lambda. RunOnce and Shutdown flush too.
func (in *Inbox) Flush(ctx context.Context) error {
	for _, wait := range []func(context.Context) error{in.history.flush, in.log.Wait, in.recv.Flush, in.measure.calls.Wait} {
		if err := wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// flush is Flush at the end of a run, for a short time.
func (in *Inbox) flush(ctx context.Context) {
	ctx, cancel := in.storeContext(context.WithoutCancel(ctx))
	defer cancel()
	_ = in.Flush(ctx)
}

func (in *Inbox) purge(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := in.store.Purge(ctx, in.cfg.doneRetention, in.cfg.deadRetention, purgeBatch)
		if err != nil && ctx.Err() == nil {
			in.log.Log(ctx, slog.LevelWarn, "inbox: old records could not be removed", safe.Error(err))
		}
		if err != nil || n < purgeBatch {
			return
		}
	}
}

// Shutdown stops claiming, and waits for the running functions and for Run. It releases
// claimed records at once if the function has not begun. The Inbox still receives
// deliveries, so call it after http.Server.Shutdown.
//
// If ctx ends first, the contexts of the functions end with the cause
// webhook.ErrShutdown, and the error is a *webhook.ShutdownError. Their records are
// released when they return. Otherwise other workers claim them when the leases end.
// Shutdown can be called again, and at any time.
func (in *Inbox) Shutdown(ctx context.Context) error {
	in.mu.Lock()
	in.stopClaims()
	ended, stop := in.runEnded, in.stopRun
	in.mu.Unlock()
	if ended != nil {
		select {
		case <-ended:
		default:
			select {
			case <-ended:
			case <-ctx.Done():
				stop(webhook.ErrShutdown)
				return &webhook.ShutdownError{Remaining: in.runningCount(), Err: ctx.Err()}
			}
		}
	}
	if err := in.Flush(ctx); err != nil {
		return &webhook.ShutdownError{Err: err}
	}
	return nil
}
