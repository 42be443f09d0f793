package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestJobsList(t *testing.T) {
	t.Parallel()
	srv, s := service(t)
	done := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "a\fb", CreatedAt: time.Now().Add(-time.Hour)})
	failed := srv.SeedJob(reductotest.SeedJob{Status: "Failed", Type: "Extract", Reason: "no pages"})

	out := s.ok("jobs", "list")
	assert.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 2, "no header in a pipe")
	assert.Contains(t, out, done+"\tParse\tCompleted\t2\t")
	assert.Contains(t, out, failed+"\tExtract\tFailed\t")
	assert.NotContains(t, out, "\x1b", "no colour in a pipe")

	list := objects(t, s.ok("jobs", "list", "--json"))
	require.Len(t, list, 2)
	for _, j := range list {
		assert.Contains(t, []any{done, failed}, j["job_id"])
		assert.NotContains(t, j, "raw_config")
	}
	assert.Equal(t, []string{failed}, ids(t, s.ok("jobs", "list", "--status", "failed", "--json")))
	assert.Equal(t, []string{done}, ids(t, s.ok("jobs", "list", "--type", "parse", "--json")))
	assert.Len(t, ids(t, s.ok("jobs", "list", "-n", "1", "--json")), 1)
	assert.Empty(t, s.ok("jobs", "list", "--type", "Split"))
}

func ids(t *testing.T, text string) []string {
	t.Helper()
	var list []string
	for _, o := range objects(t, text) {
		id, _ := o["job_id"].(string)
		list = append(list, id)
	}
	return list
}

func TestJobsGet(t *testing.T) {
	t.Parallel()
	srv, s := service(t, reductotest.WithURLResultThreshold(0))
	done := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "Dear reader"})
	failed := srv.SeedJob(reductotest.SeedJob{Status: "Failed", Reason: "no pages", ErrorName: "DOCUMENT_CORRUPT"})
	srv.Hold()
	running := srv.SeedJob(reductotest.SeedJob{})

	out := s.ok("jobs", "get", done)
	assert.Contains(t, out, "job\t"+done+"\n")
	assert.Contains(t, out, "status\tCompleted\n")
	assert.NotContains(t, out, "Dear reader")
	out = s.ok("jobs", "get", failed)
	assert.Contains(t, out, "reason\tno pages\n")
	assert.Contains(t, out, "error\tDOCUMENT_CORRUPT\n")
	assert.Equal(t, "Completed", objects(t, s.ok("jobs", "get", done, "--json"))[0]["status"])

	result := objects(t, s.ok("jobs", "get", done, "--result"))
	assert.Contains(t, result[0]["result"], "chunks", "downloaded from its URL")
	assert.Equal(t, exitJobFailed, s.run("jobs", "get", failed, "--result").code)
	e := s.run("jobs", "get", running, "--result")
	assert.Equal(t, exitFailure, e.code)
	assert.Contains(t, e.stderr, "reducto-hooks jobs wait "+running)
	assert.Equal(t, exitNotFound, s.run("jobs", "get", "00000000-0000-4000-8000-000000000000").code)
	assert.Equal(t, exitUsage, s.run("jobs", "get", "a/b").code)
}

func TestJobsListFailsIfTheKeyIsRefused(t *testing.T) {
	t.Parallel()
	srv, s := service(t)
	srv.SetAPIKey("another-key")
	assert.Equal(t, exitFailure, s.run("jobs", "list").code)
}

func TestJobsListIsInterrupted(t *testing.T) {
	t.Parallel()
	srv, s := service(t)
	srv.Fault("GET /jobs", reductotest.Stall().Always())
	cmd := s.start("jobs", "list")
	for len(srv.RequestsTo("GET /jobs")) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	assert.Equal(t, exitInterrupted, cmd.interrupt(t))
	assert.Equal(t, "reducto-hooks: interrupted\n", cmd.output.String())
}

func TestJobsWait(t *testing.T) {
	t.Parallel()
	srv, s := service(t)
	done := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "a"})
	failed := srv.SeedJob(reductotest.SeedJob{Status: "Failed", Reason: "no pages"})
	const unknown = "00000000-0000-4000-8000-000000000000"

	assert.Contains(t, s.ok("jobs", "wait", done), done+"\tParse\tCompleted\t1\t")
	e := s.run("jobs", "wait", done, failed)
	assert.Equal(t, exitJobFailed, e.code)
	assert.Contains(t, e.stdout, "no pages")
	assert.Contains(t, e.stdout, done)
	assert.Equal(t, exitNotFound, s.run("jobs", "wait", done, unknown).code)

	srv.Hold()
	running := srv.SeedJob(reductotest.SeedJob{})
	e = s.run("jobs", "wait", done, running, "--timeout", "200ms")
	assert.Equal(t, exitFailure, e.code)
	assert.Contains(t, e.stdout, done)
	assert.Contains(t, e.stderr, "go on with: reducto-hooks jobs wait "+running+"\n")

	cmd := s.start("jobs", "wait", "--json", done, running)
	cmd.await(t, done)
	assert.Equal(t, exitInterrupted, cmd.interrupt(t))
	assert.Contains(t, cmd.output.String(), "1 of 2 jobs still run; go on with: reducto-hooks jobs wait "+running+"\n")

	cmd = s.start("jobs", "wait", running)
	time.Sleep(100 * time.Millisecond)
	srv.Complete(running)
	require.NoError(t, cmd.cmd.Wait(), "the job ends while the command waits")
}

func TestJobsCancel(t *testing.T) {
	t.Parallel()
	srv, s := service(t)
	srv.Hold()
	job := srv.SeedJob(reductotest.SeedJob{})
	assert.Equal(t, job+"\tcancel requested\n", s.ok("jobs", "cancel", job))
	assert.Equal(t, "Cancelled", objects(t, s.ok("jobs", "get", job, "--json"))[0]["status"])
	e := s.run("jobs", "cancel", "--json", "00000000-0000-4000-8000-000000000000", job)
	assert.Equal(t, exitNotFound, e.code)
	assert.Len(t, objects(t, e.stdout), 2)
}
