package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// Job implements webhook.Source.
func (s *source) Job(ctx context.Context) (*reducto.Job, error) { return s.claim.once.Job(ctx) }

// CompleteTx implements webhook.Source.
func (s *source) CompleteTx(ctx context.Context, tx webhook.Execer) error {
	store, ok := s.inbox.store.Store.(TxStore)
	if !ok {
		return webhook.ErrTxUnsupported
	}
	if isNil(tx) {
		return errors.New("inbox: CompleteTx: the transaction is nil")
	}
	c := s.claim
	if c.isLost() {
		return ErrLeaseLost
	}
	c.mu.Lock()
	c.tx = true
	c.mu.Unlock()
	held, err := store.FinishTx(ctx, tx, Completion{
		Lease: c.lease(), State: StateDone, Attempt: c.record.Attempt, Outcome: c.outcome,
	})
	switch {
	case err != nil:
		return fmt.Errorf("inbox: CompleteTx: %w", err)
	case !held:
		return ErrLeaseLost
	}
	return nil
}

var errNotCommitted = errors.New("inbox: the function succeeded, but did not commit the transaction of its CompleteTx")

// storeRead returns the records of keys, without their metadata. It returns nil for a key
// without a record.
func (in *Inbox) storeRead(ctx context.Context, keys []string) ([]*Record, error) {
	ctx, cancel := in.storeContext(ctx)
	defer cancel()
	list, err := in.store.List(ctx, Filter{Keys: keys, WithoutMetadata: true, Limit: len(keys)})
	if err != nil {
		return nil, err
	}
	found := make(map[string]*Record, len(list))
	for i := range list {
		found[list[i].Key] = &list[i]
	}
	records := make([]*Record, len(keys))
	for i, key := range keys {
		records[i] = found[key]
	}
	return records, nil
}

func (c *claim) calledTx() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tx
}

// committed asks the store whether the transaction of CompleteTx was committed. The
// function's result does not show this: a commit can take effect and still return an
// error. The error is ErrLeaseLost.
func (in *Inbox) committed(ctx context.Context, c *claim) (bool, error) {
	ctx = context.WithoutCancel(ctx)
	for round := 1; ; round++ {
		r, err := in.reads.ask(ctx, c.record.Key)
		switch {
		case err == nil && r != nil && r.Token == c.record.Token:
			c.mu.Lock()
			c.tx = false
			c.mu.Unlock()
			return r.State == StateDone, nil
		case err == nil:
			in.loseClaim(ctx, c, "another worker has claimed it")
			return false, ErrLeaseLost
		}
		in.health.storeFailed(err)
		in.logRecord(ctx, slog.LevelError, "inbox: the store failed; it is asked again whether the transaction was committed", &c.record, safe.Error(err))
		if !in.pauseInLease(c, round) {
			c.lose() // the next worker finds out
			return false, ErrLeaseLost
		}
	}
}
