package reducto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// SplitResult is a document divided into the sections that were described.
type SplitResult struct {
	// JobID is the job that made it. Newer servers only.
	JobID string `json:"job_id,omitzero"`
	// Duration is the processing time in seconds. Newer servers only.
	Duration float64 `json:"duration,omitzero"`
	// Usage is what the job consumed.
	Usage ParseUsage `json:"usage"`
	// Splits are the sections, one for each category that was found.
	Splits []Split `json:"-"`
	// SectionMapping has the pages of each section by its name; nil for a deep split,
	// and where the service left it out.
	SectionMapping map[string][]int `json:"-"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	responseType string
	content      content
	inner        *splitContent
	src          source
}

// Split is one section.
type Split struct {
	// Name is the category's name.
	Name string `json:"name"`
	// Pages are the section's pages.
	Pages []SplitPage `json:"pages"`
	// Confidence is high or low; empty for a deep split, where pages have one.
	Confidence Confidence `json:"conf,omitzero"`
	// Partitions divide the section by the category's partition key; empty without
	// one.
	Partitions []SplitPartition `json:"partitions,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// SplitPartition is a part of a section.
type SplitPartition struct {
	// Name is the value of the partition key.
	Name string `json:"name"`
	// Pages are the partition's pages.
	Pages []SplitPage `json:"pages"`
	// Confidence is high or low; empty for a deep split, where pages have one.
	Confidence Confidence `json:"conf,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// SplitPage is a page of a section.
type SplitPage struct {
	// Number is the page, from 1.
	Number int `json:"page_number"`
	// Evidence is why the page belongs to the section. Deep split only.
	Evidence string `json:"evidence"`
	// Confidence is high, medium or low. Deep split only.
	Confidence Confidence `json:"confidence,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	deep bool // it came as an object, not as a number
}

// PageNumbers has the section's pages as numbers, from 1.
func (s Split) PageNumbers() []int { return pageNumbers(s.Pages) }

// PageNumbers has the partition's pages as numbers, from 1.
func (p SplitPartition) PageNumbers() []int { return pageNumbers(p.Pages) }

func pageNumbers(pages []SplitPage) []int {
	numbers := make([]int, len(pages))
	for i, p := range pages {
		numbers[i] = p.Number
	}
	return numbers
}

// UnmarshalJSON reads a page number, or a page with its evidence.
func (p *SplitPage) UnmarshalJSON(data []byte) error {
	if members.IsNull(data) {
		return nil
	}
	*p = SplitPage{}
	if members.Kind(data) != '{' {
		return json.Unmarshal(data, &p.Number)
	}
	p.deep = true
	return members.Decode(data, p)
}

// MarshalJSON writes a page number, or a page with its evidence.
func (p SplitPage) MarshalJSON() ([]byte, error) {
	if !p.deep && p.Evidence == "" && p.Confidence == "" && p.Extra == nil {
		return json.Marshal(p.Number)
	}
	return members.Encode(p)
}

// UnmarshalJSON keeps unknown members.
func (s *Split) UnmarshalJSON(data []byte) error { return members.Decode(data, s) }

// MarshalJSON writes unknown members too.
func (s Split) MarshalJSON() ([]byte, error) { return members.Encode(s) }

// UnmarshalJSON keeps unknown members.
func (p *SplitPartition) UnmarshalJSON(data []byte) error { return members.Decode(data, p) }

// MarshalJSON writes unknown members too.
func (p SplitPartition) MarshalJSON() ([]byte, error) { return members.Encode(p) }

type splitContent struct {
	SectionMapping map[string][]int `json:"section_mapping,omitzero"`
	Splits         []Split          `json:"splits"`
	Extra          Extra            `json:"-"`
}

// ResponseType is "split".
func (r *SplitResult) ResponseType() string { return responseSplit }

func (r *SplitResult) bind(s source) {
	if s.link == nil {
		s.link = func(j *Job) (Link, bool) {
			fresh, ok := j.Result.(*SplitResult)
			if !ok {
				return "", false
			}
			return fresh.content.link, true
		}
	}
	r.src = s
}

// resolve gets splits that lie behind a URL. Getting a job calls it, so that the
// fields are always filled.
func (r *SplitResult) resolve(ctx context.Context) error {
	if r.content.link == "" || r.inner != nil {
		return nil
	}
	raw, err := readValue(ctx, r.src, r.content.link)
	if err != nil {
		return err
	}
	if inner := object(raw)["result"]; inner != nil {
		raw = inner
	}
	return r.set(raw)
}

func (r *SplitResult) set(raw json.RawMessage) error {
	if members.Kind(object(raw)["splits"]) != '[' {
		return errors.New("reducto: the result of a split has no list of splits")
	}
	inner := new(splitContent)
	if err := members.Decode(raw, inner); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	r.inner, r.Splits, r.SectionMapping = inner, inner.Splits, inner.SectionMapping
	return nil
}

// UnmarshalJSON reads the result of a split or of a deep split.
func (r *SplitResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r, readSplit)
}

var splitFields = jsonread.FieldsOf[SplitResult]("response_type", "result")

func readSplit(r *jsonread.Reader, v *SplitResult) {
	for o := r.Object(splitFields, v.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			v.responseType = readName(r)
		case "job_id":
			v.JobID = r.String()
		case "duration":
			v.Duration = r.Float()
		case "usage":
			readUsage(r, &v.Usage)
		case "result":
			v.content = readContent(r)
			if r.Err() == nil && v.content.link == "" && !members.IsNull(v.content.raw) {
				r.Reject(v.set(v.content.raw))
			}
		}
	}
}

// MarshalJSON writes the result as it came; with its splits if they were
// downloaded.
func (r *SplitResult) MarshalJSON() ([]byte, error) {
	if r == nil {
		return []byte("null"), nil
	}
	raw := r.content.raw
	if r.content.link == "" || r.inner != nil || len(r.Splits) > 0 {
		inner := splitContent{Splits: r.Splits, SectionMapping: r.SectionMapping}
		if r.inner != nil {
			inner.Extra = r.inner.Extra
		}
		if inner.Splits == nil {
			inner.Splits = []Split{}
		}
		encoded, err := members.Encode(inner)
		if err != nil {
			return nil, err
		}
		raw = encoded
	}
	return members.Encode(r,
		members.Member{Name: "response_type", Value: quoteOrNone(r.responseType)},
		members.Member{Name: "result", Value: raw})
}
