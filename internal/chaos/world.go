package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// world has all parts of a run: a Reducto, a database, the children, and the balancer
// in front of them.
type world struct {
	plan     *plan
	dir      string
	db       *database
	balancer *balancer
	service  *service
	fleet    *fleet

	stop     context.CancelFunc
	watching sync.WaitGroup

	mu      sync.Mutex
	checked int      // acknowledged deliveries that were checked
	ackLost []string // those that are not in the database
}

// options are the configuration of a run.
type options struct {
	Store    string
	Own      bool // the database is on a server or a disk of the run's own
	Tx       bool
	Unsteady bool // the user's function fails now and then
}

// newWorld makes a world without children, with its files in dir.
func newWorld(ctx context.Context, p *plan, o options, dir string) (*world, error) {
	w := &world{plan: p, dir: dir, balancer: newBalancer(p.Seed)}
	var err error
	if w.db, err = newDatabase(ctx, o, dir); err != nil {
		return nil, err
	}
	if w.service, err = startService(p, w.balancer); err != nil {
		return nil, errors.Join(err, w.db.close())
	}
	w.fleet = newFleet(childConfig{
		Database: w.db.address, Application: w.db.schema + "_",
		Service: w.service.URL(), Key: w.service.APIKey(), Hook: w.service.hook, Secret: rand.Text(),
		Tx: o.Tx, Seed: p.Seed, Unsteady: o.Unsteady,
	}, p.Profile.Children, dir, w.balancer)
	watching, stop := context.WithCancel(ctx)
	w.stop = stop
	w.watching.Go(func() { w.service.watch(watching) })
	return w, nil
}

// startAll starts a child in every slot.
func (w *world) startAll(ctx context.Context) error {
	for slot := range w.plan.Profile.Children {
		if err := w.fleet.start(ctx, slot, ""); err != nil {
			return err
		}
	}
	return nil
}

// close stops everything. It leaves the files.
func (w *world) close() error {
	w.stop()
	w.watching.Wait()
	w.fleet.clear()
	w.service.Close()
	return w.db.close()
}

// checkAcked checks that the deliveries that were answered 2xx since the last check are
// in the database. The end of a run is too late for that, as the reconciler finds jobs
// without a delivery.
func (w *world) checkAcked(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	acked := w.balancer.acknowledged(w.checked)
	w.checked += len(acked)
	slices.Sort(acked)
	for part := range slices.Chunk(slices.Compact(acked), 200) {
		records, err := w.db.records(ctx, inbox.Filter{Keys: part})
		if err != nil {
			if ctx.Err() == nil {
				w.ackLost = append(w.ackLost, fmt.Sprintf("the records could not be read: %v", err))
			}
			return
		}
		stored := map[string]inbox.State{}
		for _, r := range records {
			stored[r.SubmissionID] = r.State
		}
		for _, id := range part {
			if state := stored[id]; state == "" || state == inbox.StatePending {
				w.ackLost = append(w.ackLost, fmt.Sprintf("a delivery of %s was answered 2xx, and its record is %q", id, state))
			}
		}
	}
}
