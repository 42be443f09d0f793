package inboxtest

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// Env is a Reducto, a store, and the processes that use both.
type Env struct {
	Backend
	T      testing.TB
	Srv    *reductotest.Server
	Store  inbox.Store // a handle of the test's own
	Secret *webhook.Secret
	Log    *Log
	Meter  *Meter
	Hook   string
	// Options are the first options of each Inbox, and Client of each client.
	Options []inbox.Option
	Client  []reducto.Option

	mu    sync.Mutex
	calls []*webhook.Delivery
}

// New returns an Env on a Backend.
func New(t testing.TB, b Backend, opts ...reductotest.Option) *Env {
	t.Helper()
	secret, err := webhook.NewSecret(Secret, OldSecret)
	if err != nil {
		t.Fatal(err)
	}
	e := &Env{
		Backend: b, T: t, Srv: reductotest.NewServer(t, opts...), Store: b.Open(), Secret: secret,
		Log: NewLog(t), Meter: NewMeter(),
	}
	e.Hook = e.Srv.Mount("/webhook", nil)
	t.Cleanup(func() {
		if text := e.Log.Text(); t.Failed() {
			t.Logf("the end of the log:\n%s", text[max(0, len(text)-8<<10):])
		}
	})
	return e
}

// OnMemory returns an Env on a MemoryStore.
func OnMemory(t testing.TB, opts ...reductotest.Option) *Env {
	t.Helper()
	return New(t, Memory(t), opts...)
}

// Work is a webhook.Func that notes its calls.
func (e *Env) Work(_ context.Context, d *webhook.Delivery) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, d)
	return nil
}

// Then returns a webhook.Func that notes its calls and calls f.
func (e *Env) Then(f webhook.Func) webhook.Func {
	return func(ctx context.Context, d *webhook.Delivery) error {
		_ = e.Work(ctx, d)
		return f(ctx, d)
	}
}

