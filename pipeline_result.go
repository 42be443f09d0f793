package reducto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/reducto-go/reducto/internal/members"
)

// PipelineResult has the results of the steps that a pipeline is made of; those of
// steps that it does not have are nil.
type PipelineResult struct {
	// JobID is the job that made it.
	JobID string `json:"job_id"`
	// Usage is what the job consumed.
	Usage ParseUsage `json:"usage"`
	// Parse has a result for each document that was parsed: the service sends one
	// result, or a list of them.
	Parse []*ParseResult `json:"-"`
	// Extract is the extraction of a pipeline that does not split first; nil
	// otherwise.
	Extract *ExtractResult `json:"-"`
	// SplitExtracts has the extraction of each section, of a pipeline that splits
	// first.
	SplitExtracts []SplitExtract `json:"-"`
	// Split is how the document was split.
	Split *SplitResult `json:"-"`
	// Edit is the edited document.
	Edit *EditResult `json:"-"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	responseType string
	parseList    bool
	steps        Extra // unknown members of the result object
}

// SplitExtract is the extraction of one section.
type SplitExtract struct {
	// SplitName is the section.
	SplitName string `json:"split_name"`
	// PageRange are the section's pages, from 1.
	PageRange []int `json:"page_range"`
	// Partition is the section's part; nil if it is not partitioned.
	Partition *string `json:"partition,omitzero"`
	// Result is what was extracted.
	Result *ExtractResult `json:"result"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// UnmarshalJSON keeps unknown members.
func (s *SplitExtract) UnmarshalJSON(data []byte) error { return members.Decode(data, s) }

// MarshalJSON writes unknown members too.
func (s SplitExtract) MarshalJSON() ([]byte, error) { return members.Encode(s) }

// ResponseType is "pipeline".
func (r *PipelineResult) ResponseType() string { return responsePipeline }

// bind has every step find its fresh link at its own place in a fresh result.
func (r *PipelineResult) bind(s source) {
	step := func(find func(*PipelineResult) Result) source {
		inner := s
		inner.link = func(j *Job) (Link, bool) {
			fresh, ok := j.Result.(*PipelineResult)
			if !ok {
				return "", false
			}
			linked, ok := find(fresh).(interface{ Link() Link })
			if !ok {
				return "", false
			}
			return linked.Link(), true
		}
		return inner
	}
	for i, p := range r.Parse {
		if p == nil {
			continue
		}
		p.bind(step(func(fresh *PipelineResult) Result {
			if i < len(fresh.Parse) && fresh.Parse[i] != nil {
				return fresh.Parse[i]
			}
			return nil
		}))
	}
	if r.Split != nil {
		split := s
		split.link = func(j *Job) (Link, bool) {
			fresh, ok := j.Result.(*PipelineResult)
			if !ok || fresh.Split == nil {
				return "", false
			}
			return fresh.Split.content.link, true
		}
		r.Split.bind(split)
	}
	if r.Extract != nil {
		r.Extract.bind(step(func(fresh *PipelineResult) Result {
			if fresh.Extract == nil {
				return nil
			}
			return fresh.Extract
		}))
	}
	for i, e := range r.SplitExtracts {
		if e.Result == nil {
			continue
		}
		e.Result.bind(step(func(fresh *PipelineResult) Result {
			if i < len(fresh.SplitExtracts) && fresh.SplitExtracts[i].Result != nil {
				return fresh.SplitExtracts[i].Result
			}
			return nil
		}))
	}
}

// resolve gets splits that lie behind a URL. Getting a job calls it.
func (r *PipelineResult) resolve(ctx context.Context) error {
	if r.Split == nil {
		return nil
	}
	return r.Split.resolve(ctx)
}

// UnmarshalJSON reads the steps in each of their forms.
func (r *PipelineResult) UnmarshalJSON(data []byte) error {
	*r = PipelineResult{}
	if err := members.Decode(data, r); err != nil {
		return err
	}
	r.responseType, _ = text(r.Extra.take("response_type"))
	raw := r.Extra.take("result")
	if members.IsNull(raw) {
		return nil
	}
	if members.Kind(raw) != '{' {
		return errors.New("the result of a pipeline is not an object")
	}
	seen := map[string]bool{}
	return members.Each(raw, func(name string, value []byte) error {
		if seen[name] {
			return fmt.Errorf("result: %w", &members.DuplicateError{Name: name})
		}
		seen[name] = true
		if err := r.step(name, value); err != nil {
			return fmt.Errorf("result: %s: %w", name, err)
		}
		return nil
	})
}

func (r *PipelineResult) step(name string, value []byte) error {
	kind := members.Kind(value)
	switch name {
	case "parse":
		switch kind {
		case 'n':
			return nil
		case '{':
			r.Parse = []*ParseResult{{}}
			return json.Unmarshal(value, r.Parse[0])
		}
		r.parseList = true
		return json.Unmarshal(value, &r.Parse)
	case "extract":
		if kind == '{' {
			return json.Unmarshal(value, &r.Extract)
		}
		return json.Unmarshal(value, &r.SplitExtracts)
	case "split":
		return json.Unmarshal(value, &r.Split)
	case "edit":
		return json.Unmarshal(value, &r.Edit)
	default:
		if r.steps == nil {
			r.steps = Extra{}
		}
		r.steps[name] = append(json.RawMessage(nil), value...)
	}
	return nil
}

// MarshalJSON writes the steps in the forms in which they came.
func (r *PipelineResult) MarshalJSON() ([]byte, error) {
	if r == nil {
		return []byte("null"), nil
	}
	inner := struct {
		Parse   any          `json:"parse"`
		Extract any          `json:"extract"`
		Split   *SplitResult `json:"split"`
		Edit    *EditResult  `json:"edit,omitzero"`
		Extra   Extra        `json:"-"`
	}{Split: r.Split, Edit: r.Edit, Extra: r.steps}
	switch {
	case r.parseList || len(r.Parse) > 1:
		inner.Parse = r.Parse
	case len(r.Parse) == 1:
		inner.Parse = r.Parse[0]
	}
	switch {
	case r.SplitExtracts != nil:
		inner.Extract = r.SplitExtracts
	case r.Extract != nil:
		inner.Extract = r.Extract
	}
	raw, err := members.Encode(inner)
	if err != nil {
		return nil, err
	}
	return members.Encode(r,
		members.Member{Name: "response_type", Value: quoteOrNone(r.responseType)},
		members.Member{Name: "result", Value: raw})
}
