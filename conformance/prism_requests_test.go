package conformance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/reducto-go/reducto"
)

// request is a call of the client that sends one request, or one that is to be
// looked at. It returns what the answer was decoded to.
type request struct {
	operation string
	name      string
	call      func(context.Context, *reducto.Client) (any, error)
}

const (
	anInput = "https://example.com/document.pdf"
	aJob    = "0190b6a4-7a0e-7c3e-8f0e-0a1b2c3d4e5f"
)

// pageRanges are the forms of a page range.
var pageRanges = []reducto.PageRange{
	{}, reducto.Pages(1, 3), reducto.PageSpan(2, 0), reducto.PageSpan(1, 4), reducto.PageSpans(reducto.Span{Start: 1, End: 2}, reducto.Span{Start: 4}),
	reducto.Sheets("Sheet 1", "Sheet 2"),
}

// inputs are the forms of an input.
var inputs = []reducto.Input{
	reducto.URL(anInput), reducto.URLs(anInput, "s3://bucket/key"), reducto.FromJob(aJob),
	reducto.FromUpload(&reducto.Upload{FileID: "reducto://0190b6a4-7a0e-7c3e-8f0e-0a1b2c3d4e5f.pdf"}),
}

// webhooks are the forms of an Async, the zero one apart.
var webhooks = []reducto.Async{
	{Webhook: reducto.DirectWebhook("https://example.com/webhook?a=b"), Metadata: map[string]any{"user_id": "123", "n": []any{1, nil}}, Priority: true},
	{Webhook: reducto.SvixWebhook("invoices", "contracts"), Metadata: "text"},
	{Webhook: reducto.SvixWebhook(), Metadata: 7},
	{Webhook: reducto.NoWebhook(), Metadata: []string{"a"}},
	{Priority: true},
}

// options are parse options in which every member that the document has is set,
// with as many of the values of each as there are options.
func options() []reducto.ParseOptions {
	var list []reducto.ParseOptions
	pick := func(i int) func(values ...string) string {
		return func(values ...string) string { return values[i%len(values)] }
	}
	for i := range 6 {
		one := pick(i)
		list = append(list, reducto.ParseOptions{
			Enhance: reducto.Enhance{
				Agentic: []reducto.AgenticScope{
					reducto.TextAgentic{Prompt: "Read the handwriting"},
					reducto.TableAgentic{Prompt: "Join the cells"},
					reducto.FigureAgentic{Prompt: "Describe it", AdvancedChartAgent: true, ReturnOverlays: true},
				},
				SummarizeFigures:    new(i%2 == 0),
				IntelligentOrdering: true,
			},
			Retrieval: reducto.Retrieval{
				Chunking: reducto.Chunking{
					ChunkMode: reducto.ChunkMode(one("variable", "section", "page", "disabled", "block", "page_sections")),
					ChunkSize: 500, ChunkOverlap: 20,
				},
				FilterBlocks: []reducto.BlockType{
					reducto.BlockTypeHeader, reducto.BlockTypeFooter, reducto.BlockTypeTitle, reducto.BlockTypeSectionHeader, reducto.BlockTypePageNumber,
					reducto.BlockTypeListItem, reducto.BlockTypeFigure, reducto.BlockTypeTable, reducto.BlockTypeKeyValue, reducto.BlockTypeText,
					reducto.BlockTypeComment, reducto.BlockTypeSignature,
				},
				EmbeddingOptimized: true,
			},
			Formatting: reducto.Formatting{
				AddPageMarkers:    true,
				TableOutputFormat: reducto.TableFormat(one("html", "json", "md", "jsonbbox", "dynamic", "csv")),
				MergeTables:       true,
				Include: []reducto.FormattingInclude{
					reducto.FormattingIncludeChangeTracking, reducto.FormattingIncludeHighlight, reducto.FormattingIncludeComments, reducto.FormattingIncludeHyperlinks,
					reducto.FormattingIncludeSignatures, reducto.FormattingIncludeIgnoreWatermarks,
				},
			},
			Spreadsheet: reducto.Spreadsheet{
				SplitLargeTables: reducto.SplitLargeTables{
					Enabled: new(true),
					Size:    []reducto.TableSize{reducto.SplitEvery(50), {Row: 10}, {Column: 5}, {Row: 10, Column: 5}}[i%4],
				},
				Include:    []reducto.SpreadsheetInclude{reducto.SpreadsheetIncludeCellColors, reducto.SpreadsheetIncludeFormula, reducto.SpreadsheetIncludeDropdowns},
				Clustering: reducto.Clustering(one("accurate", "fast", "disabled")),
				Exclude: []reducto.SpreadsheetExclude{
					reducto.SpreadsheetExcludeHiddenSheets, reducto.SpreadsheetExcludeHiddenRows, reducto.SpreadsheetExcludeHiddenCols, reducto.SpreadsheetExcludeStyling,
					reducto.SpreadsheetExcludeImages,
				},
			},
			Settings: reducto.Settings{
				OCRSystem:          reducto.OCRSystem(one("standard", "legacy")),
				ExtractionMode:     reducto.TextExtractionMode(one("ocr", "hybrid")),
				ForceURLResult:     true,
				ForceFileExtension: ".pdf",
				ReturnOCRData:      true,
				ReturnImages:       []reducto.ImageKind{reducto.ImageKindFigure, reducto.ImageKindTable, reducto.ImageKindPage},
				EmbedPDFMetadata:   true,
				PersistResults:     true,
				Timeout:            90.5,
				PageRange:          pageRanges[i],
				DocumentPassword:   "a password",
			},
		})
	}
	return list
}

