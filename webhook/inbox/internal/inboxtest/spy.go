package inboxtest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// ErrDown is the error of a store that does not work.
var ErrDown = errors.New("the store is down")

// Spy counts the calls of a Store, and makes them fail. It is never volatile, so that
// an Inbox treats a MemoryStore as a database.
type Spy struct {
	inbox.Store
	dead atomic.Bool // every call fails, as the process was killed

	mu     sync.Mutex
	calls  map[string]int
	before func(ctx context.Context, method string) error
	after  func(method string) error
}

// NewSpy returns a Spy on s.
func NewSpy(s inbox.Store) *Spy { return &Spy{Store: s, calls: map[string]int{}} }

// Before sets a function that is called before each call of the store. If it returns
// an error, the store is not called. Nil removes it.
func (s *Spy) Before(f func(ctx context.Context, method string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// After sets a function that is called after each call of the store that worked. Its
// error replaces the result. Nil removes it.
func (s *Spy) After(f func(method string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after = f
}

// Break makes methods fail with ErrDown, all of them if none is named.
func (s *Spy) Break(methods ...string) {
	s.Before(func(_ context.Context, method string) error {
		if len(methods) == 0 || slices.Contains(methods, method) {
			return ErrDown
		}
		return nil
	})
}

// Mend removes what Before and Break set.
func (s *Spy) Mend() { s.Before(nil) }

// Slow makes methods take the time d, or fail when their context ends.
func (s *Spy) Slow(d time.Duration, methods ...string) {
	s.Before(func(ctx context.Context, method string) error {
		if !slices.Contains(methods, method) {
			return nil
		}
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// Once returns a function for Before or After that fails the first call of a method.
func Once(method string, err error) func(string) error {
	var done atomic.Bool
	return func(m string) error {
		if m == method && !done.Swap(true) {
			return err
		}
		return nil
	}
}

// Count returns how often the methods were called, all methods if none is named.
func (s *Spy) Count(methods ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(methods) == 0 {
		methods = slices.Collect(maps.Keys(s.calls))
	}
	n := 0
	for _, m := range methods {
		n += s.calls[m]
	}
	return n
}

func spied[T any](ctx context.Context, s *Spy, method string, f func() (T, error)) (v T, err error) {
	var none T
	if s.dead.Load() {
		return none, ErrDown
	}
	s.mu.Lock()
	s.calls[method]++
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(ctx, method); err != nil {
			return none, err
		}
	}
	if v, err = f(); err == nil && after != nil {
		err = after(method)
	}
	if err != nil {
		return none, err
	}
	return v, nil
}

func (s *Spy) run(ctx context.Context, method string, f func() error) error {
	_, err := spied(ctx, s, method, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// Capabilities implements inbox.Capable.
func (s *Spy) Capabilities() inbox.Capabilities {
	if c, ok := s.Store.(inbox.Capable); ok {
		return inbox.Capabilities{Concurrent: c.Capabilities().Concurrent}
	}
	return inbox.Capabilities{}
}

// Submit implements inbox.Store.
func (s *Spy) Submit(ctx context.Context, v inbox.Submission) error {
	return s.run(ctx, "Submit", func() error { return s.Store.Submit(ctx, v) })
}

// Bind implements inbox.Store.
func (s *Spy) Bind(ctx context.Context, a inbox.Answer) error {
	return s.run(ctx, "Bind", func() error { return s.Store.Bind(ctx, a) })
}

// Receive implements inbox.Store.
func (s *Spy) Receive(ctx context.Context, list []inbox.Notification) ([]inbox.ReceiveResult, error) {
	return spied(ctx, s, "Receive", func() ([]inbox.ReceiveResult, error) { return s.Store.Receive(ctx, list) })
}

// Claim implements inbox.Store.
func (s *Spy) Claim(ctx context.Context, n int, lease time.Duration) (r []inbox.Record, next time.Duration, err error) {
	r, err = spied(ctx, s, "Claim", func() (claimed []inbox.Record, err error) {
		claimed, next, err = s.Store.Claim(ctx, n, lease)
		return claimed, err
	})
	return r, next, err
}

// Extend implements inbox.Store.
func (s *Spy) Extend(ctx context.Context, l []inbox.Lease, d time.Duration) ([]bool, error) {
	return spied(ctx, s, "Extend", func() ([]bool, error) { return s.Store.Extend(ctx, l, d) })
}

// Finish implements inbox.Store.
func (s *Spy) Finish(ctx context.Context, list []inbox.Completion) ([]bool, error) {
	return spied(ctx, s, "Finish", func() ([]bool, error) { return s.Store.Finish(ctx, list) })
}

// Overdue implements inbox.Store.
func (s *Spy) Overdue(ctx context.Context, n int, next func(*inbox.Record) time.Duration) ([]inbox.Record, error) {
	return spied(ctx, s, "Overdue", func() ([]inbox.Record, error) { return s.Store.Overdue(ctx, n, next) })
}

// List implements inbox.Store.
func (s *Spy) List(ctx context.Context, f inbox.Filter) ([]inbox.Record, error) {
	return spied(ctx, s, "List", func() ([]inbox.Record, error) { return s.Store.List(ctx, f) })
}

// Stats implements inbox.Store.
func (s *Spy) Stats(ctx context.Context) (inbox.StoreStats, error) {
	return spied(ctx, s, "Stats", func() (inbox.StoreStats, error) { return s.Store.Stats(ctx) })
}

// Purge implements inbox.Store.
func (s *Spy) Purge(ctx context.Context, doneFor, deadFor time.Duration, n int) (int, error) {
	return spied(ctx, s, "Purge", func() (int, error) { return s.Store.Purge(ctx, doneFor, deadFor, n) })
}

// AppendHistory implements inbox.HistoryStore if the store does.
func (s *Spy) AppendHistory(ctx context.Context, list []inbox.HistoryEntry) error {
	return s.run(ctx, "AppendHistory", func() error {
		store, ok := s.Store.(inbox.HistoryStore)
		if !ok {
			return errors.ErrUnsupported
		}
		return store.AppendHistory(ctx, list)
	})
}

// History implements inbox.HistoryStore if the store does.
func (s *Spy) History(ctx context.Context, key string) ([]inbox.HistoryEntry, error) {
	return spied(ctx, s, "History", func() ([]inbox.HistoryEntry, error) {
		store, ok := s.Store.(inbox.HistoryStore)
		if !ok {
			return nil, errors.ErrUnsupported
		}
		return store.History(ctx, key)
	})
}

// FinishTx implements inbox.TxStore if the store does.
func (s *Spy) FinishTx(ctx context.Context, tx webhook.Execer, c inbox.Completion) (bool, error) {
	store, ok := s.Store.(inbox.TxStore)
	if !ok {
		return false, webhook.ErrTxUnsupported
	}
	return spied(ctx, s, "FinishTx", func() (bool, error) { return store.FinishTx(ctx, tx, c) })
}

// Lock implements inbox.Locker. A store that is none gives the lock to everybody.
func (s *Spy) Lock(ctx context.Context, name, owner string, d time.Duration) (bool, error) {
	return spied(ctx, s, "Lock", func() (bool, error) {
		if l, ok := s.Store.(inbox.Locker); ok {
			return l.Lock(ctx, name, owner, d)
		}
		return true, nil
	})
}
