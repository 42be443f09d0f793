package reducto_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// submitAll submits a document to each of the four asynchronous endpoints. Every call
// returns when the service has made a job.
func submitAll(ctx context.Context, client *reducto.Client, upload *reducto.Upload) (jobIDs []string, err error) {
	input := reducto.FromUpload(upload)
	parse, err := client.ParseAsync(ctx, reducto.ParseRequest{
		Input:     input,
		Retrieval: reducto.Retrieval{Chunking: reducto.Chunking{ChunkMode: reducto.ChunkModeSection}},
	})
	if err != nil {
		return nil, err
	}
	instructions := reducto.Instructions{Schema: invoiceSchema} // any value that marshals to a JSON schema
	extract, err := client.ExtractAsync(ctx, reducto.ExtractRequest{Input: input, Instructions: instructions})
	if err != nil {
		return nil, err
	}
	sections := []reducto.SplitCategory{{Name: "Terms", Description: "When and how to pay."}}
	split, err := client.SplitAsync(ctx, reducto.SplitRequest{Input: input, SplitDescription: sections})
	if err != nil {
		return nil, err
	}
	pipeline, err := client.PipelineAsync(ctx, reducto.PipelineRequest{Input: input, PipelineID: "invoices"})
	if err != nil {
		return nil, err
	}
	return []string{parse.JobID, extract.JobID, split.JobID, pipeline.JobID}, nil
}

var invoiceSchema = map[string]any{
	"type": "object",
	"properties": map[string]any{
		"invoice_number": map[string]any{"type": "string"},
		"total":          map[string]any{"type": "number", "description": "The sum to pay."},
	},
}

func Example_submit() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	upload, err := client.Upload(ctx, "invoice.txt", strings.NewReader("Invoice number: 7\nTotal: 12.50"), reducto.UploadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	jobIDs, err := submitAll(ctx, client, upload)
	if err != nil {
		log.Fatal(err)
	}
	for i, job := range srv.Jobs() {
		fmt.Println(job.Type, job.ID == jobIDs[i])
	}
	// Output:
	// Parse true
	// Extract true
	// Split true
	// Pipeline true
}
