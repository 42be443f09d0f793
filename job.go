package reducto

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/redact"
	"github.com/reducto-go/reducto/internal/wireid"
)

// JobStatus is the status of a job. It is an open set. An unknown status is kept
// unchanged and counts as running.
type JobStatus string

// The known statuses.
const (
	JobStatusPending    JobStatus = "Pending"
	JobStatusIdle       JobStatus = "Idle"
	JobStatusInProgress JobStatus = "InProgress"
	JobStatusCompleting JobStatus = "Completing"
	JobStatusCompleted  JobStatus = "Completed"
	JobStatusFailed     JobStatus = "Failed"
	JobStatusCancelled  JobStatus = "Cancelled"
)

// Terminal reports whether the job has ended: it is Completed, Failed or Cancelled.
func (s JobStatus) Terminal() bool {
	return s == JobStatusCompleted || s == JobStatusFailed || s == JobStatusCancelled
}

// JobType is the kind of a job. It is an open set.
type JobType string

// The kinds of job.
const (
	JobTypeParse    JobType = "Parse"
	JobTypeExtract  JobType = "Extract"
	JobTypeSplit    JobType = "Split"
	JobTypeEdit     JobType = "Edit"
	JobTypePipeline JobType = "Pipeline"
	JobTypeClassify JobType = "Classify"
	JobTypeChart    JobType = "Chart"
)

// Job is the state of a job. The optional fields depend on the version of the service
// and on the status.
type Job struct {
	// JobID is the id of the job. The service does not return it, so the client sets
	// it.
	JobID string `json:"job_id,omitzero"`
	// Status is the status of the job.
	Status JobStatus `json:"status"`
	// Result is the result of a completed job; nil otherwise. Switch on its type or use
	// As.
	Result Result `json:"result,omitzero"`
	// Progress is the progress of the job. Do not compute with it: its unit is not
	// documented, and both fractions and percentages occur.
	Progress *float64 `json:"progress,omitzero"`
	// Reason explains to people why the job failed.
	Reason string `json:"reason,omitzero"`
	// Error explains to programs why the job failed. Newer servers only.
	Error *ErrorDetail `json:"error,omitzero"`
	// Type is the kind of job.
	Type JobType `json:"type,omitzero"`
	// NumPages counts the processed pages, TotalPages the pages of the whole document.
	NumPages   *int `json:"num_pages,omitzero"`
	TotalPages *int `json:"total_pages,omitzero"`
	// Source tells how the job was submitted. Its form is not documented.
	Source json.RawMessage `json:"source,omitzero"`
	// Duration is the processing time in seconds.
	Duration *float64 `json:"duration,omitzero"`
	// CreatedAt is the time of the submission, in UTC.
	CreatedAt Time `json:"created_at,omitzero"`
	// RawConfig is the configuration of the job. It can hold the metadata with a webhook
	// secret, so it is not printed.
	RawConfig RawConfig `json:"raw_config,omitzero"`
	// Bucket is the storage of the job's artefacts. Its form is not documented.
	Bucket json.RawMessage `json:"bucket,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// FailureReason returns the best explanation of a failed job: its Reason, or the
// message or name of its Error. It is empty if there is none.
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

// UnmarshalJSON reads a job and decodes its result by its type. It keeps unknown
// members.
func (j *Job) UnmarshalJSON(data []byte) error { return decodeBytes(data, j, readJob) }

// MarshalJSON writes a job, unknown members too.
func (j Job) MarshalJSON() ([]byte, error) { return members.Encode(j) }

var jobFields = jsonread.FieldsOf[Job]()

// readJob reads a job, and its result by its type.
func readJob(r *jsonread.Reader, v *Job) {
	var j Job
	var result resultReader
	for o := r.Object(jobFields, j.Extra.members()); o.Next(); {
		switch o.Name {
		case "job_id":
			j.JobID = r.String()
		case "status":
			j.Status = JobStatus(r.String())
		case "result":
			if result.read(r, j.Type); r.Err() != nil {
				o.Name = "" // the error names the response type instead
			}
		case "progress":
			j.Progress = r.FloatPointer()
		case "reason":
			j.Reason = r.String()
		case "error":
			jsonread.Decode(r, &j.Error)
		case "type":
			j.Type = JobType(r.String())
		case "num_pages":
			j.NumPages = r.IntPointer()
		case "total_pages":
			j.TotalPages = r.IntPointer()
		case "source":
			j.Source = r.Raw()
		case "duration":
			j.Duration = r.FloatPointer()
		case "created_at":
			jsonread.Decode(r, &j.CreatedAt)
		case "raw_config":
			j.RawConfig = RawConfig(r.String())
		case "bucket":
			j.Bucket = r.Raw()
		}
	}
	j.Result = result.finish(r, j.Type)
	if r.Err() == nil {
		*v = j
	}
}

// Format prints the id, the type and the status, with every verb. It never prints
// RawConfig.
func (j Job) Format(f fmt.State, _ rune) { printJob(f, j.JobID, j.Type, j.Status) }

// LogValue logs the id, the status and the type, not the links and RawConfig.
func (j Job) LogValue() slog.Value { return logJob(j.JobID, j.Status, j.Type) }

func printJob(f fmt.State, id string, kind JobType, status JobStatus) {
	_, _ = fmt.Fprintf(f, "job %s (%s): %s", id, kind, status)
}

func logJob(id string, status JobStatus, kind JobType) slog.Value {
	return slog.GroupValue(
		slog.String("job_id", id), slog.String("status", string(status)), slog.String("type", string(kind)))
}

// ErrorDetail describes why a job failed.
type ErrorDetail struct {
	// Code is a number like an HTTP status.
	Code int `json:"code"`
	// Name is the name of the error.
	Name ErrorName `json:"name"`
	// Message explains the error to people.
	Message string `json:"message"`
	// JobID is the id of the job; empty if the service does not send it.
	JobID string `json:"job_id,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// UnmarshalJSON keeps unknown members.
func (e *ErrorDetail) UnmarshalJSON(data []byte) error { return members.Decode(data, e) }

// MarshalJSON writes unknown members too.
func (e ErrorDetail) MarshalJSON() ([]byte, error) { return members.Encode(e) }

// RawConfig is a configuration as JSON text. It can hold secrets, so it prints only
// its length. Convert it to a string to read it.
type RawConfig string

// Format prints the length, with every verb.
func (c RawConfig) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s (%d bytes)", redact.Mark, len(c))
}

