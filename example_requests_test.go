package reducto_test

import (
	"context"
	"fmt"
	"log"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// quarterlyReport is a request with some of everything.
func quarterlyReport(upload *reducto.Upload) reducto.ParseRequest {
	return reducto.ParseRequest{
		Input: reducto.FromUpload(upload),
		Enhance: reducto.Enhance{
			Agentic:          []reducto.AgenticScope{reducto.TableAgentic{Prompt: "Amounts are in thousands."}},
			SummarizeFigures: new(false), // a pointer: false is not the default
		},
		Retrieval: reducto.Retrieval{
			Chunking:     reducto.Chunking{ChunkMode: reducto.ChunkModeSection},
			FilterBlocks: []reducto.BlockType{reducto.BlockHeader, reducto.BlockFooter},
		},
		Formatting: reducto.Formatting{TableOutputFormat: reducto.TableFormatMarkdown},
		Settings: reducto.Settings{
			PageRange:      reducto.PageSpan(1, 40), // pages count from 1
			PersistResults: true,                    // otherwise the job expires after 12 hours
		},
		QueuePriority: reducto.QueueBatch, // cheaper, within 12 hours
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
