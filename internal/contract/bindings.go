package main

import (
	"context"
	"reflect"

	"github.com/reducto-go/reducto"
)

// Seeds have the members that a type reads by itself.
const (
	parseSeed         = `{"response_type":"parse","job_id":"j","duration":1,"usage":{"num_pages":1},"result":{"type":"full","chunks":[{"content":"a","embed":"a","blocks":[]}],"ocr":{"words":[],"lines":[]},"custom":{"a":1}}}`
	linkedSeed        = `{"response_type":"parse","job_id":"j","duration":1,"usage":{"num_pages":1},"result":{"type":"url","url":"https://example.com/a","result_id":"r1"}}`
	extractSeed       = `{"response_type":"extract","usage":{"num_pages":1,"num_fields":1},"result":[1],"citations":[1]}`
	linkedExtractSeed = `{"response_type":"extract","usage":{"num_pages":1,"num_fields":1},"result":{"type":"url","url":"https://example.com/a","result_id":"r1"},"citations":{"type":"url","url":"https://example.com/b","result_id":"r2"}}`
	v3Seed            = `{"response_type":"v3_extract","usage":{"num_pages":1,"num_fields":1},"result":{"a":1}}`
	splitSeed         = `{"response_type":"split","usage":{"num_pages":1},"result":{"section_mapping":{"a":[1]},"splits":[{"name":"a","pages":[1]}]}}`
	editSeed          = `{"response_type":"edit","document_url":"https://example.com/a"}`
	classifySeed      = `{"response_type":"classify","job_id":"j","result":{"category":"invoice"}}`
	pipelineSeed      = `{"response_type":"pipeline","job_id":"j","usage":{"num_pages":1},"result":{"parse":` + parseSeed + `,"extract":` + extractSeed + `,"split":` + splitSeed + `,"edit":` + editSeed + `}}`
)

// both are the schemas that mean the same wherever they stand.
var both = map[string]binding{
	"BoundingBox": structOf[reducto.BoundingBox](),
	"EditWidget":  structOf[reducto.EditWidget](),
}

// bindings has all schemas that an operation reaches, by their role. A name that a
// newer document gives to an old schema stands beside the old one.
var bindings = [2]map[string]binding{
	inRequest: {
		"SyncParseConfig":              bodyOf[reducto.ParseRequest]("POST /parse"),
		"AsyncParseConfig":             bodyOf[reducto.ParseRequest]("POST /parse_async"),
		"SyncExtractConfig":            bodyOf[reducto.ExtractRequest]("POST /extract"),
		"AsyncExtractConfig":           bodyOf[reducto.ExtractRequest]("POST /extract_async"),
		"SyncSplitConfig":              bodyOf[reducto.SplitRequest]("POST /split"),
		"config__v3__AsyncSplitConfig": bodyOf[reducto.SplitRequest]("POST /split_async"),
		"EditConfig":                   bodyOf[reducto.EditRequest]("POST /edit"),
		"AsyncEditConfig":              bodyOf[reducto.EditRequest]("POST /edit_async"),
		"V3PipelineConfig":             bodyOf[reducto.PipelineRequest]("POST /pipeline"),
		"V3AsyncPipelineConfig":        bodyOf[reducto.PipelineRequest]("POST /pipeline_async"),
		"ClassifyConfig":               bodyOf[reducto.ClassifyRequest]("POST /classify"),
		"Body_upload_upload_post":      body("POST /upload"),

		"config__v3__AsyncConfig": body("POST /parse_async", "async"),
		"DirectWebhookConfig":     webhookOf("direct", "POST /parse_async", "async", "webhook"),
		"SvixWebhookConfig":       webhookOf("svix", "POST /parse_async", "async", "webhook"),
		"WebhookConfigNew":        body("POST /edit_async", "webhook"),

		"ParseOptions":           structOf[reducto.ParseOptions](),
		"Enhance":                structOf[reducto.Enhance](),
		"TextAgentic":            structOf[reducto.TextAgentic](),
		"TableAgentic":           structOf[reducto.TableAgentic](),
		"FigureAgentic":          structOf[reducto.FigureAgentic](),
		"Retrieval":              structOf[reducto.Retrieval](),
		"Chunking":               structOf[reducto.Chunking](),
		"Formatting":             structOf[reducto.Formatting](),
		"Spreadsheet":            structOf[reducto.Spreadsheet](),
		"SplitLargeTables":       structOf[reducto.SplitLargeTables](),
		"SplitLargeTableSizes":   structOf[reducto.TableSize](),
		"Settings":               structOf[reducto.Settings](),
		"TenantThrottling":       structOf[reducto.TenantThrottling](),
		"HybridVpcSettings":      structOf[reducto.HybridVPC](),
		"PageRange":              structOf[reducto.Span](),
		"QueuePriority":          text[reducto.QueuePriority](),
		"Instructions":           structOf[reducto.Instructions](),
		"ExtractSettings":        structOf[reducto.ExtractSettings](),
		"Citations":              structOf[reducto.CitationSettings](),
		"SplitCategory":          structOf[reducto.SplitCategory](),
		"SplitTableOptions":      structOf[reducto.SplitSettings](),
		"SplitSettings":          structOf[reducto.SplitSettings](),
		"EditOptions":            structOf[reducto.EditOptions](),
		"PipelineSettings":       structOf[reducto.PipelineSettings](),
		"ClassificationCategory": structOf[reducto.ClassificationCategory](),
		"UploadResponse":         unsent,
	},
	inResponse: {
		"AsyncParseResponse":    accepted("Client.ParseAsync"),
		"AsyncExtractResponse":  accepted("Client.ExtractAsync"),
		"AsyncSplitResponse":    accepted("Client.SplitAsync"),
		"AsyncEditResponse":     accepted("Client.EditAsync"),
		"AsyncPipelineResponse": accepted("Client.PipelineAsync"),

		"AsyncJobResponse":         structOf[reducto.Job](),
		"EnhancedAsyncJobResponse": structOf[reducto.Job](),
		"ErrorDetail":              structOf[reducto.ErrorDetail](),
		"JobsResponse":             structOf[reducto.JobPage](),
		"SingleJob":                structOf[reducto.JobSummary](),
		"UploadResponse":           structOf[reducto.Upload](),

		"ParseResponse":      decoded[reducto.ParseResult](parseSeed, linkedSeed),
		"FullResult":         seen(showFull),
		"UrlResult":          seen(showLink),
		"ParseChunk":         structOf[reducto.Chunk](),
		"ParseBlock":         structOf[reducto.Block](),
		"GranularConfidence": structOf[reducto.GranularConfidence](),
		"OCRResult":          structOf[reducto.OCRResult](),
		"OCRWord":            structOf[reducto.OCRWord](),
		"OCRLine":            structOf[reducto.OCRLine](),
		"ParseUsage":         structOf[reducto.ParseUsage](),

		"ExtractResponse":      decoded[reducto.ExtractResult](extractSeed, linkedExtractSeed),
		"V3ExtractResponse":    decoded[reducto.ExtractResult](v3Seed),
		"ExtractUsage":         structOf[reducto.ExtractUsage](),
		"ExtractSplitResponse": structOf[reducto.SplitExtract](),

		"SplitResponse":         decoded[reducto.SplitResult](splitSeed),
		"SplitResult":           seen(showSplits),
		"DeepSplitResult":       seen(showDeepSplits),
		"Split":                 structOf[reducto.Split](),
		"SplitPartition":        structOf[reducto.SplitPartition](),
		"DeepSplit":             structOf[reducto.Split](),
		"DeepSplitPartition":    structOf[reducto.SplitPartition](),
		"DeepSplitPageEvidence": structOf[reducto.SplitPage](),

		"PipelineResponse": decoded[reducto.PipelineResult](pipelineSeed),
		"PipelineResult":   seen(showSteps),
		"EditResponse":     decoded[reducto.EditResult](editSeed),

		"ClassifyResponse":         decoded[reducto.ClassifyResult](classifySeed),
		"ClassifyResponseCategory": seen(showCategory),
		"ResponseConfidence":       structOf[reducto.ResponseConfidence](),
		"CategoryConfidence":       structOf[reducto.CategoryConfidence](),
		"CriteriaConfidence":       structOf[reducto.CriterionConfidence](),
		"ClassifyUsage":            structOf[reducto.ClassifyUsage](),
		"ChartResponse":            decoded[reducto.ChartResult](`{"response_type":"chart","result":{"chart_data":[]}}`),

		"HTTPValidationError": seen(showRefusal),
		"ValidationError":     seen(showComplaint, reflect.TypeFor[reducto.FieldError]()),
	},
}

