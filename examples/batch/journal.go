package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// state is how far a file is. The last line about a file says it.
type state string

const (
	// stateSubmitting: a submission is about to be sent. If this is the last word,
	// the program died, and nobody can tell what became of it.
	stateSubmitting state = "submitting"
	// stateUnknown: nobody can tell whether there is a job.
	stateUnknown state = "unknown"
	// stateRejected: there is certainly no job. It is tried again the next time.
	stateRejected state = "rejected"
	// stateSubmitted: there is a job.
	stateSubmitted state = "submitted"
	// stateDone: its text is written.
	stateDone state = "done"
	// stateFailed: the job failed, or expired. It is not tried again.
	stateFailed state = "failed"
)

// entry is a line of the state file.
type entry struct {
	Time         time.Time `json:"time"`
	File         string    `json:"file"`
	State        state     `json:"state"`
	SubmissionID string    `json:"submission_id,omitzero"`
	JobID        string    `json:"job_id,omitzero"`
	Error        string    `json:"error,omitzero"`
}

// unknown reports whether there may be a job that this program has no id of.
func (e entry) unknown() bool { return e.State == stateSubmitting || e.State == stateUnknown }

// final reports whether nothing is left to be done.
func (e entry) final() bool { return e.State == stateDone || e.State == stateFailed }

// journal is the state file: lines of JSON, each on disk before record returns.
type journal struct {
	mu     sync.Mutex
	f      *os.File
	last   map[string]entry
	broken error // of a write: what follows would be part of a torn line
}

// openJournal reads what there is. A last line without an end is one that was
// being written when the program died: it was not relied on, and is dropped.
func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	j := &journal{f: f, last: map[string]entry{}}
	if err := j.read(); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, nil
}

func (j *journal) read() error {
	raw, err := io.ReadAll(j.f)
	if err != nil {
		return err
	}
	whole := raw[:bytes.LastIndexByte(raw, '\n')+1]
	n := 0
	for line := range bytes.Lines(whole) {
		n++
		var e entry
		if err := json.Unmarshal(line, &e); err != nil || e.File == "" {
			return fmt.Errorf("line %d is not one of a state file: %w", n, err)
		}
		j.last[e.File] = e
	}
	if err := j.f.Truncate(int64(len(whole))); err != nil {
		return err
	}
	_, err = j.f.Seek(0, io.SeekEnd)
	return err
}

// record appends an entry. When it returns without an error, the entry survives
// the program and the power supply.
func (j *journal) record(e entry) error {
	e.Time = time.Now().UTC().Round(time.Millisecond)
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return j.broken
	}
	_, err = j.f.Write(append(line, '\n'))
	if err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		j.broken = fmt.Errorf("the state file cannot be written: %w", err)
		return j.broken
	}
	j.last[e.File] = e
	return nil
}

// get is the last entry about a file; the zero entry if there is none.
func (j *journal) get(file string) entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last[file]
}

// count counts those files that are in the journal already.
func (j *journal) count(files []string) (c counts) {
	for _, file := range files {
		switch e := j.get(file); {
		case e.final():
			c.submitted++
			c.finished++
		case e.State == stateSubmitted:
			c.submitted++
		}
	}
	return c
}

func (j *journal) close() { _ = j.f.Close() } // every line is on disk