// variants pairs the forms of the parts of a request, so that each form is in
// one of them, beginning with the minimal request.
type variant struct {
	name    string
	minimal bool
	input   reducto.Input
	async   reducto.Async
	options reducto.ParseOptions
	pages   reducto.PageRange
	i       int
}

func variants() []variant {
	list := []variant{{name: "minimal", minimal: true, input: inputs[0]}}
	for i, o := range options() {
		list = append(list, variant{
			name: fmt.Sprintf("maximal %d", i+1), input: inputs[i%len(inputs)], async: webhooks[i%len(webhooks)],
			options: o, pages: pageRanges[i], i: i,
		})
	}
	return list
}

// requests is every call of every operation.
func requests() (list []request) {
	add := func(operation, name string, call func(context.Context, *reducto.Client) (any, error)) {
		list = append(list, request{operation, name, call})
	}
	for _, v := range variants() {
		addParse(add, v)
		addExtract(add, v)
		addSplit(add, v)
		addEdit(add, v)
		addPipeline(add, v)
		addClassify(add, v)
	}
	addJobs(add)
	addRest(add)
	slices.SortFunc(list, func(a, b request) int { return strings.Compare(a.operation+a.name, b.operation+b.name) })
	return list
}

type adder = func(operation, name string, call func(context.Context, *reducto.Client) (any, error))

// result is a call's, as any.
func result[R any](r R, err error) (any, error) { return r, err }

func addParse(add adder, v variant) {
	r := reducto.ParseRequest{
		Input: v.input, Enhance: v.options.Enhance, Retrieval: v.options.Retrieval, Formatting: v.options.Formatting,
		Spreadsheet: v.options.Spreadsheet, Settings: v.options.Settings,
	}
	add("POST /parse", v.name, func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.Parse(ctx, r)) })
	submitted := r
	submitted.Async = v.async
	if !v.minimal {
		submitted.QueuePriority = []reducto.QueuePriority{reducto.QueuePriorityAuto, reducto.QueuePriorityBatch}[v.i%2]
	}
	add("POST /parse_async", v.name, func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.ParseAsync(ctx, submitted)) })
}

func addExtract(add adder, v variant) {
	r := reducto.ExtractRequest{
		Input: v.input, Parsing: v.options,
		Instructions: reducto.Instructions{Schema: map[string]any{"type": "object"}},
	}
	if !v.minimal {
		r.Instructions = reducto.Instructions{
			Schema:       json.RawMessage(`{"type":"object","properties":{"total":{"type":"number"}}}`),
			SystemPrompt: "Be brief.",
		}
		if v.i%2 == 1 {
			r.Instructions.Schema = map[string]any{"type": "object"}
		}
		r.Settings = reducto.ExtractSettings{
			IncludeImages: true, OptimizeForLatency: true, ArrayExtract: true, DeepExtract: true,
			Citations: reducto.CitationSettings{Enabled: true, NumericalConfidence: new(v.i%2 == 0)},
		}
	}
	add("POST /extract", v.name, func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.Extract(ctx, r)) })
	submitted := r
	submitted.Async = v.async
	add("POST /extract_async", v.name, func(ctx context.Context, c *reducto.Client) (any, error) {
		return result(c.ExtractAsync(ctx, submitted))
	})
}

