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

// state is where a file is in its life. The last line about a file has it.
type state string

const (
	// stateSubmitting: a submission is about to be sent. If this is the last line, the
	// program died, and the outcome is unknown.
	stateSubmitting state = "submitting"
	// stateUnknown: the answer to the submission was lost, so there may be a job.
	stateUnknown state = "unknown"
	// stateRejected: there is no job. The next run tries again.
	stateRejected state = "rejected"
	// stateSubmitted: there is a job.
	stateSubmitted state = "submitted"
	// stateDone: the text is written.
	stateDone state = "done"
	// stateFailed: the job failed or expired. The next run does not try again.
	stateFailed state = "failed"
)

// origin is the first line of the state file. It says which API the other lines are
// about, so that a run with another API does not take them for its own.
type origin struct {
	API  string `json:"api"`
	Fake bool   `json:"fake,omitzero"`
}

func (o origin) String() string {
	if o.Fake {
		return "-fake"
	}
	return o.API
}

// entry is a later line of the state file.
type entry struct {
	Time         time.Time `json:"time"`
	File         string    `json:"file"`
	State        state     `json:"state"`
	SubmissionID string    `json:"submission_id,omitzero"`
	JobID        string    `json:"job_id,omitzero"`
	Error        string    `json:"error,omitzero"`
}

// unknown reports whether there may be a job whose id is not known.
func (e entry) unknown() bool { return e.State == stateSubmitting || e.State == stateUnknown }

// final reports whether nothing is left to do.
func (e entry) final() bool { return e.State == stateDone || e.State == stateFailed }

// journal is the state file. It has lines of JSON. A line is on disk when record
// returns.
type journal struct {
	mu     sync.Mutex
	f      *os.File
	last   map[string]entry
	broken error // of a write; a later line would continue a torn one
}

// openJournal opens the state file of a run with the API of o, and makes it if there is
// none. It refuses the file of another API. It drops a last line without an end, which
// was being written when the program died.
func openJournal(path string, o origin) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	j := &journal{f: f, last: map[string]entry{}}
	if err := j.read(o); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, nil
}

func (j *journal) read(o origin) error {
	raw, err := io.ReadAll(j.f)
	if err != nil {
		return err
	}
	whole := raw[:bytes.LastIndexByte(raw, '\n')+1]
	n := 0
	for line := range bytes.Lines(whole) {
		if n++; n == 1 {
			if err := o.check(line); err != nil {
				return err
			}
			continue
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil || e.File == "" {
			return fmt.Errorf("line %d is not a line of a state file: %w", n, err)
		}
		j.last[e.File] = e
	}
	if err := j.f.Truncate(int64(len(whole))); err != nil {
		return err
	}
	if _, err = j.f.Seek(0, io.SeekEnd); err == nil && n == 0 {
		err = j.write(o)
	}
	return err
}

// check returns an error if line, the first one, is not about the API of o.
func (o origin) check(line []byte) error {
	var found origin
	if err := json.Unmarshal(line, &found); err != nil || found.API == "" {
		return fmt.Errorf("line 1 does not name the API: this is not a state file; use another -state: %w", err)
	}
	if found != o {
		return fmt.Errorf("this state file is from a run with %s, and this run uses %s: "+
			"use another -out, or delete the state file and its texts to start again", found, o)
	}
	return nil
}

// record appends an entry. If it returns nil, the entry is on disk.
func (j *journal) record(e entry) error {
	e.Time = time.Now().UTC().Round(time.Millisecond)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.write(e); err != nil {
		return err
	}
	j.last[e.File] = e
	return nil
}

// write appends a line. Only one call may run at a time.
func (j *journal) write(v any) error {
	if j.broken != nil {
		return j.broken
	}
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = j.f.Write(append(line, '\n'))
	if err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		j.broken = fmt.Errorf("the state file cannot be written: %w", err)
	}
	return j.broken
}

// get returns the last entry of a file. It is zero if there is none.
func (j *journal) get(file string) entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last[file]
}

// count counts the files that earlier runs submitted and finished.
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
