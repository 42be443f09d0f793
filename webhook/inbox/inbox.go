package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/wireid"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// Inbox receives webhooks durably. It has three roles:
//
//   - An http.Handler. It verifies a delivery, writes it to the Store together with
//     those that arrive at the same time, and then answers 200.
//   - A reducto.SubmitHook. It records each submission before it is sent, so that it
//     can find the job if no delivery comes.
//   - A worker, with Run or Serve. It calls your function for every job that has
//     ended, until the function succeeds, in one process at a time.
//
// Give the client only the Inbox (reducto.WithSubmitHook). The Inbox calls the hook
// of its verifier. Without a webhook the Inbox polls the API, so it needs no public
// URL.
type Inbox struct {
	recv     *webhook.Receiver
	verifier webhook.Verifier
	store    safeStore
	fn       webhook.Func
	cfg      *config
	volatile bool // the store is memory, so a 200 must come after the function

	log     *safe.Log
	faults  safe.Limiter // of log records about the store
	refused safe.Limiter // of log records about refused jobs
	measure measurements
	stats   counters
	health  health
	history *historyWriter // nil without WithHistory

	receive *batcher[Notification, ReceiveResult]
	finish  *batcher[Completion, bool]
	reads   *batcher[string, *Record]
	wake    signal    // a record may be due
	ended   broadcast // a record has changed

	mu        sync.Mutex
	running   map[Lease]*claim
	state     runState
	stopRun   context.CancelCauseFunc
	runEnded  chan struct{}
	detachRun func() bool

	drain      context.Context // ended by Shutdown: no work begins
	stopClaims context.CancelFunc
}

var (
	_ reducto.SubmitHook = (*Inbox)(nil)
)

// New returns an Inbox that keeps deliveries in s after v has verified them, and calls
// f. It checks all arguments. The error is a *reducto.RequestError. It starts no
// goroutine.
func New(v webhook.Verifier, s Store, f webhook.Func, opts ...Option) (*Inbox, error) {
	const op = "inbox.New"
	cfg, err := configure(opts)
	if err != nil {
		return nil, &reducto.RequestError{Op: op, Field: "options", Err: err}
	}
	switch {
	case isNil(s):
		return nil, &reducto.RequestError{Op: op, Field: "the store", Reason: "it is nil: use NewMemoryStore, or package sqlstore"}
	case f == nil:
		return nil, &reducto.RequestError{Op: op, Field: "the function", Reason: "it is nil: give the function that processes a job"}
	}
	keeper, _ := s.(HistoryStore)
	if cfg.history && keeper == nil {
		return nil, &reducto.RequestError{Op: op, Field: "WithHistory", Reason: "the store is no HistoryStore: leave the option out, or use MemoryStore or package sqlstore"}
	}
	log := safe.NewLog(cfg.logger)
	shared := cfg.receiver
	if log.On() {
		shared = append(shared, webhook.WithLogger(log.Logger()))
	}
	recv, err := webhook.NewReceiver(v, shared...)
	if err != nil {
		if r, ok := errors.AsType[*reducto.RequestError](err); ok {
			r.Op = op
		}
		return nil, err
	}
	in := &Inbox{
		recv: recv, verifier: v, store: safeStore{s}, fn: f, cfg: cfg, log: log,
		measure: measurements{observer: cfg.observer, calls: &safe.Calls{Max: measureQueue}},
		running: map[Lease]*claim{}, wake: newSignal(),
	}
	in.faults.Every, in.refused.Every = time.Second, time.Second
	in.drain, in.stopClaims = context.WithCancel(context.Background())
	in.receive = &batcher[Notification, ReceiveResult]{max: batchSize, least: cfg.storeTimeout, do: in.storeReceive}
	in.finish = &batcher[Completion, bool]{max: batchSize, do: in.storeFinish}
	in.reads = &batcher[string, *Record]{max: batchSize, do: in.storeRead}
	if cfg.history {
		in.history = newHistoryWriter(keeper, cfg.storeTimeout, log)
	}
	if c, ok := s.(Capable); ok {
		is := c.Capabilities()
		in.volatile = is.Volatile
		if is.Concurrent {
			in.receive.beside = besideSize
		}
	}
	return in, nil
}

const (
	// batchSize is the largest batch that the store takes at a time.
	batchSize = 256
	// besideSize is how many deliveries begin a second batch beside a running one.
	// With fewer, commits cost more than the time that they save.
	besideSize = 24
	// measureQueue is how many measurements wait for a slow observer.
	measureQueue = 4096
)

// isNil reports whether v is nil or holds a nil pointer.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

func checkJobID(op, id string) error {
	if wrong := wireid.Check(id); wrong != "" {
		return &reducto.RequestError{Op: op, Field: "job id", Reason: "the id " + wrong}
	}
	return nil
}

// errStoreTimeout is the error of a call of the store that takes too long.
var errStoreTimeout = fmt.Errorf("inbox: the store took too long: %w", context.DeadlineExceeded)

// storeContext limits a call of the store.
func (in *Inbox) storeContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, in.cfg.storeTimeout, errStoreTimeout)
}

func (in *Inbox) storeReceive(ctx context.Context, list []Notification) ([]ReceiveResult, error) {
	ctx, cancel := in.storeContext(ctx)
	defer cancel()
	results, err := in.store.Receive(ctx, list)
	in.health.wrote(ctx, err)
	return results, err
}

func (in *Inbox) storeFinish(ctx context.Context, list []Completion) ([]bool, error) {
	ctx, cancel := in.storeContext(ctx)
	defer cancel()
	return in.store.Finish(ctx, list)
}

// read returns the record of a key, or nil.
func (in *Inbox) read(ctx context.Context, key string) (*Record, error) {
	ctx, cancel := in.storeContext(ctx)
	defer cancel()
	list, err := in.store.List(ctx, Filter{Keys: []string{key}, Limit: 1})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// Format prints the type alone, with every verb.
func (in *Inbox) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "inbox.Inbox") }

// signal wakes one waiter. Several sends before a wait are one.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) send() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// broadcast wakes all waiters.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
