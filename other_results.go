package reducto

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// EditResult is an edited document.
type EditResult struct {
	// JobID is the job that made it. Newer servers only.
	JobID string `json:"job_id,omitzero"`
	// DocumentURL is where the edited document can be downloaded, for a short time.
	DocumentURL Link `json:"document_url"`
	// FormSchema are the form's widgets as they were found. PDF only.
	FormSchema []EditWidget `json:"form_schema,omitzero"`
	// Usage is what the job consumed.
	Usage *ParseUsage `json:"usage,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	responseType string
}

// ResponseType is "edit".
func (r *EditResult) ResponseType() string { return responseEdit }

func (r *EditResult) bind(source) {}

// UnmarshalJSON keeps unknown members.
func (r *EditResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r, readEdit)
}

var editFields = jsonread.FieldsOf[EditResult]("response_type")

func readEdit(r *jsonread.Reader, v *EditResult) {
	for o := r.Object(editFields, v.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			v.responseType = readName(r)
		case "job_id":
			v.JobID = r.String()
		case "document_url":
			v.DocumentURL = Link(r.String())
		case "form_schema":
			jsonread.Decode(r, &v.FormSchema)
		case "usage":
			jsonread.Decode(r, &v.Usage)
		}
	}
}

// MarshalJSON writes unknown members too.
func (r *EditResult) MarshalJSON() ([]byte, error) {
	if r == nil {
		return []byte("null"), nil
	}
	return members.Encode(r, members.Member{Name: "response_type", Value: quoteOrNone(r.responseType)})
}

// ClassifyResult is the category that a document belongs to.
type ClassifyResult struct {
	// JobID is the job that made it.
	JobID string `json:"job_id"`
	// Category is the category's name.
	Category string `json:"-"`
	// Confidence weighs all categories; nil if the service left it out.
	Confidence *ResponseConfidence `json:"response_confidence,omitzero"`
	// Usage is what the job consumed. Newer servers only.
	Usage *ClassifyUsage `json:"usage,omitzero"`
	// Duration is the processing time in seconds; nil if unknown.
	Duration *float64 `json:"duration,omitzero"`
	// ExtraMetadata is undocumented detail of newer servers.
	ExtraMetadata json.RawMessage `json:"extra_metadata,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	responseType string
	content      content
	inner        Extra // unknown members beside the category
	src          source
}

// ResponseConfidence is the confidence in each category.
type ResponseConfidence struct {
	Categories []CategoryConfidence `json:"categories"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// CategoryConfidence is the confidence in one category.
type CategoryConfidence struct {
	// Category is its name.
	Category string `json:"category"`
	// Confidence goes from 0 to 1.
	Confidence float64 `json:"confidence"`
	// Criteria has the confidence in each of its criteria.
	Criteria []CriterionConfidence `json:"criteria_confidence"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// CriterionConfidence is the confidence that the document meets a criterion.
type CriterionConfidence struct {
	// Criterion is its text.
	Criterion string `json:"criterion"`
	// Confidence is high or low.
	Confidence Confidence `json:"confidence"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// ClassifyUsage is what a classification consumed.
type ClassifyUsage struct {
	// NumPages counts the pages that were looked at.
	NumPages int `json:"num_pages"`
	// NumCategories counts the categories.
	NumCategories int `json:"num_categories"`
	// Credits is what they cost; nil for accounts that are not billed in credits.
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

// ResponseType is "classify".
func (r *ClassifyResult) ResponseType() string { return responseClassify }

func (r *ClassifyResult) bind(s source) { r.src = s }

// resolve gets a category that lies behind a URL. Getting a job calls it.
func (r *ClassifyResult) resolve(ctx context.Context) error {
	if r.content.link == "" || r.Category != "" {
		return nil
	}
	src := r.src
	src.link = func(j *Job) (Link, bool) {
		fresh, ok := j.Result.(*ClassifyResult)
		if !ok {
			return "", false
		}
		return fresh.content.link, true
	}
	raw, err := readValue(ctx, src, r.content.link)
	if err != nil {
		return err
	}
	if inner := object(raw)["result"]; inner != nil {
		raw = inner
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

// UnmarshalJSON keeps unknown members.
func (r *ClassifyResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r, readClassify)
}

var classifyFields = jsonread.FieldsOf[ClassifyResult]("response_type", "result")

func readClassify(r *jsonread.Reader, v *ClassifyResult) {
	for o := r.Object(classifyFields, v.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			v.responseType = readName(r)
		case "job_id":
			v.JobID = r.String()
		case "response_confidence":
			jsonread.Decode(r, &v.Confidence)
		case "usage":
			jsonread.Decode(r, &v.Usage)
		case "duration":
			v.Duration = r.FloatPointer()
		case "extra_metadata":
			v.ExtraMetadata = r.Raw()
		case "result":
			v.content = readContent(r)
			if r.Err() == nil && v.content.link == "" && !members.IsNull(v.content.raw) {
				r.Reject(v.set(v.content.raw))
			}
		}
	}
}

// MarshalJSON writes unknown members too.
func (r *ClassifyResult) MarshalJSON() ([]byte, error) {
	if r == nil {
		return []byte("null"), nil
	}
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
	return members.Encode(r,
		members.Member{Name: "response_type", Value: quoteOrNone(r.responseType)},
		members.Member{Name: "result", Value: raw})
}

// ChartResult is the data read off a chart. Its form is not documented.
type ChartResult struct {
	// JobID is the job that made it.
	JobID string `json:"job_id,omitzero"`
	// Duration is the processing time in seconds; nil if unknown.
	Duration *float64 `json:"duration,omitzero"`
	// Result is the data, with the member chart_data.
	Result json.RawMessage `json:"result,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	responseType string
}

// ResponseType is "chart".
func (r *ChartResult) ResponseType() string { return responseChart }

func (r *ChartResult) bind(source) {}

// UnmarshalJSON keeps unknown members.
func (r *ChartResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r, readChart)
}

var chartFields = jsonread.FieldsOf[ChartResult]("response_type")

func readChart(r *jsonread.Reader, v *ChartResult) {
	for o := r.Object(chartFields, v.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			v.responseType = readName(r)
		case "job_id":
			v.JobID = r.String()
		case "duration":
			v.Duration = r.FloatPointer()
		case "result":
			v.Result = r.Raw()
		}
	}
}

// MarshalJSON writes unknown members too.
func (r *ChartResult) MarshalJSON() ([]byte, error) {
	if r == nil {
		return []byte("null"), nil
	}
	return members.Encode(r, members.Member{Name: "response_type", Value: quoteOrNone(r.responseType)})
}
