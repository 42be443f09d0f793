package reducto_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func ExampleHandle_Wait() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	job, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")})
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	result, err := job.Wait(ctx)
	if err != nil {
		log.Fatal(err) // *JobError: it failed. *WaitError: it continues, so you can wait again by its id.
	}
	fmt.Println(result.Usage.NumPages)
	// Output: 1
}

func ExampleWithOnUpdate() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	id := srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
	client := srv.Client() // yours: reducto.NewClient()

	_, err = client.Wait(context.Background(), id,
		reducto.WithPollInterval(2*time.Second, time.Minute),
		reducto.WithOnUpdate(func(job *reducto.Job) { fmt.Println("it is", job.Status) }))
	if err != nil {
		log.Fatal(err)
	}
	// Output: it is Completed
}

// To wait for a job elsewhere, keep only its id.
func ExampleAttach() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	id := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "Dear all"})
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	result, err := reducto.Attach[*reducto.ParseResult](client, id).Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	chunks, err := result.Load(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(chunks[0].Content)
	// Output: Dear all
}

// In each round one request asks for all jobs, not one request for each.
func ExampleClient_WaitEach() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	jobIDs := []string{
		srv.SeedJob(reductotest.SeedJob{ID: "job-1", Status: "Completed", Text: "first"}),
		srv.SeedJob(reductotest.SeedJob{ID: "job-2", Status: "Failed", Reason: "it is corrupt"}),
		srv.SeedJob(reductotest.SeedJob{ID: "job-3", Status: "Completed", Text: "third"}),
	}
	client := srv.Client() // yours: reducto.NewClient()

	for job, err := range client.WaitEach(context.Background(), jobIDs) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(job.JobID, job.Status)
	}
	// Output:
	// job-1 Completed
	// reducto: job job-2 ended Failed (PROCESSING_FAILED): it is corrupt
	// job-3 Completed
}

// Jobs yields all jobs of the account, from all pages.
func ExampleClient_Jobs() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	now := time.Now()
	for i := range 5 {
		srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprint("job-", i), Status: "Completed", CreatedAt: now.Add(time.Duration(i) * time.Second)})
	}
	client := srv.Client() // yours: reducto.NewClient()

	for job, err := range client.Jobs(context.Background(), reducto.ListJobsOptions{Limit: 2, ExcludeConfigs: true}) {
		if err != nil {
			log.Fatal(err)
		}
		if job.CreatedAt.Before(now.Add(1500 * time.Millisecond)) {
			break // no further page is requested
		}
		fmt.Println(job.JobID, job.Status)
	}
	// Output:
	// job-4 Completed
	// job-3 Completed
	// job-2 Completed
}

