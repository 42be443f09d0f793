package reducto

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJobFieldsAreDecoded(t *testing.T) {
	t.Parallel()
	job := wireJob(t, "job_parse.json")
	assert.Empty(t, job.JobID, "the answer does not repeat it")
	assert.Equal(t, JobStatusCompleted, job.Status)
	assert.Equal(t, JobTypeParse, job.Type)
	assert.Equal(t, 1.0, *job.Progress)
	assert.Equal(t, 2, *job.NumPages)
	assert.Equal(t, 9, *job.TotalPages)
	assert.Equal(t, 4.5, *job.Duration)
	assert.JSONEq(t, `{"channel":"api"}`, string(job.Source))
	assert.JSONEq(t, `"artefacts-7"`, string(job.Bucket))
	assert.Equal(t, `{"async":{"metadata":{"secret":"hook-5a1e"}}}`, string(job.RawConfig))
	assert.Equal(t, time.Date(2026, 10, 2, 8, 15, 30, 250125000, time.UTC), job.CreatedAt.Time)
	assert.Equal(t, Extra{"queue": []byte(`"standard"`)}, job.Extra)
	assert.Nil(t, job.Error)
	assert.Empty(t, job.FailureReason())

	nulls := wireJob(t, "job_parse_nulls.json")
	assert.Nil(t, nulls.NumPages)
	assert.Nil(t, nulls.Duration)
	assert.Nil(t, nulls.Source)
	assert.True(t, nulls.CreatedAt.IsZero())
	assert.Empty(t, nulls.RawConfig)
	assert.Nil(t, nulls.Extra)
}

func TestJobStatusTerminal(t *testing.T) {
	t.Parallel()
	for status, ended := range map[JobStatus]bool{
		JobStatusPending: false, JobStatusIdle: false, JobStatusInProgress: false, JobStatusCompleting: false,
		JobStatusCompleted: true, JobStatusFailed: true, JobStatusCancelled: true,
		"": false, "Archiving": false, "completed": false, "Canceled": false,
	} {
		assert.Equal(t, ended, status.Terminal(), status)
	}
	assert.Equal(t, JobStatus("Archiving"), wireJob(t, "job_archiving.json").Status)
	assert.Equal(t, JobType("Translate"), wireJob(t, "job_archiving.json").Type)
}

func TestFailureReasonPrefersTheReason(t *testing.T) {
	t.Parallel()
	failed := wireJob(t, "job_failed.json")
	assert.Equal(t, "the cross-reference table is broken", failed.FailureReason())
	assert.Equal(t, ErrorNameDocumentCorrupt, failed.Error.Name)
	assert.Equal(t, 422, failed.Error.Code)
	assert.Equal(t, "j18", failed.Error.JobID)
	assert.Equal(t, Extra{"trace": []byte(`"t-1"`)}, failed.Error.Extra)
	assert.Equal(t, "the document could not be downloaded", wireJob(t, "job_failed_reason.json").FailureReason())
	assert.Equal(t, "both", (&Job{Reason: "both", Error: &ErrorDetail{Message: "m"}}).FailureReason())
	assert.Equal(t, "TIMEOUT", (&Job{Error: &ErrorDetail{Name: ErrorNameTimeout}}).FailureReason())
	assert.Empty(t, (&Job{Error: &ErrorDetail{}}).FailureReason())
}

func TestInvalidJobsLeaveTheValueUnchanged(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`[]`, `"Completed"`, `7`, `{"status":7}`,
		`{"status":"Pending","status":"Completed"}`, `{"result":null,"result":{}}`, `{"new":1,"new":1}`,
	} {
		job := Job{JobID: "kept"}
		require.Error(t, json.Unmarshal([]byte(text), &job), text)
		assert.Equal(t, Job{JobID: "kept"}, job, text)
	}
}

