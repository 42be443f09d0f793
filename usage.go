package reducto

// BillingFeature is a kind of work that is billed by itself. It is an open set.
type BillingFeature string

// The features that usage is broken down by. The service explains them no further
// than by their names.
const (
	BillingPage                     BillingFeature = "page"
	BillingHTMLPage                 BillingFeature = "html_page"
	BillingDocxNativePage           BillingFeature = "docx_native_page"
	BillingLitePage                 BillingFeature = "reducto_lite_page"
	BillingComplex                  BillingFeature = "complex"
	BillingAgentic                  BillingFeature = "agentic"
	BillingAgenticText              BillingFeature = "agentic_text"
	BillingPromptableAgenticText    BillingFeature = "promptable_agentic_text"
	BillingChartAgent               BillingFeature = "chart_agent"
	BillingSpreadsheetCells         BillingFeature = "spreadsheet_cells"
	BillingBillableSpreadsheetPages BillingFeature = "billable_spreadsheet_pages"
	BillingEnrichTable              BillingFeature = "enrich_table"
	BillingTableSummary             BillingFeature = "table_summary"
	BillingFigureSummary            BillingFeature = "figure_summary"
	BillingKeyValue                 BillingFeature = "key_value"
)

// ParseMode is what parsed a document. It is an open set.
type ParseMode string

// The parse modes.
const (
	// ParseModeBase is the standard parser.
	ParseModeBase ParseMode = "base"
	// ParseModeLite is Reducto Flash Lite.
	ParseModeLite ParseMode = "lite"
)

// ExtractMode is what carried an extraction out. It is an open set.
type ExtractMode string

// The extract modes. The service does not explain them.
const (
	ExtractModeExtract          ExtractMode = "extract"
	ExtractModeSuperAgent       ExtractMode = "super_agent"
	ExtractModeSpreadsheetAgent ExtractMode = "spreadsheet_agent"
)
