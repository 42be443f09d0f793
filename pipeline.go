package reducto

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// PipelineRequest is a request to run a pipeline that was configured in Reducto
// Studio. Input and PipelineID are required.
//
// Newer servers call the endpoint deprecated, but it still works. To configure the
// steps in your own code, send a ParseRequest, then an ExtractRequest or SplitRequest
// with FromJob.
type PipelineRequest struct {
	// Input is the document, or a list of them.
	Input Input `json:"input"`
	// PipelineID is the id of the pipeline.
	PipelineID string `json:"pipeline_id"`
	// Settings override the settings of the pipeline. Default: the pipeline's own.
	Settings PipelineSettings `json:"settings,omitzero"`
	// Async holds the options of PipelineAsync: webhook, metadata, priority.
	Async Async `json:"-"`
}

// PipelineSettings are the settings of a pipeline that a request can override.
type PipelineSettings struct {
	// DocumentPassword is the password of a protected document. Default: none.
	DocumentPassword Password `json:"document_password,omitzero"`
}

func (r PipelineRequest) check() error {
	if err := r.Input.check("Input"); err != nil {
		return err
	}
	if r.PipelineID == "" {
		return refuse("PipelineID", "it is empty: use the id that Reducto Studio shows for the pipeline")
	}
	return nil
}

// wire returns the body to send; a is nil for the synchronous endpoint.
func (r *PipelineRequest) wire(a *asyncWire) any {
	return struct {
		*PipelineRequest
		Async *asyncWire `json:"async,omitempty"`
	}{r, a}
}

func (r PipelineRequest) private() []string { return private(r.Input, r.Settings.DocumentPassword) }