func TestJobMarshalsWithItsID(t *testing.T) {
	t.Parallel()
	job := wireJob(t, "job_archiving.json")
	job.JobID = "j1"
	raw, err := json.Marshal(job)
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"job_id":"j1"`)
	var again Job
	require.NoError(t, json.Unmarshal(raw, &again))
	assert.Equal(t, job, &again)

	job.Extra["bad"] = json.RawMessage("{")
	_, err = json.Marshal(job)
	require.Error(t, err)
	_, err = json.Marshal(Job{Result: &ParseResult{Extra: job.Extra}})
	require.Error(t, err)
}

func TestJobPagesSurviveJSON(t *testing.T) {
	t.Parallel()
	for _, name := range wireNames(t, "jobs_*.json") {
		var page JobPage
		raw := wire(t, name)
		require.NoError(t, json.Unmarshal(raw, &page), name)
		encoded, err := json.Marshal(page)
		require.NoError(t, err)
		assert.Equal(t, value(t, raw), value(t, encoded), name)
	}
	var page JobPage
	require.NoError(t, json.Unmarshal(wire(t, "jobs_page.json"), &page))
	assert.Equal(t, "c-2", page.NextCursor)
	assert.Equal(t, Extra{"total": []byte("812")}, page.Extra)
	first, second := page.Jobs[0], page.Jobs[1]
	assert.Equal(t, JobStatusInProgress, first.Status)
	assert.Equal(t, Extra{"queue": []byte(`"batch"`)}, first.Extra)
	assert.Equal(t, "3d4b0e5a-9c1f-4f63-8a57-1f0c6f6f1a01", first.JobID)
	assert.Equal(t, JobStatus("Melting"), second.Status)
	assert.Nil(t, second.NumPages)
	assert.Equal(t, time.Date(2026, 10, 2, 6, 15, 31, 0, time.UTC), second.CreatedAt.Time)

	job := first.job()
	assert.Equal(t, first.JobID, job.JobID)
	assert.Equal(t, first.Status, job.Status)
	assert.Equal(t, first.CreatedAt, job.CreatedAt)

	require.NoError(t, json.Unmarshal(wire(t, "jobs_last_page.json"), &page))
	for _, text := range []string{`[]`, `{"jobs":{}}`, `{"jobs":[{"job_id":1}]}`, `{"jobs":[],"jobs":[]}`} {
		require.Error(t, json.Unmarshal([]byte(text), &page), text)
	}
}

func TestHandleRefusesUnsafeIDs(t *testing.T) {
	t.Parallel()
	client, err := NewClient(WithAPIKey("sk-test"))
	require.NoError(t, err)
	h := Attach[*ParseResult](client, "j1")
	assert.Equal(t, "j1", h.JobID)
	assert.Empty(t, h.SubmissionID)
	assert.Equal(t, "job j1 (*reducto.ParseResult)", h.String())
	assert.Equal(t, "job j1 (reducto.Result)", Attach[Result](client, "j1").String())

	// Without a client, or with an id that could change the URL, nothing is sent.
	for _, h := range []*Handle[Result]{{JobID: "j1"}, Attach[Result](client, ""), Attach[Result](client, "../version"), Attach[Result](client, "a/b")} {
		var refused *RequestError
		_, err := h.Get(t.Context())
		require.ErrorAs(t, err, &refused)
		assert.NotEmpty(t, refused.Op)
		_, err = h.Wait(t.Context())
		require.ErrorAs(t, err, &refused)
		require.ErrorAs(t, h.Cancel(t.Context()), &refused)
	}
}

// A member of an unexpected form must not make the whole job unreadable.
func TestOptionalMembersOfAnotherFormAreKept(t *testing.T) {
	t.Parallel()
	const text = `{"status":"Failed","progress":"half","created_at":"soon","error":{"code":"E7","name":"X","message":"m"},
		"num_pages":3.5,"raw_config":{"a":1},"reason":"because"}`
	var job Job
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	assert.Equal(t, JobStatusFailed, job.Status)
	assert.Equal(t, "because", job.Reason)
	assert.Nil(t, job.Progress)
	assert.Nil(t, job.NumPages)
	assert.JSONEq(t, `3.5`, string(job.Extra["num_pages"]))
	assert.JSONEq(t, `{"a":1}`, string(job.Extra["raw_config"]))
	again, err := json.Marshal(job)
	require.NoError(t, err)
	assert.JSONEq(t, text, string(again))
}
