package reducto

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// EditRequest is a request to fill in the forms of a document or to change it. Input
// and Instructions are required.
type EditRequest struct {
	// Input is the document. A list is not allowed.
	Input Input `json:"document_url"`
	// Instructions describe what to fill in or to change.
	Instructions string `json:"edit_instructions"`
	// Options holds the options of the edit.
	Options EditOptions `json:"edit_options,omitzero"`
	// FormSchema lists the fields of a PDF form, for example from
	// EditResult.FormSchema. Default: the service detects them.
	FormSchema []EditWidget `json:"form_schema,omitzero"`
	// Priority requests priority processing, if the account has a budget for it. For
	// EditAsync it is the same as Async.Priority. Default: true for Edit, false for
	// EditAsync.
	Priority *bool `json:"priority,omitzero"`
	// Async holds the options of EditAsync: webhook, metadata, priority.
	Async Async `json:"-"`
}

// EditOptions holds the options of an edit.
type EditOptions struct {
	// Color is the color of new text, as #RRGGBB. Default: #FF0000.
	Color string `json:"color,omitzero"`
	// FontSize is the size of text in fields, in points, from 1 to 72. Default: a size
	// that fits the field.
	FontSize float64 `json:"font_size,omitzero"`
	// LLMProviderPreference selects the provider of the models. Default:
	// LLMProviderGoogle.
	LLMProviderPreference LLMProvider `json:"llm_provider_preference,omitzero"`
	// EnableOverflowPages adds pages for text that does not fit its field.
	// Default: false.
	EnableOverflowPages bool `json:"enable_overflow_pages,omitzero"`
	// Flatten converts the filled fields to plain content, so that they cannot be
	// changed any more. Default: false.
	Flatten bool `json:"flatten,omitzero"`
}

// LLMProvider is a provider of language models. It is an open set.
type LLMProvider string

// The known providers.
const (
	LLMProviderOpenAI    LLMProvider = "openai"
	LLMProviderAnthropic LLMProvider = "anthropic"
	LLMProviderGoogle    LLMProvider = "google"
)

