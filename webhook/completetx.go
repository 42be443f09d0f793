package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// completer completes a delivery of an Inbox in a transaction of the user's.
type completer struct {
	inbox *Inbox
	claim *claim
}

// CompleteTx completes the delivery within tx, a transaction on the database of
// the Inbox's store, so that your effect and the completion are committed together
// or not at all. Call it last, commit, and return nil:
//
//	tx, err := db.BeginTx(ctx, nil)
//	...
//	// your writes
//	if err := d.CompleteTx(ctx, tx); err != nil {
//		return err // after Rollback
//	}
//	return tx.Commit()
//
// If it returns ErrLeaseLost, somebody else works on the job: roll back. From its
// success until the transaction ends, the record is locked, and the lock stands in
// for the lease. In a REPEATABLE READ transaction of PostgreSQL it can fail with
// SQLSTATE 40001: roll back and try again. On SQLite the transaction is the only
// writer, and deliveries wait for it: keep it short.
//
// The Inbox looks afterwards whether the transaction was committed. A function
// that returns nil without having committed is called again (ErrNotCommitted).
// Stores without transactions, and a Handler, answer ErrTxUnsupported.
func (d *Delivery) CompleteTx(ctx context.Context, tx Execer) error {
	if d.completer == nil {
		return ErrTxUnsupported
	}
	return d.completer.complete(ctx, tx)
}

func (t *completer) complete(ctx context.Context, tx Execer) error {
	store, ok := t.inbox.store.Store.(TxStore)
	if !ok {
		return ErrTxUnsupported
	}
	if isNil(tx) {
		return errors.New("webhook: CompleteTx: the transaction is nil")
	}
	c := t.claim
	if c.isLost() {
		return ErrLeaseLost
	}
	c.mu.Lock()
	c.tx = true
	c.mu.Unlock()
	held, err := store.FinishTx(ctx, tx, Verdict{Lease: c.lease(), State: StateDone, Outcome: c.outcome})
	switch {
	case err != nil:
		return fmt.Errorf("webhook: CompleteTx: %w", err)
	case !held:
		return ErrLeaseLost
	}
	return nil
}

func (c *claim) inTx() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tx
}

// judgeTx asks the store whether the transaction was committed: nobody else can
// tell, neither from a nil nor from an error.
func (in *Inbox) judgeTx(ctx context.Context, c *claim, res result) Verdict {
	detached := context.WithoutCancel(ctx)
	for round := 1; ; round++ {
		r, readErr := in.read(detached, c.record.Key)
		if readErr == nil {
			switch {
			case r != nil && r.State == StateDone && r.Token == c.record.Token:
				if res.failed {
					in.logRecord(ctx, slog.LevelWarn, "the function failed after its transaction was committed; the record is done", &c.record, slog.String("error", res.text))
				}
				in.measure.count(MetricHandled, "done", 1)
				return Verdict{State: StateDone, Outcome: c.outcome} // recorded already
			case r == nil || r.Token != c.record.Token:
				in.loseClaim(ctx, c, "somebody else has claimed it")
				return Verdict{Lease: c.lease(), State: StateReceived, Keep: true}
			}
			break
		}
		in.health.storeFailed(readErr)
		in.logRecord(ctx, slog.LevelError, "the store failed; it is asked again whether the transaction was committed", &c.record, errorAttr(readErr))
		timer := time.NewTimer(min(in.backoff(round), 10*time.Second))
		select {
		case <-timer.C:
		case <-c.giveUp:
			timer.Stop()
			c.lose()
			return Verdict{Lease: c.lease(), State: StateReceived, Keep: true}
		}
		if c.left(time.Now()) <= 0 {
			// The lease ends, and whoever claims next sees for itself.
			c.lose()
			return Verdict{Lease: c.lease(), State: StateReceived, Keep: true}
		}
	}
	// Not committed: what the function said decides, and its nil was a mistake.
	c.mu.Lock()
	c.tx = false
	c.mu.Unlock()
	if !res.failed {
		res = result{failed: true, label: "not_committed", text: ErrNotCommitted.Error()}
	}
	return in.judgeRecord(ctx, c, res)
}

// read is one record; nil if there is none of that key.
func (in *Inbox) read(ctx context.Context, key string) (*Record, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, in.cfg.inbox.storeTimeout, errIntakeTimeout)
	defer cancel()
	list, err := in.store.List(ctx, Filter{Keys: []string{key}, Limit: 1})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}