// Calls returns all calls of Work, in order.
func (e *Env) Calls() []*webhook.Delivery {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// CallsFor returns the calls of Work for a job.
func (e *Env) CallsFor(jobID string) []*webhook.Delivery {
	return slices.DeleteFunc(e.Calls(), func(d *webhook.Delivery) bool { return d.JobID != jobID })
}

// Call returns the only call of Work.
func (e *Env) Call() *webhook.Delivery {
	e.T.Helper()
	calls := e.Calls()
	if len(calls) != 1 {
		e.T.Fatalf("the function was called %d times", len(calls))
	}
	return calls[0]
}

// Process is an Inbox with a handle of the store and a client of its own.
type Process struct {
	*inbox.Inbox
	Env    *Env
	Spy    *Spy
	Client *reducto.Client
	ctx    context.Context // ends when it is killed
	stop   context.CancelFunc
}

// Process returns one that receives the deliveries from now on, and does not run.
func (e *Env) Process(f webhook.Func, opts ...inbox.Option) *Process {
	e.T.Helper()
	return e.ProcessOf(e.Secret, f, opts...)
}

// ProcessOf is Process with a verifier.
func (e *Env) ProcessOf(v webhook.Verifier, f webhook.Func, opts ...inbox.Option) *Process {
	e.T.Helper()
	return e.ProcessOn(NewSpy(e.Open()), nil, v, f, opts...)
}

// ProcessOn is ProcessOf with a store around the spy, if wrap is not nil.
func (e *Env) ProcessOn(spy *Spy, wrap func(inbox.Store) inbox.Store, v webhook.Verifier, f webhook.Func, opts ...inbox.Option) *Process {
	e.T.Helper()
	p := &Process{Env: e, Spy: spy}
	p.ctx, p.stop = context.WithCancel(context.Background())
	var store inbox.Store = spy
	if wrap != nil {
		store = wrap(spy)
	}
	in, err := inbox.New(v, store, f, slices.Concat([]inbox.Option{
		inbox.WithLogger(e.Log.Logger()), inbox.WithObserver(e.Meter),
	}, e.Options, opts)...)
	if err != nil {
		e.T.Fatal(err)
	}
	p.Inbox = in
	p.Connect(e.Srv.HTTPClient())
	e.Mount(p)
	e.T.Cleanup(p.end)
	return p
}

// Mount makes p receive the deliveries.
func (e *Env) Mount(p *Process) { e.Srv.Mount("/webhook", p.Inbox) }

// Connect gives p a client that uses c.
func (p *Process) Connect(c *http.Client, opts ...reducto.Option) {
	p.Client = p.Env.Srv.Client(slices.Concat([]reducto.Option{
		reducto.WithSubmitHook(p.Inbox), reducto.WithWebhook(reducto.DirectWebhook(p.Env.Hook)), reducto.WithHTTPClient(c),
	}, p.Env.Client, opts)...)
	p.Env.T.Cleanup(p.Client.CloseIdleConnections)
}

// AnswersWhen holds back the answers to p's submissions until gate is closed.
func (p *Process) AnswersWhen(gate <-chan struct{}) {
	next := p.Env.Srv.HTTPClient()
	slow := *next
	slow.Transport = Transport(func(r *http.Request) (*http.Response, error) {
		resp, err := next.Transport.RoundTrip(r)
		if r.Method == http.MethodPost {
			<-gate
		}
		return resp, err
	})
	p.Connect(&slow)
	p.Env.T.Cleanup(next.CloseIdleConnections)
}

// end shuts p down, unless it was killed.
func (p *Process) end() {
	defer p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := p.Shutdown(ctx); err != nil && !p.Spy.dead.Load() {
		p.Env.T.Errorf("Shutdown: %v", err)
	}
}

// Start is Process, and runs it.
func (e *Env) Start(f webhook.Func, opts ...inbox.Option) *Process {
	e.T.Helper()
	p := e.Process(f, opts...)
	p.Start()
	return p
}

// Start runs p until it is shut down or killed. The channel gets Run's error.
func (p *Process) Start() (ended <-chan error) {
	e := p.Env
	ran, gone := make(chan error, 1), make(chan struct{})
	client := p.Client
	go func() {
		defer close(gone)
		ran <- p.Run(p.ctx, client)
	}()
	e.T.Cleanup(func() {
		p.end()
		select {
		case <-gone:
		case <-time.After(time.Minute): // a test that failed may have left its function waiting
			e.T.Error("Run does not return")
		}
	})
	e.Until("it runs", func() bool { return p.Healthy() == nil || p.ctx.Err() != nil })
	return ran
}

// Once makes p do everything that is due.
func (p *Process) Once() {
	p.Env.T.Helper()
	if err := p.RunOnce(p.ctx, p.Client); err != nil {
		p.Env.T.Fatalf("RunOnce: %v", err)
	}
}

// Later makes p do everything that is due after d, as the store sees it.
func (p *Process) Later(d time.Duration) {
	p.Env.T.Helper()
	p.Env.Advance(d)
	p.Once()
}

// Cancel ends the context of Run.
func (p *Process) Cancel() { p.stop() }

// Kill ends p as SIGKILL does: nothing that it does has an effect any more.
func (p *Process) Kill() {
	p.Spy.dead.Store(true)
	p.stop()
}

// Document is what the tests submit.
var Document = reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")}

// With returns Document with a submission's settings.
func With(a reducto.Async) reducto.ParseRequest {
	r := Document
	r.Async = a
	return r
}

// Submit submits a document.
func (p *Process) Submit(a reducto.Async) *reducto.Handle[*reducto.ParseResult] {
	p.Env.T.Helper()
	job, err := p.Client.ParseAsync(p.Env.T.Context(), With(a))
	if err != nil {
		p.Env.T.Fatalf("ParseAsync: %v", err)
	}
	return job
}

// Announced is Submit of a job whose delivery was answered 200.
func (p *Process) Announced(a reducto.Async) *reducto.Handle[*reducto.ParseResult] {
	p.Env.T.Helper()
	job := p.Submit(a)
	p.Env.Until("the delivery is received", func() bool {
		codes := p.Env.Codes(job.JobID)
		return len(codes) > 0 && codes[len(codes)-1] == http.StatusOK
	})
	return job
}

// Lost is Submit of a job that has ended, and whose deliveries were lost.
func (p *Process) Lost(a reducto.Async) *reducto.Handle[*reducto.ParseResult] {
	p.Env.T.Helper()
	p.Env.Srv.WebhookFault(reductotest.Lose())
	job := p.Submit(a)
	p.Env.Attempts(job.JobID, 4)
	return job
}

// Flush waits until all log records and measurements of p were taken. It shuts p down.
func (p *Process) Flush() {
	p.Env.T.Helper()
	if err := p.Shutdown(p.Env.T.Context()); err != nil {
		p.Env.T.Fatalf("Shutdown: %v", err)
	}
}

// Attempts waits until n deliveries of a job were attempted.
func (e *Env) Attempts(jobID string, n int) {
	e.T.Helper()
	e.Until("the delivery is attempted", func() bool { return len(e.Srv.Deliveries(jobID)) >= n })
}

// Codes returns the answers to the deliveries of a job.
func (e *Env) Codes(jobID string) (codes []int) {
	for _, d := range e.Srv.Deliveries(jobID) {
		codes = append(codes, d.StatusCode)
	}
	return codes
}

// Until waits for a condition.
func (e *Env) Until(what string, met func() bool) {
	e.T.Helper()
	for deadline := time.Now().Add(time.Minute); !met(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			e.T.Fatalf("it takes too long until %s", what)
		}
	}
}

