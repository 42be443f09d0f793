package storetest

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// fake is a Store whose methods can be replaced. Unless they are, they are those of a
// MemoryStore.
type fake struct {
	*inbox.MemoryStore
	reach   func() error // called before each method
	submit  func(ctx context.Context, s inbox.Submission) error
	bind    func(ctx context.Context, a inbox.Answer) error
	receive func(ctx context.Context, list []inbox.Notification) ([]inbox.ReceiveResult, error)
	claim   func(ctx context.Context, n int, lease time.Duration) ([]inbox.Record, time.Duration, error)
	extend  func(ctx context.Context, leases []inbox.Lease, d time.Duration) ([]bool, error)
	finish  func(ctx context.Context, list []inbox.Completion) ([]bool, error)
	overdue func(ctx context.Context, n int, next func(*inbox.Record) time.Duration) ([]inbox.Record, error)
	list    func(ctx context.Context, f inbox.Filter) ([]inbox.Record, error)
	stats   func(ctx context.Context) (inbox.StoreStats, error)
	purge   func(ctx context.Context, doneFor, deadFor time.Duration, n int) (int, error)
}

func newFake() *fake {
	m := inbox.NewMemoryStore()
	return &fake{
		MemoryStore: m, reach: func() error { return nil },
		submit: m.Submit, bind: m.Bind, receive: m.Receive, claim: m.Claim, extend: m.Extend,
		finish: m.Finish, overdue: m.Overdue, list: m.List, stats: m.Stats, purge: m.Purge,
	}
}

func (f *fake) Submit(ctx context.Context, s inbox.Submission) error {
	return errors.Join(f.reach(), f.submit(ctx, s))
}

func (f *fake) Bind(ctx context.Context, a inbox.Answer) error {
	return errors.Join(f.reach(), f.bind(ctx, a))
}

// reached calls g unless the store is broken.
func reached[T any](f *fake, g func() (T, error)) (result T, err error) {
	if err := f.reach(); err != nil {
		return result, err
	}
	return g()
}

func (f *fake) Receive(ctx context.Context, list []inbox.Notification) ([]inbox.ReceiveResult, error) {
	return reached(f, func() ([]inbox.ReceiveResult, error) { return f.receive(ctx, list) })
}

func (f *fake) Claim(ctx context.Context, n int, lease time.Duration) (records []inbox.Record, next time.Duration, err error) {
	if err := f.reach(); err != nil {
		return nil, 0, err
	}
	return f.claim(ctx, n, lease)
}

func (f *fake) Extend(ctx context.Context, leases []inbox.Lease, d time.Duration) ([]bool, error) {
	return reached(f, func() ([]bool, error) { return f.extend(ctx, leases, d) })
}

func (f *fake) Finish(ctx context.Context, list []inbox.Completion) ([]bool, error) {
	return reached(f, func() ([]bool, error) { return f.finish(ctx, list) })
}

func (f *fake) Overdue(ctx context.Context, n int, next func(*inbox.Record) time.Duration) ([]inbox.Record, error) {
	return reached(f, func() ([]inbox.Record, error) { return f.overdue(ctx, n, next) })
}

func (f *fake) List(ctx context.Context, filter inbox.Filter) ([]inbox.Record, error) {
	return reached(f, func() ([]inbox.Record, error) { return f.list(ctx, filter) })
}

func (f *fake) Stats(ctx context.Context) (inbox.StoreStats, error) {
	return reached(f, func() (inbox.StoreStats, error) { return f.stats(ctx) })
}

func (f *fake) Purge(ctx context.Context, doneFor, deadFor time.Duration, n int) (int, error) {
	return reached(f, func() (int, error) { return f.purge(ctx, doneFor, deadFor, n) })
}

// server is a fake that behaves like a database that several processes share.
type server struct {
	*fake
	mu      sync.Mutex
	broken  error
	effects int
	ahead   time.Duration
	held    map[string]inbox.Lease // by open transactions
	locks   map[string]serverLock
}

type serverLock struct {
	owner string
	until time.Time
}

func openServer(*testing.T) Harness {
	s := &server{fake: newFake(), held: map[string]inbox.Lease{}, locks: map[string]serverLock{}}
	s.reach = func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.broken
	}
	s.claim = s.claimNotHeld
	return Harness{
		Store: s,
		Advance: func(d time.Duration) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ahead += d
			s.MemoryStore.Advance(d)
		},
		Reopen: func() inbox.Store { return s },
		Break: func() func() {
			set := func(err error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.broken = err
			}
			set(errors.New("the server is gone"))
			return func() { set(nil) }
		},
		Begin: func() Tx {
			tx := &serverTx{server: s}
			return Tx{Execer: tx, Commit: func() error { return tx.end(true) }, Rollback: func() error { return tx.end(false) }}
		},
		Effect: "effect",
		Effects: func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.effects
		},
	}
}

func (s *server) Capabilities() inbox.Capabilities { return inbox.Capabilities{} }

func (s *server) Lock(ctx context.Context, name, owner string, d time.Duration) (bool, error) {
	return reached(s.fake, func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		now := time.Now().Add(s.ahead)
		l := s.locks[name]
		if l.owner != owner && l.until.After(now) || ctx.Err() != nil {
			return false, ctx.Err()
		}
		l.owner, l.until = owner, now.Add(d)
		s.locks[name] = l
		return d > 0, nil
	})
}

// claimNotHeld renews the leases of records that transactions hold while it claims.
func (s *server) claimNotHeld(ctx context.Context, n int, lease time.Duration) ([]inbox.Record, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, l := range s.held {
		records, err := s.MemoryStore.List(ctx, inbox.Filter{Keys: []string{key}})
		if err != nil {
			return nil, 0, err
		}
		renew := func(d time.Duration) { _, _ = s.MemoryStore.Extend(ctx, []inbox.Lease{l}, d) }
		renew(1000 * time.Hour)
		defer renew(records[0].DueAt.Sub(records[0].ReadAt))
	}
	return s.MemoryStore.Claim(ctx, n, lease)
}

func (s *server) FinishTx(ctx context.Context, tx webhook.Execer, c inbox.Completion) (bool, error) {
	return reached(s.fake, func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, taken := s.held[c.Key]; taken {
			return false, ctx.Err()
		}
		records, err := s.MemoryStore.List(ctx, inbox.Filter{Keys: []string{c.Key}})
		if err != nil || len(records) == 0 || records[0].Token != c.Token || records[0].State != claimed {
			return false, err
		}
		t := tx.(*serverTx)
		t.list = append(t.list, c)
		s.held[c.Key] = c.Lease
		return true, nil
	})
}

// serverTx is a transaction. It changes the records when it is committed.
type serverTx struct {
	server  *server
	effects int
	list    []inbox.Completion
}

func (tx *serverTx) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	tx.effects++
	return nil, nil
}

func (tx *serverTx) end(commit bool) (err error) {
	s := tx.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if commit {
		s.effects += tx.effects
		_, err = s.MemoryStore.Finish(context.Background(), tx.list)
	}
	for _, c := range tx.list {
		delete(s.held, c.Key)
	}
	return err
}
