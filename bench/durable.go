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
	"github.com/reducto-go/reducto/webhook/inbox"
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

// counting counts the batches that an Inbox gives its store, and their deliveries.
// Each batch is a commit.
type counting struct {
	inbox.Store
	commits, deliveries atomic.Int64
}

func (c *counting) Receive(ctx context.Context, list []inbox.Notification) ([]inbox.ReceiveResult, error) {
	c.commits.Add(1)
	c.deliveries.Add(int64(len(list)))
	return c.Store.Receive(ctx, list)
}

// Capabilities returns those of the store, which the embedded interface hides.
func (c *counting) Capabilities() inbox.Capabilities {
	store, ok := c.Store.(inbox.Capable)
	if !ok {
		return inbox.Capabilities{}
	}
	return store.Capabilities()
}

// taken returns the commits and deliveries since it was last called.
func (c *counting) taken() (commits, deliveries float64) {
	return float64(c.commits.Swap(0)), float64(c.deliveries.Swap(0))
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
		in, err := inbox.New(secret, store, nothingToDo)
		if err != nil {
			return nil, err
		}
		list = append(list, &intake{name: d.name, handler: in, store: store})
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
		commits, received := c.store.taken()
		if received != float64(n) {
			return fmt.Errorf("the store received %g of %d deliveries", received, n)
		}
		batch = received / commits
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
				results, err := c.store.Store.Receive(ctx, []inbox.Notification{notificationOf(newJob())})
				bare += time.Since(began)
				if err != nil {
					return err
				}
				if results[0].Kind != inbox.Accepted {
					return errors.New("the store did not accept a new job")
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

// notificationOf returns the notification that an Inbox makes of a job's delivery.
func notificationOf(job string) inbox.Notification {
	return inbox.Notification{
		JobID: job, SubmissionID: submissionOf(job),
		Status: reducto.JobStatusCompleted, Outcome: webhook.OutcomeCompleted, Source: inbox.SourceWebhook,
		Metadata: []byte(`{"user_id":"123"}`),
	}
}
