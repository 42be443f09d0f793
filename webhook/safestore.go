package webhook

import (
	"context"
	"fmt"
	"time"
)

// safeStore makes errors of a store's panics, as if it had failed: the goroutines
// that call it are those of sweeps, work and housekeeping, and a panic in one of
// them would end the process. It is no TxStore and no Notifier; what it wraps may be.
type safeStore struct{ Store }

// contained makes an error of a panic.
func contained(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %s", errStorePanicked, panicked(p))
	}
}

func (s safeStore) Submit(ctx context.Context, v Submitted) (err error) {
	defer contained(&err)
	return s.Store.Submit(ctx, v)
}

func (s safeStore) Bind(ctx context.Context, submissionID, jobID string, sent int) (err error) {
	defer contained(&err)
	return s.Store.Bind(ctx, submissionID, jobID, sent)
}

func (s safeStore) Withdraw(ctx context.Context, submissionID string) (err error) {
	defer contained(&err)
	return s.Store.Withdraw(ctx, submissionID)
}

func (s safeStore) Receive(ctx context.Context, arrivals []Arrival) (receipts []Receipt, err error) {
	defer contained(&err)
	return s.Store.Receive(ctx, arrivals)
}

func (s safeStore) Claim(ctx context.Context, n int, lease time.Duration) (records []Record, next time.Duration, err error) {
	defer contained(&err)
	return s.Store.Claim(ctx, n, lease)
}

func (s safeStore) Extend(ctx context.Context, leases []Lease, d time.Duration) (held []bool, err error) {
	defer contained(&err)
	return s.Store.Extend(ctx, leases, d)
}

func (s safeStore) Finish(ctx context.Context, verdicts []Verdict) (held []bool, err error) {
	defer contained(&err)
	return s.Store.Finish(ctx, verdicts)
}

func (s safeStore) Overdue(ctx context.Context, n int, webhook bool, schedule []time.Duration) (records []Record, err error) {
	defer contained(&err)
	return s.Store.Overdue(ctx, n, webhook, schedule)
}

func (s safeStore) Lock(ctx context.Context, name, owner string, d time.Duration) (mine bool, err error) {
	defer contained(&err)
	return s.Store.Lock(ctx, name, owner, d)
}

func (s safeStore) List(ctx context.Context, f Filter) (records []Record, err error) {
	defer contained(&err)
	return s.Store.List(ctx, f)
}

func (s safeStore) Replay(ctx context.Context, keys []string) (replayed []bool, err error) {
	defer contained(&err)
	return s.Store.Replay(ctx, keys)
}

func (s safeStore) Stats(ctx context.Context) (stats StoreStats, err error) {
	defer contained(&err)
	return s.Store.Stats(ctx)
}

func (s safeStore) Purge(ctx context.Context, age, deadAge time.Duration, n int) (removed int, err error) {
	defer contained(&err)
	return s.Store.Purge(ctx, age, deadAge, n)
}

// notify is Notify of a Notifier.
func notify(ctx context.Context, n Notifier, wake func()) (err error) {
	defer contained(&err)
	return n.Notify(ctx, wake)
}
