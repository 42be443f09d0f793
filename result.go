package reducto

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// Result is what a completed job produced: a *ParseResult, *ExtractResult,
// *SplitResult, *PipelineResult, *EditResult, *ClassifyResult, *ChartResult, or an
// *UnknownResult for what this version of the library does not know. The set is
// closed: no type outside this package is a Result.
type Result interface {
	// ResponseType is the service's name for the form of the result: parse, extract,
	// v3_extract, split, pipeline, edit, classify or chart. Results stored before
	// the service sent that name have the one that their form implies.
	ResponseType() string

	// bind tells the result through which client and job a link is renewed.
	bind(source)
}

// UnknownResult is a result of a type that this version of the library does not
// know.
type UnknownResult struct {
	// Raw is the result as it came.
	Raw json.RawMessage

	responseType string
}

// ResponseType is the name that the service gave, empty if it gave none.
func (r *UnknownResult) ResponseType() string { return r.responseType }

// UnmarshalJSON keeps the result as it is.
func (r *UnknownResult) UnmarshalJSON(data []byte) error {
	if members.IsNull(data) {
		return nil
	}
	r.Raw = append(json.RawMessage(nil), data...)
	r.responseType, _ = text(object(data)["response_type"])
	return nil
}

func readUnknown(r *jsonread.Reader, v *UnknownResult) {
	if raw := r.Raw(); r.Err() == nil {
		_ = v.UnmarshalJSON(raw)
	}
}

// MarshalJSON writes the result as it came.
func (r *UnknownResult) MarshalJSON() ([]byte, error) {
	if r.Raw == nil {
		return []byte("null"), nil
	}
	return r.Raw, nil
}

func (r *UnknownResult) bind(source) {}

// The names that response_type is known to have.
const (
	responseParse     = "parse"
	responseExtract   = "extract"
	responseV3Extract = "v3_extract"
	responseSplit     = "split"
	responsePipeline  = "pipeline"
	responseEdit      = "edit"
	responseClassify  = "classify"
	responseChart     = "chart"
)

// typeOfJob has the response type that a kind of job implies. Extract has two,
// which tell themselves apart by their members.
var typeOfJob = map[JobType]string{
	JobParse:    responseParse,
	JobExtract:  responseExtract,
	JobSplit:    responseSplit,
	JobPipeline: responsePipeline,
	JobEdit:     responseEdit,
	JobClassify: responseClassify,
	JobChart:    responseChart,
}

// decodeResult reads a result of the type that response_type names; without one,
// of the job's type; without that, of the type that its members imply. It never
// tries a type to see whether it fits.
func decodeResult(raw json.RawMessage, job JobType) (Result, error) {
	if members.IsNull(raw) {
		return nil, nil
	}
	name := ""
	top := object(raw)
	switch {
	case top == nil:
	case members.Kind(top["response_type"]) == '"':
		name, _ = text(top["response_type"])
	case typeOfJob[job] != "":
		name = typeOfJob[job]
	case job == "":
		name = impliedType(top)
	}
	result := newResult(name)
	r := jsonread.FromBytes(raw)
	readInto(r, result)
	r.Label(typeLabel(name))
	return result, r.Err()
}

func newResult(name string) Result {
	switch name {
	case responseParse:
		return new(ParseResult)
	case responseExtract, responseV3Extract:
		return new(ExtractResult)
	case responseSplit:
		return new(SplitResult)
	case responsePipeline:
		return new(PipelineResult)
	case responseEdit:
		return new(EditResult)
	case responseClassify:
		return new(ClassifyResult)
	case responseChart:
		return new(ChartResult)
	}
	return new(UnknownResult)
}

// impliedType tells results without any name apart by members that only they
// have.
func impliedType(top map[string]json.RawMessage) string {
	inner, hasResult := top["result"]
	if _, edited := top["document_url"]; edited && !hasResult {
		return responseEdit
	}
	if !hasResult {
		return ""
	}
	in := object(inner)
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := in[name]; !ok {
				return false
			}
		}
		return true
	}
	kind, _ := text(in["type"])
	_, used := top["usage"]
	_, fields := object(top["usage"])["num_fields"]
	_, citations := top["citations"]
	switch {
	case fields, citations, members.Kind(inner) == '[':
		return responseExtract // whatever members the user's own schema has
	case isLink(in):
		// Every type of result can lie behind a URL; of those without a name, only parse
		// had a duration.
		if top["duration"] != nil {
			return responseParse
		}
		return ""
	case kind == "full" && has("chunks"), members.Kind(in["chunks"]) == '[':
		return responseParse
	case members.Kind(in["splits"]) == '[':
		return responseSplit
	case has("parse", "extract", "split"):
		return responsePipeline
	case members.Kind(in["category"]) == '"' && (len(in) == 1 || !used):
		return responseClassify // every extraction says what it used
	case has("chart_data"):
		return responseChart
	}
	return responseExtract
}

// isLink tells a result that lies behind a URL from a user's data that happens to
// have a member called type.
func isLink(in map[string]json.RawMessage) bool {
	kind, _ := text(in["type"])
	_, hasID := in["result_id"]
	return kind == "url" && members.Kind(in["url"]) == '"' && hasID
}

// source is where a result came from: what is needed to download what lies behind
// a link, and to renew the link.
type source struct {
	client *Client
	jobID  string
	// link finds the link of the same result in a job that was fetched again.
	link func(*Job) (Link, bool)
}

// As is a completed job's result as the type R. It returns a *JobError for a job
// that failed or was cancelled, and a *ResultTypeError for a result of another
// type or none. As[reducto.Result] takes any result.
func As[R Result](job *Job) (R, error) {
	var zero R
	if job == nil {
		return zero, &RequestError{Op: "As", Field: "job", Reason: "it is nil"}
	}
	if job.Status == StatusFailed || job.Status == StatusCancelled {
		return zero, &JobError{Job: job}
	}
	r, ok := job.Result.(R)
	if ok {
		return r, nil
	}
	got := ""
	if job.Result != nil {
		got = fmt.Sprintf("%T", job.Result)
		if u, unknown := job.Result.(*UnknownResult); unknown && u.responseType != "" {
			got += fmt.Sprintf(" (%q)", u.responseType)
		}
	} else if !job.Status.Terminal() {
		return zero, &WaitError{JobID: job.ID, Last: job, Err: errNotEnded}
	}
	return zero, &ResultTypeError{JobID: job.ID, Want: reflect.TypeFor[R]().String(), Got: got}
}

// UnmarshalJSON reads a job, its result by its type. Unknown members are kept.
func (j *Job) UnmarshalJSON(data []byte) error { return decodeBytes(data, j, readJob) }

// MarshalJSON writes a job, unknown members too.
func (j Job) MarshalJSON() ([]byte, error) { return members.Encode(j) }
