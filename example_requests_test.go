package reducto_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

func ExampleNewClient() {
	client, err := reducto.NewClient(
		reducto.WithAPIKey("your-key"), // default: REDUCTO_API_KEY
		reducto.WithRegion(reducto.RegionEU),
		reducto.WithTimeout(time.Minute),
		reducto.WithLogger(slog.Default()),
		reducto.WithUserAgent("invoices/1.4"),
	)
	if err != nil {
		log.Fatal(err) // NewClient checks the options and sends nothing
	}
	fmt.Println(client)
	// Output: reducto.Client(https://eu.platform.reducto.ai)
}

// To rotate a key without a restart, use a function. The client calls it before every
// attempt.
func ExampleWithAPIKeyFunc() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	current := func(context.Context) (string, error) {
		return srv.APIKey(), nil // yours: from your vault, cached
	}

	client := srv.Client(reducto.WithAPIKeyFunc(current))
	srv.SetAPIKey("the-next-key")
	_, err = client.ListJobs(context.Background(), reducto.ListJobsOptions{})
	fmt.Println(err)
	// Output: <nil>
}

// Use Do for an endpoint or a field that the library does not have. It uses the
// client's key, retries and errors.
func ExampleClient_Do() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "Dear all"})
	client := srv.Client() // yours: reducto.NewClient()

	var answer struct {
		Jobs []map[string]any `json:"jobs"`
	}
	err = client.Do(context.Background(), http.MethodGet, "/jobs?limit=1", nil, &answer)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Jobs[0]["status"])

	err = client.Do(context.Background(), http.MethodGet, "/what-comes-next-month", nil, nil)
	fmt.Println(errors.Is(err, reducto.ErrNotFound))
	// Output:
	// Completed
	// true
}

// quarterlyReport is a request with many options.
func quarterlyReport(upload *reducto.Upload) reducto.ParseRequest {
	return reducto.ParseRequest{
		Input: reducto.FromUpload(upload),
		Enhance: reducto.Enhance{
			Agentic:          []reducto.AgenticScope{reducto.TableAgentic{Prompt: "Amounts are in thousands."}},
			SummarizeFigures: new(false), // a pointer: false is not the default
		},
		Retrieval: reducto.Retrieval{
			Chunking:     reducto.Chunking{ChunkMode: reducto.ChunkModeSection},
			FilterBlocks: []reducto.BlockType{reducto.BlockTypeHeader, reducto.BlockTypeFooter},
		},
		Formatting: reducto.Formatting{TableOutputFormat: reducto.TableFormatMarkdown},
		Settings: reducto.Settings{
			PageRange:      reducto.PageSpan(1, 40), // pages count from 1
			PersistResults: true,                    // otherwise the job expires after 12 hours
		},
		QueuePriority: reducto.QueuePriorityBatch, // cheaper, within 12 hours
		Async: reducto.Async{
			Webhook:  reducto.DirectWebhook("https://example.com/webhook"),
			Metadata: map[string]any{"report": "2026-Q3"},
		},
	}
}

func ExampleParseRequest() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // yours: reducto.NewClient()

	job, err := client.ParseAsync(context.Background(), quarterlyReport(&reducto.Upload{FileID: srv.PutFile("report.pdf", []byte("Revenue"))}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.JobID != "", srv.UnknownFields())
	// Output: true []
}