func addSplit(add adder, v variant) {
	r := reducto.SplitRequest{
		Input: v.input, Parsing: v.options,
		SplitDescription: []reducto.SplitCategory{{Name: "Invoice", Description: "what is to be paid"}},
	}
	if !v.minimal {
		r.SplitDescription = append(r.SplitDescription,
			reducto.SplitCategory{Name: "Contract", Description: "what was agreed", PartitionKey: "number"})
		r.SplitRules = "Sections do not overlap."
		r.Settings = reducto.SplitSettings{
			TableCutoff:      []reducto.TableCutoff{reducto.TableCutoffTruncate, reducto.TableCutoffPreserve}[v.i%2],
			AllowPageOverlap: new(v.i%2 == 0),
		}
	}
	add("POST /split", v.name, func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.Split(ctx, r)) })
	submitted := r
	submitted.Async = v.async
	add("POST /split_async", v.name, func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.SplitAsync(ctx, submitted)) })
}

func addEdit(add adder, v variant) {
	r := reducto.EditRequest{Input: inputs[0], Instructions: "Sign it"}
	if !v.minimal {
		r.Input = []reducto.Input{inputs[0], inputs[3]}[v.i%2]
		r.Options = reducto.EditOptions{
			Color: "#0A1b2C", FontSize: 10.5, EnableOverflowPages: true, Flatten: true,
			LLMProviderPreference: []reducto.LLMProvider{reducto.LLMProviderOpenAI, reducto.LLMProviderAnthropic, reducto.LLMProviderGoogle}[v.i%3],
		}
		for i, kind := range []reducto.WidgetType{
			reducto.WidgetTypeText, reducto.WidgetTypeCheckbox, reducto.WidgetTypeRadio, reducto.WidgetTypeDropdown, reducto.WidgetTypeBarcode,
		} {
			r.FormSchema = append(r.FormSchema, reducto.EditWidget{
				BBox:        reducto.BoundingBox{Left: 0.1, Top: 0.2, Width: 0.3, Height: 0.4, Page: i + 1, OriginalPage: i + 2},
				Description: "a field", Type: kind, Fill: new(i%2 == 0), Value: new("a value"), FontSize: 12,
			})
		}
	}
	synchronous := r
	if !v.minimal {
		synchronous.Priority = new(v.i%2 == 0)
	}
	add("POST /edit", v.name, func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.Edit(ctx, synchronous)) })
	r.Async = v.async
	add("POST /edit_async", v.name, func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.EditAsync(ctx, r)) })
}

func addPipeline(add adder, v variant) {
	r := reducto.PipelineRequest{Input: v.input, PipelineID: "a-pipeline"}
	if !v.minimal {
		r.Settings = reducto.PipelineSettings{DocumentPassword: "a password"}
	}
	add("POST /pipeline", v.name, func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.Pipeline(ctx, r)) })
	submitted := r
	submitted.Async = v.async
	add("POST /pipeline_async", v.name, func(ctx context.Context, c *reducto.Client) (any, error) {
		return result(c.PipelineAsync(ctx, submitted))
	})
}

func addClassify(add adder, v variant) {
	r := reducto.ClassifyRequest{Input: v.input}
	if !v.minimal {
		r.ClassificationSchema = []reducto.ClassificationCategory{
			{Category: "invoice", Criteria: []string{"states a total", "names a payer"}},
			{Category: "other"},
		}
		r.PageRange = pageRanges[v.i%5] // all but sheets
		r.DocumentMetadata = "found in a drawer"
		r.PersistResults = true
	}
	add("POST /classify", v.name, func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.Classify(ctx, r)) })
}

func addJobs(add adder) {
	add("GET /job/{job_id}", "get", func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.GetJob(ctx, aJob)) })
	add("POST /cancel/{job_id}", "cancel", func(ctx context.Context, c *reducto.Client) (any, error) { return nil, c.CancelJob(ctx, aJob) })
	for name, o := range map[string]reducto.ListJobsOptions{
		"minimal": {},
		"maximal": {Cursor: "a+b/c=", Limit: reducto.MaxJobsPerPage, ExcludeConfigs: true},
		"limit 1": {Limit: 1},
	} {
		add("GET /jobs", name, func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.ListJobs(ctx, o)) })
	}
}

func addRest(add adder) {
	for name, o := range map[string]reducto.UploadOptions{"minimal": {}, "maximal": {Extension: ".pdf", Size: 5}} {
		add("POST /upload", name, func(ctx context.Context, c *reducto.Client) (any, error) {
			return result(c.Upload(ctx, "a file \"é\".pdf", strings.NewReader("12345"), o))
		})
	}
	add("POST /configure_webhook", "portal", func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.ConfigureWebhook(ctx)) })
	add("GET /version", "version", func(ctx context.Context, c *reducto.Client) (any, error) { return result(c.Version(ctx)) })
}
