package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// The documents are part of the program, so that it runs from anywhere.
//
//go:embed testdata
var testdata embed.FS

// story is what happens with either service.
type story struct {
	out    *printer
	client *reducto.Client
	ledger *ledger
	// pipeline is the pipeline to run; without one that job is left out.
	pipeline string
	// patience is how long webhooks are waited for before the jobs are asked for.
	patience time.Duration
}

// tell uploads, submits, and returns when every job has been handled. After the
// submissions it calls submitted, unless that is nil.
func (s *story) tell(ctx context.Context, submitted func()) error {
	s.out.step("Upload two documents")
	invoice, err := s.upload(ctx, "invoice.pdf")
	if err != nil {
		return err
	}
	letter, err := s.upload(ctx, "letter.txt")
	if err != nil {
		return err
	}

	s.out.step("Submit them to all four asynchronous endpoints")
	if err := s.submit(ctx, invoice, letter); err != nil {
		return err
	}
	if submitted != nil {
		submitted()
	}

	s.out.step("Hear how each job ended")
	if s.patience > 0 {
		s.ledger.wait(ctx, s.patience)
	}
	// What no webhook has announced by now is asked for: webhooks can be lost.
	for job, err := range s.client.WaitEach(ctx, s.ledger.open()) {
		if _, ended := errors.AsType[*reducto.JobError](err); err != nil && !ended {
			return err
		}
		if err := s.handle(ctx, job, "waiting"); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) upload(ctx context.Context, name string) (*reducto.Upload, error) {
	content, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		return nil, err
	}
	// A file on disk would be client.UploadFile(ctx, path, …).
	upload, err := s.client.Upload(ctx, name, bytes.NewReader(content), reducto.UploadOptions{})
	if err != nil {
		return nil, err
	}
	s.out.line("%s, %d bytes, is %s", name, upload.Size, upload.FileID)
	return upload, nil
}

// submit submits four jobs, each with metadata of ours, which its webhook brings
// back. Webhook and secret are the client's.
func (s *story) submit(ctx context.Context, invoice, letter *reducto.Upload) error {
	parse, err := s.client.ParseAsync(ctx, reducto.ParseRequest{
		Input: reducto.FromUpload(letter),
		Async: reducto.Async{Metadata: map[string]any{"user_id": "123"}},
	})
	if err != nil {
		return err
	}
	s.submitted("parse", parse.JobID)

	extract, err := s.client.ExtractAsync(ctx, reducto.ExtractRequest{
		Input: reducto.FromUpload(invoice),
		Instructions: reducto.Instructions{
			Schema:       invoiceSchema,
			SystemPrompt: "The document is an invoice.",
		},
		Settings: reducto.ExtractSettings{Citations: reducto.CitationSettings{Enabled: true}},
		Async:    reducto.Async{Metadata: map[string]any{"user_id": "123"}},
	})
	if err != nil {
		return err
	}
	s.submitted("extract", extract.JobID)

	split, err := s.client.SplitAsync(ctx, reducto.SplitRequest{
		Input: reducto.FromUpload(letter),
		SplitDescription: []reducto.SplitCategory{
			{Name: "Cover letter", Description: "The letter around the other papers."},
			{Name: "Account statement", Description: "Movements and balance of an account."},
			{Name: "Terms of payment", Description: "When and how to pay."},
		},
		Async: reducto.Async{Metadata: map[string]any{"user_id": "123"}},
	})
	if err != nil {
		return err
	}
	s.submitted("split", split.JobID)

	if s.pipeline == "" {
		s.out.line("pipeline   left out: it needs the id of one of yours, see -pipeline")
		return nil
	}
	pipeline, err := s.client.PipelineAsync(ctx, reducto.PipelineRequest{
		Input:      reducto.FromUpload(invoice),
		PipelineID: s.pipeline,
		Async:      reducto.Async{Metadata: map[string]any{"user_id": "123"}},
	})
	if err != nil {
		return err
	}
	s.submitted("pipeline", pipeline.JobID)
	return nil
}

func (s *story) submitted(kind, jobID string) {
	s.ledger.expect(kind, jobID)
	s.out.line("%-10s job %s", kind, jobID)
}

// receive is the function of the webhook handler. What it returns decides the
// answer: nil is 200, an error 500, after which the service delivers again.
func (s *story) receive(ctx context.Context, d *webhook.Delivery) error {
	job, err := d.Job(ctx)
	if err != nil {
		return err
	}
	return s.handle(ctx, job, "webhook")
}

// handle does the work that a job was submitted for, once, however it was heard
// of.
func (s *story) handle(ctx context.Context, job *reducto.Job, heardBy string) error {
	return s.ledger.once(job.JobID, heardBy, func() (finding, error) {
		found, err := read(ctx, job)
		if err == nil {
			s.out.line("job %s is %s: heard by %s", job.JobID, job.Status, heardBy)
		}
		return found, err
	})
}

// finish prints the results, once every job is handled. A job without one is an
// error, though it was handled.
func (s *story) finish() error {
	s.out.step("Results")
	var failed []error
	for _, r := range s.ledger.records() {
		s.out.line("%s: %s", r.kind, r.found.report)
		if r.found.failed {
			failed = append(failed, fmt.Errorf("the %s job %s", r.kind, r.found.report))
		}
	}
	return errors.Join(failed...)
}

// printer prints lines of several goroutines.
type printer struct {
	mu    sync.Mutex
	w     io.Writer
	steps int
}

func (p *printer) step(title string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.steps++; p.steps > 1 {
		fmt.Fprintln(p.w)
	}
	fmt.Fprintf(p.w, "%d. %s\n", p.steps, title)
}

func (p *printer) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "   "+format+"\n", args...)
}

func (p *printer) stats(s webhook.Stats) {
	p.line("function called: %d, duplicates answered without it: %d, deliveries refused: %d",
		s.Calls, s.Duplicates, s.Unauthorized)
}
