package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// archive keeps results as files: job ids live twelve hours, documents longer. What
// it writes, it writes whole or not at all, and writing it again changes nothing:
// a webhook may arrive twice.
type archive struct {
	root *os.Root
	mu   sync.Mutex // held while a summary gets its name
}

// summary is what is kept of a job beside its text.
type summary struct {
	ID         string            `json:"id"`
	Status     reducto.JobStatus `json:"status"`
	Reason     string            `json:"reason,omitzero"`
	Name       string            `json:"name,omitzero"`
	Reference  string            `json:"reference,omitzero"`
	Pages      int               `json:"pages,omitzero"`
	Blocks     int               `json:"blocks,omitzero"`
	Characters int               `json:"characters,omitzero"`
}

func openArchive(dir string) (*archive, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &archive{root: root}, nil
}

func (a *archive) close() error { return a.root.Close() }

// receive is the function of the webhook handler: nil is answered 200, and the job
// is done with; an error is answered 500, and the job delivered again.
func (a *archive) receive(ctx context.Context, d *webhook.Delivery) error {
	var m metadata
	if err := d.DecodeMetadata(&m); err != nil {
		return webhook.Permanent(err) // not a submission of this service
	}
	job, err := d.Job(ctx)
	if err != nil {
		return err
	}
	_, err = a.keep(ctx, job, &m)
	return err
}

// get returns a job's summary. A job that has ended but is not here yet is kept
// now: all of its webhooks may have been lost.
func (a *archive) get(ctx context.Context, client *reducto.Client, jobID string) (*summary, error) {
	raw, err := a.root.ReadFile(fileName(jobID, ".json"))
	if err == nil {
		s := new(summary)
		return s, json.Unmarshal(raw, s)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	job, err := client.GetJob(ctx, jobID)
	if err != nil {
		return nil, err
	}
	if !job.Status.Terminal() {
		return &summary{ID: job.ID, Status: job.Status}, nil
	}
	return a.keep(ctx, job, nil)
}

// keep writes what a job has brought. The summary comes last: where it is, all is.
// Only a webhook knows the metadata, so without it a summary replaces no other.
func (a *archive) keep(ctx context.Context, job *reducto.Job, m *metadata) (*summary, error) {
	s := &summary{ID: job.ID, Status: job.Status, Reason: job.FailureReason()}
	if m != nil {
		s.Name, s.Reference = m.Name, m.Reference
	}
	switch result := job.Result.(type) {
	case *reducto.ParseResult:
		s.Pages = result.Usage.NumPages
		err := a.write(fileName(job.ID, ".txt"), true, func(w io.Writer) error {
			for block, err := range result.Blocks(ctx) {
				if err != nil {
					return err
				}
				s.Blocks++
				s.Characters += len([]rune(block.Content))
				if _, err := fmt.Fprintf(w, "%s\n\n", block.Content); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	case nil:
		if job.Status == reducto.StatusCompleted {
			return nil, fmt.Errorf("job %s has no result any more: %w", job.ID, reducto.ErrExpired)
		}
		// It failed, or was cancelled: the summary says so.
	default:
		return nil, webhook.Permanent(fmt.Errorf("job %s has a result of type %T", job.ID, result))
	}
	err := a.write(fileName(job.ID, ".json"), m != nil, func(w io.Writer) error { return json.NewEncoder(w).Encode(s) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (a *archive) openText(jobID string) (*os.File, error) {
	return a.root.Open(fileName(jobID, ".txt"))
}

// fileName is the name of a job's file. Ids come from outside: a hash of one is a
// safe name on every system.
func fileName(jobID, extension string) string {
	sum := sha256.Sum256([]byte(jobID))
	return hex.EncodeToString(sum[:16]) + extension
}

// write makes a file, on disk and under its name only when it is whole. If there is
// one of this name it is replaced or left alone.
func (a *archive) write(name string, replace bool, content func(io.Writer) error) (err error) {
	temporary := name + "." + rand.Text()
	f, err := a.root.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.root.Remove(temporary))
		}
	}()
	w := bufio.NewWriter(f)
	err = content(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.root.Stat(name); err == nil && !replace {
		return a.root.Remove(temporary)
	}
	return a.root.Rename(temporary, name)
}
