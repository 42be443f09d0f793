package sqlstore_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// The scenarios of the receiving side, on every store that there is. A story is
// told once: on a MemoryStore in a bubble, and over real connections on SQLite and
// PostgreSQL. What would be due in hours is made due by moving the store's time,
// and what is due is done by RunOnce, so that a story waits for nothing but what is
// about waiting.
func onEveryStore(t *testing.T, story func(t *testing.T, p *plant), opts ...reductotest.Option) {
	t.Helper()
	onEveryDatabase(t, story, opts...)
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { story(t, newPlant(t, memoryStock(t), opts...)) })
	})
}

// onEveryDatabase is onEveryStore for what memory cannot do.
func onEveryDatabase(t *testing.T, story func(t *testing.T, p *plant), opts ...reductotest.Option) {
	t.Helper()
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		story(t, newPlant(t, sqliteStock(t), append(opts, reductotest.OnTCP())...))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		story(t, newPlant(t, postgresStock(t), append(opts, reductotest.OnTCP())...))
	})
}

const (
	// Secrets of these tests begin with canary, so that they can be looked for.
	canary     = "canary-"
	testSecret = canary + "current-5f2d9c1e7a3b"
	oldSecret  = canary + "previous-8b1e0d2f4c6a"

	jobA = "204a39e4-dd10-4c83-a978-0cee4af8cde2"
	jobB = "7d0c1a52-6b0e-4f0e-8f6d-2b8d3f1c9a10"
)

// plant is a service, a store, and the processes on it.
type plant struct {
	stock
	t      *testing.T
	srv    *reductotest.Server
	store  webhook.Store // a handle of the test's own
	secret *webhook.Secret
	log    logBook
	meter  meter
	hook   string

	mu    sync.Mutex
	calls map[string][]*webhook.Delivery
}

func newPlant(t *testing.T, s stock, opts ...reductotest.Option) *plant {
	t.Helper()
	secret, err := webhook.NewSecret(testSecret, oldSecret)
	require.NoError(t, err)
	opts = append([]reductotest.Option{
		reductotest.WithRetrySchedule(20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond),
	}, opts...)
	p := &plant{
		stock: s, t: t, srv: reductotest.NewServer(t, opts...), store: s.open(), secret: secret, calls: map[string][]*webhook.Delivery{},
	}
	p.hook = p.srv.Mount("/webhook", nil)
	return p
}

// work is a Func that notes its calls.
func (p *plant) work(_ context.Context, d *webhook.Delivery) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[d.JobID] = append(p.calls[d.JobID], d)
	return nil
}

// called are the calls for a job.
func (p *plant) called(jobID string) []*webhook.Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[jobID]
}

// process is an Inbox with what belongs to it, and a handle of the store of its own.
type process struct {
	*webhook.Inbox
	p      *plant
	spy    *spyStore
	client *reducto.Client
	ctx    context.Context // ends when it is killed
	stop   context.CancelFunc
}

// process makes one that receives the deliveries from now on, and does not run.
func (p *plant) process(f webhook.Func, opts ...webhook.Option) *process {
	p.t.Helper()
	return p.processOf(p.secret, f, opts...)
}

func (p *plant) processOf(v webhook.Verifier, f webhook.Func, opts ...webhook.Option) *process {
	p.t.Helper()
	q := &process{p: p, spy: spy(p.open())}
	q.ctx, q.stop = context.WithCancel(context.Background())
	in, err := webhook.NewInbox(v, q.spy, f, append([]webhook.Option{
		webhook.WithSweeps(webhook.DefaultFirstLook, 1000), webhook.WithPoll(10 * time.Millisecond),
		webhook.WithBackoff(10*time.Millisecond, 20*time.Millisecond),
		webhook.WithIntakeTimeout(20*time.Second, 10*time.Second), // a machine that is busy is no slow store
		webhook.WithLogger(p.log.logger()), webhook.WithObserver(&p.meter),
	}, opts...)...)
	require.NoError(p.t, err)
	q.Inbox = in
	q.connect(p.srv.HTTPClient())
	p.srv.Mount("/webhook", in)
	p.t.Cleanup(q.end)
	return q
}

// connect gives it a client that uses c.
func (q *process) connect(c *http.Client, opts ...reducto.Option) {
	q.client = q.p.srv.Client(append([]reducto.Option{
		reducto.WithSubmitHook(q.Inbox), reducto.WithWebhook(reducto.DirectWebhook(q.p.hook)),
		reducto.WithHTTPClient(c), reducto.WithMaxRetries(0),
	}, opts...)...)
	q.p.t.Cleanup(q.client.CloseIdleConnections)
}

// end shuts it down, unless it was killed.
func (q *process) end() {
	defer q.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := q.Shutdown(ctx); !q.spy.dead.Load() {
		assert.NoError(q.p.t, err)
	}
}

// start is process, and runs it.
func (p *plant) start(f webhook.Func, opts ...webhook.Option) *process {
	p.t.Helper()
	q := p.process(f, opts...)
	q.run()
	return q
}

