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

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// archive keeps results as files: job ids live twelve hours, documents longer. What
// it writes, it writes whole or not at all, and writing it again changes nothing: a
// process can die between the writing and the inbox's hearing of it.
type archive struct {
	root *os.Root
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

// statusExpired is what a summary says of a job whose result was gone before
// anybody could fetch it. The API has no such status.
const statusExpired reducto.JobStatus = "Expired"

// receive is the function of the inbox. It is called for every job that was
// submitted, in whatever way it ended, until it returns nil or an error that is
// permanent: those are what "server dead" lists.
func (a *archive) receive(ctx context.Context, d *webhook.Delivery) error {
	var m metadata
	if err := d.DecodeMetadata(&m); err != nil {
		return webhook.Permanent(err) // not a submission of this service
	}
	if d.Outcome == webhook.OutcomeUnknown {
		return webhook.Permanent(fmt.Errorf("nobody knows what became of submission %s of %q", d.SubmissionID, m.Name))
	}
	switch _, err := a.get(d.JobID); {
	case err == nil:
		return nil // it is here already
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	s := &summary{ID: d.JobID, Name: m.Name, Reference: m.Reference}
	job, err := d.Job(ctx)
	switch {
	case errors.Is(err, reducto.ErrExpired):
		s.Status, s.Reason = statusExpired, "its result was gone before it could be fetched"
	case err != nil:
		return err
	default:
		s.Status, s.Reason = job.Status, job.FailureReason()
		if err := a.keepText(ctx, job, s); err != nil {
			return err
		}
	}
	// The summary comes last: where it is, all is.
	return a.write(fileName(d.JobID, ".json"), func(w io.Writer) error { return json.NewEncoder(w).Encode(s) })
}

// keepText writes the text that a job has brought, if it has, and counts it.
func (a *archive) keepText(ctx context.Context, job *reducto.Job, s *summary) error {
	switch result := job.Result.(type) {
	case *reducto.ParseResult:
		s.Pages = result.Usage.NumPages
		return a.write(fileName(job.JobID, ".txt"), func(w io.Writer) error {
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
	case nil:
		return nil // it failed, or was cancelled: the summary says so
	default:
		return webhook.Permanent(fmt.Errorf("job %s has a result of type %T", job.JobID, result))
	}
}

// get returns a job's summary; the error is fs.ErrNotExist while there is none.
func (a *archive) get(jobID string) (*summary, error) {
	raw, err := a.root.ReadFile(fileName(jobID, ".json"))
	if err != nil {
		return nil, err
	}
	s := new(summary)
	return s, json.Unmarshal(raw, s)
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

// write makes a file, on disk and under its name only when it is whole. One that
// is there is replaced.
func (a *archive) write(name string, content func(io.Writer) error) (err error) {
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
	return a.root.Rename(temporary, name)
}
