package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
)

type jobsCmd struct {
	List   jobsListCmd   `cmd:"" help:"List the account's jobs."`
	Get    jobsGetCmd    `cmd:"" help:"Show a job, or its result."`
	Wait   jobsWaitCmd   `cmd:"" help:"Wait until jobs end."`
	Cancel jobsCancelCmd `cmd:"" help:"Cancel jobs."`
}

// job is a job as --json prints it. The configuration is left out, because it can have the
// webhook's secret.
type job struct {
	JobID      string            `json:"job_id"`
	Type       reducto.JobType   `json:"type,omitzero"`
	Status     reducto.JobStatus `json:"status"`
	CreatedAt  time.Time         `json:"created_at,omitzero"`
	Duration   *float64          `json:"duration,omitzero"`
	NumPages   *int              `json:"num_pages,omitzero"`
	TotalPages *int              `json:"total_pages,omitzero"`
	Reason     string            `json:"reason,omitzero"`
	ErrorName  reducto.ErrorName `json:"error_name,omitzero"`
	ResultType string            `json:"result_type,omitzero"`
	Error      string            `json:"error,omitzero"`
}

func newJob(j *reducto.Job) job {
	out := job{
		JobID: j.JobID, Type: j.Type, Status: j.Status, CreatedAt: j.CreatedAt.Time, Duration: j.Duration,
		NumPages: j.NumPages, TotalPages: j.TotalPages, Reason: j.FailureReason(),
	}
	if j.Error != nil {
		out.ErrorName = j.Error.Name
	}
	if j.Result != nil {
		out.ResultType = j.Result.ResponseType()
	}
	return out
}

func (j job) pages() string {
	switch {
	case j.NumPages == nil:
		return ""
	case j.TotalPages == nil || *j.TotalPages == *j.NumPages:
		return strconv.Itoa(*j.NumPages)
	}
	return fmt.Sprintf("%d/%d", *j.NumPages, *j.TotalPages)
}

func (j job) took() string {
	if j.Duration == nil {
		return ""
	}
	return strconv.FormatFloat(*j.Duration, 'f', 1, 64) + "s"
}

type jobsListCmd struct {
	Limit  int    `short:"n" default:"50" help:"The most jobs to print, 0 for all."`
	Status string `help:"Only jobs with this status, such as Failed."`
	Type   string `help:"Only jobs of this type, such as Parse."`
}

// Help implements kong.HelpProvider.
func (jobsListCmd) Help() string {
	return `The key of an account shows the jobs of all its users, in the API's order.

Examples:

    reducto-hooks jobs list
    reducto-hooks jobs list --status Failed --limit 0
    reducto-hooks jobs list --json | jq -r .job_id`
}

func (c *jobsListCmd) Run(ctx context.Context, u *ui) error {
	client, err := connect(u)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	page := reducto.MaxJobsPerPage
	if c.Limit > 0 && c.Status == "" && c.Type == "" {
		page = min(page, c.Limit)
	}
	out, n := u.rows("JOB", "TYPE", "STATUS", "PAGES", "TIME", "SUBMITTED"), 0
	for s, err := range client.Jobs(ctx, reducto.ListJobsOptions{Limit: page, ExcludeConfigs: true}) {
		if err != nil {
			return errors.Join(out.flush(""), err)
		}
		if c.Status != "" && !strings.EqualFold(c.Status, string(s.Status)) || c.Type != "" && !strings.EqualFold(c.Type, string(s.Type)) {
			continue
		}
		j := job{JobID: s.JobID, Type: s.Type, Status: s.Status, CreatedAt: s.CreatedAt.Time, Duration: s.Duration, NumPages: s.NumPages, TotalPages: s.TotalPages}
		if err := out.add(j, j.JobID, string(j.Type), string(j.Status), j.pages(), j.took(), u.when(j.CreatedAt)); err != nil {
			return err
		}
		if n++; n == c.Limit {
			break
		}
	}
	return out.flush("no jobs")
}

type jobsGetCmd struct {
	ID     string `arg:"" help:"The id of the job."`
	Result bool   `help:"Print the result as JSON instead."`
}

// Help implements kong.HelpProvider.
func (jobsGetCmd) Help() string {
	return `Examples:

    reducto-hooks jobs get ID
    reducto-hooks jobs get ID --result | jq .result.chunks`
}

