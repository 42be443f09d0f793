package main

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// facts are the state at the end of a run: of the service, of the database and of the
// parent.
type facts struct {
	Submissions []submission
	Jobs        []reductotest.JobInfo
	Owners      map[string]string // submissions by job
	Deliveries  []reductotest.Delivery
	Records     []inbox.Record
	Effects     []effect

	Faults   map[string]int // of webhooks, by kind
	Answers  map[string]int // of the API, by status
	Tx       bool
	Acked    []string // submissions with a delivery that was answered 2xx
	AckLost  []string // deliveries that were answered 2xx, and not stored; see world.checkAcked
	Troubles []string // errors that no child may have

	Returns []time.Time // of the database
	Taken   []childAnswer
}

// gather collects the facts of a run.
func (w *world) gather(ctx context.Context, tx bool, returns []time.Time) (*facts, error) {
	w.checkAcked(ctx)
	records, err := w.db.records(ctx, inbox.Filter{})
	if err != nil {
		return nil, err
	}
	effects, err := w.db.effects(ctx)
	if err != nil {
		return nil, err
	}
	jobs := w.service.Jobs()
	f := &facts{
		Submissions: w.plan.Submissions, Jobs: jobs, Owners: map[string]string{}, Answers: map[string]int{},
		Deliveries: w.service.AllDeliveries(), Records: records, Effects: effects,
		Tx: tx, Acked: w.balancer.acknowledged(0), Returns: returns, Taken: w.balancer.allAnswers(),
	}
	for _, r := range w.service.Requests() {
		status := "none"
		if r.StatusCode != 0 {
			status = strconv.Itoa(r.StatusCode)
		}
		f.Answers[status]++
	}
	w.service.mu.Lock()
	f.Faults = maps.Clone(w.service.faults)
	w.service.mu.Unlock()
	for i := range jobs {
		f.Owners[jobs[i].ID] = w.service.submissionID(&jobs[i])
	}
	w.mu.Lock()
	f.AckLost = append(f.AckLost, w.ackLost...)
	w.mu.Unlock()
	w.fleet.mu.Lock()
	f.Troubles = append(f.Troubles, w.fleet.troubles...)
	w.fleet.mu.Unlock()
	return f, nil
}
