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

// archive keeps results as files, because Reducto keeps a job for twelve hours only. A
// file is written whole or not at all. Writing it twice does no harm, which can happen
// if the process dies before the Inbox has recorded the completion.
type archive struct {
	root *os.Root
}

// summary is what the archive keeps of a job beside its text.
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

// statusExpired is the status of a job that expired before its result was fetched. The
// API has no such status.
const statusExpired reducto.JobStatus = "Expired"

// receive is the function of the Inbox, which calls it for every job and every outcome.
// It calls it again until it returns nil or a permanent error. Jobs with a permanent
// error are dead.
func (a *archive) receive(ctx context.Context, d *webhook.Delivery) error {
	var m metadata
	if err := d.DecodeMetadata(&m); err != nil {
		return webhook.Permanent(err) // not a submission of this service
	}
	if d.Outcome == webhook.OutcomeUnknown {
		return webhook.Permanent(fmt.Errorf("the outcome of submission %s of %q is unknown", d.SubmissionID, m.Name))
	}
	switch _, err := a.get(d.JobID); {
	case err == nil:
		return nil // written by an earlier call
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	s := &summary{ID: d.JobID, Name: m.Name, Reference: m.Reference}
	job, err := d.Job(ctx)
	switch {
	case errors.Is(err, reducto.ErrExpired):
		s.Status, s.Reason = statusExpired, "it expired before its result was fetched"
	case err != nil:
		return err
	default:
		s.Status, s.Reason = job.Status, job.FailureReason()
		if err := a.keepText(ctx, job, s); err != nil {
			return err
		}
	}
	// Write the summary last: if it exists, the text exists too.
	return a.write(fileName(d.JobID, ".json"), func(w io.Writer) error { return json.NewEncoder(w).Encode(s) })
}

// keepText writes the text of a job, if it has any, and counts it.
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
		return nil // the job failed or was cancelled; the summary has the reason
	default:
		return webhook.Permanent(fmt.Errorf("job %s has a result of type %T", job.JobID, result))
	}
}

// get returns the summary of a job. Its error is fs.ErrNotExist if there is none.
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

// fileName returns the name of a job's file. Ids come from outside, so it hashes them:
// a hash is a safe name on every system.
func fileName(jobID, extension string) string {
	sum := sha256.Sum256([]byte(jobID))
	return hex.EncodeToString(sum[:16]) + extension
}

// write writes a file, and replaces one that exists. The file has its name only when
// it is whole and on disk.
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
