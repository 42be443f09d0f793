package reducto

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"unicode/utf8"

	"github.com/reducto-go/reducto/internal/redact"
)

// Settings chooses how a document is read and what comes back.
type Settings struct {
	// OCRSystem recognises text in pictures; r-1 ignores it. Default: OCRStandard.
	OCRSystem OCRSystem `json:"ocr_system,omitzero"`
	// ExtractionMode chooses where the text of a PDF is taken from; r-1 ignores it.
	// Default: ExtractionHybrid.
	ExtractionMode ExtractionMode `json:"extraction_mode,omitzero"`
	// ForceURLResult has the result come as a URL even where it is small enough to
	// be inline (up to about 6 MB). This library reads both alike. Default: false.
	// See https://docs.reducto.ai/parse/response-format.
	ForceURLResult bool `json:"force_url_result,omitzero"`
	// ForceFileExtension is the kind of file that the input is taken to be, whatever
	// its URL says, such as ".png". Default: found out by the service.
	ForceFileExtension string `json:"force_file_extension,omitzero"`
	// ReturnOCRData adds every recognised word and line, with its place, to the
	// result. Default: false.
	ReturnOCRData bool `json:"return_ocr_data,omitzero"`
	// ReturnImages adds links to pictures of the blocks of these kinds, as
	// Block.ImageURL; those of whole pages are in Block.Extra, as page_image_url.
	// Default: none.
	ReturnImages []ImageKind `json:"return_images,omitzero"`
	// EmbedPDFMetadata writes the recognised text into the PDF that comes back, so
	// that it can be searched. Default: false.
	EmbedPDFMetadata bool `json:"embed_pdf_metadata,omitzero"`
	// ExtractDocumentProperties adds what the document says of itself, such as its
	// title and author, to the result. Default: false. Newer servers only.
	ExtractDocumentProperties bool `json:"extract_document_properties,omitzero"`
	// EmbedPDFMetadataDPI is the resolution, in dots per inch, at which pages are
	// drawn for EmbedPDFMetadata, from 50 to 250. Low ones make much smaller files;
	// that of the scan shows the most detail. Default: 100.
	EmbedPDFMetadataDPI int `json:"embed_pdf_metadata_dpi,omitzero"`
	// PersistResults keeps the results until they are deleted, instead of letting
	// them expire (job ids live 12 hours). Default: false.
	PersistResults bool `json:"persist_results,omitzero"`
	// TenantThrottling bounds the share of the account that one of your own
	// customers can take. Default: unbounded.
	TenantThrottling TenantThrottling `json:"tenant_throttling,omitzero"`
	// Timeout is how long the job may take, in seconds, fractions included. Default:
	// the service's own limit.
	Timeout float64 `json:"timeout,omitzero"`
	// PageRange is the part of the document to process. Default: all of it.
	PageRange PageRange `json:"page_range,omitzero"`
	// DocumentPassword opens a document that is protected by one. Default: none.
	DocumentPassword Password `json:"document_password,omitzero"`
	// HybridVPC says where in your own network the document is processed.
	HybridVPC HybridVPC `json:"hybrid_vpc,omitzero"`
	// Model is the parse model. Default: ParseModelLegacy, or ParseModelR1 for
	// organisations that began on its plan. Newer servers only.
	Model ParseModel `json:"model,omitzero"`
}

// ParseModel is a model that turns pages into blocks. It is an open set.
type ParseModel string

// The parse models.
const (
	// ParseModelR1 reads a page as a whole. It does by itself what several options
	// ask of the older one; their comments say so.
	ParseModelR1 ParseModel = "r-1"
	// ParseModelLegacy is the one that came before it.
	ParseModelLegacy ParseModel = "legacy"
)

// OCRSystem recognises text in pictures. It is an open set.
type OCRSystem string

// The OCR systems.
const (
	// OCRStandard knows many languages.
	OCRStandard OCRSystem = "standard"
	// OCRLegacy knows Germanic languages only, and is kept for compatibility.
	OCRLegacy OCRSystem = "legacy"
)

// ExtractionMode chooses where the text of a PDF is taken from. It is an open
// set.
type ExtractionMode string

// The extraction modes.
const (
	// ExtractionOCR reads the picture of the page alone.
	ExtractionOCR ExtractionMode = "ocr"
	// ExtractionHybrid combines it with the text that the PDF contains.
	ExtractionHybrid ExtractionMode = "hybrid"
)

// ImageKind is what Settings.ReturnImages takes pictures of. It is an open set.
type ImageKind string

// The kinds of image.
const (
	ImageFigure ImageKind = "figure"
	ImageTable  ImageKind = "table"
	ImagePage   ImageKind = "page"
)

// TenantThrottling names the customer of yours for whom a document is
// processed, so that none of them can occupy the whole account. The account's
// own limits stay.
type TenantThrottling struct {
	// TenantID is your name for the customer, 1 to 256 characters.
	TenantID string `json:"tenant_id"`
	// MaxShare is the fraction of the account's concurrency that the customer may
	// use, above 0 and up to 1. Default: 0.5.
	MaxShare float64 `json:"max_share,omitzero"`
}

// HybridVPC has options for organisations whose documents stay in their own
// network. See https://docs.reducto.ai/onprem/hybrid-vpc-aws.
type HybridVPC struct {
	// Environment is the name of an environment that is configured for the
	// organisation. Default: none.
	Environment string `json:"environment,omitzero"`
}

// Password is a document's password. It prints and logs as [redacted], in requests
// too. JSON has it as it is, since that is how it is sent: do not log what
// json.Marshal makes of a request.
type Password string

// String never shows the password.
func (p Password) String() string { return redact.Mark }

// GoString never shows the password.
func (p Password) GoString() string { return redact.Mark }

// Format never shows the password, with any verb.
func (p Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// LogValue never shows the password.
func (p Password) LogValue() slog.Value { return slog.StringValue(redact.Mark) }

func (s Settings) check(field string) error {
	if dpi := s.EmbedPDFMetadataDPI; dpi != 0 && (dpi < 50 || dpi > 250) {
		return refuse(field+".EmbedPDFMetadataDPI", "%d: use 50 to 250, or 0 for the default", dpi)
	}
	if !(s.Timeout >= 0 && s.Timeout <= math.MaxFloat64) { // NaN and infinities too
		return refuse(field+".Timeout", "%v: use seconds, or 0 for the default", s.Timeout)
	}
	if s.TenantThrottling != (TenantThrottling{}) {
		if err := s.TenantThrottling.check(field + ".TenantThrottling"); err != nil {
			return err
		}
	}
	if s.PageRange.IsZero() {
		return nil
	}
	return s.PageRange.check(field + ".PageRange")
}

func (t TenantThrottling) check(field string) error {
	if t.TenantID == "" {
		return refuse(field+".TenantID", "it is empty: name the tenant whose share is to be bounded")
	}
	if n := utf8.RuneCountInString(t.TenantID); n > 256 {
		return refuse(field+".TenantID", "it has %d characters: use at most 256, a hash of a longer name for example", n)
	}
	if !(t.MaxShare >= 0 && t.MaxShare <= 1) { // NaN too
		return refuse(field+".MaxShare", "%v: use a fraction above 0 and up to 1, or 0 for the default", t.MaxShare)
	}
	return nil
}
