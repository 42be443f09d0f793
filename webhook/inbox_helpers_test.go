package webhook_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// errDown is a store that does not work.
var errDown = errors.New("the store is down")

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

func (s *spyStore) do(ctx context.Context, method string, f func()) error {
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
	f()
	if after != nil {
		return after(method)
	}
	return nil
}

func spied[T any](ctx context.Context, s *spyStore, method string, f func() (T, error)) (v T, err error) {
	if e := s.do(ctx, method, func() { v, err = f() }); e != nil {
		var none T
		return none, e
	}
	return v, err
}

func (s *spyStore) run(ctx context.Context, method string, f func() error) error {
	_, err := spied(ctx, s, method, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

func (s *spyStore) Submit(ctx context.Context, v webhook.Submitted) error {
	return s.run(ctx, "Submit", func() error { return s.Store.Submit(ctx, v) })
}

func (s *spyStore) Bind(ctx context.Context, id, job string, sent int) error {
	return s.run(ctx, "Bind", func() error { return s.Store.Bind(ctx, id, job, sent) })
}

func (s *spyStore) Withdraw(ctx context.Context, id string) error {
	return s.run(ctx, "Withdraw", func() error { return s.Store.Withdraw(ctx, id) })
}

func (s *spyStore) Receive(ctx context.Context, a []webhook.Arrival) ([]webhook.Receipt, error) {
	return spied(ctx, s, "Receive", func() ([]webhook.Receipt, error) { return s.Store.Receive(ctx, a) })
}

func (s *spyStore) Claim(ctx context.Context, n int, lease time.Duration) (r []webhook.Record, next time.Duration, err error) {
	if e := s.do(ctx, "Claim", func() { r, next, err = s.Store.Claim(ctx, n, lease) }); e != nil {
		return nil, 0, e
	}
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

// only breaks some methods with an error, until the store is mended with breaks.
func only(err error, methods ...string) func(context.Context, string) error {
	return func(_ context.Context, method string) error {
		if slices.Contains(methods, method) {
			return err
		}
		return nil
	}
}

// hang makes some methods answer late, or with ctx's error.
func hang(d time.Duration, methods ...string) func(context.Context, string) error {
	return func(ctx context.Context, method string) error {
		if !slices.Contains(methods, method) {
			return nil
		}
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// meter is an Observer that remembers.
type meter struct {
	mu     sync.Mutex
	counts map[string]int64
	values map[string][]float64
	gauges map[string]float64
}

func newMeter() *meter {
	return &meter{counts: map[string]int64{}, values: map[string][]float64{}, gauges: map[string]float64{}}
}

func named(name, label string) string {
	if label == "" {
		return name
	}
	return name + "{" + label + "}"
}

func (m *meter) Count(name, label string, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[named(name, label)] += n
}

func (m *meter) Observe(name string, seconds float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[name] = append(m.values[name], seconds)
}

func (m *meter) Gauge(name, label string, v float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gauges[named(name, label)] = v
}

// count is a counter. Measurements are taken by another goroutine: in a bubble,
// wait before.
func (m *meter) count(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(m.counts[name])
}

func (m *meter) gauge(name string) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gauges[name]
}

func (m *meter) all(name string) []float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.values[name])
}

// site is a service in a bubble: a Reducto, a store, and the processes on it.
type site struct {
	t     *testing.T
	srv   *reductotest.Server
	mem   *webhook.MemoryStore
	log   *logBook
	meter *meter
	hook  string
}

func newSite(t *testing.T, opts ...reductotest.Option) *site {
	t.Helper()
	s := &site{t: t, srv: reductotest.NewServer(t, opts...), mem: webhook.NewMemoryStore(), log: newLogBook(t), meter: newMeter()}
	s.hook = s.srv.Mount("/webhook", http.NotFoundHandler())
	return s
}

// process is an Inbox with what belongs to it.
type process struct {
	*webhook.Inbox
	site   *site
	spy    *spyStore
	client *reducto.Client
	stop   context.CancelFunc
	ran    chan error // nil: it does not run
}

// make makes a process that receives the deliveries from now on, and does not run.
func (s *site) make(v webhook.Verifier, f webhook.Func, opts ...webhook.Option) *process {
	s.t.Helper()
	return s.makeOn(nil, v, f, opts...)
}

// makeOn is make with a store around the spy's.
func (s *site) makeOn(wrap func(webhook.Store) webhook.Store, v webhook.Verifier, f webhook.Func, opts ...webhook.Option) *process {
	s.t.Helper()
	p := &process{site: s, spy: spy(s.mem)}
	var store webhook.Store = p.spy
	if wrap != nil {
		store = wrap(p.spy)
	}
	if v == nil {
		v = newSecret(s.t, testSecret, oldSecret)
	}
	in, err := webhook.NewInbox(v, store, f,
		append([]webhook.Option{webhook.WithLogger(s.log.logger()), webhook.WithObserver(s.meter)}, opts...)...)
	require.NoError(s.t, err)
	p.Inbox = in
	p.client = s.srv.Client(reducto.WithSubmitHook(in), reducto.WithWebhook(reducto.DirectWebhook(s.hook)))
	s.t.Cleanup(p.client.CloseIdleConnections)
	s.mount(p)
	return p
}

// mount has p receive the deliveries.
func (s *site) mount(p *process) { s.srv.Mount("/webhook", p.Inbox) }

// start is make, and runs it. The end of the test shuts it down.
func (s *site) start(f webhook.Func, opts ...webhook.Option) *process {
	s.t.Helper()
	p := s.make(nil, f, opts...)
	p.run()
	return p
}

func (p *process) run() {
	t := p.site.t
	ctx, cancel := context.WithCancel(context.Background())
	p.stop, p.ran = cancel, make(chan error, 1)
	client := p.client
	go func() { p.ran <- p.Run(ctx, client) }()
	t.Cleanup(func() {
		defer cancel()
		if p.spy.dead.Load() {
			cancel()
			<-p.ran
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		assert.NoError(t, p.Shutdown(ctx))
		<-p.ran
	})
}

// kill ends the process as a SIGKILL does: nothing it does has an effect any more.
func (p *process) kill() {
	p.spy.dead.Store(true)
	if p.stop != nil {
		p.stop()
	}
}

// submit sends a document, which is to be announced.
func (p *process) submit(a reducto.Async) *reducto.Handle[*reducto.ParseResult] {
	p.site.t.Helper()
	return submit(p.site.t, p.client, a)
}

// record is the record of a job, which must exist.
func (s *site) record(jobID string) webhook.Record {
	s.t.Helper()
	list, err := s.mem.List(s.t.Context(), webhook.Filter{JobID: jobID})
	require.NoError(s.t, err)
	require.Len(s.t, list, 1, "records of job %s", jobID)
	return list[0]
}

func (s *site) records(states ...webhook.State) []webhook.Record {
	s.t.Helper()
	list, err := s.mem.List(s.t.Context(), webhook.Filter{States: states, Limit: 1 << 30})
	require.NoError(s.t, err)
	return list
}

// codes are the answers that the deliveries of a job got.
func (s *site) codes(jobID string) []int {
	var codes []int
	for _, d := range s.srv.Deliveries(jobID) {
		codes = append(codes, d.StatusCode)
	}
	return codes
}

// byJob counts calls by job.
type byJob struct {
	mu    sync.Mutex
	calls map[string]int
}

func (b *byJob) add(jobID string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls == nil {
		b.calls = map[string]int{}
	}
	b.calls[jobID]++
	return b.calls[jobID]
}

func (b *byJob) of(jobID string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[jobID]
}

// rest lets time pass in a bubble, and everything settle.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