func (c *jobsGetCmd) Run(ctx context.Context, u *ui) error {
	client, err := connect(u)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	got, err := client.GetJob(ctx, c.ID)
	if err != nil {
		return err
	}
	if !c.Result {
		j := newJob(got)
		return u.describe(j,
			field{"job", j.JobID}, field{"type", string(j.Type)}, field{"status", string(j.Status)},
			field{"pages", j.pages()}, field{"submitted", u.when(j.CreatedAt)}, field{"time", j.took()},
			field{"result", j.ResultType}, field{"reason", j.Reason}, field{"error", string(j.ErrorName)})
	}
	if got.Result == nil {
		return noResult(got)
	}
	if result, ok := got.Result.(*reducto.ParseResult); ok {
		if _, err := result.Load(ctx); err != nil { // it can lie behind a URL
			return err
		}
	}
	return u.object(got.Result)
}

// noResult returns the error for a job without a result.
func noResult(j *reducto.Job) error {
	switch j.Status {
	case reducto.JobStatusFailed, reducto.JobStatusCancelled:
		return &reducto.JobError{Job: j}
	case reducto.JobStatusCompleted:
		return &exitError{exitNotFound, fmt.Errorf("job %s has no result any more", j.JobID)}
	}
	return fmt.Errorf("job %s is %s: run reducto-hooks jobs wait %s first", j.JobID, j.Status, j.JobID)
}

type jobsWaitCmd struct {
	IDs     []string      `arg:"" name:"id" help:"The ids of the jobs."`
	Timeout time.Duration `help:"How long to wait (default: without limit)."`
}

// Help implements kong.HelpProvider.
func (jobsWaitCmd) Help() string {
	return `It prints each job when it ends. The exit status is 3 if one failed or was cancelled.

Examples:

    reducto-hooks jobs wait ID
    reducto-hooks jobs wait ID1 ID2 --timeout 10m && echo all completed`
}

func (c *jobsWaitCmd) Run(ctx context.Context, u *ui) error {
	client, err := connect(u)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if c.Timeout > 0 {
		waiting, cancel = context.WithTimeout(ctx, c.Timeout)
	}
	defer cancel()
	slices.Sort(c.IDs)
	c.IDs = slices.Compact(c.IDs) // repeated ids are waited for once
	out, bar := u.rows("JOB", "TYPE", "STATUS", "PAGES", "TIME", "REASON"), u.bar("waiting", len(c.IDs))
	defer bar.close()
	var running []string
	var failed, broken error
	for got, err := range client.WaitEach(waiting, c.IDs) {
		_, jobFailed := errors.AsType[*reducto.JobError](err)
		_, stopped := errors.AsType[*reducto.WaitError](err)
		bar.add()
		switch {
		case jobFailed:
			failed = err
		case stopped:
			running = append(running, got.JobID)
			continue
		case err != nil:
			broken = err
		}
		j := newJob(got)
		if err != nil && !jobFailed {
			j.Error = err.Error()
		}
		if err := out.add(j, j.JobID, string(j.Type), string(j.Status), j.pages(), j.took(), strings.TrimSpace(j.Reason+" "+j.Error)); err != nil {
			return err
		}
	}
	bar.close()
	if len(c.IDs) > len(running) {
		if err := out.flush(""); err != nil {
			return err
		}
	}
	switch {
	case len(running) > 0:
		u.note("%d of %d jobs still run; go on with: reducto-hooks jobs wait %s", len(running), len(c.IDs), strings.Join(running, " "))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("not all jobs ended within %v", c.Timeout)
	case broken != nil:
		return broken
	}
	return failed
}

type jobsCancelCmd struct {
	IDs []string `arg:"" name:"id" help:"The ids of the jobs."`
}

// Help implements kong.HelpProvider.
func (jobsCancelCmd) Help() string {
	return `A job that has ended does not change. Reducto sends no webhook for a cancelled job.

Example:

    reducto-hooks jobs cancel ID1 ID2`
}

func (c *jobsCancelCmd) Run(ctx context.Context, u *ui) error {
	client, err := connect(u)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	out := u.rows("JOB", "STATUS")
	var failed []error
	for _, id := range c.IDs {
		status := "cancel requested"
		if err := client.CancelJob(ctx, id); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			failed = append(failed, err)
			status = err.Error()
		}
		if err := out.add(map[string]string{"job_id": id, "status": status}, id, status); err != nil {
			return err
		}
	}
	return errors.Join(out.flush(""), errors.Join(failed...))
}
