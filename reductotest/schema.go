package reductotest

// The requests as the published OpenAPI documents of 2026 describe them, the
// later additions included. Null is accepted where they say so.

var (
	blockTypes = []string{
		"Header", "Footer", "Title", "Section Header", "Page Number", "List Item",
		"Figure", "Table", "Key Value", "Text", "Comment", "Signature",
	}
	pageRange    = fields{"start": nullable(integer), "end": nullable(integer)}.check
	uploadObject = fields{"file_id!": text, "presigned_url": nullable(text)}.check
	input        = oneOf(text, list(text), uploadObject)
	documentURL  = oneOf(text, uploadObject)

	asyncSettings = fields{
		"metadata": anything,
		"priority": boolean,
		"webhook": nullable(tagged(map[string]fields{
			"svix":   {"mode": text, "channels": list(text)},
			"direct": {"mode": text, "url!": text},
		})),
	}.check

	enhance = fields{
		"agentic":              list(agentic),
		"summarize_figures":    boolean,
		"intelligent_ordering": boolean,
		"advanced_chart_agent": boolean,
	}.check

	retrieval = fields{
		"chunking": fields{
			"chunk_mode":    enum("variable", "section", "page", "disabled", "block", "page_sections"),
			"chunk_size":    nullable(integer),
			"chunk_overlap": integer,
		}.check,
		"filter_blocks":       list(enum(blockTypes...)),
		"embedding_optimized": boolean,
	}.check

	formatting = fields{
		"add_page_markers":    boolean,
		"table_output_format": enum("html", "json", "md", "jsonbbox", "dynamic", "csv"),
		"merge_tables":        boolean,
		"include": list(enum("change_tracking", "highlight", "comments", "hyperlinks", "signatures",
			"ignore_watermarks")),
	}.check

	spreadsheet = fields{
		"split_large_tables": fields{
			"enabled": boolean,
			"size":    oneOf(integer, fields{"row": nullable(integer), "column": nullable(integer)}.check),
		}.check,
		"include":        list(enum("cell_colors", "formula", "dropdowns")),
		"clustering":     enum("accurate", "fast", "disabled"),
		"exclude":        list(enum("hidden_sheets", "hidden_rows", "hidden_cols", "styling", "spreadsheet_images")),
		"max_cell_count": nullable(between(1, 1e15, integer)),
	}.check

	parseSettings = fields{
		"ocr_system":                  enum("standard", "legacy"),
		"extraction_mode":             enum("ocr", "hybrid"),
		"force_url_result":            boolean,
		"force_file_extension":        nullable(text),
		"return_ocr_data":             boolean,
		"return_images":               list(enum("figure", "table", "page")),
		"embed_pdf_metadata":          boolean,
		"embed_pdf_metadata_dpi":      between(50, 250, integer),
		"persist_results":             boolean,
		"timeout":                     nullable(number),
		"page_range":                  nullable(oneOf(pageRange, list(pageRange), list(integer), list(text))),
		"document_password":           nullable(text),
		"tenant_throttling":           nullable(fields{"tenant_id!": text, "max_share": between(0, 1, number)}.check),
		"hybrid_vpc":                  nullable(fields{"environment": nullable(text)}.check),
		"model":                       nullable(enum("r-1", "legacy")),
		"extract_document_properties": anything,
	}.check

	parsing = fields{
		"enhance": enhance, "retrieval": retrieval, "formatting": formatting,
		"spreadsheet": spreadsheet, "settings": parseSettings,
	}.check

	queuePriority = enum("auto", "standard", "batch")

	extractSettings = fields{
		"include_images": boolean, "optimize_for_latency": boolean, "array_extract": boolean, "deep_extract": boolean,
		"citations": fields{
			"enabled": boolean, "numerical_confidence": boolean, "parent_block": enum("full", "bbox_only"),
		}.check,
		"force_url_result": boolean,
		"page_range":       nullable(oneOf(pageRange, list(pageRange), list(integer), list(text))),
		"persist_results":  boolean,
	}.check

	splitSettings = fields{
		"table_cutoff":       enum("truncate", "preserve"),
		"allow_page_overlap": boolean, "auto_partition": boolean, "deep_split": boolean,
		"force_url_result": boolean,
	}.check

	boundingBox = fields{
		"left!": number, "top!": number, "width!": number, "height!": number, "page!": integer, "original_page": integer,
	}.check

	formSchema = list(fields{
		"bbox!": boundingBox, "description!": text, "type!": enum("text", "checkbox", "radio", "dropdown", "barcode"),
		"fill": boolean, "value": nullable(text), "font_size": nullable(between(1, 72, number)),
	}.check)
)

func agentic(c *checker, loc []any, v any) {
	scope := lookupString(v, "scope")
	f, ok := map[string]fields{
		"table":  {"scope!": text, "prompt": nullable(text), "mode": enum("default", "auto", "max")},
		"figure": {"scope!": text, "prompt": nullable(text), "advanced_chart_agent": boolean, "return_overlays": boolean},
		"text":   {"scope!": text, "prompt": nullable(text)},
		"layout": {"scope!": text, "prompt": nullable(text)},
	}[scope]
	if !ok {
		enum("table", "figure", "text", "layout")(c, at(loc, "scope"), lookup(v, "scope"))
		return
	}
	f.check(c, loc, v)
}

// topLevelWebhook is the webhook of edit_async, and of the older form of the
// other requests.
var topLevelWebhook = fields{
	"mode": enum("disabled", "svix", "direct"), "url": text, "metadata": anything, "channels": list(text),
}.check

// with is f and further members.
func (f fields) with(kv ...any) fields {
	g := fields{}
	for key, r := range f {
		g[key] = r
	}
	for i := 0; i < len(kv); i += 2 {
		switch r := kv[i+1].(type) {
		case rule:
			g[kv[i].(string)] = r
		case func(*checker, []any, any):
			g[kv[i].(string)] = r
		}
	}
	return g
}
