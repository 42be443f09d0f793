package reducto

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/reducto-go/reducto/internal/redact"
	"github.com/reducto-go/reducto/internal/wireid"
)

// JobStatus is where a job stands. It is an open set: a status that is not among
// the constants is kept as it came, and counts as still running.
type JobStatus string

// The statuses that the service is known to give.
const (
	StatusPending    JobStatus = "Pending"
	StatusIdle       JobStatus = "Idle"
	StatusInProgress JobStatus = "InProgress"
	StatusCompleting JobStatus = "Completing"
	StatusCompleted  JobStatus = "Completed"
	StatusFailed     JobStatus = "Failed"
	StatusCancelled  JobStatus = "Cancelled"
)

// Terminal reports whether the job has ended: Completed, Failed or Cancelled.
func (s JobStatus) Terminal() bool {
	return s == StatusCompleted || s == StatusFailed || s == StatusCancelled
}

// JobType is the kind of a job. It is an open set.
type JobType string

// The kinds of job.
const (
	JobParse    JobType = "Parse"
	JobExtract  JobType = "Extract"
	JobSplit    JobType = "Split"
	JobEdit     JobType = "Edit"
	JobPipeline JobType = "Pipeline"
	JobClassify JobType = "Classify"
	JobChart    JobType = "Chart"
)

// Job is a job as GET /job describes it. Which of the optional fields are there
// depends on the service's version and on the job's state.
type Job struct {
	// ID is the job's id. The service's answer does not repeat it: it is the id that
	// was asked for.
	ID string `json:"job_id,omitzero"`
	// Status is where the job stands.
	Status JobStatus `json:"status"`
	// Result is what a completed job produced; nil otherwise. Switch on its type, or
	// use As.
	Result Result `json:"result,omitzero"`
	// Progress is how far the job is. The service does not document its unit
	// (fractions and percentages have both been seen), so do not compute with it.
	Progress *float64 `json:"progress,omitzero"`
	// Reason is why the job failed, for people.
	Reason string `json:"reason,omitzero"`
	// Error is why the job failed, for programs. Newer servers only.
	Error *ErrorDetail `json:"error,omitzero"`
	// Type is the kind of job.
	Type JobType `json:"type,omitzero"`
	// NumPages and TotalPages count the pages processed and the document's pages.
	NumPages   *int `json:"num_pages,omitzero"`
	TotalPages *int `json:"total_pages,omitzero"`
	// Source is what the job was submitted through; its form is not documented.
	Source json.RawMessage `json:"source,omitzero"`
	// Duration is the processing time in seconds.
	Duration *float64 `json:"duration,omitzero"`
	// CreatedAt is when the job was submitted, in UTC.
	CreatedAt Time `json:"created_at,omitzero"`
	// RawConfig is the configuration that the job was submitted with. It can hold
	// the metadata, and so a webhook secret: it is not printed.
	RawConfig RawConfig `json:"raw_config,omitzero"`
	// Bucket is where the job's artefacts lie; its form is not documented.
	Bucket json.RawMessage `json:"bucket,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// FailureReason is the best explanation that a job which failed has: its Reason,
// or its Error's message; empty if it has neither.
func (j *Job) FailureReason() string {
	switch {
	case j.Reason != "":
		return j.Reason
	case j.Error != nil && j.Error.Message != "":
		return j.Error.Message
	case j.Error != nil:
		return string(j.Error.Name)
	}
	return ""
}

// ErrorDetail is the service's account of a failed job.
type ErrorDetail struct {
	// Code is an HTTP-like status.
	Code int `json:"code"`
	// Name is the kind of error.
	Name ErrorName `json:"name"`
	// Message explains it, for people.
	Message string `json:"message"`
	// JobID is the job, where it is named.
	JobID string `json:"job_id,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// RawConfig is a configuration as JSON text, which can hold secrets: it prints
// as its length alone. Convert it to a string to read it.
type RawConfig string

// Format prints the length, with every verb.
func (c RawConfig) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s (%d bytes)", redact.Mark, len(c))
}

// LogValue logs what Format prints.
func (c RawConfig) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Link is a presigned URL: whoever has it may read what it points to, for as
// long as it is valid (the service names times between one hour and twelve). It
// prints without its query. Convert it to a string to use it.
type Link string

// Format prints the URL without its query, with every verb.
func (l Link) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.URL(string(l))) }

// LogValue logs what Format prints.
func (l Link) LogValue() slog.Value { return slog.StringValue(redact.URL(string(l))) }

// checkJobID refuses an id that could change the URL it is put into.
func checkJobID(op, id string) error {
	if wrong := wireid.Check(id); wrong != "" {
		return &RequestError{Op: op, Field: "job id", Reason: "the id " + wrong + ": use the id that the submission returned"}
	}
	return nil
}