func ExampleClient_ParseAsync() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.PutDocument("https://example.com/letter.txt", []byte("# A letter\n\nDear all"))
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	job, err := client.ParseAsync(ctx, reducto.ParseRequest{
		Input: reducto.URL("https://example.com/letter.txt"),
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := job.Wait(ctx) // a *reducto.ParseResult
	if err != nil {
		log.Fatal(err)
	}
	for block, err := range result.Blocks(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", block.Type, block.Content)
	}
	// Output:
	// Title: # A letter
	// Text: Dear all
}

func ExampleClient_ExtractAsync() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.PutDocument("https://example.com/invoice.txt", []byte("Invoice number: INV-7\nTotal: 12.50"))
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	job, err := client.ExtractAsync(ctx, reducto.ExtractRequest{
		Input: reducto.URL("https://example.com/invoice.txt"),
		Instructions: reducto.Instructions{
			Schema: map[string]any{
				"type": "object",
				"properties": map[string]any{
					"invoice_number": map[string]any{"type": "string"},
					"total":          map[string]any{"type": "number", "description": "The sum to pay."},
				},
			},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := job.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var invoice struct {
		Number string  `json:"invoice_number"`
		Total  float64 `json:"total"`
	}
	if err := result.Decode(ctx, &invoice); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", invoice)
	// Output: {Number:INV-7 Total:12.5}
}

func ExampleClient_SplitAsync() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.PutDocument("https://example.com/mail.txt", []byte("Cover letter\fAccount statement\fAccount statement, continued"))
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	job, err := client.SplitAsync(ctx, reducto.SplitRequest{
		Input: reducto.URL("https://example.com/mail.txt"),
		SplitDescription: []reducto.SplitCategory{
			{Name: "Cover letter", Description: "The letter around the other papers."},
			{Name: "Account statement", Description: "Movements and balance of an account."},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := job.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, section := range result.Splits {
		fmt.Println(section.Name, section.PageNumbers())
	}
	// Output:
	// Cover letter [1]
	// Account statement [2 3]
}

func ExampleClient_PipelineAsync() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.DefinePipeline("invoices", reductotest.Pipeline{Schema: invoiceSchema})
	srv.PutDocument("https://example.com/invoice.txt", []byte("Invoice number: INV-7\nTotal: 12.50"))
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	job, err := client.PipelineAsync(ctx, reducto.PipelineRequest{
		Input:      reducto.URL("https://example.com/invoice.txt"),
		PipelineID: "invoices", // yours: the id that Reducto's studio shows
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := job.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var invoice struct {
		Number string `json:"invoice_number"`
	}
	if result.Extract != nil { // the pipeline has such a step
		if err := result.Extract.Decode(ctx, &invoice); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(result.Parse), invoice.Number)
	// Output: 1 INV-7
}

// You can extract from and split a parsed document without paying for the parsing
// again.
func ExampleFromJob() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.PutDocument("https://example.com/invoice.txt", []byte("Invoice number: INV-7\nTotal: 12.50"))
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	parse, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/invoice.txt")})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := parse.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	extract, err := client.ExtractAsync(ctx, reducto.ExtractRequest{
		Input:        reducto.FromJob(parse.JobID),
		Instructions: reducto.Instructions{Schema: invoiceSchema},
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := extract.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	raw, err := result.Raw(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", raw)
	// Output: [{"invoice_number":"INV-7","total":12.50}]
}

// The synchronous calls return the result itself. Use them for documents of a few
// pages, because the connection stays open until the job ends.
func ExampleClient_Parse() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.PutDocument("https://example.com/letter.txt", []byte("Dear all"))
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	result, err := client.Parse(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/letter.txt")})
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

func ExampleClient_Upload() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	body := strings.NewReader("any io.Reader: a file, a request's body, an object in storage")
	upload, err := client.Upload(ctx, "letter.txt", body, reducto.UploadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	job, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: reducto.FromUpload(upload)})
	if err != nil {
		log.Fatal(err)
	}
	result, err := job.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	chunks, err := result.Load(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(upload.Size, chunks[0].Content)
	// Output: 61 any io.Reader: a file, a request's body, an object in storage
}

func ExampleClient_UploadFile() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // yours: reducto.NewClient()

	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(path, []byte("Dear all"), 0o600); err != nil {
		log.Fatal(err)
	}

	upload, err := client.UploadFile(context.Background(), path, reducto.UploadOptions{
		Progress: func(sent, total int64) { fmt.Printf("%d of %d bytes\n", sent, total) },
	})
	switch {
	case errors.Is(err, reducto.ErrEmptyUpload), errors.Is(err, reducto.ErrUploadTooLarge):
		log.Fatal("nothing was sent: ", err)
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(strings.HasPrefix(upload.FileID, "reducto://"))
	// Output:
	// 8 of 8 bytes
	// true
}

// With a webhook and a secret, the service announces the end of every submission, and
// the receiver can detect forgeries.
func ExampleWithWebhook() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	mux := http.NewServeMux()
	url := srv.Mount("/webhook", mux) // yours: https://your-app.com/webhook

	secret, err := webhook.NewSecret("yours: openssl rand -hex 32")
	if err != nil {
		log.Fatal(err)
	}
	client := srv.Client( // yours: reducto.NewClient(
		reducto.WithWebhook(reducto.DirectWebhook(url)),
		reducto.WithSubmitHook(secret),
	)
	handler, err := webhook.NewHandler(secret, func(ctx context.Context, d *webhook.Delivery) error {
		var metadata struct {
			UserID string `json:"user_id"`
		}
		if err := d.DecodeMetadata(&metadata); err != nil {
			return webhook.Permanent(err) // a retry would get the same error
		}
		fmt.Println("job of user", metadata.UserID, d.Outcome)
		return nil
	}, webhook.WithClient(client))
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("POST /webhook", handler)

	ctx := context.Background()
	job, err := client.ParseAsync(ctx, reducto.ParseRequest{
		Input: reducto.URL("https://example.com/document.pdf"),
		Async: reducto.Async{Metadata: map[string]any{"user_id": "123"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	deliveries, err := srv.AwaitDeliveries(ctx, job.JobID, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("answered", deliveries[0].StatusCode)
	// Output:
	// job of user 123 completed
	// answered 200
}

// A single submission can disable the client's webhook.
func ExampleNoWebhook() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client(reducto.WithWebhook(reducto.DirectWebhook("https://your-app.com/webhook")))

	ctx := context.Background()
	document := reducto.URL("https://example.com/document.pdf")
	for _, async := range []reducto.Async{{}, {Webhook: reducto.NoWebhook()}} {
		if _, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: document, Async: async}); err != nil {
			log.Fatal(err)
		}
	}
	for _, job := range srv.Jobs() {
		fmt.Printf("webhook: %q\n", job.WebhookURL)
	}
	// Output:
	// webhook: "https://your-app.com/webhook"
	// webhook: ""
}
