package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/reducto-go/reducto/webhook"
)

// world is what a run takes place in: Reducto, a database, children, and the front
// between them.
type world struct {
	plan    *plan
	dir     string
	db      *database
	front   *front
	service *service
	fleet   *fleet

	stop     context.CancelFunc
	watching sync.WaitGroup

	mu       sync.Mutex
	checked  int      // deliveries answered 2xx that were looked after
	promises []string // broken ones
}

// options are what a run can be told.
type options struct {
	Store    string
	Tx       bool
	Unsteady bool // the user's function fails now and then
}

// newWorld makes a world without children, with its files in dir.
func newWorld(ctx context.Context, p *plan, o options, dir string) (*world, error) {
	w := &world{plan: p, dir: dir, front: newFront(p.Seed)}
	var err error
	if w.db, err = newDatabase(ctx, o.Store, dir); err != nil {
		return nil, err
	}
	if w.service, err = startService(p, w.front); err != nil {
		return nil, errors.Join(err, w.db.close())
	}
	w.fleet = newFleet(childConfig{
		Database: w.db.address, Application: w.db.schema + "_",
		Service: w.service.URL(), Key: w.service.APIKey(), Hook: w.service.hook, Secret: rand.Text(),
		Tx: o.Tx, Seed: p.Seed, Unsteady: o.Unsteady,
	}, p.Profile.Children, dir, w.front)
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

// close ends everything, and leaves the files.
func (w *world) close() error {
	w.stop()
	w.watching.Wait()
	w.fleet.clear()
	w.service.Close()
	return w.db.close()
}

// checkPromises looks whether what was answered 2xx since the last time is in the
// database. At the end of a run it would be too late for that: a sweep makes up
// for what an inbox forgets.
func (w *world) checkPromises(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	acked := w.front.acknowledged(w.checked)
	w.checked += len(acked)
	slices.Sort(acked)
	for part := range slices.Chunk(slices.Compact(acked), 200) {
		records, err := w.db.records(ctx, webhook.Filter{Keys: part})
		if err != nil {
			if ctx.Err() == nil {
				w.promises = append(w.promises, fmt.Sprintf("the records could not be read: %v", err))
			}
			return
		}
		kept := map[string]webhook.State{}
		for _, r := range records {
			kept[r.SubmissionID] = r.State
		}
		for _, id := range part {
			if state := kept[id]; state == "" || state == webhook.StatePending {
				w.promises = append(w.promises, fmt.Sprintf("a delivery of %s was answered 2xx, and its record is %q", id, state))
			}
		}
	}
}