// A job's result has one of a fixed set of types.
func ExampleClient_GetJob() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	id := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "one\n\ntwo"})
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	job, err := client.GetJob(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	switch result := job.Result.(type) {
	case *reducto.ParseResult:
		chunks, err := result.Load(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("parsed into", len(chunks[0].Blocks), "blocks")
	case *reducto.ExtractResult:
		var v map[string]any
		if err := result.Decode(ctx, &v); err != nil {
			log.Fatal(err)
		}
		fmt.Println("extracted", v)
	case *reducto.SplitResult:
		fmt.Println("split into", len(result.Splits), "sections")
	case *reducto.UnknownResult:
		fmt.Printf("of a type that is newer than this library: %s\n", result.Raw)
	case nil:
		fmt.Println("no result:", job.Status, job.FailureReason())
	default:
		fmt.Printf("a %T\n", result)
	}
	// Output: parsed into 2 blocks
}

// A result of more than about 6 MB comes as a URL. The loop is the same. It downloads
// the result while it runs, and keeps one chunk in memory.
func ExampleParseResult_Blocks() {
	srv, err := reductotest.Start( // a Reducto in this process
		reductotest.WithProcessingTime(0), reductotest.WithURLResultThreshold(0))
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.PutDocument("https://example.com/large.txt", []byte("# One\n\nfirst\fNext\n\nsecond"))
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	job, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/large.txt")})
	if err != nil {
		log.Fatal(err)
	}
	result, err := job.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("behind a URL:", result.Link() != "")
	for block, err := range result.Blocks(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("page %d, %s: %s\n", block.BBox.Page, block.Type, block.Content)
	}
	// Output:
	// behind a URL: true
	// page 1, Title: # One
	// page 1, Text: first
	// page 2, Text: Next
	// page 2, Text: second
}

func ExampleParseResult_Chunks() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.PutDocument("https://example.com/manual.txt", []byte("# Setup\n\nUnpack it.\n\n# Use\n\nSwitch it on."))
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	job, err := client.ParseAsync(ctx, reducto.ParseRequest{
		Input:     reducto.URL("https://example.com/manual.txt"),
		Retrieval: reducto.Retrieval{Chunking: reducto.Chunking{ChunkMode: reducto.ChunkModeSection}},
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := job.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for chunk, err := range result.Chunks(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q from %d blocks\n", chunk.Embed, len(chunk.Blocks)) // to be embedded
	}
	// Output:
	// "# Setup\n\nUnpack it." from 2 blocks
	// "# Use\n\nSwitch it on." from 2 blocks
}

// Decode fills your struct. A field of type Cited also has its places in the document.
func ExampleExtractResult_Decode() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.PutDocument("https://example.com/invoice.txt", []byte("Invoice number: INV-7\nTotal: 12.50 EUR"))
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	job, err := client.ExtractAsync(ctx, reducto.ExtractRequest{
		Input:        reducto.URL("https://example.com/invoice.txt"),
		Instructions: reducto.Instructions{Schema: invoiceSchema},
		Settings:     reducto.ExtractSettings{Citations: reducto.CitationSettings{Enabled: true}},
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := job.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}

	var invoice struct {
		Number string                 `json:"invoice_number"`
		Total  reducto.Cited[float64] `json:"total"`
	}
	if err := result.Decode(ctx, &invoice); err != nil {
		log.Fatal(err)
	}
	fmt.Println(invoice.Number, invoice.Total.Value)
	for _, c := range invoice.Total.Citations {
		fmt.Printf("page %d: %s\n", c.BBox.Page, c.Content)
	}
	// Output:
	// INV-7 12.5
	// page 1: Total: 12.50 EUR
}

// explain distinguishes errors: by a sentinel if only the kind matters, by a type if
// details matter.
func explain(err error) string {
	switch {
	case err == nil:
		return "it went well"
	case errors.Is(err, reducto.ErrUnauthorized):
		return "the key is wrong, or of another region"
	case errors.Is(err, reducto.ErrPasswordProtected):
		return "the document needs a password"
	case errors.Is(err, reducto.ErrExpired):
		return "the job or its result is gone"
	}
	if refused, ok := errors.AsType[*reducto.RequestError](err); ok {
		return "nothing was sent: " + refused.Field + ": " + refused.Reason
	}
	if failed, ok := errors.AsType[*reducto.JobError](err); ok {
		return "the job failed: " + failed.Job.FailureReason()
	}
	if api, ok := errors.AsType[*reducto.APIError](err); ok {
		return fmt.Sprintf("the service answered %d %s: %s", api.StatusCode, api.Name, api.Message)
	}
	return err.Error()
}

func Example_errors() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	_, err = client.ParseAsync(ctx, reducto.ParseRequest{})
	fmt.Println(explain(err))

	srv.Fault("POST /parse_async", reductotest.Status(401))
	_, err = client.ParseAsync(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")})
	fmt.Println(explain(err))

	srv.FailNext("page 3 cannot be read", "DOCUMENT_CORRUPT")
	job, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")})
	if err != nil {
		log.Fatal(err)
	}
	_, err = job.Wait(ctx)
	fmt.Println(explain(err))

	srv.Expire(job.JobID)
	_, err = client.GetJob(ctx, job.JobID)
	fmt.Println(errors.Is(err, reducto.ErrNotFound))
	// Output:
	// nothing was sent: Input: no document: use URL, URLs, FromUpload or FromJob
	// the key is wrong, or of another region
	// the job failed: page 3 cannot be read
	// true
}

// The connection broke after the request was sent, so a job may or may not exist. You
// decide whether to submit again.
func ExampleUnknownOutcomeError() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.Fault("POST /parse_async", reductotest.LoseAnswer())
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	request := reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")}
	job, err := client.ParseAsync(ctx, request)
	if unknown, ok := errors.AsType[*reducto.UnknownOutcomeError](err); ok {
		// You can submit again at any time. If the first job exists, its webhook still
		// comes. Because both have the same id, a receiver of this library processes
		// only one of the two.
		request.Async.SubmissionID = unknown.SubmissionID
		job, err = client.ParseAsync(ctx, request)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.JobID != "", len(srv.Jobs()), "jobs")
	// Output: true 2 jobs
}

// WithResubmit submits again automatically.
func ExampleWithResubmit() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.Fault("POST /parse_async", reductotest.LoseAnswer())
	client := srv.Client() // yours: reducto.NewClient()

	request := reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")}
	_, err = client.ParseAsync(context.Background(), request, reducto.WithResubmit())
	fmt.Println(err, len(srv.Jobs()), "jobs")
	// Output: <nil> 2 jobs
}
