package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"

	"github.com/reducto-go/reducto"
)

// indexer is one run of the program.
type indexer struct {
	client    *reducto.Client
	documents fs.FS
	output    *output
	tokens    int
	total     int

	mu     sync.Mutex
	stderr io.Writer
	done   int
	failed int
}

// run makes the passages of the documents, and returns the number of those that failed.
func (r *indexer) run(ctx context.Context, names []string, concurrency int) (failed int) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	queue := make(chan string)
	var workers sync.WaitGroup
	for range concurrency {
		workers.Go(func() {
			for name := range queue {
				passages, err := r.document(ctx, name)
				r.report(ctx, name, passages, err)
				if errors.Is(err, errOutput) || errors.Is(err, reducto.ErrUnauthorized) || errors.Is(err, reducto.ErrForbidden) {
					stop() // the other documents would fail too
				}
			}
		})
	}
	for _, name := range names {
		if e := r.output.get(name); e.Done {
			r.report(ctx, name, e.Passages, nil)
			continue
		}
		select {
		case queue <- name:
		case <-ctx.Done():
		}
	}
	close(queue)
	workers.Wait()
	return r.failed
}

// report shows the progress.
func (r *indexer) report(ctx context.Context, name string, passages int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.done++
		fmt.Fprintf(r.stderr, "%d/%d %s: %d passages\n", r.done, r.total, name, passages)
	case ctx.Err() == nil || !errors.Is(err, context.Canceled):
		r.failed++
		fmt.Fprintf(r.stderr, "%s: %v\n", name, err)
	}
}

// document parses a document, and writes its passages.
func (r *indexer) document(ctx context.Context, name string) (passages int, err error) {
	id := r.output.get(name).JobID
	if id != "" {
		passages, err = r.write(ctx, name, reducto.Attach[*reducto.ParseResult](r.client, id))
		if !errors.Is(err, reducto.ErrExpired) && !errors.Is(err, reducto.ErrNotFound) {
			return passages, err
		}
	}
	job, err := r.submit(ctx, name)
	if err != nil {
		return 0, err
	}
	return r.write(ctx, name, job)
}

// submit submits a document, and records its job.
func (r *indexer) submit(ctx context.Context, name string) (*reducto.Handle[*reducto.ParseResult], error) {
	f, err := r.documents.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	upload, err := r.client.Upload(ctx, path.Base(name), f, reducto.UploadOptions{})
	if err != nil {
		return nil, err
	}
	// A submission that is cancelled may have made a job. So it goes on after Ctrl-C.
	job, err := r.client.ParseAsync(context.WithoutCancel(ctx), reducto.ParseRequest{Input: reducto.FromUpload(upload)})
	if err != nil {
		return nil, err
	}
	return job, r.output.record(entry{Document: name, JobID: job.JobID})
}

// write waits for a job, and writes the passages of its result.
func (r *indexer) write(ctx context.Context, name string, job *reducto.Handle[*reducto.ParseResult]) (int, error) {
	result, err := job.Wait(ctx)
	if err != nil {
		return 0, err
	}
	return r.output.write(entry{Document: name, JobID: job.JobID}, func(add func(any) error) (n int, err error) {
		for passage, err := range result.Passages(ctx, reducto.PassageOptions{MaxTokens: r.tokens, WithoutMargins: true}) {
			if err == nil {
				err = add(line{name, passage})
			}
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}

// line is a line of the output.
type line struct {
	Document string `json:"document"`
	*reducto.Passage
}
