package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// safeStore turns the panics of a store into errors. A panic on a goroutine of the
// Inbox would end the process. It also moves the trace of records out of the metadata.
type safeStore struct{ Store }

var errStorePanicked = errors.New("inbox: the store panicked")

// contained turns a panic into an error.
func contained(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %s", errStorePanicked, safe.Panic(p))
	}
}

func (s safeStore) Submit(ctx context.Context, v Submission) (err error) {
	defer contained(&err)
	return s.Store.Submit(ctx, v)
}

func (s safeStore) Bind(ctx context.Context, a Answer) (err error) {
	defer contained(&err)
	return s.Store.Bind(ctx, a)
}

func (s safeStore) Receive(ctx context.Context, list []Notification) (results []ReceiveResult, err error) {
	defer contained(&err)
	return s.Store.Receive(ctx, list)
}

func (s safeStore) Claim(ctx context.Context, n int, lease time.Duration) (records []Record, next time.Duration, err error) {
	defer contained(&err)
	records, next, err = s.Store.Claim(ctx, n, lease)
	splitTraces(records)
	return records, next, err
}

func (s safeStore) Extend(ctx context.Context, leases []Lease, d time.Duration) (held []bool, err error) {
	defer contained(&err)
	return s.Store.Extend(ctx, leases, d)
}

func (s safeStore) Finish(ctx context.Context, list []Completion) (held []bool, err error) {
	defer contained(&err)
	return s.Store.Finish(ctx, list)
}

func (s safeStore) Overdue(ctx context.Context, n int, next func(*Record) time.Duration) (records []Record, err error) {
	defer contained(&err)
	records, err = s.Store.Overdue(ctx, n, next)
	splitTraces(records)
	return records, err
}

func (s safeStore) List(ctx context.Context, f Filter) (records []Record, err error) {
	defer contained(&err)
	records, err = s.Store.List(ctx, f)
	splitTraces(records)
	return records, err
}

func (s safeStore) Stats(ctx context.Context) (stats StoreStats, err error) {
	defer contained(&err)
	return s.Store.Stats(ctx)
}

func (s safeStore) Purge(ctx context.Context, doneFor, deadFor time.Duration, n int) (removed int, err error) {
	defer contained(&err)
	return s.Store.Purge(ctx, doneFor, deadFor, n)
}

// lock locks by a Locker. If the store is not a Locker, every caller gets the lock.
func (s safeStore) lock(ctx context.Context, name, owner string, d time.Duration) (mine bool, err error) {
	defer contained(&err)
	if l, ok := s.Store.(Locker); ok {
		return l.Lock(ctx, name, owner, d)
	}
	return true, nil
}
