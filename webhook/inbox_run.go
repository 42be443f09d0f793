package webhook

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
)

type runState int

const (
	runIdle runState = iota
	runActive
	runOver
)

// signal wakes one waiter; signals that nobody has waited for yet are one.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) send() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// broadcast wakes all who wait at the moment.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// Run calls the function for jobs that have ended, looks for jobs whose delivery
// has not come, and keeps the store tidy, until Shutdown is called or ctx ends. It
// returns nil after Shutdown. To stop gracefully call Shutdown and let ctx live:
// when ctx ends, the functions' contexts do too, with the cause ErrShutdown, and
// Run returns ctx's error as soon as they have returned.
//
// The client should have this Inbox as its submit hook. An Inbox can run once at a
// time; any number of processes can run one on the same Store.
func (in *Inbox) Run(ctx context.Context, client *reducto.Client) error {
	run, err := in.begin(ctx, client, "webhook.Run")
	if err != nil {
		return err
	}
	defer in.finished()
	var background sync.WaitGroup
	beat, stopBeat := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() { in.heartbeat(beat) })
	looking, stopLooking := context.WithCancel(ctx)
	background.Go(func() { run.sweeper.run(looking) })
	background.Go(func() { in.housekeep(looking) })
	if notifier, ok := in.store.Store.(Notifier); ok {
		background.Go(func() { in.listen(looking, notifier) })
	}
	in.dispatch(ctx, run, false)
	stopLooking()
	run.workers.Wait()
	stopBeat()
	background.Wait()
	if in.drain.Err() != nil {
		return nil
	}
	return contextCause(ctx)
}

// RunOnce does what is due now and returns: it looks for jobs whose delivery is
// overdue, and calls the function for all that have ended. It is Run for programs
// that a scheduler starts. Its error is that of the store or the API; what failed
// in the function is in the records.
func (in *Inbox) RunOnce(ctx context.Context, client *reducto.Client) error {
	run, err := in.begin(ctx, client, "webhook.RunOnce")
	if err != nil {
		return err
	}
	defer in.finished()
	var background sync.WaitGroup
	beat, stopBeat := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() { in.heartbeat(beat) })
	_, err = run.sweeper.sweep(ctx)
	run.sweeper.release(ctx)
	err = errors.Join(err, in.dispatch(ctx, run, true))
	run.workers.Wait()
	stopBeat()
	background.Wait()
	in.tidy(ctx)
	return errors.Join(err, contextCause(ctx))
}

func contextCause(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

// running is one run of an Inbox.
type running struct {
	get     getJob
	sweeper *sweeper
	workers sync.WaitGroup
	free    signal // a worker has ended
	parent  context.Context
	cancel  context.CancelCauseFunc // ends the functions' contexts
	giveUp  chan struct{}           // closed with it
}

func (in *Inbox) begin(ctx context.Context, client *reducto.Client, op string) (*running, error) {
	if client == nil {
		return nil, &reducto.RequestError{Op: op, Field: "client", Reason: "it is nil"}
	}
	run := &running{get: client.GetJob, free: newSignal(), giveUp: make(chan struct{})}
	var err error
	if run.sweeper, err = newSweeper(in, client); err != nil {
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.drain.Err() != nil:
		return nil, &reducto.RequestError{Op: op, Reason: "the inbox was shut down: make a new one"}
	case in.state == runActive:
		return nil, &reducto.RequestError{Op: op, Reason: "the inbox is running already"}
	}
	// The functions' contexts have the values of ctx, and end by stop alone: with
	// ctx, or when Shutdown's time is over.
	functions, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	var once sync.Once
	stop := func(cause error) {
		once.Do(func() {
			cancel(cause)
			close(run.giveUp)
		})
	}
	run.parent, run.cancel = functions, stop
	in.health.begin()
	in.state, in.stopRun, in.runEnded = runActive, stop, make(chan struct{})
	detach := context.AfterFunc(ctx, func() { stop(ErrShutdown) })
	in.detachRun = detach
	return run, nil
}

func (in *Inbox) finished() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.detachRun()
	in.stopRun(ErrShutdown)
	in.state = runOver
	close(in.runEnded)
}

// contended is how long nothing is claimed after nothing could be, although
// something is due.
const contended = 20 * time.Millisecond

// dispatch claims records and starts workers for them, until the run ends; with
// once, until nothing is due any more.
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
			next = contended // somebody else is claiming what is due
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