// run runs it until it is shut down or killed.
func (q *process) run() (ended <-chan error) {
	ran := make(chan error, 1)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		ran <- q.Run(q.ctx, q.client)
	}()
	q.p.t.Cleanup(func() {
		q.end()
		select {
		case <-gone:
		case <-time.After(time.Minute): // a test that has failed may have left its function waiting
			assert.Fail(q.p.t, "Run does not return")
		}
	})
	q.p.until("it runs", func() bool { return q.Healthy() == nil || q.ctx.Err() != nil })
	return ran
}

// once has it do everything that is due.
func (q *process) once() {
	q.p.t.Helper()
	require.NoError(q.p.t, q.RunOnce(q.ctx, q.client))
}

// later has it do everything that is due after a time, as the store sees it.
func (q *process) later(d time.Duration) {
	q.p.t.Helper()
	q.p.advance(d)
	q.once()
}

// kill ends it as SIGKILL does: nothing that it does has an effect any more.
func (q *process) kill() {
	q.spy.dead.Store(true)
	q.stop()
}

// submit sends a document. What the API does with it is up to the server.
func (q *process) submit(a reducto.Async) *reducto.Handle[*reducto.ParseResult] {
	q.p.t.Helper()
	job, err := q.client.ParseAsync(q.p.t.Context(), reducto.ParseRequest{Input: aDocument, Async: a})
	require.NoError(q.p.t, err)
	return job
}

var aDocument = reducto.URL("https://example.com/a.pdf")

// announced is submit of a job whose end has been delivered and answered 200.
func (q *process) announced(a reducto.Async) *reducto.Handle[*reducto.ParseResult] {
	q.p.t.Helper()
	job := q.submit(a)
	q.p.until("it is announced", func() bool {
		codes := q.p.codes(job.JobID)
		return len(codes) > 0 && codes[len(codes)-1] == http.StatusOK
	})
	return job
}

// lost is submit of a job that ends, and whose deliveries are all lost.
func (q *process) lost(a reducto.Async) *reducto.Handle[*reducto.ParseResult] {
	q.p.t.Helper()
	q.p.srv.WebhookFault(reductotest.Lose())
	job := q.submit(a)
	q.p.attempts(job.JobID, 4)
	return job
}

// attempts waits until the deliveries of a job have been attempted n times.
func (p *plant) attempts(jobID string, n int) {
	p.t.Helper()
	p.until("its delivery is attempted", func() bool { return len(p.srv.Deliveries(jobID)) >= n })
}

// codes are the answers that the deliveries of a job got.
func (p *plant) codes(jobID string) []int {
	var codes []int
	for _, d := range p.srv.Deliveries(jobID) {
		codes = append(codes, d.StatusCode)
	}
	return codes
}

// until waits for a condition.
func (p *plant) until(what string, met func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); !met(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			require.Fail(p.t, "it takes too long until "+what)
		}
	}
}

// record is the record of a job, which must exist.
func (p *plant) record(jobID string) webhook.Record {
	p.t.Helper()
	list, err := p.store.List(p.t.Context(), webhook.Filter{JobID: jobID})
	require.NoError(p.t, err)
	require.Len(p.t, list, 1, "records of job %s", jobID)
	return list[0]
}

func (p *plant) records(states ...webhook.State) []webhook.Record {
	p.t.Helper()
	list, err := p.store.List(p.t.Context(), webhook.Filter{States: states, Limit: 1 << 20})
	require.NoError(p.t, err)
	return list
}

// requireDone requires that the only call for a job was with the outcome, and that
// its record says so.
func (p *plant) requireDone(jobID string, outcome webhook.Outcome) *webhook.Delivery {
	p.t.Helper()
	calls := p.called(jobID)
	require.Len(p.t, calls, 1, "calls for job %s", jobID)
	r := p.record(jobID)
	require.Equal(p.t, webhook.StateDone, r.State)
	require.Equal(p.t, outcome, calls[0].Outcome)
	require.Equal(p.t, outcome, r.Outcome)
	return calls[0]
}

// payload is a body as the service sends it.
func payload(status, jobID, metadata string) string {
	return `{"status":` + quote(status) + `,"job_id":` + quote(jobID) + `,"metadata":` + metadata + `}`
}

// genuine is the body of a delivery that is to be believed.
func genuine(jobID string) string { return payload("Completed", jobID, signed()) }

func signed(more ...string) string {
	return "{" + strings.Join(append([]string{`"secret":"` + testSecret + `"`}, more...), ",") + "}"
}

func quote(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

func post(h http.Handler, body string) int {
	return serve(h, httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body)))
}

func serve(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answersWhen holds back the answers to its submissions.
func (q *process) answersWhen(gate <-chan struct{}) {
	next := q.p.srv.HTTPClient()
	slow := *next
	slow.Transport = transport(func(r *http.Request) (*http.Response, error) {
		resp, err := next.Transport.RoundTrip(r)
		if r.Method == http.MethodPost {
			<-gate
		}
		return resp, err
	})
	q.connect(&slow)
	q.p.t.Cleanup(next.CloseIdleConnections)
}

// submissionAt is a submission's id that was made at a time: package uuid's clock
// does not enter a bubble.
func submissionAt(at time.Time) string {
	id := uuid.Must(uuid.NewV7())
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(id[:6], ms[2:])
	return id.String()
}
