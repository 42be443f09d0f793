// Command extract fills a Go struct from a document, which is a path or a URL, and shows
// where each value was found:
//
//	go run ./examples/extract invoice.pdf
//	go run ./examples/extract -report invoice.html https://example.com/invoice.pdf
//	go run ./examples/extract
//
// It prints each field with its page and its confidence. It writes an HTML report with the
// places on the pages, which a browser opens.
//
// Without an argument it uses an invoice of its own. Without REDUCTO_API_KEY it uses a
// Reducto in its own process, which reads lines "key: value" and Markdown tables, and
// makes no pictures of pages.
package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/report"
	"github.com/reducto-go/reducto/schema"
)

// Invoice is the extracted value. Package schema makes the JSON Schema from it. Each field
// is Cited, so it comes with its places in the document.
type Invoice struct {
	Number   reducto.Cited[string]     `json:"invoice_number" jsonschema:"The number of the invoice, as printed."`
	Customer reducto.Cited[string]     `json:"customer" jsonschema:"The name of the buyer."`
	Due      reducto.Cited[*time.Time] `json:"due" jsonschema:"The day on which the payment is due."`
	Currency reducto.Cited[string]     `json:"currency" enum:"EUR,USD,GBP"`
	Lines    []Line                    `json:"lines" jsonschema:"The items, in the order of the invoice."`
	Total    reducto.Cited[float64]    `json:"total" jsonschema:"The amount due, without the currency."`
}

// Line is a line of an invoice.
type Line struct {
	Item   reducto.Cited[string]  `json:"item"`
	Pieces reducto.Cited[int]     `json:"pieces" jsonschema:"How many."`
	Amount reducto.Cited[float64] `json:"amount" jsonschema:"The price of all of them, without the currency."`
}

//go:embed testdata/invoice.txt
var ownInvoice []byte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without os.Exit.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("extract", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: extract [flags] [path or URL of an invoice]")
		flags.PrintDefaults()
	}
	asJSON := flags.Bool("json", false, "print JSON, with the citations")
	file := flags.String("report", "report.html", "the `file` of the HTML report; empty for none")
	timeout := flags.Duration("timeout", 10*time.Minute, "how long to wait for the result")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 1 {
		flags.Usage()
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()

	client, closeClient, err := connect(stderr)
	if err != nil {
		fmt.Fprintln(stderr, "extract:", err)
		return 1
	}
	defer closeClient()
	invoice, parsed, err := extract(ctx, client, flags.Arg(0))
	if err == nil {
		err = show(stdout, invoice, *asJSON)
	}
	if err == nil && *file != "" {
		if err = writeReport(ctx, client, *file, titleOf(flags.Arg(0)), invoice, parsed); err == nil {
			fmt.Fprintln(stderr, "extract: the report is in", *file)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "extract:", err)
		return 1
	}
	return 0
}

// connect returns a client of the service or, without a key, of a Reducto in this process.
func connect(stderr io.Writer) (*reducto.Client, func(), error) {
	if os.Getenv(reducto.EnvAPIKey) != "" {
		client, err := reducto.NewClient()
		return client, func() {}, err
	}
	fmt.Fprintln(stderr, "extract: REDUCTO_API_KEY is not set: using a Reducto in this process")
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0))
	if err != nil {
		return nil, nil, err
	}
	return srv.Client(), srv.Close, nil
}

// extract parses the document, and extracts from the parsed pages. The parse also makes
// the pictures of the pages. Without a report, the extraction could take the document.
func extract(ctx context.Context, client *reducto.Client, document string) (*Invoice, *reducto.ParseResult, error) {
	input, err := inputOf(ctx, client, document)
	if err != nil {
		return nil, nil, err
	}
	parse, err := client.ParseAsync(ctx, reducto.ParseRequest{
		Input:    input,
		Settings: reducto.Settings{ReturnImages: []reducto.ImageKind{reducto.ImageKindPage}},
	})
	if err != nil {
		return nil, nil, err
	}
	parsed, err := parse.Wait(ctx)
	if err != nil {
		return nil, nil, err
	}
	job, err := schema.ExtractAsync[Invoice](ctx, client, reducto.FromJob(parse.JobID),
		schema.WithRequest(func(r *reducto.ExtractRequest) {
			r.Instructions.SystemPrompt = "The document is an invoice. Leave out what it does not say."
		}))
	if err != nil {
		return nil, nil, err
	}
	invoice, err := job.Wait(ctx)
	return &invoice, parsed, err
}

// inputOf returns the input for a path or a URL. It uploads a file.
func inputOf(ctx context.Context, client *reducto.Client, document string) (reducto.Input, error) {
	var upload *reducto.Upload
	var err error
	switch {
	case strings.Contains(document, "://"):
		return reducto.URL(document), nil
	case document == "":
		upload, err = client.Upload(ctx, "invoice.txt", bytes.NewReader(ownInvoice), reducto.UploadOptions{})
	default:
		upload, err = client.UploadFile(ctx, document, reducto.UploadOptions{})
	}
	if err != nil {
		return reducto.Input{}, err
	}
	return reducto.FromUpload(upload), nil
}

// show prints each field with its page and its confidence.
func show(w io.Writer, invoice *Invoice, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(invoice)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range report.Fields(invoice) {
		where := "not found"
		if len(f.Citations) > 0 {
			where = fmt.Sprintf("page %d, %s confidence", f.Citations[0].BBox.Page, cmp.Or(f.Confidence, "unknown"))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.Path, f.Value, where)
	}
	return table.Flush()
}

// titleOf returns the name of the document, without the query of a URL, which may be a
// signature.
func titleOf(document string) string {
	document, _, _ = strings.Cut(document, "?")
	return path.Base(filepath.ToSlash(cmp.Or(document, "invoice.txt")))
}

func writeReport(ctx context.Context, client *reducto.Client, file, title string, invoice *Invoice, parsed *reducto.ParseResult) error {
	d := report.Document{Title: title, Fields: report.Fields(invoice)}
	var err error
	if d.Pages, err = report.Images(ctx, client, citedPages(parsed.Blocks(ctx), d.Fields)); err != nil {
		return err
	}
	var html bytes.Buffer
	if err := report.WriteHTML(&html, d); err != nil {
		return err
	}
	return os.WriteFile(file, html.Bytes(), 0o600) // it has content of the document
}

// citedPages yields the blocks of pages with a citation. A report has a limited number of
// pages, and the document may have more.
func citedPages(blocks iter.Seq2[*reducto.Block, error], fields []report.Field) iter.Seq2[*reducto.Block, error] {
	cited := map[int]bool{}
	for _, f := range fields {
		for _, c := range f.Citations {
			cited[c.BBox.Page] = true
		}
	}
	return func(yield func(*reducto.Block, error) bool) {
		for b, err := range blocks {
			if (err != nil || cited[b.BBox.Page]) && !yield(b, err) {
				return
			}
		}
	}
}