// renamed are the schemas that have another name in newer documents: one of the two
// is enough.
var renamed = map[string]string{"SplitTableOptions": "SplitSettings", "SplitSettings": "SplitTableOptions"}

// bindingOf finds a schema's binding.
func bindingOf(name string, r role) (binding, bool) {
	b, ok := bindings[r][name]
	if !ok {
		b, ok = both[name]
	}
	return b, ok
}

func showFull(*world) (map[string]any, error) {
	r, err := result[*reducto.ParseResult](parseSeed)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	chunks, err := r.Load(ctx)
	if err != nil {
		return nil, err
	}
	ocr, err := r.OCR(ctx)
	if err != nil {
		return nil, err
	}
	custom, err := r.Custom(ctx)
	return map[string]any{"type": "full", "chunks": chunks, "ocr": ocr, "custom": custom}, err
}

func showLink(*world) (map[string]any, error) {
	r, err := result[*reducto.ParseResult](linkedSeed)
	if err != nil {
		return nil, err
	}
	return map[string]any{"type": "url", "url": r.Link(), "result_id": r.ResultID()}, nil
}

func showSplits(*world) (map[string]any, error) {
	r, err := result[*reducto.SplitResult](splitSeed)
	if err != nil {
		return nil, err
	}
	return map[string]any{"section_mapping": r.SectionMapping, "splits": r.Splits}, nil
}

func showDeepSplits(*world) (map[string]any, error) {
	r, err := result[*reducto.SplitResult](
		`{"response_type":"split","usage":{"num_pages":1},"result":{"splits":[{"name":"a","pages":[{"page_number":1,"evidence":"b"}]}]}}`)
	if err != nil {
		return nil, err
	}
	return map[string]any{"splits": r.Splits}, nil
}

func showSteps(*world) (map[string]any, error) {
	r, err := result[*reducto.PipelineResult](pipelineSeed)
	if err != nil {
		return nil, err
	}
	return map[string]any{"parse": r.Parse, "extract": r.Extract, "split": r.Split, "edit": r.Edit}, nil
}

func showCategory(*world) (map[string]any, error) {
	r, err := result[*reducto.ClassifyResult](classifySeed)
	if err != nil {
		return nil, err
	}
	return map[string]any{"category": r.Category}, nil
}

func showRefusal(w *world) (map[string]any, error) {
	e, err := refused(w)
	if err != nil {
		return nil, err
	}
	return map[string]any{"detail": e.Fields}, nil
}

func showComplaint(w *world) (map[string]any, error) {
	e, err := refused(w)
	if err != nil {
		return nil, err
	}
	f := e.Fields[0]
	return map[string]any{"loc": f.Location, "msg": f.Message, "type": f.Type, "ctx": f.Context}, nil
}
