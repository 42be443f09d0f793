package reducto_test

import (
	"context"
	"fmt"
	"log"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// A result of more than about 6 MB comes as a URL. Ranging over it is the same: it
// is downloaded while the loop runs, and one chunk is in memory at a time.
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

// Decode fills a struct of yours. A field that is Cited comes with the places that
// it was taken from.
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
