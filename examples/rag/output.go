package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// output is the file of passages and its state file. The state file has lines of JSON. A
// document is done if the state file says so. The output up to the size in the last such
// line is complete, and the rest is removed at the next start.
type output struct {
	writing sync.Mutex // of passages: one document at a time
	w       io.Writer  // standard output, without a state
	f       *os.File
	size    int64 // of the complete passages

	mu    sync.Mutex // of the state
	state *os.File
	last  map[string]entry
}

// origin is the first line of the state file. It says how the passages were made, so that
// no others come among them.
type origin struct {
	API    string `json:"api"`
	Fake   bool   `json:"fake,omitzero"`
	Tokens int    `json:"tokens"`
}

func (o origin) String() string {
	api := o.API
	if o.Fake {
		api = "a Reducto in the process"
	}
	return fmt.Sprintf("%s and %d tokens", api, o.Tokens)
}

// entry is a later line of the state file. The last one of a document counts.
type entry struct {
	Document string `json:"document"`
	JobID    string `json:"job_id"`
	Done     bool   `json:"done,omitzero"`
	Passages int    `json:"passages,omitzero"`
	// Size is the size of the output with the passages of the document.
	Size int64 `json:"size,omitzero"`
}

// errOutput is the error of a file that cannot be written.
var errOutput = errors.New("the passages cannot be written")

func statePath(out string) string { return out + ".state" }

// openOutput opens the output of a run with the API of o. It refuses the output of
// another, and removes what is incomplete.
func openOutput(path string, o origin) (_ *output, err error) {
	out := &output{last: map[string]entry{}}
	defer func() {
		if err != nil {
			out.close()
		}
	}()
	if out.f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640); err != nil {
		return nil, err
	}
	if out.state, err = os.OpenFile(statePath(path), os.O_RDWR|os.O_CREATE, 0o640); err != nil {
		return nil, err
	}
	if err = out.readState(o); err != nil {
		return nil, fmt.Errorf("%s: %w", statePath(path), err)
	}
	info, err := out.f.Stat()
	switch {
	case err != nil:
		return nil, err
	case len(out.last) == 0 && info.Size() > 0:
		return nil, fmt.Errorf("%s has content, but no complete document by its state file: use another -out, or delete it", path)
	case info.Size() < out.size:
		return nil, fmt.Errorf("%s is shorter than its state file says: delete both to start again", path)
	}
	if err = out.f.Truncate(out.size); err == nil {
		_, err = out.f.Seek(0, io.SeekEnd)
	}
	return out, err
}

// readState reads the state file. It drops a last line without an end, which was being
// written when the program died.
func (out *output) readState(o origin) error {
	raw, err := io.ReadAll(out.state)
	if err != nil {
		return err
	}
	whole := raw[:bytes.LastIndexByte(raw, '\n')+1]
	first := true
	for line := range bytes.Lines(whole) {
		if first {
			first = false
			var found origin
			if err := json.Unmarshal(line, &found); err != nil || found.API == "" {
				return errors.New("line 1 does not name the API: this is not a state file: use another -out")
			}
			if found != o {
				return fmt.Errorf("this output is from a run with %s, and this run uses %s: use another -out", found, o)
			}
			continue
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil || e.Document == "" {
			return errors.New("a line is not that of a state file: use another -out")
		}
		out.last[e.Document] = e
		out.size = max(out.size, e.Size)
	}
	if err := out.state.Truncate(int64(len(whole))); err != nil {
		return err
	}
	if _, err := out.state.Seek(0, io.SeekEnd); err != nil || !first {
		return err
	}
	return out.append(o)
}

// append appends a line to the state file. If it returns nil, the line is on disk.
func (out *output) append(v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = out.state.Write(append(line, '\n'))
	}
	if err == nil {
		err = out.state.Sync()
	}
	return err
}

func (out *output) get(document string) entry {
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.last[document]
}

// record records the job of a document, or that it is done.
func (out *output) record(e entry) error {
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.state != nil {
		if err := out.append(e); err != nil {
			return fmt.Errorf("%w: state file: %w", errOutput, err)
		}
	}
	out.last[e.Document] = e
	return nil
}

// write writes the passages that each adds, and records that the document is done. If
// that fails, no passage of the document stays. Only one document is written at a time.
func (out *output) write(e entry, each func(add func(any) error) (int, error)) (int, error) {
	out.writing.Lock()
	defer out.writing.Unlock()
	var w io.Writer = out.w
	if out.f != nil {
		w = out.f
	}
	buffer := bufio.NewWriter(w)
	lines := json.NewEncoder(buffer)
	lines.SetEscapeHTML(false)
	n, err := each(lines.Encode)
	if err == nil || out.f == nil {
		err = errors.Join(err, buffer.Flush())
	}
	if out.f == nil {
		return n, err
	}
	if err == nil {
		err = out.f.Sync()
	}
	size, seekErr := out.f.Seek(0, io.SeekEnd)
	if err = errors.Join(err, seekErr); err == nil {
		e.Done, e.Passages, e.Size = true, n, size
		if err = out.record(e); err == nil {
			out.size = size
			return n, nil
		}
	}
	if undo := errors.Join(out.f.Truncate(out.size), seekTo(out.f, out.size)); undo != nil {
		err = fmt.Errorf("%w: %w", errOutput, errors.Join(err, undo))
	}
	return 0, err
}

func seekTo(f *os.File, offset int64) error {
	_, err := f.Seek(offset, io.SeekStart)
	return err
}

func (out *output) close() {
	for _, f := range []*os.File{out.f, out.state} {
		if f != nil {
			_ = f.Close() // every complete document is on disk
		}
	}
}
