package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/reducto-go/reducto"
)

// batch is one run of the program.
type batch struct {
	client      *reducto.Client
	journal     *journal
	progress    progress
	dir, out    string
	concurrency int
	resubmit    bool
	wait        []reducto.WaitOption
}

// summary counts files by how they stand at the end of a run.
type summary struct {
	done, failed, unknown, running, open int
}

// complete reports whether another run would change nothing.
func (s summary) complete() bool { return s.unknown == 0 && s.running == 0 && s.open == 0 }

func (s summary) String() string {
	return fmt.Sprintf("%d done, %d failed, %d unknown, %d running, %d not submitted", s.done, s.failed, s.unknown, s.running, s.open)
}

// run submits what is to be submitted, then waits for all jobs. It begins nothing
// new when soft has ended, and gives up when hard has. The error is what kept it
// from going on; what concerns one file is in the summary.
func (b *batch) run(soft, hard context.Context, files []string) (summary, error) {
	err := b.submitAll(soft, hard, files)
	if err == nil && soft.Err() == nil {
		err = b.waitAll(soft, files)
	}
	var s summary
	for _, file := range files {
		switch e := b.journal.get(file); {
		case e.State == stateDone:
			s.done++
		case e.State == stateFailed:
			s.failed++
		case e.State == stateSubmitted:
			s.running++
		case e.unknown():
			s.unknown++
		default:
			s.open++
		}
	}
	return s, err
}

// submitAll uploads and submits the files that have no job yet.
func (b *batch) submitAll(soft, hard context.Context, files []string) error {
	soft, stop := context.WithCancelCause(soft)
	defer stop(nil)
	queue := make(chan string)
	var workers sync.WaitGroup
	for range b.concurrency {
		workers.Go(func() {
			for file := range queue {
				if err := b.submit(soft, hard, file); err != nil {
					stop(err) // it would be the same with every other file
				}
			}
		})
	}
	for _, file := range files {
		if !b.toSubmit(b.journal.get(file)) {
			continue
		}
		select {
		case queue <- file:
		case <-soft.Done():
		}
	}
	close(queue)
	workers.Wait()
	if soft.Err() != nil {
		return context.Cause(soft)
	}
	return nil
}

func (b *batch) toSubmit(e entry) bool {
	return e.State == "" || e.State == stateRejected || e.unknown() && b.resubmit
}

// submit uploads and submits a file, and writes down what it does. The error is
// one that concerns all files.
func (b *batch) submit(soft, hard context.Context, file string) error {
	before := b.journal.get(file)
	upload, err := b.client.UploadFile(soft, filepath.Join(b.dir, filepath.FromSlash(file)), reducto.UploadOptions{})
	switch {
	case soft.Err() != nil:
		return nil
	case err != nil:
		return b.refused(before, file, err)
	}

	id := reducto.NewSubmissionID()
	if before.unknown() {
		id = before.SubmissionID
	}
	if err := b.journal.record(entry{File: file, State: stateSubmitting, SubmissionID: id}); err != nil {
		return err
	}
	// Stopped half-way, nobody could tell whether there is a job. So it goes on when
	// nothing new is begun any more.
	job, err := b.client.ParseAsync(hard, reducto.ParseRequest{
		Input: reducto.FromUpload(upload),
		Async: reducto.Async{
			SubmissionID: id,
			// To find the job by, should its id be lost.
			Metadata: map[string]any{"file": file, "submission": id},
		},
	})
	unknown, isUnknown := errors.AsType[*reducto.UnknownOutcomeError](err)
	switch {
	case isUnknown:
		b.progress.say("%s: %v", file, unknown)
		return b.journal.record(entry{File: file, State: stateUnknown, SubmissionID: id, Error: unknown.Err.Error()})
	case err != nil:
		return b.refused(before, file, err)
	}
	if err := b.journal.record(entry{File: file, State: stateSubmitted, SubmissionID: id, JobID: job.JobID}); err != nil {
		return fmt.Errorf("%s is job %s: %w", file, job.JobID, err)
	}
	b.progress.submitted(file)
	return nil
}

// refused writes down that a submission was refused, or could not even be tried. So
// there is certainly no job, unless it was unknown before whether there is one: that
// remains so. Of a key that is refused there is no use in trying the other files.
func (b *batch) refused(before entry, file string, err error) error {
	b.progress.say("%s: %v", file, err)
	e := entry{File: file, State: stateRejected, Error: err.Error()}
	if before.unknown() {
		e.State, e.SubmissionID = stateUnknown, before.SubmissionID
	}
	recordErr := b.journal.record(e)
	if isKeyRefused(err) {
		return errors.Join(err, recordErr)
	}
	return recordErr
}

// isKeyRefused tells a key that is refused from a document that is.
func isKeyRefused(err error) bool {
	return errors.Is(err, reducto.ErrUnauthorized) || errors.Is(err, reducto.ErrForbidden)
}

// waitAll waits for the jobs of all files, and writes each one's text as it ends.
func (b *batch) waitAll(ctx context.Context, files []string) error {
	fileOf := map[string]string{} // by job
	var ids []string
	for _, file := range files {
		if e := b.journal.get(file); e.State == stateSubmitted {
			fileOf[e.JobID] = file
			ids = append(ids, e.JobID)
		}
	}
	for job, err := range b.client.WaitEach(ctx, ids, b.wait...) {
		file := fileOf[job.JobID]
		if err == nil {
			err = b.save(ctx, file, job)
		}
		if err := b.finished(ctx, file, err); err != nil {
			return err
		}
	}
	return nil
}

// finished writes down how a job ended. The error is one that concerns all jobs.
func (b *batch) finished(ctx context.Context, file string, err error) error {
	e := b.journal.get(file)
	_, jobFailed := errors.AsType[*reducto.JobError](err)
	switch {
	case err == nil:
		e.State = stateDone
	case jobFailed, errors.Is(err, reducto.ErrExpired), errors.Is(err, reducto.ErrNotFound):
		e.State, e.Error = stateFailed, err.Error()
		b.progress.say("%s: %v", file, err)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isKeyRefused(err):
		return err
	default: // the next run tries again
		b.progress.say("%s: %v", file, err)
		return nil
	}
	if err := b.journal.record(e); err != nil {
		return err
	}
	b.progress.finished(file)
	return nil
}

// save writes the text of a document, under its name only when it is whole. It is
// never in memory as a whole, however large it is.
func (b *batch) save(ctx context.Context, file string, job *reducto.Job) (err error) {
	result, err := reducto.As[*reducto.ParseResult](job)
	if err != nil {
		return err
	}
	path := filepath.Join(b.out, filepath.FromSlash(file)+".md")
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".batch-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriter(f)
	for chunk, err := range result.Chunks(ctx) {
		if err != nil {
			return errors.Join(err, f.Close())
		}
		if _, err := fmt.Fprintf(w, "%s\n\n", chunk.Content); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
