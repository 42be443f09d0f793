package reducto_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// parsed returns a parsed document.
func parsed(text string) (result *reducto.ParseResult, closeServer func()) {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	id := srv.SeedJob(reductotest.SeedJob{ID: "job-1", Status: "Completed", Text: text})
	result, err = reducto.Attach[*reducto.ParseResult](srv.Client(), id).Wait(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	return result, srv.Close
}

func ExampleParseResult_WriteMarkdown() {
	result, done := parsed("# Harbour rules\n\nDues are paid at the office.\n\n- by day\n- by month")
	defer done()
	ctx := context.Background()

	if err := result.WriteMarkdown(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// # Harbour rules
	//
	// Dues are paid at the office.
	//
	// - by day
	// - by month
}

func ExampleParseResult_WriteText() {
	result, done := parsed("# Harbour rules\n\n| Length | Dues |\n|---|---|\n| 10 m | 12.50 |")
	defer done()
	ctx := context.Background()

	var text strings.Builder // or a file
	if err := result.WriteText(ctx, &text); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", text.String())
	// Output: "Harbour rules\n\nLength\tDues\n10 m\t12.50\n"
}

func ExampleParseResult_Markdown() {
	result, done := parsed("# Harbour rules\n\nDues are paid at the office.")
	defer done()

	markdown, err := result.Markdown(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(markdown)
	// Output:
	// # Harbour rules
	//
	// Dues are paid at the office.
}

func ExampleWithPageBreaks() {
	result, done := parsed("# Rules\fDues are paid at the office.")
	defer done()

	if err := result.WriteMarkdown(context.Background(), os.Stdout, reducto.WithPageBreaks()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// # Rules
	//
	// ---
	//
	// Dues are paid at the office.
}

// The sections that a split has found, one file each.
func ExampleWithPages() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.PutDocument("https://example.com/mail.txt", []byte("# Contract\n\nfor a berth\f# Invoice\n\nfor a day"))
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	result, err := client.Parse(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/mail.txt")})
	if err != nil {
		log.Fatal(err)
	}
	sections, err := client.Split(ctx, reducto.SplitRequest{
		Input: reducto.FromJob(result.JobID),
		SplitDescription: []reducto.SplitCategory{
			{Name: "invoice", Description: "an invoice"}, {Name: "contract", Description: "a contract"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, split := range sections.Splits {
		markdown, err := result.Markdown(ctx, reducto.WithPages(split.PageNumbers()...))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %q\n", split.Name, markdown)
	}
	// Output:
	// invoice: "# Invoice\n\nfor a day\n"
	// contract: "# Contract\n\nfor a berth\n"
}

func ExampleWithoutMargins() {
	chunk := reducto.Chunk{Blocks: []reducto.Block{
		{Type: reducto.BlockTypeHeader, Content: "Port of Example"},
		{Type: reducto.BlockTypeText, Content: "Dues are paid at the office."},
		{Type: reducto.BlockTypePageNumber, Content: "1"},
	}}
	if err := chunk.WriteText(os.Stdout, reducto.WithoutMargins()); err != nil {
		log.Fatal(err)
	}
	// Output: Dues are paid at the office.
}

// A pipeline can parse several documents.
func ExamplePipelineResult() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.DefinePipeline("mail", reductotest.Pipeline{})
	srv.PutDocument("https://example.com/mail.txt", []byte("# Contract\n\nfor a berth"))
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	result, err := client.Pipeline(ctx, reducto.PipelineRequest{
		Input:      reducto.URL("https://example.com/mail.txt"),
		PipelineID: "mail", // yours: the id that Reducto's studio shows
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, parsed := range result.Parse {
		if err := parsed.WriteMarkdown(ctx, os.Stdout); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// # Contract
	//
	// for a berth
}

func ExampleChunk_WriteMarkdown() {
	chunk := reducto.Chunk{Blocks: []reducto.Block{
		{Type: reducto.BlockTypeSectionHeader, Content: "Dues"},
		{Type: reducto.BlockTypeTable, Content: `[["Length","Dues"],["10 m","12.50"]]`},
	}}
	if err := chunk.WriteMarkdown(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// ## Dues
	//
	// | Length | Dues |
	// | --- | --- |
	// | 10 m | 12.50 |
}

func ExampleChunk_WriteText() {
	chunk := reducto.Chunk{Blocks: []reducto.Block{
		{Type: reducto.BlockTypeSectionHeader, Content: "## Dues"},
		{Type: reducto.BlockTypeText, Content: "They are paid at the office."},
	}}
	if err := chunk.WriteText(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// Dues
	//
	// They are paid at the office.
}

func ExampleParseResult_Passages() {
	result, done := parsed("# Harbour rules\n\nKeep clear.\n\n## Dues\n\nDues are paid at the office. The office opens at noon.")
	defer done()
	ctx := context.Background()

	for passage, err := range result.Passages(ctx, reducto.PassageOptions{MaxTokens: 10}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("page %d, below %q: %q\n", passage.FirstPage, passage.Headings, passage.Text)
	}
	// Output:
	// page 1, below []: "# Harbour rules\n\nKeep clear."
	// page 1, below ["Harbour rules"]: "## Dues\n\nDues are paid at the office."
	// page 1, below ["Harbour rules" "Dues"]: "The office opens at noon."
}

// Lines of JSON are what most indexes import.
func ExampleParseResult_WritePassages() {
	result, done := parsed("# Harbour rules\n\nDues are paid at the office.")
	defer done()

	var lines strings.Builder // or a file
	if err := result.WritePassages(context.Background(), &lines, reducto.PassageOptions{MaxTokens: 500}); err != nil {
		log.Fatal(err)
	}
	line, _, _ := strings.Cut(lines.String(), `,"boxes":`)
	fmt.Println(line)
	// Output: {"id":"403c647a-6787-8e0c-82e6-0c9d3ace9935","job_id":"job-1","text":"# Harbour rules\n\nDues are paid at the office.","first_page":1,"last_page":1,"headings":[]
}

func ExampleClient_Download() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // a program uses reducto.NewClient
	ctx := context.Background()
	edited, err := client.Edit(ctx, reducto.EditRequest{
		Input:        reducto.URL("https://example.com/form.pdf"),
		Instructions: "Fill in the date.",
	})
	if err != nil {
		log.Fatal(err)
	}

	var document bytes.Buffer // or a file
	if err := client.Download(ctx, edited.DocumentURL, &document); err != nil {
		log.Fatal(err)
	}
	fmt.Println(document.Len() > 0)
	// Output: true
}