// Record returns the record of a job, which must exist.
func (e *Env) Record(jobID string) inbox.Record {
	e.T.Helper()
	list, err := e.Store.List(e.T.Context(), inbox.Filter{JobID: jobID})
	if err != nil || len(list) != 1 {
		e.T.Fatalf("job %s has %d records: %v", jobID, len(list), err)
	}
	return list[0]
}

// Records returns the records in some states, all if none is named.
func (e *Env) Records(states ...inbox.State) []inbox.Record {
	e.T.Helper()
	list, err := e.Store.List(e.T.Context(), inbox.Filter{States: states, Limit: 1 << 20})
	if err != nil {
		e.T.Fatal(err)
	}
	return list
}

// Done requires that Work was called once for a job, with the outcome, and that the
// record says so. It returns the call.
func (e *Env) Done(jobID string, outcome webhook.Outcome) *webhook.Delivery {
	e.T.Helper()
	calls := e.CallsFor(jobID)
	if len(calls) != 1 {
		e.T.Fatalf("job %s: the function was called %d times", jobID, len(calls))
	}
	r := e.Record(jobID)
	if r.State != inbox.StateDone || r.Outcome != outcome || calls[0].Outcome != outcome {
		e.T.Fatalf("job %s is %s, %s; the function was called with %s, not %s", jobID, r.State, r.Outcome, calls[0].Outcome, outcome)
	}
	return calls[0]
}

// Pending makes a record of a submission whose delivery is expected, with its job.
func (e *Env) Pending(jobID string) {
	e.T.Helper()
	ctx, id := e.T.Context(), "s-"+jobID
	err := e.Store.Submit(ctx, inbox.Submission{ID: id, Webhook: true, PollAfter: time.Minute})
	if err == nil {
		err = e.Store.Bind(ctx, inbox.Answer{SubmissionID: id, JobID: jobID, Jobs: 1})
	}
	if err != nil {
		e.T.Fatal(err)
	}
}

// Seed makes a job that has ended, whose record is pending.
func (e *Env) Seed(job reductotest.SeedJob) (jobID string) {
	e.T.Helper()
	jobID = e.Srv.SeedJob(job)
	e.Pending(jobID)
	return jobID
}

// Rest lets time pass in a bubble, until nothing happens any more.
func Rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Gate returns a channel to wait for, and a function that closes it. The end of the
// test closes it too.
func Gate(t testing.TB) (gate <-chan struct{}, open func()) {
	ch := make(chan struct{})
	var done atomic.Bool
	open = func() {
		if !done.Swap(true) {
			close(ch)
		}
	}
	t.Cleanup(open)
	return ch, open
}
