package reducto

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// ClassifyRequest is a request to choose one of your categories for a document. Only
// Input is required, but without a ClassificationSchema there is no category to choose.
// The endpoint has no asynchronous form.
type ClassifyRequest struct {
	// Input is the document.
	Input Input `json:"input"`
	// ClassificationSchema lists the categories. Default: none.
	ClassificationSchema []ClassificationCategory `json:"classification_schema,omitzero"`
	// CategoryGroups lists the categories of each group, by the name of the group. The
	// extra metadata of the result then has the group as "grouping", or "ungrouped".
	// Default: none. Newer servers only.
	CategoryGroups map[string][]string `json:"category_groups,omitzero"`
	// PageRange selects the pages of a PDF. Sheets are not allowed, and other documents
	// ignore it. Newer servers accept at most 10 pages. Older ones use the first 25
	// selected pages. Default: the first 5 pages.
	PageRange PageRange `json:"page_range,omitzero"`
	// DocumentMetadata is your information about the document, such as its name. It
	// becomes part of the prompt. Default: none.
	DocumentMetadata string `json:"document_metadata,omitzero"`
	// PersistResults keeps the results until you delete them. Otherwise they expire.
	// Default: false.
	PersistResults bool `json:"persist_results,omitzero"`
	// Model selects the model. Default: ClassifyModelDefault. Newer servers only.
	Model ClassifyModel `json:"model,omitzero"`
	// Priority requests priority processing, if the account has a budget for it.
	// Default: true. Newer servers only.
	Priority *bool `json:"priority,omitzero"`
	// ForceURLResult makes the service send the result as a URL, even if it is small
	// enough to be inline. This library reads both forms. Default: false. Newer servers
	// only.
	ForceURLResult bool `json:"force_url_result,omitzero"`
}

// ClassificationCategory is a category of documents.
type ClassificationCategory struct {
	// Category is the name of the category in the result.
	Category string `json:"category"`
	// Criteria describe the documents of this category in words.
	Criteria []string `json:"criteria"`
}

// ClassifyModel is a model that classifies. It is an open set.
type ClassifyModel string

// The known classification models.
const (
	ClassifyModelDefault ClassifyModel = "default"
	// ClassifyModelAccurate is for documents that are hard to distinguish.
	ClassifyModelAccurate ClassifyModel = "accurate"
)

// MarshalJSON writes nil Criteria as an empty list, because the API requires one.
func (c ClassificationCategory) MarshalJSON() ([]byte, error) {
	type fields ClassificationCategory
	if c.Criteria == nil {
		c.Criteria = []string{}
	}
	return json.Marshal(fields(c))
}

func (r ClassifyRequest) check() error {
	if err := r.Input.check("Input"); err != nil {
		return err
	}
	for i, c := range r.ClassificationSchema {
		if c.Category == "" {
			return refuse(fmt.Sprintf("ClassificationSchema[%d].Category", i), "it is empty: name the category")
		}
	}
	for name, categories := range r.CategoryGroups {
		if categories == nil {
			return refuse("CategoryGroups", "the group %q is nil: list its categories, or leave it out", name)
		}
	}
	if r.PageRange.sheets != nil {
		return refuse("PageRange", "Classify does not support sheets: use Pages, PageSpan or PageSpans")
	}
	return r.PageRange.check("PageRange")
}

// wire returns the body to send. There is no asynchronous form.
func (r ClassifyRequest) wire(*asyncWire) any { return r }

func (r ClassifyRequest) private() []string { return private(r.Input, "") }