// Format prints the request without password and presigned signatures.
func (r PipelineRequest) Format(f fmt.State, verb rune) {
	type fields PipelineRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without password and presigned signatures.
func (r PipelineRequest) LogValue() slog.Value { return logPrinted(r) }

// Format prints the settings without the password.
func (s PipelineSettings) Format(f fmt.State, verb rune) {
	type fields PipelineSettings
	printFields(f, verb, fields(s))
}

// LogValue logs the settings without the password.
func (s PipelineSettings) LogValue() slog.Value { return logPrinted(s) }

// Pipeline runs a document through a pipeline and waits for the result on the same
// connection. See Parse for its limits.
//
// Newer servers call this endpoint deprecated. Use Parse, Extract and Split for the
// steps of the pipeline instead. With FromJob, a step can use an earlier parse.
func (c *Client) Pipeline(ctx context.Context, req PipelineRequest) (*PipelineResult, error) {
	if err := checkSync("Pipeline", req.Async, ""); err != nil {
		return nil, err
	}
	return callSync[*PipelineResult](ctx, c, "Pipeline", "/pipeline", JobTypePipeline, &req)
}

// PipelineAsync submits a document to a pipeline that was configured in Reducto Studio.
// See ParseAsync for its errors.
//
// Newer servers call this endpoint deprecated. Submit the steps of the pipeline with
// ParseAsync, ExtractAsync and SplitAsync instead. With FromJob, a step can use an
// earlier parse.
func (c *Client) PipelineAsync(ctx context.Context, req PipelineRequest, opts ...SubmitOption) (*Handle[*PipelineResult], error) {
	return submit[*PipelineResult](ctx, c, "PipelineAsync", "/pipeline_async", JobTypePipeline, &req, req.Async, opts)
}

// PipelineResult has the results of the steps of a pipeline. If the pipeline does not
// have a step, the field of the step is nil.
type PipelineResult struct {
	// JobID is the id of the job.
	JobID string `json:"job_id"`
	// Usage is the usage of the job.
	Usage ParseUsage `json:"usage"`
	// Parse has one result for each parsed document. The service sends one result or a
	// list of results.
	Parse []*ParseResult `json:"-"`
	// Extract is the extraction of a pipeline without a split step; nil otherwise.
	Extract *ExtractResult `json:"-"`
	// SplitExtracts has the extraction of each section, for a pipeline with a split
	// step.
	SplitExtracts []SplitExtract `json:"-"`
	// Split has the sections of the document.
	Split *SplitResult `json:"-"`
	// Edit is the edited document.
	Edit *EditResult `json:"-"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	resultBase
	parseList bool
	steps     Extra // unknown members of the result object
}

// SplitExtract is the extraction of one section.
type SplitExtract struct {
	// SplitName is the name of the section.
	SplitName string `json:"split_name"`
	// PageRange lists the pages of the section, from 1.
	PageRange []int `json:"page_range"`
	// Partition is the partition of the section; nil if the section has none.
	Partition *string `json:"partition,omitzero"`
	// Result is the extraction.
	Result *ExtractResult `json:"result"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// UnmarshalJSON keeps unknown members.
func (s *SplitExtract) UnmarshalJSON(data []byte) error { return members.Decode(data, s) }

// MarshalJSON writes unknown members too.
func (s SplitExtract) MarshalJSON() ([]byte, error) { return members.Encode(s) }

// ResponseType returns "pipeline".
func (r *PipelineResult) ResponseType() string { return responsePipeline }

// bind tells each step how to get its link from a fresh result.
func (r *PipelineResult) bind(s source) {
	step := func(link func(*PipelineResult) Link) source {
		s.link = freshLink(link)
		return s
	}
	for i, p := range r.Parse {
		if p != nil {
			p.bind(step(func(fresh *PipelineResult) Link {
				if i >= len(fresh.Parse) || fresh.Parse[i] == nil {
					return ""
				}
				return fresh.Parse[i].Link()
			}))
		}
	}
	if r.Split != nil {
		r.Split.bind(step(func(fresh *PipelineResult) Link {
			if fresh.Split == nil {
				return ""
			}
			return fresh.Split.content.link
		}))
	}
	if r.Extract != nil {
		r.Extract.bind(step(func(fresh *PipelineResult) Link {
			if fresh.Extract == nil {
				return ""
			}
			return fresh.Extract.Link()
		}))
	}
	for i, e := range r.SplitExtracts {
		if e.Result != nil {
			e.Result.bind(step(func(fresh *PipelineResult) Link {
				if i >= len(fresh.SplitExtracts) || fresh.SplitExtracts[i].Result == nil {
					return ""
				}
				return fresh.SplitExtracts[i].Result.Link()
			}))
		}
	}
}

// resolve downloads splits behind a URL.
func (r *PipelineResult) resolve(ctx context.Context) error {
	if r.Split == nil {
		return nil
	}
	return r.Split.resolve(ctx)
}

func (r *PipelineResult) describe() (responseType, jobID string) { return r.responseType, r.JobID }

// Format prints the response type and the job, with every verb.
func (r *PipelineResult) Format(f fmt.State, _ rune) { printResult(f, r) }

// LogValue logs what Format prints.
func (r *PipelineResult) LogValue() slog.Value { return logPrinted(r) }

// UnmarshalJSON reads the steps in each of their forms.
func (r *PipelineResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r)
}

// pipelineSteps is the result object of a pipeline.
type pipelineSteps struct {
	Parse   any          `json:"parse"`
	Extract any          `json:"extract"`
	Split   *SplitResult `json:"split"`
	Edit    *EditResult  `json:"edit,omitzero"`
	Extra   Extra        `json:"-"`
}

var (
	pipelineFields = jsonread.FieldsOf[PipelineResult]("response_type,omitzero", "result")
	stepFields     = jsonread.FieldsOf[struct {
		Edit *EditResult `json:"edit,omitzero"`
	}]("parse", "extract", "split")
)

func (r *PipelineResult) read(in *jsonread.Reader) {
	for o := in.Object(pipelineFields, r.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			r.responseType = in.String()
		case "job_id":
			r.JobID = in.String()
		case "usage":
			readUsage(in, &r.Usage)
		case "result":
			switch in.Kind() {
			case 'n':
				in.Skip()
			case '{':
				readSteps(in, r)
			default:
				in.Misfit(errors.New("the result of a pipeline is not an object"))
			}
		}
	}
}

func readSteps(r *jsonread.Reader, v *PipelineResult) {
	for o := r.Object(stepFields, v.steps.members()); o.Next(); {
		if r.Kind() == 'n' {
			r.Skip()
			continue
		}
		switch o.Name {
		case "parse":
			if r.Kind() == '{' {
				v.Parse = []*ParseResult{{}}
				v.Parse[0].read(r)
				continue
			}
			v.parseList = true
			v.Parse = readList(r, new(sync.Pool), func(r *jsonread.Reader, p **ParseResult) {
				if r.Kind() != 'n' {
					*p = new(ParseResult)
					(*p).read(r)
					return
				}
				r.Skip()
			})
			for i, p := range v.Parse {
				if p != nil {
					p.document = i
				}
			}
		case "extract":
			if r.Kind() == '{' {
				v.Extract = new(ExtractResult)
				v.Extract.read(r)
				continue
			}
			jsonread.Decode(r, &v.SplitExtracts)
		case "split":
			v.Split = new(SplitResult)
			v.Split.read(r)
		case "edit":
			// The step is optional. If it does not fit, it is kept as an unknown
			// member.
			m := r.Mark()
			v.Edit = new(EditResult)
			if v.Edit.read(r); r.Err() != nil {
				v.Edit = nil
			}
			r.Retry(m)
		}
	}
}

// MarshalJSON writes the steps in the forms in which the service sent them.
func (r *PipelineResult) MarshalJSON() ([]byte, error) {
	inner := pipelineSteps{Split: r.Split, Edit: r.Edit, Extra: r.steps}
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
	return r.encode(r, raw)
}
