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

// MarshalJSON writes the result as it came.
func (r *UnknownResult) MarshalJSON() ([]byte, error) {
	if r.Raw == nil {
		return []byte("null"), nil
	}
	return r.Raw, nil
}

func (r *UnknownResult) bind(source) {}

// Format prints the type, with every verb.
func (r *UnknownResult) Format(f fmt.State, _ rune) { printResult(f, r, "") }

// LogValue logs what Format prints.
func (r *UnknownResult) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

func readUnknown(r *jsonread.Reader, v *UnknownResult) {
	if raw := r.Raw(); r.Err() == nil {
		_ = v.UnmarshalJSON(raw)
	}
}

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

// readInto reads a result of the type that it has.
func readInto(r *jsonread.Reader, result Result) {
	switch v := result.(type) {
	case *ParseResult:
		readParse(r, v)
	case *ExtractResult:
		readExtract(r, v)
	case *SplitResult:
		readSplit(r, v)
	case *PipelineResult:
		readPipeline(r, v)
	case *EditResult:
		readEdit(r, v)
	case *ClassifyResult:
		readClassify(r, v)
	case *ChartResult:
		readChart(r, v)
	case *UnknownResult:
		readUnknown(r, v)
	}
}

// described is what every result says of itself: its name, as it came, and its job.
func described(result Result) (responseType, jobID string) {
	switch v := result.(type) {
	case *ParseResult:
		return v.responseType, v.JobID
	case *ExtractResult:
		return v.responseType, v.JobID
	case *SplitResult:
		return v.responseType, v.JobID
	case *PipelineResult:
		return v.responseType, v.JobID
	case *EditResult:
		return v.responseType, v.JobID
	case *ClassifyResult:
		return v.responseType, v.JobID
	case *ChartResult:
		return v.responseType, v.JobID
	case *UnknownResult:
		jobID, _ = text(object(v.Raw)["job_id"])
		return v.responseType, jobID
	}
	return "", ""
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

var errNotEnded = errors.New("the job has not ended")