// Format prints the request without presigned signatures.
func (r ClassifyRequest) Format(f fmt.State, verb rune) {
	type fields ClassifyRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without presigned signatures.
func (r ClassifyRequest) LogValue() slog.Value { return logPrinted(r) }

// Classify returns the category of a document. It has no asynchronous form. See Parse
// for its limits.
func (c *Client) Classify(ctx context.Context, req ClassifyRequest) (*ClassifyResult, error) {
	return callSync[*ClassifyResult](ctx, c, "Classify", "/classify", JobTypeClassify, &req)
}

// ClassifyResult holds the category of a document.
type ClassifyResult struct {
	// JobID is the id of the job.
	JobID string `json:"job_id"`
	// Category is the name of the category.
	Category string `json:"-"`
	// Confidence has the confidence in each category; nil if the service did not send
	// it.
	Confidence *ResponseConfidence `json:"response_confidence,omitzero"`
	// Usage is the usage of the job. Newer servers only.
	Usage *ClassifyUsage `json:"usage,omitzero"`
	// Duration is the processing time in seconds; nil if unknown.
	Duration *float64 `json:"duration,omitzero"`
	// ExtraMetadata holds undocumented details of newer servers.
	ExtraMetadata json.RawMessage `json:"extra_metadata,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	resultBase
	content content
	inner   Extra // unknown members next to the category
}

// ResponseConfidence has the confidence in each category.
type ResponseConfidence struct {
	Categories []CategoryConfidence `json:"categories"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// CategoryConfidence has the confidence in one category.
type CategoryConfidence struct {
	// Category is the name of the category.
	Category string `json:"category"`
	// Confidence is the confidence in the category, from 0 to 1.
	Confidence float64 `json:"confidence"`
	// Criteria has the confidence in each criterion of the category.
	Criteria []CriterionConfidence `json:"criteria_confidence"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// CriterionConfidence is the confidence that the document meets a criterion.
type CriterionConfidence struct {
	// Criterion is the text of the criterion.
	Criterion string `json:"criterion"`
	// Confidence is high or low.
	Confidence Confidence `json:"confidence"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// ClassifyUsage is the usage of a classification.
type ClassifyUsage struct {
	// NumPages is the number of pages that the service used.
	NumPages int `json:"num_pages"`
	// NumCategories is the number of categories.
	NumCategories int `json:"num_categories"`
	// Credits is the cost in credits; nil for accounts that are not billed in credits.
	Credits *float64 `json:"credits,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// UnmarshalJSON keeps unknown members.
func (v *ResponseConfidence) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }

// MarshalJSON writes unknown members too.
func (v ResponseConfidence) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// UnmarshalJSON keeps unknown members.
func (v *CategoryConfidence) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }

// MarshalJSON writes unknown members too.
func (v CategoryConfidence) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// UnmarshalJSON keeps unknown members.
func (v *CriterionConfidence) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }

// MarshalJSON writes unknown members too.
func (v CriterionConfidence) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// UnmarshalJSON keeps unknown members.
func (v *ClassifyUsage) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }

// MarshalJSON writes unknown members too.
func (v ClassifyUsage) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// ResponseType returns "classify".
func (r *ClassifyResult) ResponseType() string { return responseClassify }

// resolve downloads a category behind a URL.
func (r *ClassifyResult) resolve(ctx context.Context) error {
	if r.content.link == "" || r.Category != "" {
		return nil
	}
	src := r.src
	src.link = freshLink(func(fresh *ClassifyResult) Link { return fresh.content.link })
	raw, err := readInner(ctx, src, r.content.link)
	if err != nil {
		return err
	}
	return r.set(raw)
}

func (r *ClassifyResult) set(raw json.RawMessage) error {
	var inner struct {
		Category string `json:"category"`
		Extra    Extra  `json:"-"`
	}
	if err := members.Decode(raw, &inner); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	r.Category, r.inner = inner.Category, inner.Extra
	return nil
}

func (r *ClassifyResult) describe() (responseType, jobID string) { return r.responseType, r.JobID }

// Format prints the response type and the job, with every verb.
func (r ClassifyResult) Format(f fmt.State, _ rune) { printResult(f, &r) }

// LogValue logs what Format prints.
func (r *ClassifyResult) LogValue() slog.Value { return logPrinted(r) }

// UnmarshalJSON keeps unknown members.
func (r *ClassifyResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r)
}

// MarshalJSON writes unknown members too.
func (r *ClassifyResult) MarshalJSON() ([]byte, error) {
	raw := r.content.raw
	if r.content.link == "" || r.Category != "" {
		encoded, err := members.Encode(struct {
			Category string `json:"category"`
			Extra    Extra  `json:"-"`
		}{r.Category, r.inner})
		if err != nil {
			return nil, err
		}
		raw = encoded
	}
	return r.encode(r, raw)
}

var classifyFields = jsonread.FieldsOf[ClassifyResult]("response_type,omitzero", "result")

func (r *ClassifyResult) read(in *jsonread.Reader) {
	for o := in.Object(classifyFields, r.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			r.responseType = in.String()
		case "job_id":
			r.JobID = in.String()
		case "response_confidence":
			jsonread.Decode(in, &r.Confidence)
		case "usage":
			jsonread.Decode(in, &r.Usage)
		case "duration":
			r.Duration = in.FloatPointer()
		case "extra_metadata":
			r.ExtraMetadata = in.Raw()
		case "result":
			r.content = readContent(in)
			if in.Err() == nil && r.content.link == "" && !members.IsNull(r.content.raw) {
				in.Reject(r.set(r.content.raw))
			}
		}
	}
}
