package reducto

import (
	"fmt"
	"io"
	"log/slog"
)

// fmt would print the unexported fields of a result, and slog write it as JSON:
// both would show presigned URLs and the document. So a result prints and logs as
// its type and job only.
func printResult(f fmt.State, r Result, jobID string) {
	name := r.ResponseType()
	if name == "" {
		name = "unknown"
	}
	_, _ = io.WriteString(f, name+" result")
	if jobID != "" {
		_, _ = io.WriteString(f, " of job "+jobID)
	}
}

// Format prints the type and the job, with every verb.
func (r *ParseResult) Format(f fmt.State, _ rune) { printResult(f, r, r.jobID()) }

// Format prints the type and the job, with every verb.
func (r *ExtractResult) Format(f fmt.State, _ rune) { printResult(f, r, r.JobID) }

// Format prints the type and the job, with every verb.
func (r SplitResult) Format(f fmt.State, _ rune) { printResult(f, &r, r.JobID) }

// Format prints the type and the job, with every verb.
func (r *PipelineResult) Format(f fmt.State, _ rune) { printResult(f, r, r.JobID) }

// Format prints the type and the job, with every verb.
func (r *EditResult) Format(f fmt.State, _ rune) { printResult(f, r, r.JobID) }

// Format prints the type and the job, with every verb.
func (r ClassifyResult) Format(f fmt.State, _ rune) { printResult(f, &r, r.JobID) }

// Format prints the type and the job, with every verb.
func (r *ChartResult) Format(f fmt.State, _ rune) { printResult(f, r, r.JobID) }

// Format prints the type, with every verb.
func (r *UnknownResult) Format(f fmt.State, _ rune) { printResult(f, r, "") }

// LogValue logs what Format prints.
func (r *ParseResult) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// LogValue logs what Format prints.
func (r *ExtractResult) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// LogValue logs what Format prints.
func (r *SplitResult) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// LogValue logs what Format prints.
func (r *PipelineResult) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// LogValue logs what Format prints.
func (r *EditResult) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// LogValue logs what Format prints.
func (r *ClassifyResult) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// LogValue logs what Format prints.
func (r *ChartResult) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// LogValue logs what Format prints.
func (r *UnknownResult) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// Format prints the id, the type and the status, with every verb: fmt asks no
// method of a field's where a verb does not fit, and would show RawConfig.
func (j Job) Format(f fmt.State, _ rune) { printJob(f, j.ID, j.Type, j.Status) }

// Format prints the id, the type and the status, with every verb.
func (j JobSummary) Format(f fmt.State, _ rune) { printJob(f, j.ID, j.Type, j.Status) }

func printJob(f fmt.State, id string, kind JobType, status JobStatus) {
	_, _ = fmt.Fprintf(f, "job %s (%s): %s", id, kind, status)
}

// LogValue logs the id, the status and the type: as JSON, a job would show its
// links and its RawConfig.
func (j Job) LogValue() slog.Value { return logJob(j.ID, j.Status, j.Type) }

// LogValue logs the id, the status and the type.
func (j JobSummary) LogValue() slog.Value { return logJob(j.ID, j.Status, j.Type) }

func logJob(id string, status JobStatus, kind JobType) slog.Value {
	return slog.GroupValue(
		slog.String("job_id", id), slog.String("status", string(status)), slog.String("type", string(kind)))
}
