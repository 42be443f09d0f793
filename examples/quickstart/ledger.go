package main

import (
	"context"
	"sync"
	"time"
)

// ledger knows what was submitted and what has been handled. It stands for the
// database in which a service of yours would know that.
type ledger struct {
	done chan struct{} // has a note when a job was handled

	mu   sync.Mutex
	jobs []*entry
}

// entry is a job in the ledger.
type entry struct {
	turn sync.Mutex // held while the job is being handled
	record
}

// record is what is known of a job. The ledger's mutex guards it.
type record struct {
	kind, jobID string
	handled     int // how often it was
	heardBy     string
	found       finding
}

func newLedger() *ledger { return &ledger{done: make(chan struct{}, 1)} }

// expect records that a job was submitted. Its webhook can have been faster.
func (l *ledger) expect(kind, jobID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry(jobID).kind = kind
}

// entry finds a job or enters it. The caller holds the mutex.
func (l *ledger) entry(jobID string) *entry {
	for _, e := range l.jobs {
		if e.jobID == jobID {
			return e
		}
	}
	e := &entry{record: record{jobID: jobID}}
	l.jobs = append(l.jobs, e)
	return e
}

// once handles a job unless that has been done. Who comes while it is being done
// waits, and has his turn if it fails.
func (l *ledger) once(jobID, heardBy string, handle func() (finding, error)) error {
	l.mu.Lock()
	e := l.entry(jobID)
	l.mu.Unlock()

	e.turn.Lock()
	defer e.turn.Unlock()
	l.mu.Lock()
	handled := e.handled > 0
	l.mu.Unlock()
	if handled {
		return nil
	}
	found, err := handle()
	if err != nil {
		return err
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	e.handled++
	e.heardBy, e.found = heardBy, found
	select {
	case l.done <- struct{}{}:
	default: // there is a note already
	}
	return nil
}

// wait returns when every job has been handled, or after the given time.
func (l *ledger) wait(ctx context.Context, patience time.Duration) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for len(l.open()) > 0 {
		select {
		case <-l.done:
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// open lists the jobs that have not been handled.
func (l *ledger) open() []string {
	var ids []string
	for _, r := range l.records() {
		if r.handled == 0 {
			ids = append(ids, r.jobID)
		}
	}
	return ids
}

func (l *ledger) records() []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	records := make([]record, len(l.jobs))
	for i, e := range l.jobs {
		records[i] = e.record
	}
	return records
}
