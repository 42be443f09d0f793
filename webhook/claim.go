package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Causes (context.Cause) with which the context of a Func ends, besides
// ErrShutdown.
var (
	// ErrLeaseLost: the claim on the record was lost, because its lease could not be
	// renewed in time. Somebody else may be working on it now; what this call does is
	// not recorded any more. It is also CompleteTx's error in that case: roll back.
	ErrLeaseLost = errors.New("webhook: lease lost")
	// ErrNotCommitted: the function returned nil after CompleteTx, but its
	// transaction was not committed. It is called again.
	ErrNotCommitted = errors.New("webhook: the function succeeded, but the transaction of its CompleteTx was not committed")
)

type claimKey struct {
	key   string
	token int64
}

// claim is a record that this process works on.
type claim struct {
	record Record
	ctx    context.Context
	cancel context.CancelCauseFunc
	read   time.Time       // when the record was read, by our clock
	giveUp <-chan struct{} // closed when Shutdown's time is over

	// outcome is what the function is called with. It may change its Delivery.
	outcome Outcome

	mu    sync.Mutex
	ends  time.Time   // when the lease ends at the earliest, by our clock
	timer *time.Timer // gives the claim up in time
	lost  bool
	over  bool // the function has returned; its verdict is on its way
	tx    bool // CompleteTx was called
}

func (c *claim) lease() Lease { return Lease{Key: c.record.Key, Token: c.record.Token} }

// renewed notes a lease that was asked for at a time: it ends no earlier than that
// time and the lease later, for the store saw the call after it.
func (c *claim) renewed(asked time.Time, lease time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = asked.Add(lease)
}

// lose ends the function's context, and reports whether that is news.
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

func (c *claim) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// left is how much of the lease is certainly left.
func (c *claim) left(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends.Sub(now)
}

// watch gives a claim up before its lease can end, if it was not renewed: its
// function is told in time to stop. It depends on nobody, least of all on a store
// that does not answer.
func (in *Inbox) watch(c *claim) {
	margin := in.cfg.inbox.lease / 8
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

// unwatch ends what watch began.
func (c *claim) unwatch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.timer.Stop()
}

// heartbeat renews the leases of all claims, three times as often as they last,
// and more often when that fails.
func (in *Inbox) heartbeat(ctx context.Context) {
	lease := in.cfg.inbox.lease
	interval := lease / 3
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next := interval
		if err := in.extend(ctx, lease); err != nil && ctx.Err() == nil {
			next = lease / 16
			in.health.storeFailed(err)
			in.log.log(ctx, slog.LevelWarn, "leases could not be renewed", errorAttr(err))
		}
		timer.Reset(next)
	}
}

// extend renews the leases of all claims at once.
func (in *Inbox) extend(ctx context.Context, lease time.Duration) error {
	var held []*claim
	for _, c := range in.claims() {
		if !c.isLost() {
			held = append(held, c)
		}
	}
	if len(held) == 0 {
		return nil
	}
	leases := make([]Lease, len(held))
	for i, c := range held {
		leases[i] = c.lease()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, min(in.cfg.inbox.storeTimeout, lease/8), errIntakeTimeout)
	defer cancel()
	asked := time.Now()
	ok, err := in.store.Extend(ctx, leases, lease)
	if err != nil {
		return err
	}
	if len(ok) != len(leases) {
		return fmt.Errorf("webhook: the store gave %d answers to %d leases", len(ok), len(leases))
	}
	for i, c := range held {
		if ok[i] {
			c.renewed(asked, lease)
		} else if !c.isOver() && !c.inTx() { // not if it has just been finished
			in.loseClaim(ctx, c, "somebody else has claimed it")
		}
	}
	return nil
}

func (in *Inbox) loseClaim(ctx context.Context, c *claim, why string) {
	if !c.lose() {
		return
	}
	in.measure.count(MetricFenced, "", 1)
	in.logRecord(ctx, slog.LevelWarn, "lease lost: "+why, &c.record)
}

func (in *Inbox) claims() []*claim {
	in.mu.Lock()
	defer in.mu.Unlock()
	list := make([]*claim, 0, len(in.running))
	for _, c := range in.running {
		list = append(list, c)
	}
	return list
}