// EditWidget is a field of a PDF form, in requests and in results.
type EditWidget struct {
	// BBox is the position of the field on the page.
	BBox BoundingBox `json:"bbox"`
	// Description describes the content of the field.
	Description string `json:"description"`
	// Type is the type of the field.
	Type WidgetType `json:"type"`
	// Fill is false for a field that must stay empty. Default: true.
	Fill *bool `json:"fill,omitzero"`
	// Value is the exact content of the field, even if it is "". If it is nil, the
	// instructions decide.
	Value *string `json:"value,omitzero"`
	// FontSize is the size of text in this field, in points, from 1 to 72. Default:
	// EditOptions.FontSize.
	FontSize float64 `json:"font_size,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// WidgetType is the type of a field in a form. It is an open set.
type WidgetType string

// The known types of fields.
const (
	WidgetTypeText     WidgetType = "text"
	WidgetTypeCheckbox WidgetType = "checkbox"
	WidgetTypeRadio    WidgetType = "radio"
	WidgetTypeDropdown WidgetType = "dropdown"
	WidgetTypeBarcode  WidgetType = "barcode"
)

// UnmarshalJSON keeps unknown members.
func (w *EditWidget) UnmarshalJSON(data []byte) error { return members.Decode(data, w) }

// MarshalJSON writes unknown members too.
func (w EditWidget) MarshalJSON() ([]byte, error) { return members.Encode(w) }

func (r EditRequest) check() error {
	if err := r.Input.check("Input"); err != nil {
		return err
	}
	if r.Input.isList() {
		return refuse("Input", "Edit accepts one document: use URL instead of URLs, and send one request for each document")
	}
	if r.Instructions == "" {
		return refuse("Instructions", "they are empty: say what to fill in or to change")
	}
	if c := r.Options.Color; c != "" && !isColor(c) {
		return refuse("Options.Color", "%q: use the form #RRGGBB, such as #FF0000", c)
	}
	if err := checkFontSize("Options.FontSize", r.Options.FontSize); err != nil {
		return err
	}
	for i, w := range r.FormSchema {
		if err := w.check(fmt.Sprintf("FormSchema[%d]", i)); err != nil {
			return err
		}
	}
	if r.Async.Priority && r.Priority != nil && !*r.Priority {
		return refuse("Priority", "it is false and Async.Priority is true: set one of them only")
	}
	return nil
}

func (w EditWidget) check(field string) error {
	if w.Type == "" {
		return refuse(field+".Type", "it is empty: use WidgetTypeText or another kind of field")
	}
	if w.BBox.Page < 1 {
		return refuse(field+".BBox.Page", "page %d: pages are numbered from 1", w.BBox.Page)
	}
	return checkFontSize(field+".FontSize", w.FontSize)
}

func checkFontSize(field string, points float64) error {
	if points != 0 && !(points >= 1 && points <= 72) { // also refuses NaN
		return refuse(field, "%v: use 1 to 72 points, or 0 for the default", points)
	}
	return nil
}

func isColor(s string) bool {
	if len(s) != 7 || s[0] != '#' {
		return false
	}
	for _, c := range s[1:] {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

// editWebhook is the webhook of an edit. It also carries the metadata.
type editWebhook struct {
	webhookWire
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

// wire returns the body to send; a is nil for the synchronous endpoint. This endpoint
// has no async object: priority and webhook are members of the body itself.
func (r EditRequest) wire(a *asyncWire) any {
	if a == nil {
		return r
	}
	if a.Priority {
		r.Priority = new(true)
	}
	webhook := editWebhook{webhookWire{Mode: webhookDisabled}, a.Metadata}
	if a.Webhook != nil {
		webhook.webhookWire = *a.Webhook
	}
	return struct {
		EditRequest
		Webhook editWebhook `json:"webhook"`
	}{r, webhook}
}

func (r EditRequest) private() []string { return private(r.Input, "") }

// Format prints the request without presigned signatures.
func (r EditRequest) Format(f fmt.State, verb rune) {
	type fields EditRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without presigned signatures.
func (r EditRequest) LogValue() slog.Value { return logPrinted(r) }

// Edit edits a document and waits for the result on the same connection. See Parse for
// its limits.
func (c *Client) Edit(ctx context.Context, req EditRequest) (*EditResult, error) {
	if err := checkSync("Edit", req.Async, ""); err != nil {
		return nil, err
	}
	return callSync[*EditResult](ctx, c, "Edit", "/edit", JobTypeEdit, &req)
}

// EditAsync submits a document for editing. See ParseAsync for its errors.
func (c *Client) EditAsync(ctx context.Context, req EditRequest, opts ...SubmitOption) (*Handle[*EditResult], error) {
	return submit[*EditResult](ctx, c, "EditAsync", "/edit_async", JobTypeEdit, &req, req.Async, opts)
}

// EditResult is an edited document.
type EditResult struct {
	// JobID is the id of the job. Newer servers only.
	JobID string `json:"job_id,omitzero"`
	// DocumentURL is a link to the edited document. It is valid for a short time.
	DocumentURL Link `json:"document_url"`
	// FormSchema lists the fields that the service detected in the form. PDF only.
	FormSchema []EditWidget `json:"form_schema,omitzero"`
	// Usage is the usage of the job.
	Usage *ParseUsage `json:"usage,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	resultBase
}

// ResponseType returns "edit".
func (r *EditResult) ResponseType() string { return responseEdit }

func (r *EditResult) describe() (responseType, jobID string) { return r.responseType, r.JobID }

// Format prints the response type and the job, with every verb.
func (r *EditResult) Format(f fmt.State, _ rune) { printResult(f, r) }

// LogValue logs what Format prints.
func (r *EditResult) LogValue() slog.Value { return logPrinted(r) }

// UnmarshalJSON keeps unknown members.
func (r *EditResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r)
}

// MarshalJSON writes unknown members too.
func (r *EditResult) MarshalJSON() ([]byte, error) {
	return r.encode(r, nil)
}

var editFields = jsonread.FieldsOf[EditResult]("response_type,omitzero")

func (r *EditResult) read(in *jsonread.Reader) {
	for o := in.Object(editFields, r.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			r.responseType = in.String()
		case "job_id":
			r.JobID = in.String()
		case "document_url":
			r.DocumentURL = Link(in.String())
		case "form_schema":
			jsonread.Decode(in, &r.FormSchema)
		case "usage":
			jsonread.Decode(in, &r.Usage)
		}
	}
}
