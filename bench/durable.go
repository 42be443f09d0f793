package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// measureDurable measures everything about deliveries that are kept.
func measureDurable(ctx context.Context, r *run) error {
	sqlite, err := openSQLite(ctx, r.dir)
	if err != nil {
		return err
	}
	databases := []*database{sqlite}
	postgres, err := openPostgres(ctx)
	switch {
	case errors.Is(err, errNoPostgres):
		r.leaveOut(err.Error(), "postgres intake", "postgres commit", "postgres lone", "postgres lone commits", "postgres claim")
		err = nil
	case err == nil:
		databases = append(databases, postgres)
	}
	if err == nil {
		err = r.measureStores(ctx, databases)
	}
	for _, d := range databases {
		err = errors.Join(err, d.close())
	}
	return err
}

func (r *run) measureStores(ctx context.Context, databases []*database) error {
	if err := r.measureIntake(ctx, databases); err != nil {
		return err
	}
	if err := r.measureLone(ctx, databases); err != nil {
		return err
	}
	return r.measureClaims(ctx, databases)
}

// counting counts the commits of a store's intake, and what they take in.
type counting struct {
	webhook.Store
	commits, arrivals atomic.Int64
}

func (c *counting) Receive(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
	c.commits.Add(1)
	c.arrivals.Add(int64(len(arrivals)))
	return c.Store.Receive(ctx, arrivals)
}

// Overlaps is the store's: a wrapper would hide that it says so.
func (c *counting) Overlaps() bool {
	o, ok := c.Store.(webhook.Overlapper)
	return ok && o.Overlaps()
}

// taken are how many commits and arrivals there have been since it was last called.
func (c *counting) taken() (commits, arrivals float64) {
	return float64(c.commits.Swap(0)), float64(c.arrivals.Swap(0))
}

// intake is a handler and what it did.
type intake struct {
	name    string
	handler http.Handler
	store   *counting // nil for the handler without one
	rates   []float64
	batches []float64 // deliveries a commit
}

func nothingToDo(context.Context, *webhook.Delivery) error { return nil }

// intakes are a Handler, first, and an Inbox on each database.
func intakes(secret *webhook.Secret, databases []*database) ([]*intake, error) {
	handler, err := webhook.NewHandler(secret, nothingToDo)
	if err != nil {
		return nil, err
	}
	list := []*intake{{name: "none", handler: handler}}
	for _, d := range databases {
		store := &counting{Store: d.store}
		inbox, err := webhook.NewInbox(secret, store, nothingToDo)
		if err != nil {
			return nil, err
		}
		list = append(list, &intake{name: d.name, handler: inbox, store: store})
	}
	return list, nil
}

// measureIntake compares receiving durably with receiving from memory. Every
// delivery is of another job.
func (r *run) measureIntake(ctx context.Context, databases []*database) error {
	r.log("durable: intake, %d connections", connections)
	secret, err := webhook.NewSecret(benchSecret)
	if err != nil {
		return err
	}
	list, err := intakes(secret, databases)
	if err != nil {
		return err
	}
	for round := range 1 + r.loadRounds { // the first one warms up
		for k := range list {
			c := list[(round+k)%len(list)]
			if err := c.take(ctx, secret, r.deliveries, round > 0); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	t := peerTable{
		area:   "durable",
		title:  fmt.Sprintf("deliveries a second over loopback, %d connections, durable before the 200", connections),
		header: []string{"store", "a second", "spread"},
	}
	for _, c := range list {
		if c.store != nil {
			r.record(c.name+" intake", ratios(c.rates, list[0].rates))
			r.record(c.name+" commit", spreadOf(c.batches))
		}
		t.rows = append(t.rows, rateRow(c.name, c.rates))
	}
	r.peers = append(r.peers, t)
	return nil
}

// take delivers n jobs to the handler, and counts that if it is to count.
func (c *intake) take(ctx context.Context, secret *webhook.Secret, n int, counts bool) error {
	requests, err := deliveries(secret, n)
	if err != nil {
		return err
	}
	address, stop, err := serveLoopback(c.handler)
	if err != nil {
		return err
	}
	defer stop()
	rate, err := deliver(ctx, address, connections, requests)
	if err != nil {
		return err
	}
	batch := 0.0
	if c.store != nil {
		commits, arrivals := c.store.taken()
		if arrivals != float64(n) {
			return fmt.Errorf("%g of %d deliveries came to the store", arrivals, n)
		}
		batch = arrivals / commits
	}
	if counts {
		c.rates = append(c.rates, rate)
		c.batches = append(c.batches, batch)
	}
	return nil
}

// measureLone compares a delivery through an Inbox, with nobody else there, with the
// bare commit of its record. Both are done in the process, in turns.
func (r *run) measureLone(ctx context.Context, databases []*database) error {
	r.log("durable: one client")
	secret, err := webhook.NewSecret(benchSecret)
	if err != nil {
		return err
	}
	list, err := intakes(secret, databases)
	if err != nil {
		return err
	}
	for _, c := range list[1:] {
		var times, commits []float64
		for range r.rounds {
			var bare, whole time.Duration
			for range r.lone {
				began := time.Now()
				receipts, err := c.store.Store.Receive(ctx, []webhook.Arrival{loneArrival(newJob())})
				bare += time.Since(began)
				if err != nil {
					return err
				}
				if receipts[0].Kind != webhook.ReceiptAccepted {
					return errors.New("the store has not accepted a new job")
				}
				request := testRequest(secret, newJob())
				w := &freeWriter{header: http.Header{}}
				began = time.Now()
				c.handler.ServeHTTP(w, request)
				whole += time.Since(began)
				if w.status != http.StatusOK {
					return fmt.Errorf("%s: a delivery was answered %d", c.name, w.status)
				}
			}
			n, _ := c.store.taken()
			times = append(times, float64(whole)/float64(bare))
			commits = append(commits, n/float64(r.lone))
		}
		r.record(c.name+" lone", spreadOf(times))
		r.record(c.name+" lone commits", spreadOf(commits))
	}
	return nil
}

// loneArrival is what an Inbox tells its store of a delivery.
func loneArrival(job string) webhook.Arrival {
	return webhook.Arrival{
		JobID: job, SubmissionID: submissionOf(job),
		Status: reducto.JobStatusCompleted, Outcome: webhook.OutcomeCompleted, Source: webhook.SourceWebhook,
		Metadata: []byte(`{"user_id":"123"}`),
	}
}
