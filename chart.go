package reducto

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/reducto-go/reducto/internal/jsonread"
)

// ChartResult holds the data of a chart. Its form is not documented.
type ChartResult struct {
	// JobID is the id of the job.
	JobID string `json:"job_id,omitzero"`
	// Duration is the processing time in seconds; nil if unknown.
	Duration *float64 `json:"duration,omitzero"`
	// Result is the data, in the member chart_data.
	Result json.RawMessage `json:"result,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	resultBase
}

// ResponseType returns "chart".
func (r *ChartResult) ResponseType() string { return responseChart }

func (r *ChartResult) describe() (responseType, jobID string) { return r.responseType, r.JobID }

// Format prints the response type and the job, with every verb.
func (r *ChartResult) Format(f fmt.State, _ rune) { printResult(f, r) }

// LogValue logs what Format prints.
func (r *ChartResult) LogValue() slog.Value { return logPrinted(r) }

// UnmarshalJSON keeps unknown members.
func (r *ChartResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r)
}

// MarshalJSON writes unknown members too.
func (r *ChartResult) MarshalJSON() ([]byte, error) {
	return r.encode(r, nil)
}

var chartFields = jsonread.FieldsOf[ChartResult]("response_type,omitzero")

func (r *ChartResult) read(in *jsonread.Reader) {
	for o := in.Object(chartFields, r.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			r.responseType = in.String()
		case "job_id":
			r.JobID = in.String()
		case "duration":
			r.Duration = in.FloatPointer()
		case "result":
			r.Result = in.Raw()
		}
	}
}
