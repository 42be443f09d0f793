package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// Invoice is what is extracted. Total comes with the place where it stands.
type Invoice struct {
	Number   string                 `json:"invoice_number"`
	Customer string                 `json:"customer"`
	Total    reducto.Cited[float64] `json:"total"`
}

// invoiceSchema is the JSON schema of an Invoice. The descriptions guide the
// extraction.
var invoiceSchema = map[string]any{
	"type": "object",
	"properties": map[string]any{
		"invoice_number": map[string]any{"type": "string", "description": "The invoice's number."},
		"customer":       map[string]any{"type": "string", "description": "Who has to pay."},
		"total":          map[string]any{"type": "number", "description": "The sum to pay, without the currency."},
	},
	"required": []string{"invoice_number", "total"},
}

// finding is what a job was good for.
type finding struct {
	report  string
	failed  bool
	invoice *Invoice // of those that extract
}

// read reads the result of a job that has ended.
func read(ctx context.Context, job *reducto.Job) (finding, error) {
	switch result := job.Result.(type) {
	case *reducto.ParseResult:
		report, err := reportBlocks(ctx, result)
		return finding{report: report}, err
	case *reducto.ExtractResult:
		return readInvoice(ctx, result)
	case *reducto.SplitResult:
		var b strings.Builder
		fmt.Fprintf(&b, "%d sections", len(result.Splits))
		for _, section := range result.Splits {
			fmt.Fprintf(&b, "\n      pages %v: %s", section.PageNumbers(), section.Name)
		}
		return finding{report: b.String()}, nil
	case *reducto.PipelineResult:
		return readSteps(ctx, result)
	case nil: // it failed, or was cancelled
		return finding{report: fmt.Sprintf("ended %s: %s", job.Status, job.FailureReason()), failed: true}, nil
	default:
		// Another delivery would bring the same: do not ask for one.
		return finding{}, webhook.Permanent(fmt.Errorf("job %s has a result of type %T", job.JobID, result))
	}
}

// reportBlocks ranges over blocks, which may be many: a large result lies behind a
// URL, and is downloaded while the loop runs.
func reportBlocks(ctx context.Context, result *reducto.ParseResult) (string, error) {
	var b strings.Builder
	n := 0
	for block, err := range result.Blocks(ctx) {
		if err != nil {
			return "", err
		}
		n++
		first, _, more := strings.Cut(block.Content, "\n")
		if more {
			first += " …"
		}
		fmt.Fprintf(&b, "\n      page %d, %s: %s", block.BBox.Page, block.Type, first)
	}
	return fmt.Sprintf("%d blocks", n) + b.String(), nil
}

func readInvoice(ctx context.Context, result *reducto.ExtractResult) (finding, error) {
	var invoice Invoice
	if err := result.Decode(ctx, &invoice); err != nil {
		return finding{}, err
	}
	report := fmt.Sprintf("invoice %s to %s over %.2f", invoice.Number, invoice.Customer, invoice.Total.Value)
	for _, c := range invoice.Total.Citations {
		report += fmt.Sprintf("\n      the total stands on page %d: %q", c.BBox.Page, c.Content)
	}
	return finding{report: report, invoice: &invoice}, nil
}

// readSteps reads what the steps of a pipeline made. Its schema is its own, so what
// it extracted is shown as it came.
func readSteps(ctx context.Context, result *reducto.PipelineResult) (finding, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "documents parsed: %d", len(result.Parse))
	if result.Extract != nil {
		raw, err := result.Extract.Raw(ctx)
		if err != nil {
			return finding{}, err
		}
		fmt.Fprintf(&b, "\n      extracted %s", raw)
	}
	return finding{report: b.String()}, nil
}
