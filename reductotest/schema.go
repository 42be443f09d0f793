package reductotest

// The parts of requests that several kinds of jobs share. They follow the published
// OpenAPI documents of 2026. Null is accepted where those say so.

var (
	blockTypes = []string{
		"Header", "Footer", "Title", "Section Header", "Page Number", "List Item",
		"Figure", "Table", "Key Value", "Text", "Comment", "Signature",
	}
	pageRange    = fields{"start": nullable(integer), "end": nullable(integer)}.check
	pages        = nullable(oneOf(pageRange, list(pageRange), list(integer), list(text)))
	uploadObject = fields{"file_id!": text, "presigned_url": nullable(text)}.check
	input        = oneOf(text, list(text), uploadObject)

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
		"page_range":                  pages,
		"document_password":           nullable(text),
		"tenant_throttling":           nullable(fields{"tenant_id!": text, "max_share": between(0, 1, number)}.check),
		"hybrid_vpc":                  nullable(fields{"environment": nullable(text)}.check),
		"model":                       nullable(enum("r-1", "legacy")),
		"extract_document_properties": anything,
	}.check

	parsing = fields{
		"enhance": enhance, "retrieval": retrieval, "formatting": formatting,
		"spreadsheet": spreadsheet, "settings": parseSettings,
	}

	queuePriority = enum("auto", "standard", "batch")
)

// agentic checks an item of enhance.agentic by its scope.
func agentic(c *checker, loc []any, v any) {
	f := fields{"scope!": enum("table", "figure", "text", "layout"), "prompt": nullable(text)}
	switch lookupString(v, "scope") {
	case "table":
		f["mode"] = enum("default", "auto", "max")
	case "figure":
		f["advanced_chart_agent"], f["return_overlays"] = boolean, boolean
	}
	f.check(c, loc, v)
}

// topLevelWebhook is the webhook of edit_async, and of older requests.
var topLevelWebhook = fields{
	"mode": enum("disabled", "svix", "direct"), "url": text, "metadata": anything, "channels": list(text),
}.check
