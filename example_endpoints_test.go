package reducto_test

import (
	"context"
	"fmt"
	"log"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

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

// A document that is parsed once can be extracted from and split without paying
// for the parsing again.
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

// The synchronous calls return the result itself. They are for documents of a few
// pages: the connection stays open as long as the job takes.
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
