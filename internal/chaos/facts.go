package main

import (
	"context"
	"maps"
	"strconv"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// facts are what is left when a run is over: what the service knows, what the
// database holds, and what the parent saw.
type facts struct {
	Submissions []submission
	Jobs        []reductotest.JobInfo
	Owners      map[string]string // submissions by job
	Deliveries  []reductotest.Delivery
	Records     []webhook.Record
	Effects     []effect

	Hurt        map[string]int // faults of webhooks by kind
	Answers     map[string]int // of the API by status
	Tx          bool
	Broken      []string // promises, see world.checkPromises
	Troubles    []string // what no child may do
	Quarantined int
	Acked       []string
}

// gather collects the facts of a world that is quiet.
func (w *world) gather(ctx context.Context, tx bool) (*facts, error) {
	w.checkPromises(ctx)
	records, err := w.db.records(ctx, webhook.Filter{})
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
		Tx: tx, Quarantined: w.front.quarantined(), Acked: w.front.acknowledged(0),
	}
	for _, r := range w.service.Requests() {
		status := "none"
		if r.StatusCode != 0 {
			status = strconv.Itoa(r.StatusCode)
		}
		f.Answers[status]++
	}
	w.service.mu.Lock()
	f.Hurt = maps.Clone(w.service.hurt)
	w.service.mu.Unlock()
	for i := range jobs {
		f.Owners[jobs[i].ID] = w.service.submissionID(&jobs[i])
	}
	w.mu.Lock()
	f.Broken = append(f.Broken, w.promises...)
	w.mu.Unlock()
	w.fleet.mu.Lock()
	f.Troubles = append(f.Troubles, w.fleet.troubles...)
	w.fleet.mu.Unlock()
	return f, nil
}
