// Command extract fills a Go struct from a document, which is a path or a URL:
//
//	go run ./examples/extract invoice.pdf
//	go run ./examples/extract https://example.com/invoice.pdf
//	go run ./examples/extract
//
// Without an argument it uses an invoice of its own. Without REDUCTO_API_KEY it uses a
// Reducto in its own process, which reads lines "key: value" and Markdown tables, and
// downloads nothing.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// Invoice is the extracted value. Its fields are those of the schema.
type Invoice struct {
	Number   string `json:"invoice_number"`
	Customer string `json:"customer"`
	Lines    []Line `json:"lines"`
	// Total has citations: the places in the document.
	Total reducto.Cited[float64] `json:"total"`
}

// Line is a line of an invoice.
type Line struct {
	Item   string  `json:"item"`
	Pieces int     `json:"pieces"`
	Amount float64 `json:"amount"`
}

// schema is the JSON schema of an Invoice. It is written by hand, because its
// descriptions guide the extraction.
var schema = map[string]any{
	"type": "object",
	"properties": map[string]any{
		"invoice_number": map[string]any{"type": "string", "description": "The invoice's number, as printed."},
		"customer":       map[string]any{"type": "string", "description": "The name of the buyer."},
		"lines": map[string]any{
			"type":        "array",
			"description": "The items, in the order of the invoice.",
			"items": map[string]any{
				"type": "object",
				"properties": map[string]any{
					"item":   map[string]any{"type": "string"},
					"pieces": map[string]any{"type": "integer", "description": "How many."},
					"amount": map[string]any{"type": "number", "description": "The price of all of them, without the currency."},
				},
			},
		},
		"total": map[string]any{"type": "number", "description": "The amount due, without the currency."},
	},
	"required": []string{"invoice_number", "total"},
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
	invoice, err := extract(ctx, client, flags.Arg(0))
	if err == nil {
		err = show(stdout, invoice, *asJSON)
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
	srv, err := reductotest.Start()
	if err != nil {
		return nil, nil, err
	}
	return srv.Client(), srv.Close, nil
}

// extract submits the document, and waits for the result.
func extract(ctx context.Context, client *reducto.Client, document string) (*Invoice, error) {
	input, err := inputOf(ctx, client, document)
	if err != nil {
		return nil, err
	}
	job, err := client.ExtractAsync(ctx, reducto.ExtractRequest{
		Input: input,
		Instructions: reducto.Instructions{
			Schema:       schema,
			SystemPrompt: "The document is an invoice. Leave out what it does not say.",
		},
		Settings: reducto.ExtractSettings{Citations: reducto.CitationSettings{Enabled: true}},
	})
	if err != nil {
		return nil, err
	}
	result, err := job.Wait(ctx)
	if err != nil {
		return nil, err
	}
	var invoice Invoice
	if err := result.Decode(ctx, &invoice); err != nil {
		return nil, err
	}
	return &invoice, nil
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

func show(w io.Writer, invoice *Invoice, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(invoice)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "invoice %s to %s\n", invoice.Number, invoice.Customer)
	for _, l := range invoice.Lines {
		fmt.Fprintf(&b, "%4d  %-24s %10.2f\n", l.Pieces, l.Item, l.Amount)
	}
	fmt.Fprintf(&b, "      %-24s %10.2f\n", "total", invoice.Total.Value)
	for _, c := range invoice.Total.Citations {
		fmt.Fprintf(&b, "the total was taken from page %d: %q\n", c.BBox.Page, c.Content)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
