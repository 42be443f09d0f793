package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// childMain runs a child, and returns the exit code.
func childMain() int {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	var cfg childConfig
	if err == nil {
		err = json.Unmarshal(line, &cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos: only a parent process can start a child:", err)
		return 2
	}
	go func() { // exits with the parent
		_, _ = io.Copy(io.Discard, in)
		os.Exit(3)
	}()
	say := &events{out: json.NewEncoder(os.Stdout)}
	if err := runChild(cfg, say); err != nil {
		say.event(event{Failed: err.Error()})
		return 1
	}
	return 0
}

// events writes events to the parent. It implements inbox.Observer.
type events struct {
	mu  sync.Mutex
	out *json.Encoder
}

func (e *events) event(v event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = e.out.Encode(v) // if the parent has exited, this process exits by itself
}

// Count implements inbox.Observer.
func (e *events) Count(name, label string, n int64) {
	switch name {
	case inbox.MetricKeys, inbox.MetricPolls:
		return
	case inbox.MetricDeliveries, inbox.MetricHandled, inbox.MetricOutcomes:
		name += " " + label
	}
	e.event(event{Metric: name, Count: n})
}

// Observe implements inbox.Observer.
func (e *events) Observe(string, float64) {}

// Gauge implements inbox.Observer.
func (e *events) Gauge(string, string, float64) {}

// child is a process with an Inbox.
type child struct {
	cfg    childConfig
	log    *slog.Logger
	inbox  *inbox.Inbox
	store  *pointStore
	client *reducto.Client
	work   *work
}

func runChild(cfg childConfig, say *events) error {
	logFile, err := os.OpenFile(cfg.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	log := slog.New(slog.NewJSONHandler(logFile, &slog.HandlerOptions{Level: slog.LevelDebug})).
		With(slog.Int("slot", cfg.Slot), slog.Int("generation", cfg.Generation))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()

	db, err := cfg.Database.open(cfg.Application)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := openStore(ctx, func() (*sqlstore.Store, error) { return sqlstore.Open(ctx, db, cfg.Database.dialect()) })
	if err != nil {
		return err
	}
	signer, err := webhook.NewSigner([]webhook.Key{{ID: "chaos", Secret: []byte(cfg.Secret)}})
	if err != nil {
		return err
	}
	c := &child{
		cfg: cfg, log: log, store: &pointStore{Store: store, point: cfg.Point},
		work: &work{cfg: cfg, db: db, say: say},
	}
	c.inbox, err = inbox.New(signer, c.store, c.work.process,
		inbox.WithLease(lease),
		inbox.WithHold(hold),
		inbox.WithMinBackoff(50*time.Millisecond),
		inbox.WithMaxBackoff(time.Second),
		inbox.WithPollAfter(pollAfter),
		inbox.WithPollRate(50),
		inbox.WithClaimInterval(100*time.Millisecond),
		inbox.WithLogger(log),
		inbox.WithObserver(say),
	)
	if err != nil {
		return err
	}
	c.client, err = reducto.NewClient(
		reducto.WithBaseURL(cfg.Service), reducto.WithAPIKey(cfg.Key), reducto.WithTimeout(5*time.Second),
		reducto.WithSubmitHook(c.inbox), reducto.WithWebhook(reducto.DirectWebhook(cfg.Hook)),
	)
	if err != nil {
		return err
	}
	return c.serve(ctx, say)
}

// openStore opens the store. It retries if the connection breaks.
func openStore(ctx context.Context, open func() (*sqlstore.Store, error)) (store *sqlstore.Store, err error) {
	for range 5 {
		if store, err = open(); err == nil {
			return store, nil
		}
		if !sleep(ctx, 200*time.Millisecond) {
			break
		}
	}
	return nil, err
}

// serve runs until the parent sends SIGTERM. Then it shuts down the server, and after
// it the Inbox.
func (c *child) serve(ctx context.Context, say *events) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/webhook", c.inbox)
	mux.HandleFunc("POST /submit", c.submit)
	mux.HandleFunc("POST /hold", func(http.ResponseWriter, *http.Request) { c.work.holds.Store(true) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ran, served := make(chan error, 1), make(chan error, 1)
	go func() { ran <- c.inbox.Run(context.WithoutCancel(ctx), c.client) }()
	go func() { served <- server.Serve(listener) }()
	say.event(event{Ready: listener.Addr().String()})

	select {
	case <-ctx.Done():
	case err := <-ran:
		return fmt.Errorf("the inbox ended: %w", err)
	case err := <-served:
		return fmt.Errorf("the server ended: %w", err)
	}
	end, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err = errors.Join(server.Shutdown(end), c.inbox.Shutdown(end))
	if err == nil {
		err = <-ran
	}
	return err
}

// submit submits the job that the parent orders.
func (c *child) submit(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	// The submission goes on if the parent stops waiting.
	jobID, err := submitJob(context.WithoutCancel(r.Context()), c.client, o)
	a := answer{JobID: jobID, Answered: c.store.isAnswered(o.ID)}
	if err != nil {
		var unknown *reducto.UnknownOutcomeError
		a.Unknown, a.Error = errors.As(err, &unknown), err.Error()
		c.log.Info("not submitted", slog.String("submission_id", o.ID), slog.Any("error", err))
	}
	_ = json.NewEncoder(w).Encode(a)
}

func submitJob(ctx context.Context, client *reducto.Client, o order) (jobID string, err error) {
	async := reducto.Async{SubmissionID: o.ID, Metadata: map[string]int{"n": o.N}}
	if o.Silent {
		async.Webhook = reducto.NoWebhook()
	}
	var opts []reducto.SubmitOption
	if o.Resubmit {
		opts = append(opts, reducto.WithResubmit())
	}
	document := reducto.URL(fmt.Sprintf("https://example.com/%d.pdf", o.N))
	switch o.Kind {
	case kindExtract:
		h, err := client.ExtractAsync(ctx, reducto.ExtractRequest{Input: document, Async: async,
			Instructions: reducto.Instructions{Schema: json.RawMessage(`{"type":"object"}`)}}, opts...)
		return idOf(h, err)
	case kindSplit:
		h, err := client.SplitAsync(ctx, reducto.SplitRequest{Input: document, Async: async,
			SplitDescription: []reducto.SplitCategory{{Name: "all", Description: "everything"}}}, opts...)
		return idOf(h, err)
	}
	h, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: document, Async: async}, opts...)
	return idOf(h, err)
}

func idOf[R reducto.Result](h *reducto.Handle[R], err error) (string, error) {
	if err != nil {
		return "", err
	}
	return h.JobID, nil
}