// claim claims as many records as workers are free. next is when to try again.
func (in *Inbox) claim(ctx context.Context, run *running) (next time.Duration, claimed int, err error) {
	if in.drain.Err() != nil {
		return in.cfg.inbox.poll, 0, nil
	}
	if wait := in.health.pause(time.Now()); wait > 0 {
		return wait, 0, nil
	}
	free := in.cfg.inbox.workers - in.runningCount()
	if free <= 0 {
		return time.Hour, 0, nil // a worker that ends says so
	}
	asked := time.Now()
	records, due, err := in.storeClaim(ctx, min(free, in.cfg.inbox.batch))
	if err != nil {
		if ctx.Err() == nil {
			in.health.storeFailed(err)
			in.log.log(ctx, slog.LevelError, "the store failed; records are claimed later", errorAttr(err))
		}
		return max(in.cfg.inbox.poll, time.Second), 0, err
	}
	in.health.storeWorked()
	for _, r := range records {
		in.start(run, r, asked)
	}
	next = in.cfg.inbox.poll
	if due >= 0 {
		next = min(next, due)
	}
	return next, len(records), nil
}

func (in *Inbox) storeClaim(ctx context.Context, n int) (records []Record, due time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, in.cfg.inbox.storeTimeout, errIntakeTimeout)
	defer cancel()
	return in.store.Claim(ctx, n, in.cfg.inbox.lease)
}

// start works on a record that was claimed at a time.
func (in *Inbox) start(run *running, r Record, asked time.Time) {
	c := &claim{record: r, read: time.Now(), giveUp: run.giveUp}
	c.ctx, c.cancel = context.WithCancelCause(run.parent)
	c.renewed(asked, in.cfg.inbox.lease)
	key := claimKey{r.Key, r.Token}
	in.mu.Lock()
	in.running[key] = c
	in.mu.Unlock()
	in.watch(c)
	run.workers.Go(func() {
		defer func() {
			c.unwatch()
			c.cancel(nil)
			in.mu.Lock()
			delete(in.running, key)
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

// listen passes on a store's notifications. Without them the store is asked.
func (in *Inbox) listen(ctx context.Context, n Notifier) {
	for ctx.Err() == nil {
		err := notify(ctx, n, in.wake.send)
		if ctx.Err() != nil {
			return
		}
		in.log.log(ctx, slog.LevelWarn, "the store's notifications broke; it is asked instead meanwhile", errorAttr(err))
		timer := time.NewTimer(10 * time.Second)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

const (
	// gaugeEvery is how often the store's records are counted for the observer.
	gaugeEvery = 15 * time.Second
	// purgeEvery is how often old records are removed, purgeBatch how many at a time.
	purgeEvery = 10 * time.Minute
	purgeBatch = 1000
)

// housekeep purges and measures until ctx ends.
func (in *Inbox) housekeep(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var purged time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if now := time.Now(); purged.IsZero() || now.Sub(purged) >= purgeEvery {
			purged = now
			in.tidy(ctx)
		}
		if in.cfg.observer != nil {
			in.gauges(ctx)
		}
		timer.Reset(gaugeEvery)
	}
}

// tidy removes old records.
func (in *Inbox) tidy(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := in.store.Purge(ctx, in.cfg.inbox.tombstones, in.cfg.inbox.deadFor, purgeBatch)
		if err != nil && ctx.Err() == nil {
			in.log.log(ctx, slog.LevelWarn, "old records could not be removed", errorAttr(err))
		}
		if err != nil || n < purgeBatch {
			return
		}
	}
}

// Shutdown stops claiming, and waits until the functions that are running have
// returned and Run has. What was claimed and not begun is given back at once.
// Deliveries are taken in all the while: call it after http.Server.Shutdown.
//
// If ctx ends first, the functions' contexts end with the cause ErrShutdown, and
// the error is a *ShutdownError. What those functions had claimed is given back
// when they return, or claimed by others when its lease is over. It can be called
// again, and at any time.
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
				stop(ErrShutdown)
				return &ShutdownError{Remaining: in.runningCount(), Err: ctx.Err()}
			}
		}
	}
	for _, calls := range []*safeCalls{&in.log.safeCalls, in.measure.calls} {
		if err := calls.wait(ctx); err != nil {
			return &ShutdownError{Err: err}
		}
	}
	return nil
}
