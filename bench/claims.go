package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// measureClaims compares claiming and completing records for 64 workers: by each of
// them, one record at a time, and for all of them, as an Inbox does it.
func (r *run) measureClaims(ctx context.Context, databases []*database) error {
	t := peerTable{
		area: "durable", title: fmt.Sprintf("records claimed and completed a second, %d workers", connections),
		header: []string{"store", "a second", "spread"},
	}
	for _, d := range databases {
		r.log("durable: claim and complete, %s", d.name)
		if err := finishAll(ctx, d.store); err != nil {
			return err
		}
		var single, batched []float64
		for round := range 1 + r.rounds { // the first one warms up
			if err := fill(ctx, d.store, 2*r.records); err != nil {
				return err
			}
			began := time.Now()
			if err := oneByOne(ctx, d.store, r.records); err != nil {
				return err
			}
			middle := time.Now()
			for range r.records / connections {
				if err := work(ctx, d.store, connections); err != nil {
					return err
				}
			}
			if round > 0 {
				n := float64(r.records)
				single = append(single, n/middle.Sub(began).Seconds())
				batched = append(batched, n/time.Since(middle).Seconds())
			}
		}
		r.record(d.name+" claim", ratios(batched, single))
		t.rows = append(t.rows, rateRow(d.name+", row at a time", single), rateRow(d.name+", batched", batched))
	}
	r.peers = append(r.peers, t)
	return nil
}

const claimLease = time.Hour

// fill receives n jobs.
func fill(ctx context.Context, store *sqlstore.Store, n int) error {
	list := make([]inbox.Notification, n)
	for i := range list {
		list[i] = notificationOf(newJob())
	}
	for part := range slices.Chunk(list, 256) {
		if _, err := store.Receive(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// work claims n records and completes them.
func work(ctx context.Context, store *sqlstore.Store, n int) error {
	claimed, err := complete(ctx, store, n)
	if err == nil && claimed != n {
		err = fmt.Errorf("%d of %d records were claimed", claimed, n)
	}
	return err
}

func complete(ctx context.Context, store *sqlstore.Store, n int) (claimed int, err error) {
	records, _, err := store.Claim(ctx, n, claimLease)
	if err != nil {
		return 0, err
	}
	completions := make([]inbox.Completion, len(records))
	for i, r := range records {
		completions[i] = inbox.Completion{Lease: inbox.Lease{Key: r.Key, Token: r.Token}, State: inbox.StateDone}
	}
	held, err := store.Finish(ctx, completions)
	if err == nil && slices.Contains(held, false) {
		err = errors.New("a claim was lost")
	}
	return len(records), err
}

// finishAll completes what other comparisons left.
func finishAll(ctx context.Context, store *sqlstore.Store) error {
	for {
		if n, err := complete(ctx, store, 256); err != nil || n == 0 {
			return err
		}
	}
}

// oneByOne has 64 workers claim and complete n records.
func oneByOne(ctx context.Context, store *sqlstore.Store, n int) error {
	errs := make([]error, connections)
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			for range n / connections {
				if errs[i] = work(ctx, store, 1); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
