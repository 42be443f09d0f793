package reducto

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"github.com/reducto-go/reducto/internal/members"
)

// JobSummary is a job in the list of jobs.
type JobSummary struct {
	// JobID is the job's id.
	JobID string `json:"job_id"`
	// Status is the status of the job.
	Status JobStatus `json:"status"`
	// Type is the kind of job.
	Type JobType `json:"type"`
	// RawConfig is the configuration of the job; empty if it was excluded. It can hold
	// the metadata with a webhook secret, so it is not printed.
	RawConfig RawConfig `json:"raw_config,omitzero"`
	// CreatedAt is the time of the submission, in UTC.
	CreatedAt Time `json:"created_at,omitzero"`
	// Source tells how the job was submitted. Its form is not documented.
	Source json.RawMessage `json:"source,omitzero"`
	// NumPages counts the processed pages, TotalPages the pages of the whole document.
	NumPages   *int `json:"num_pages,omitzero"`
	TotalPages *int `json:"total_pages,omitzero"`
	// Duration is the processing time in seconds.
	Duration *float64 `json:"duration,omitzero"`
	// Bucket is the storage of the job's artefacts. Its form is not documented.
	Bucket json.RawMessage `json:"bucket,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// UnmarshalJSON keeps unknown members.
func (j *JobSummary) UnmarshalJSON(data []byte) error { return members.Decode(data, j) }

// MarshalJSON writes unknown members too.
func (j JobSummary) MarshalJSON() ([]byte, error) { return members.Encode(j) }

// Format prints the id, the type and the status, with every verb.
func (j JobSummary) Format(f fmt.State, _ rune) { printJob(f, j.JobID, j.Type, j.Status) }

// LogValue logs the id, the status and the type.
func (j JobSummary) LogValue() slog.Value { return logJob(j.JobID, j.Status, j.Type) }

// job converts the summary of a running job.
func (j *JobSummary) job() *Job {
	return &Job{
		JobID: j.JobID, Status: j.Status, Type: j.Type, CreatedAt: j.CreatedAt, Source: j.Source,
		NumPages: j.NumPages, TotalPages: j.TotalPages, Duration: j.Duration, Bucket: j.Bucket,
	}
}

// JobPage is a page of the list of jobs.
type JobPage struct {
	// Jobs are the page's jobs.
	Jobs []JobSummary `json:"jobs"`
	// NextCursor is the cursor of the next page; empty at the end.
	NextCursor string `json:"next_cursor,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// UnmarshalJSON keeps unknown members.
func (p *JobPage) UnmarshalJSON(data []byte) error { return members.Decode(data, p) }

// MarshalJSON writes unknown members too.
func (p JobPage) MarshalJSON() ([]byte, error) { return members.Encode(p) }

// MaxJobsPerPage is the maximum size of a page.
const MaxJobsPerPage = 500

// ListJobsOptions are the options of ListJobs and Jobs.
type ListJobsOptions struct {
	// Cursor selects the page: the NextCursor of a JobPage. Default: the first page.
	Cursor string
	// Limit is the maximum number of jobs on a page, from 1 to 500. Default: 100.
	Limit int
	// ExcludeConfigs omits RawConfig, for a smaller answer. Default: false.
	ExcludeConfigs bool
}

// ListJobs returns one page of the account's jobs.
func (c *Client) ListJobs(ctx context.Context, o ListJobsOptions) (*JobPage, error) {
	r, page, err := c.listCall("ListJobs", o)
	if err != nil {
		return nil, err
	}
	if err := c.do(ctx, r); err != nil {
		return nil, err
	}
	return page, nil
}

func (c *Client) listCall(op string, o ListJobsOptions) (*call, *JobPage, error) {
	if o.Limit < 0 || o.Limit > MaxJobsPerPage {
		return nil, nil, &RequestError{Op: op, Field: "Limit", Reason: fmt.Sprintf("%d is not between 1 and %d", o.Limit, MaxJobsPerPage)}
	}
	query := url.Values{}
	if o.Cursor != "" {
		query.Set("cursor", o.Cursor)
	}
	if o.Limit > 0 {
		query.Set("limit", strconv.Itoa(o.Limit))
	}
	if o.ExcludeConfigs {
		query.Set("exclude_configs", "true")
	}
	page := new(JobPage)
	return &call{
		op: op, method: http.MethodGet, path: "/jobs", query: query.Encode(),
		safe: true, timeout: c.cfg.timeout,
		read: func(a *answer) error {
			*page = JobPage{}
			return readJSON(page)(a)
		},
	}, page, nil
}

// Jobs yields the account's jobs from all pages, starting at o.Cursor. You can range
// over it more than once. An error ends the loop.
func (c *Client) Jobs(ctx context.Context, o ListJobsOptions) iter.Seq2[*JobSummary, error] {
	return func(yield func(*JobSummary, error) bool) {
		o := o // each range has its own cursor
		for {
			page, err := c.ListJobs(ctx, o)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Jobs {
				if !yield(&page.Jobs[i], nil) {
					return
				}
			}
			switch page.NextCursor {
			case "":
				return
			case o.Cursor:
				yield(nil, fmt.Errorf("reducto: the list of jobs does not end: a page has its own cursor as the next one"))
				return
			}
			o.Cursor = page.NextCursor
		}
	}
}
