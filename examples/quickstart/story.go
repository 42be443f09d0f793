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

// The documents are part of the program, so it runs from any directory.
//
//go:embed testdata
var testdata embed.FS

// story is the part of the program that is the same with both services.
type story struct {
	out    *printer
	client *reducto.Client
	ledger *ledger
	// pipeline is the pipeline to run. If it is empty, that job is left out.
	pipeline string
	// patience is how long to wait for webhooks before polling.
	patience time.Duration
}

// tell uploads, submits, and returns when every job was handled. It calls submitted
// after the submissions, unless it is nil.
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

	s.out.step("Receive the end of each job")
	if s.patience > 0 {
		s.ledger.wait(ctx, s.patience)
	}
	// Poll for the other jobs, because webhooks can be lost.
	for job, err := range s.client.WaitEach(ctx, s.ledger.open()) {
		if _, ended := errors.AsType[*reducto.JobError](err); err != nil && !ended {
			return err
		}
		if err := s.handle(ctx, job, "polling"); err != nil {
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

// submit submits four jobs with metadata, which the webhooks return. The webhook's URL
// and the secret are the client's.
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
		s.out.line("pipeline   left out: set the id of your pipeline with -pipeline")
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

// receive is the function of the webhook handler. If it returns nil, the answer is 200.
// If it returns an error, the answer is 500, and the service delivers again.
func (s *story) receive(ctx context.Context, d *webhook.Delivery) error {
	job, err := d.Job(ctx)
	if err != nil {
		return err
	}
	return s.handle(ctx, job, "webhook")
}

// handle handles a job once, whether a webhook or the poll found it.
func (s *story) handle(ctx context.Context, job *reducto.Job, source string) error {
	return s.ledger.once(job.JobID, source, func() (finding, error) {
		found, err := read(ctx, job)
		if err == nil {
			s.out.line("job %s is %s: found by %s", job.JobID, job.Status, source)
		}
		return found, err
	})
}

// finish prints the results. It returns an error for a job without one.
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

// printer prints lines. It is safe for concurrent use.
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
