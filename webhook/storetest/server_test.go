package storetest

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var errAway = errors.New("the server is away")

// server is a MemoryStore made to look like a database that processes share.
type server struct {
	memory *webhook.MemoryStore

	mu        sync.Mutex
	away      bool
	effects   int
	held      map[string]webhook.Lease // by transactions that are open
	listeners map[int]func()
}

func openServer(*testing.T) Harness {
	s := &server{memory: webhook.NewMemoryStore(), held: map[string]webhook.Lease{}, listeners: map[int]func(){}}
	return Harness{
		Store:   &handle{s},
		Advance: s.memory.Advance,
		Reopen:  func() webhook.Store { return &handle{s} },
		Break: func() func() {
			s.setAway(true)
			return func() { s.setAway(false) }
		},
		Begin: func() Tx {
			tx := &serverTx{server: s}
			return Tx{Execer: tx, Commit: tx.commit, Rollback: tx.rollback}
		},
		Effect: "effect",
		Effects: func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.effects
		},
	}
}

func (s *server) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// handle is a webhook.TxStore and a webhook.Notifier.
type handle struct{ *server }

var (
	_ webhook.TxStore  = (*handle)(nil)
	_ webhook.Notifier = (*handle)(nil)
)

// reach is called before everything else.
func (h *handle) reach() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		return errAway
	}
	return nil
}

func reached[T any](h *handle, f func() (T, error)) (T, error) {
	if err := h.reach(); err != nil {
		var none T
		return none, err
	}
	return f()
}

func (h *handle) Submit(ctx context.Context, s webhook.Submitted) error {
	return errors.Join(h.reach(), h.memory.Submit(ctx, s))
}

func (h *handle) Bind(ctx context.Context, id, job string, sent int) error {
	return errors.Join(h.reach(), h.memory.Bind(ctx, id, job, sent))
}

func (h *handle) Withdraw(ctx context.Context, id string) error {
	return errors.Join(h.reach(), h.memory.Withdraw(ctx, id))
}

func (h *handle) Receive(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
	return reached(h, func() ([]webhook.Receipt, error) {
		receipts, err := h.memory.Receive(ctx, arrivals)
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, wake := range h.listeners {
			wake()
		}
		return receipts, err
	})
}

// Claim keeps what transactions hold out of the way while it claims.
func (h *handle) Claim(ctx context.Context, n int, lease time.Duration) (claimed []webhook.Record, next time.Duration, err error) {
	if err := h.reach(); err != nil {
		return nil, 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, l := range h.held {
		records, err := h.memory.List(ctx, webhook.Filter{Keys: []string{key}})
		if err != nil {
			return nil, 0, err
		}
		if _, err := h.memory.Extend(ctx, []webhook.Lease{l}, 1000*time.Hour); err != nil {
			return nil, 0, err
		}
		left := records[0].DueAt.Sub(records[0].ReadAt)
		defer func() { _, err = h.memory.Extend(ctx, []webhook.Lease{l}, left) }()
	}
	return h.memory.Claim(ctx, n, lease)
}

func (h *handle) Extend(ctx context.Context, leases []webhook.Lease, d time.Duration) ([]bool, error) {
	return reached(h, func() ([]bool, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		held := make([]bool, len(leases))
		for i, l := range leases {
			if h.held[l.Key] == l {
				held[i] = true
				continue
			}
			got, err := h.memory.Extend(ctx, []webhook.Lease{l}, d)
			if err != nil {
				return nil, err
			}
			held[i] = got[0]
		}
		return held, ctx.Err()
	})
}

func (h *handle) Finish(ctx context.Context, verdicts []webhook.Verdict) ([]bool, error) {
	return reached(h, func() ([]bool, error) { return h.memory.Finish(ctx, verdicts) })
}

func (h *handle) Overdue(ctx context.Context, n int, expected bool, schedule []time.Duration) ([]webhook.Record, error) {
	return reached(h, func() ([]webhook.Record, error) { return h.memory.Overdue(ctx, n, expected, schedule) })
}

func (h *handle) Lock(ctx context.Context, name, owner string, d time.Duration) (bool, error) {
	return reached(h, func() (bool, error) { return h.memory.Lock(ctx, name, owner, d) })
}

func (h *handle) List(ctx context.Context, f webhook.Filter) ([]webhook.Record, error) {
	return reached(h, func() ([]webhook.Record, error) { return h.memory.List(ctx, f) })
}

func (h *handle) Replay(ctx context.Context, keys []string) ([]bool, error) {
	return reached(h, func() ([]bool, error) { return h.memory.Replay(ctx, keys) })
}

func (h *handle) Stats(ctx context.Context) (webhook.StoreStats, error) {
	return reached(h, func() (webhook.StoreStats, error) { return h.memory.Stats(ctx) })
}

func (h *handle) Purge(ctx context.Context, age, deadAge time.Duration, n int) (int, error) {
	return reached(h, func() (int, error) { return h.memory.Purge(ctx, age, deadAge, n) })
}

func (h *handle) FinishTx(ctx context.Context, tx webhook.Execer, v webhook.Verdict) (bool, error) {
	return reached(h, func() (bool, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, taken := h.held[v.Key]; taken {
			return false, ctx.Err()
		}
		records, err := h.memory.List(ctx, webhook.Filter{Keys: []string{v.Key}})
		if err != nil || len(records) == 0 || records[0].Token != v.Token || records[0].State != webhook.StateClaimed {
			return false, err
		}
		st := tx.(*serverTx)
		st.verdicts = append(st.verdicts, v)
		h.held[v.Key] = v.Lease
		return true, nil
	})
}

func (h *handle) Notify(ctx context.Context, wake func()) error {
	h.mu.Lock()
	number := len(h.listeners)
	h.listeners[number] = wake
	h.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

// serverTx is a transaction of one user, who does one thing at a time.
type serverTx struct {
	server   *server
	effects  int
	verdicts []webhook.Verdict
}

func (tx *serverTx) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	tx.effects++
	return nil, nil
}

func (tx *serverTx) commit() error {
	s := tx.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.effects += tx.effects
	_, err := s.memory.Finish(context.Background(), tx.verdicts)
	tx.release()
	return err
}

func (tx *serverTx) rollback() error {
	tx.server.mu.Lock()
	defer tx.server.mu.Unlock()
	tx.release()
	return nil
}

func (tx *serverTx) release() {
	for _, v := range tx.verdicts {
		delete(tx.server.held, v.Key)
	}
}
