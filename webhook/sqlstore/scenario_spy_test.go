package sqlstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
)

// spyStore counts the calls of a store, and breaks them.
type spyStore struct {
	webhook.Store
	dead atomic.Bool // every call fails: its process is no more

	mu     sync.Mutex
	calls  map[string]int
	before func(ctx context.Context, method string) error // instead of the call, if it fails
	after  func(method string) error                      // after the call
}

func spy(s webhook.Store) *spyStore { return &spyStore{Store: s, calls: map[string]int{}} }

// Overlaps is the store's: a wrapper would hide that it says so.
func (s *spyStore) Overlaps() bool {
	o, ok := s.Store.(webhook.Overlapper)
	return ok && o.Overlaps()
}

// breaks has a function decide about every call before it is made, and another
// one after. Nil is none.
func (s *spyStore) breaks(before func(ctx context.Context, method string) error, after func(method string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// count is the number of calls of the methods, of all methods if none is named.
func (s *spyStore) count(methods ...string) int {
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

func (s *spyStore) do(ctx context.Context, method string, f func() error) error {
	if s.dead.Load() {
		return errDown
	}
	s.mu.Lock()
	s.calls[method]++
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(ctx, method); err != nil {
			return err
		}
	}
	err := f()
	if after != nil && err == nil {
		err = after(method)
	}
	return err
}

func spied[T any](ctx context.Context, s *spyStore, method string, f func() (T, error)) (T, error) {
	var v, none T
	err := s.do(ctx, method, func() (err error) {
		v, err = f()
		return err
	})
	if err != nil {
		return none, err
	}
	return v, nil
}

func (s *spyStore) Submit(ctx context.Context, v webhook.Submitted) error {
	return s.do(ctx, "Submit", func() error { return s.Store.Submit(ctx, v) })
}

func (s *spyStore) Bind(ctx context.Context, id, job string, sent int) error {
	return s.do(ctx, "Bind", func() error { return s.Store.Bind(ctx, id, job, sent) })
}

func (s *spyStore) Withdraw(ctx context.Context, id string) error {
	return s.do(ctx, "Withdraw", func() error { return s.Store.Withdraw(ctx, id) })
}

func (s *spyStore) Receive(ctx context.Context, a []webhook.Arrival) ([]webhook.Receipt, error) {
	return spied(ctx, s, "Receive", func() ([]webhook.Receipt, error) { return s.Store.Receive(ctx, a) })
}

func (s *spyStore) Claim(ctx context.Context, n int, lease time.Duration) (r []webhook.Record, next time.Duration, err error) {
	r, err = spied(ctx, s, "Claim", func() (claimed []webhook.Record, err error) {
		claimed, next, err = s.Store.Claim(ctx, n, lease)
		return claimed, err
	})
	return r, next, err
}

func (s *spyStore) Extend(ctx context.Context, l []webhook.Lease, d time.Duration) ([]bool, error) {
	return spied(ctx, s, "Extend", func() ([]bool, error) { return s.Store.Extend(ctx, l, d) })
}

func (s *spyStore) Finish(ctx context.Context, v []webhook.Verdict) ([]bool, error) {
	return spied(ctx, s, "Finish", func() ([]bool, error) { return s.Store.Finish(ctx, v) })
}

func (s *spyStore) Overdue(ctx context.Context, n int, hook bool, schedule []time.Duration) ([]webhook.Record, error) {
	return spied(ctx, s, "Overdue", func() ([]webhook.Record, error) { return s.Store.Overdue(ctx, n, hook, schedule) })
}

func (s *spyStore) Lock(ctx context.Context, name, owner string, d time.Duration) (bool, error) {
	return spied(ctx, s, "Lock", func() (bool, error) { return s.Store.Lock(ctx, name, owner, d) })
}

func (s *spyStore) List(ctx context.Context, f webhook.Filter) ([]webhook.Record, error) {
	return spied(ctx, s, "List", func() ([]webhook.Record, error) { return s.Store.List(ctx, f) })
}

func (s *spyStore) Replay(ctx context.Context, keys []string) ([]bool, error) {
	return spied(ctx, s, "Replay", func() ([]bool, error) { return s.Store.Replay(ctx, keys) })
}

func (s *spyStore) Stats(ctx context.Context) (webhook.StoreStats, error) {
	return spied(ctx, s, "Stats", func() (webhook.StoreStats, error) { return s.Store.Stats(ctx) })
}

func (s *spyStore) Purge(ctx context.Context, age, deadAge time.Duration, n int) (int, error) {
	return spied(ctx, s, "Purge", func() (int, error) { return s.Store.Purge(ctx, age, deadAge, n) })
}

// FinishTx implements webhook.TxStore where the store does.
func (s *spyStore) FinishTx(ctx context.Context, tx webhook.Execer, v webhook.Verdict) (bool, error) {
	store, ok := s.Store.(webhook.TxStore)
	if !ok {
		return false, webhook.ErrTxUnsupported
	}
	return spied(ctx, s, "FinishTx", func() (bool, error) { return store.FinishTx(ctx, tx, v) })
}

// only breaks some methods with an error.
func only(err error, methods ...string) func(context.Context, string) error {
	return func(_ context.Context, method string) error {
		if slices.Contains(methods, method) {
			return err
		}
		return nil
	}
}

// meter is an Observer that remembers its counters and the names of all.
type meter struct {
	mu     sync.Mutex
	counts map[string]int64
	names  map[string]bool
}

func (m *meter) note(name, label string, n int64) {
	if label != "" {
		name += "{" + label + "}"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counts == nil {
		m.counts, m.names = map[string]int64{}, map[string]bool{}
	}
	m.counts[name] += n
	m.names[name] = true
}

func (m *meter) Count(name, label string, n int64)   { m.note(name, label, n) }
func (m *meter) Observe(name string, _ float64)      { m.note(name, "", 0) }
func (m *meter) Gauge(name, label string, _ float64) { m.note(name, label, 0) }
func (m *meter) count(name string) int               { m.mu.Lock(); defer m.mu.Unlock(); return int(m.counts[name]) }
func (m *meter) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.names))
}

// logBook is a logger whose records can be looked at.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(io.Writer(l), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// count is the number of records of the level whose message has the text.
func (l *logBook) count(t testing.TB, level slog.Level, text string) (n int) {
	t.Helper()
	for line := range strings.Lines(l.text()) {
		var r struct{ Level, Msg string }
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		if r.Level == level.String() && strings.Contains(r.Msg, text) {
			n++
		}
	}
	return n
}