// LogValue logs what Format prints.
func (c RawConfig) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// GetJob returns the current state of a job, with its result if it is completed. For
// a failed job it returns no error: check its Status. The error matches ErrNotFound
// for an unknown id and ErrDeleted for a deleted job.
func (c *Client) GetJob(ctx context.Context, jobID string) (*Job, error) {
	r, job, err := c.jobCall("GetJob", jobID)
	if err != nil {
		return nil, err
	}
	if err := c.do(ctx, r); err != nil {
		return nil, err
	}
	return c.received(ctx, job, jobID)
}

// jobCall returns the request for a job, and the Job that receives its answer.
func (c *Client) jobCall(op, jobID string) (*call, *Job, error) {
	if err := checkJobID(op, jobID); err != nil {
		return nil, nil, err
	}
	job := new(Job)
	return &call{
		op: op, job: jobID, method: http.MethodGet, path: "/job/" + url.PathEscape(jobID),
		safe: true, timeout: c.cfg.timeout,
		read: func(a *answer) error {
			*job = Job{}
			err := readAnswer(a, notExpected, func(r *jsonread.Reader) { readJob(r, job) })
			if err != nil {
				return err
			}
			if job.Status == "" {
				return &badAnswer{reason: "the body is no job: it has no status"}
			}
			return nil
		},
	}, job, nil
}

// received completes a job that was read. It sets the id, which the answer lacks, and
// downloads small results behind a URL.
func (c *Client) received(ctx context.Context, job *Job, jobID string) (*Job, error) {
	job.JobID = jobID
	if job.Result == nil {
		return job, nil
	}
	job.Result.bind(source{client: c, jobID: jobID})
	if r, ok := job.Result.(interface{ resolve(context.Context) error }); ok {
		if err := r.resolve(ctx); err != nil {
			return nil, err
		}
	}
	return job, nil
}

// CancelJob requests the cancellation of a job. For a job that has ended it does
// nothing and returns no error.
func (c *Client) CancelJob(ctx context.Context, jobID string) error {
	if err := checkJobID("CancelJob", jobID); err != nil {
		return err
	}
	return c.do(ctx, &call{
		op: "CancelJob", job: jobID, method: http.MethodPost, path: "/cancel/" + url.PathEscape(jobID),
		safe: true, timeout: c.cfg.timeout, read: readJSON(nil),
	})
}

// DeleteJob deletes a job and its artefacts. The service deletes in the background.
// After that, requests for the job fail with ErrDeleted. Persisted results are deleted
// only if includePersisted is true. Newer servers only.
func (c *Client) DeleteJob(ctx context.Context, jobID string, includePersisted bool) error {
	if err := checkJobID("DeleteJob", jobID); err != nil {
		return err
	}
	query := url.Values{}
	if includePersisted {
		query.Set("include_persisted", "true")
	}
	return c.do(ctx, &call{
		op: "DeleteJob", job: jobID, method: http.MethodDelete, path: "/job/" + url.PathEscape(jobID), query: query.Encode(),
		safe: true, timeout: c.cfg.timeout, read: readJSON(nil),
	})
}

// checkJobID refuses an id that could change the path of a request.
func checkJobID(op, id string) error {
	if wrong := wireid.Check(id); wrong != "" {
		return &RequestError{Op: op, Field: "job id", Reason: "the id " + wrong + ": use the id that the submission returned"}
	}
	return nil
}
