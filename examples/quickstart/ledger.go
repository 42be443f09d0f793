package main

import (
	"context"
	"sync"
	"time"
)

// ledger records which jobs were submitted and handled. In a real service this is a
// database.
type ledger struct {
	done chan struct{} // receives a value when a job was handled

	mu   sync.Mutex
	jobs []*entry
}

// entry is a job in the ledger.
type entry struct {
	turn sync.Mutex // held while the job is being handled
	record
}

// record is the state of a job. The ledger's mutex guards it.
type record struct {
	kind, jobID string
	handled     int // how often the job was handled
	source      string
	found       finding
}

func newLedger() *ledger { return &ledger{done: make(chan struct{}, 1)} }

// expect records that a job was submitted. Its webhook may have arrived before.
func (l *ledger) expect(kind, jobID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry(jobID).kind = kind
}

// entry returns the entry of a job, and adds one if there is none. The caller holds
// the mutex.
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

// once handles a job unless it was handled before. A concurrent call waits, and handles
// the job if the first call fails.
func (l *ledger) once(jobID, source string, handle func() (finding, error)) error {
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
	e.source, e.found = source, found
	select {
	case l.done <- struct{}{}:
	default: // the channel has a value already
	}
	return nil
}

// wait returns when every job was handled, or after the given time.
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

// open returns the jobs that were not handled yet.
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
