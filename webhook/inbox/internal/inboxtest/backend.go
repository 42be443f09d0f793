package inboxtest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// Backend is a store, and what tests need to control it.
type Backend struct {
	// Open returns a handle on the store, as each process has one.
	Open func() inbox.Store
	// Advance lets time pass for the store alone.
	Advance func(d time.Duration)
	// Cut makes every call fail, Stall makes those that write hang, and Fill makes
	// those that write fail, until the result is called.
	Cut, Stall, Fill func() (mend func())
	// Dump returns everything that the store keeps.
	Dump func() string
	// DB is the store's database, nil for memory.
	DB *sql.DB
}

// Memory returns the Backend of a MemoryStore.
func Memory(t testing.TB) Backend {
	mem := &lockingStore{MemoryStore: inbox.NewMemoryStore(), locks: map[string]memLock{}}
	store := NewSpy(mem)
	breaks := func(before func(context.Context) error, all bool) func() func() {
		return func() func() {
			store.Before(func(ctx context.Context, method string) error {
				if !all && (method == "List" || method == "Stats") {
					return nil
				}
				return before(ctx)
			})
			return store.Mend
		}
	}
	fail := func(context.Context) error { return ErrDown }
	return Backend{
		Open:    func() inbox.Store { return store },
		Advance: mem.advance,
		Cut:     breaks(fail, true),
		Stall:   breaks(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, false),
		Fill:    breaks(fail, false),
		Dump: func() string {
			records, err := mem.List(t.Context(), inbox.Filter{Limit: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for _, r := range records {
				history, err := mem.History(t.Context(), r.Key)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&text, "%+v %s %+v\n", r, r.Metadata, history)
			}
			return text.String()
		},
	}
}

// lockingStore is a MemoryStore that is also an inbox.Locker, as databases are.
type lockingStore struct {
	*inbox.MemoryStore
	mu    sync.Mutex
	ahead time.Duration
	locks map[string]memLock
}

type memLock struct {
	owner string
	until time.Time
}

func (s *lockingStore) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
	s.Advance(d)
}

func (s *lockingStore) Lock(_ context.Context, name, owner string, d time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, l := time.Now().Add(s.ahead), s.locks[name]
	if l.owner != owner && l.until.After(now) {
		return false, nil
	}
	s.locks[name] = memLock{owner, now.Add(d)}
	return d > 0, nil
}
