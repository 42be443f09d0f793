package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/internal/fetch"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// ErrLeaseLost is the cause of a function's context if its lease could not be renewed
// in time. Another worker may have the job now, and the completion of this call is
// refused. CompleteTx then returns it too: roll back.
var ErrLeaseLost = errors.New("inbox: lease lost")

// claim is a record that a worker of this process has claimed.
type claim struct {
	record  Record
	ctx     context.Context
	cancel  context.CancelCauseFunc
	read    time.Time       // when the record was read, by this process's clock
	giveUp  <-chan struct{} // closed when Shutdown stops waiting
	outcome webhook.Outcome // what the function is called with
	once    *fetch.Once     // gets the job

	mu    sync.Mutex
	ends  time.Time   // when the lease ends at the earliest, by this process's clock
	timer *time.Timer // gives the claim up in time
	lost  bool
	over  bool // the function has returned
	tx    bool // CompleteTx was called
}

func (c *claim) lease() Lease { return Lease{Key: c.record.Key, Token: c.record.Token} }

// now returns the store's time, without asking the store.
func (c *claim) now() time.Time { return c.record.ReadAt.Add(time.Since(c.read)) }

// renewed notes a lease. The store received the request after asked, so the lease
// ends no earlier than d after that.
func (c *claim) renewed(asked time.Time, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = asked.Add(d)
}

// lose ends the function's context, and reports whether the claim was held so far.
func (c *claim) lose() bool {
	c.mu.Lock()
	first := !c.lost
	c.lost = true
	c.mu.Unlock()
	c.cancel(ErrLeaseLost)
	return first
}

func (c *claim) isLost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// left returns how much of the lease certainly remains.
func (c *claim) left(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends.Sub(now)
}

// watch gives the claim up before its lease ends, unless the lease is renewed. It
// does not depend on the store, which may hang.
func (in *Inbox) watch(c *claim) {
	margin := in.cfg.lease / 8
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(time.Until(c.ends)-margin, func() {
		c.mu.Lock()
		left := time.Until(c.ends) - margin
		watched := !c.lost && !c.over
		if watched && left > 0 {
			c.timer.Reset(left)
		}
		c.mu.Unlock()
		if watched && left <= 0 {
			in.loseClaim(c.ctx, c, "its lease could not be renewed in time")
		}
	})
}

func (c *claim) unwatch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.timer.Stop()
}

// heartbeat renews the leases of all claims each time a third of the lease has passed.
// After a failure it tries again sooner.
func (in *Inbox) heartbeat(ctx context.Context) {
	next := in.cfg.lease / 3
	for safe.Sleep(ctx, next) == nil {
		next = in.cfg.lease / 3
		if err := in.extend(ctx); err != nil && ctx.Err() == nil {
			next = in.cfg.lease / 16
			in.health.storeFailed(err)
			in.log.Log(ctx, slog.LevelWarn, "inbox: leases could not be renewed", safe.Error(err))
		}
	}
}

// extend renews the leases of all claims in one call.
func (in *Inbox) extend(ctx context.Context) error {
	var held []*claim
	var leases []Lease
	in.mu.Lock()
	for lease, c := range in.running {
		if !c.isLost() {
			held, leases = append(held, c), append(leases, lease)
		}
	}
	in.mu.Unlock()
	if len(held) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, min(in.cfg.storeTimeout, in.cfg.lease/8), errStoreTimeout)
	defer cancel()
	asked := time.Now()
	ok, err := in.store.Extend(ctx, leases, in.cfg.lease)
	if err != nil {
		return err
	}
	if len(ok) != len(leases) {
		return fmt.Errorf("inbox: the store gave %d answers to %d leases", len(ok), len(leases))
	}
	for i, c := range held {
		if ok[i] {
			c.renewed(asked, in.cfg.lease)
		} else if !c.isEnding() {
			in.loseClaim(ctx, c, "another worker has claimed it")
		}
	}
	return nil
}

// isEnding reports whether the claim may just have been finished.
func (c *claim) isEnding() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over || c.tx
}

func (in *Inbox) loseClaim(ctx context.Context, c *claim, why string) {
	if !c.lose() {
		return
	}
	in.measure.count(MetricFenced, "", 1)
	in.logRecord(ctx, slog.LevelWarn, "inbox: lease lost: "+why, &c.record)
	in.noteClaim(c, HistoryFenced, why)
}
