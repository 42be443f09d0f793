package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

func TestListenForwardsAndContinues(t *testing.T) {
	t.Parallel()
	srv, s := service(t)
	secret, err := webhook.NewSecret(testSecret)
	require.NoError(t, err)
	receiver := newReceiver(t, secret)
	s.env = append(s.env, "WEBHOOK_SECRET="+testSecret)
	args := []string{"listen", "--forward-to", receiver.url}

	srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
	p := s.start(args...)
	p.await(t, "Ctrl-C stops")
	s.awaitPoll(srv)
	job := srv.SeedJob(reductotest.SeedJob{Status: "Failed", Metadata: map[string]any{"order": 7, "secret": "of production"}})
	p.await(t, `(?m)^\S+Z\t`+job+`\tParse\tFailed\taccepted\t200 in \d+ms\tended \d+s ago$`)
	list := receiver.take()
	require.Len(t, list, 1)
	assert.Equal(t, job, list[0].JobID)
	assert.Equal(t, reducto.JobStatusFailed, list[0].Status)
	assert.JSONEq(t, `{"order":7}`, string(list[0].Metadata))

	e := s.run(args...)
	assert.Equal(t, exitUsage, e.code, "a second listener")
	assert.Contains(t, e.stderr, "another listener")
	assert.Contains(t, s.ok(append(args, "--replay", job, "--json")...), `"verdict":"accepted"`)
	assert.Empty(t, receiver.take(), "a Handler knows that it has processed the job")
	assert.Equal(t, exitNotFound, s.run(append(args, "--replay", "unknown")...).code)

	assert.Equal(t, exitDone, p.interrupt(t))
	assert.Contains(t, p.output.String(), "the same command goes on")
	assert.NotContains(t, p.output.String(), testSecret)
	assert.NotContains(t, p.output.String(), srv.APIKey())
	later := srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
	p = s.start(append(args, "--json")...)
	p.await(t, `"job_id":"`+later+`"`)
	assert.Equal(t, exitDone, p.interrupt(t))
	list = receiver.take()
	require.Len(t, list, 1, "neither the first job nor one that was forwarded")
	assert.Equal(t, later, list[0].JobID)
}

// awaitPoll waits for two polls, so that the first one was processed.
func (s *shell) awaitPoll(srv *reductotest.Server) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return len(srv.RequestsTo("GET /jobs")) > 1 }, 30*time.Second, 10*time.Millisecond)
}

func TestListenSaysHowToReplayAJobThatItGaveUp(t *testing.T) {
	t.Parallel()
	srv, s := service(t)
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer down.Close()
	job := srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
	p := s.start("listen", "--forward-to", down.URL, "--unsigned", "--all", "--json")
	p.await(t, "job "+job+" was given up: send it again with --replay "+job)
	assert.Contains(t, p.output.String(), `"attempt":4,"status_code":502`)
	srv.SetAPIKey("another")
	p.await(t, "Reducto fails; the next request is in .*401")
	assert.Equal(t, exitDone, p.interrupt(t))
}

func TestListenForwardsWhatTheInboxRecorded(t *testing.T) {
	t.Parallel()
	srv, s := service(t)
	dsn := sqliteFile(t)
	db, store := open(t, dsn)
	secret, err := webhook.NewSecret(testSecret)
	require.NoError(t, err)
	in, err := inbox.New(secret, store, func(context.Context, *webhook.Delivery) error { return nil })
	require.NoError(t, err)
	submitted, err := srv.Client(reducto.WithSubmitHook(in)).ParseAsync(t.Context(), reducto.ParseRequest{
		Input: reducto.URL("https://example.com/a.pdf"), Async: reducto.Async{Metadata: map[string]int{"order": 9}},
	})
	require.NoError(t, err)
	require.NoError(t, db.Close())
	receiver := newReceiver(t, secret)
	s.env = append(s.env, "WEBHOOK_SECRET="+testSecret)
	p := s.start("listen", "--forward-to", receiver.url, "--db", dsn, "--json")
	p.await(t, `"job_id":"`+submitted.JobID+`".*"metadata":"inbox","verdict":"accepted"`)
	assert.Equal(t, exitDone, p.interrupt(t))
	list := receiver.take()
	require.Len(t, list, 1)
	assert.JSONEq(t, `{"order":9}`, string(list[0].Metadata))
	assert.NotEmpty(t, list[0].SubmissionID)
}

func TestListenRefusesWrongSettings(t *testing.T) {
	t.Parallel()
	_, s := service(t)
	for want, args := range map[string][]string{
		"must begin with http": {"--forward-to", "localhost:8080"},
		"no secret":            {"--forward-to", "http://localhost:8080"},
		"no database file":     {"--forward-to", "http://localhost:8080", "--unsigned", "--db", filepath.Join(t.TempDir(), "none.db")},
		"missing flags":        {},
	} {
		e := s.run(append([]string{"listen"}, args...)...)
		assert.Equal(t, exitUsage, e.code, want)
		assert.Contains(t, e.stderr, want)
	}
}
