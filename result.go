package reducto

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// Result is the result of a completed job: a *ParseResult, *ExtractResult,
// *SplitResult, *PipelineResult, *EditResult, *ClassifyResult or *ChartResult. A
// result that this version of the library does not know is an *UnknownResult. No
// type outside this package implements Result.
type Result interface {
	// ResponseType returns the service's name for the form of the result: parse,
	// extract, v3_extract, split, pipeline, edit, classify or chart. For an old result
	// without that name it returns the name that its form implies.
	ResponseType() string

	// describe returns the response type as it came, which may be empty, and the job.
	describe() (responseType, jobID string)
	// read reads the result. It leaves an error in the Reader.
	read(*jsonread.Reader)
	// bind tells the result from which client and job it came.
	bind(source)
}

// resultTypes is the registry of results. To add one, write its type in a file of
// its own and add a line here.
var resultTypes = []struct {
	responseType string
	job          JobType // implies the response type of a result without one
	new          func() Result
}{
	{responseParse, JobTypeParse, func() Result { return new(ParseResult) }},
	{responseExtract, JobTypeExtract, func() Result { return new(ExtractResult) }},
	{responseV3Extract, "", func() Result { return new(ExtractResult) }},
	{responseSplit, JobTypeSplit, func() Result { return new(SplitResult) }},
	{responsePipeline, JobTypePipeline, func() Result { return new(PipelineResult) }},
	{responseEdit, JobTypeEdit, func() Result { return new(EditResult) }},
	{responseClassify, JobTypeClassify, func() Result { return new(ClassifyResult) }},
	{responseChart, JobTypeChart, func() Result { return new(ChartResult) }},
}

// The known values of response_type.
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

// newResult returns an empty result of the given response type.
func newResult(responseType string) Result {
	for _, t := range resultTypes {
		if t.responseType == responseType {
			return t.new()
		}
	}
	return new(UnknownResult)
}

// typeOfJob returns the response type that a job type implies; empty if none.
// Extract jobs have two, which their members tell apart.
func typeOfJob(job JobType) string {
	for _, t := range resultTypes {
		if t.job == job && job != "" {
			return t.responseType
		}
	}
	return ""
}

// resultBase holds the fields of every result. Results embed it.
type resultBase struct {
	responseType string // as it came; empty if there was none
	src          source
}

func (b *resultBase) bind(s source) { b.src = s }

// encode writes the result v: its response type, its result member, its fields.
func (b *resultBase) encode(v any, result json.RawMessage, more ...members.Member) ([]byte, error) {
	return members.Encode(v, append([]members.Member{
		{Name: "response_type", Value: quoteOrNone(b.responseType)},
		{Name: "result", Value: result},
	}, more...)...)
}

// UnknownResult is a result of a type that this version of the library does not know.
type UnknownResult struct {
	resultBase

	// Raw is the result as it came.
	Raw json.RawMessage
}

// ResponseType returns the response type that the service gave; empty if none.
func (r *UnknownResult) ResponseType() string { return r.responseType }

func (r *UnknownResult) describe() (responseType, jobID string) {
	jobID, _ = text(object(r.Raw)["job_id"])
	return r.responseType, jobID
}

func (r *UnknownResult) read(reader *jsonread.Reader) {
	if raw := reader.Raw(); reader.Err() == nil {
		_ = r.UnmarshalJSON(raw)
	}
}

// UnmarshalJSON keeps the result as it is.
func (r *UnknownResult) UnmarshalJSON(data []byte) error {
	if members.IsNull(data) {
		return nil
	}
	r.Raw = append(json.RawMessage(nil), data...)
	r.responseType, _ = text(object(data)["response_type"])
	return nil
}

// MarshalJSON writes the result as it came.
func (r *UnknownResult) MarshalJSON() ([]byte, error) {
	if r.Raw == nil {
		return []byte("null"), nil
	}
	return r.Raw, nil
}

// Format prints the response type, with every verb.
func (r *UnknownResult) Format(f fmt.State, _ rune) { printResult(f, r) }

// LogValue logs what Format prints.
func (r *UnknownResult) LogValue() slog.Value { return logPrinted(r) }

// As returns the result of a completed job as type R. It returns a *JobError for a
// job that failed or was cancelled, and a *ResultTypeError for a result of another
// type or none. As[reducto.Result] accepts any result.
func As[R Result](job *Job) (R, error) {
	var zero R
	if job == nil {
		return zero, &RequestError{Op: "As", Field: "job", Reason: "it is nil"}
	}
	if job.Status == JobStatusFailed || job.Status == JobStatusCancelled {
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
		return zero, &WaitError{JobID: job.JobID, Last: job, Err: errNotEnded}
	}
	return zero, &ResultTypeError{JobID: job.JobID, Want: reflect.TypeFor[R]().String(), Got: got}
}

var errNotEnded = errors.New("the job has not ended")
