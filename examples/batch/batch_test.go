package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

var testOrigin = origin{API: "test"}

// setup has a directory with files, a directory for texts, and a Reducto.
type setup struct {
	t        *testing.T
	srv      *reductotest.Server
	dir, out string
	files    []string
	// onSubmitted is called after each submission of a run.
	onSubmitted func()
	resubmit    bool
	concurrency int
	key         string // if not the server's
}

func newSetup(t *testing.T, files int, opts ...reductotest.Option) *setup {
	t.Helper()
	s := &setup{t: t, srv: reductotest.NewServer(t, opts...), dir: t.TempDir(), out: t.TempDir(), concurrency: 4}
	for i := range files {
		name := fmt.Sprintf("%03d.txt", i)
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, name), fmt.Appendf(nil, "text of %s", name), 0o600))
	}
	var err error
	s.files, err = filesOf(s.dir, "*.txt")
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.Empty(t, s.srv.Violations())
		assert.Empty(t, s.srv.UnknownFields())
	})
	return s
}

func (s *setup) statePath() string { return filepath.Join(s.out, "batch.jsonl") }

// run is one run of the program, which opens and closes the state file.
func (s *setup) run(soft, hard context.Context) (summary, error) {
	s.t.Helper()
	j, err := openJournal(s.statePath(), testOrigin)
	require.NoError(s.t, err)
	defer j.close()
	options := []reducto.Option{reducto.WithMaxRetries(0)}
	if s.key != "" {
		options = append(options, reducto.WithAPIKey(s.key))
	}
	client := s.srv.Client(options...)
	defer client.CloseIdleConnections()
	b := &batch{
		client: client, journal: j, dir: s.dir, out: s.out, concurrency: s.concurrency, resubmit: s.resubmit,
		progress: &observed{lines: lines{w: s.t.Output(), total: len(s.files)}, onSubmitted: s.onSubmitted},
		wait:     []reducto.WaitOption{reducto.WithPollInterval(5*time.Millisecond, 20*time.Millisecond)},
	}
	return b.run(soft, hard, s.files)
}

func (s *setup) mustRun() summary {
	s.t.Helper()
	got, err := s.run(s.t.Context(), s.t.Context())
	require.NoError(s.t, err)
	return got
}

// submissions counts what was sent, by file.
func (s *setup) submissions() map[string]int {
	s.t.Helper()
	counts := map[string]int{}
	for _, r := range s.srv.RequestsTo("POST /parse_async") {
		file, _ := s.metadata(r.Body)
		counts[file]++
	}
	return counts
}

func (s *setup) metadata(body []byte) (file, submission string) {
	s.t.Helper()
	var request struct {
		Async struct {
			Metadata struct{ File, Submission string }
		}
	}
	require.NoError(s.t, json.Unmarshal(body, &request))
	return request.Async.Metadata.File, request.Async.Metadata.Submission
}

func (s *setup) requireEachOnce() {
	s.t.Helper()
	got := s.submissions()
	require.Len(s.t, got, len(s.files))
	for file, n := range got {
		assert.Equal(s.t, 1, n, file)
	}
	for _, file := range s.files {
		text, err := os.ReadFile(filepath.Join(s.out, file+".md"))
		require.NoError(s.t, err)
		assert.Equal(s.t, "text of "+file+"\n\n", string(text))
	}
}

// observed is lines that tell of each submission.
type observed struct {
	lines
	onSubmitted func()
}

func (o *observed) submitted(file string) {
	o.lines.submitted(file)
	if o.onSubmitted != nil {
		o.onSubmitted()
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 40)
	assert.Equal(t, summary{done: 40}, s.mustRun())
	s.requireEachOnce()
	assert.Equal(t, summary{done: 40}, s.mustRun(), "a second run has nothing to do")
	s.requireEachOnce()
}

func TestStopWhileSubmittingAndResume(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 40)
	soft, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	n := 0
	s.onSubmitted = func() {
		mu.Lock()
		defer mu.Unlock()
		if n++; n == 10 {
			stop()
		}
	}
	got, err := s.run(soft, t.Context())
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, got.unknown, "what was being submitted was finished")
	assert.Zero(t, got.done)
	assert.GreaterOrEqual(t, got.running, 10)
	assert.Less(t, got.running, 40)
	assert.Len(t, s.submissions(), got.running)

	s.onSubmitted = nil
	assert.Equal(t, summary{done: 40}, s.mustRun())
	s.requireEachOnce()
}

func TestStopWhileWaitingAndResume(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 10)
	s.srv.Hold()
	soft, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for len(s.srv.RequestsTo("GET /jobs")) == 0 {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	got, err := s.run(soft, t.Context())
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, summary{running: 10}, got)

	s.srv.Release()
	assert.Equal(t, summary{done: 10}, s.mustRun())
	s.requireEachOnce()
}

// A program that is killed has written "submitting" and nothing after it, or half a
// line.
func TestKilledWhileSubmitting(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 3)
	require.NoError(t, os.WriteFile(s.statePath(), []byte(
		`{"api":"test"}`+"\n"+`{"file":"000.txt","state":"submitting","submission_id":"the-first"}`+"\n"+
			`{"file":"001.txt","state":"submitti`), 0o600))
	assert.Equal(t, summary{done: 2, unknown: 1}, s.mustRun())
	assert.NotContains(t, s.submissions(), "000.txt")

	s.resubmit = true
	assert.Equal(t, summary{done: 3}, s.mustRun())
	s.requireEachOnce()
	all := s.srv.RequestsTo("POST /parse_async")
	_, submission := s.metadata(all[len(all)-1].Body)
	assert.Equal(t, "the-first", submission)
}

func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 3)
	s.concurrency = 1
	s.srv.Fault("POST /parse_async", reductotest.LoseAnswer())
	assert.Equal(t, summary{done: 2, unknown: 1}, s.mustRun())
	assert.Equal(t, summary{done: 2, unknown: 1}, s.mustRun(), "it is not submitted by itself")
	assert.Len(t, s.srv.Jobs(), 3)

	// Another failure does not make it known.
	s.resubmit = true
	s.srv.Fault("POST /upload", reductotest.Status(500))
	assert.Equal(t, summary{done: 2, unknown: 1}, s.mustRun())
	s.srv.Fault("POST /parse_async", reductotest.Status(503))
	assert.Equal(t, summary{done: 2, unknown: 1}, s.mustRun())

	assert.Equal(t, summary{done: 3}, s.mustRun())
	ids := map[string]bool{}
	for _, r := range s.srv.RequestsTo("POST /parse_async") {
		if file, submission := s.metadata(r.Body); file == "000.txt" {
			ids[submission] = true
		}
	}
	assert.Len(t, ids, 1, "it is the same submission every time")
}

func TestRefusedSubmissionIsTriedTheNextTime(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 3)
	s.concurrency = 1
	s.srv.Fault("POST /parse_async", reductotest.Status(503))
	assert.Equal(t, summary{done: 2, open: 1}, s.mustRun())
	assert.Equal(t, summary{done: 3}, s.mustRun())
}

func TestFailedAndExpiredJobs(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 4)
	s.concurrency = 1
	s.srv.Hold()
	s.srv.FailNext("corrupt", "DOCUMENT_CORRUPT")
	n := 0
	s.onSubmitted = func() {
		if n++; n == 4 {
			s.srv.Release()
			jobs := s.srv.Jobs()
			s.srv.Expire(jobs[1].ID)
		}
	}
	assert.Equal(t, summary{done: 2, failed: 2}, s.mustRun())
	assert.Equal(t, summary{done: 2, failed: 2}, s.mustRun())
}

func TestResultThatCannotBeReadIsTriedTheNextTime(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 2, reductotest.WithURLResultThreshold(0))
	s.srv.Fault("GET storage/results", reductotest.Status(500))
	assert.Equal(t, summary{done: 1, running: 1}, s.mustRun())
	entries, err := filepath.Glob(filepath.Join(s.out, ".batch-*"))
	require.NoError(t, err)
	assert.Empty(t, entries)
	assert.Equal(t, summary{done: 2}, s.mustRun())
	s.requireEachOnce()
}

func TestRefusedKeyEndsTheRun(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 20)
	s.concurrency = 1
	s.key = "revoked"
	got, err := s.run(t.Context(), t.Context())
	require.ErrorIs(t, err, reducto.ErrUnauthorized)
	assert.Equal(t, summary{open: 20}, got)
	assert.LessOrEqual(t, len(s.srv.RequestsTo("POST /upload")), 2)
}

// A second Ctrl-C gives a submission up, and what became of it is not known.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 1)
	s.srv.Fault("POST /parse_async", reductotest.Delay(time.Hour))
	hard, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for len(s.srv.RequestsTo("POST /parse_async")) == 0 {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	got, err := s.run(hard, hard)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, summary{unknown: 1}, got)
}

// What cannot be written down must not be sent.
func TestNothingIsSentThatCannotBeRecorded(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 5)
	j, err := openJournal(s.statePath(), testOrigin)
	require.NoError(t, err)
	require.NoError(t, j.f.Close()) // every write fails
	b := &batch{
		client: s.srv.Client(), journal: j, dir: s.dir, out: s.out, concurrency: 2,
		progress: &lines{w: io.Discard},
	}
	_, err = b.run(t.Context(), t.Context(), s.files)
	require.ErrorIs(t, err, os.ErrClosed)
	require.ErrorContains(t, err, "the state file cannot be written")
	assert.Empty(t, s.srv.Jobs())
}

func TestJournalRefusesAnotherFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(path, []byte("not a state file\n"), 0o600))
	_, err := openJournal(path, testOrigin)
	require.ErrorContains(t, err, "line 1")
	require.NoError(t, os.WriteFile(path, []byte(`{"file":"a.txt","state":"done"}`+"\n"), 0o600))
	_, err = openJournal(path, testOrigin)
	require.ErrorContains(t, err, "line 1 does not name the API")
}

func TestSubdirectories(t *testing.T) {
	t.Parallel()
	s := newSetup(t, 1)
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, "a", "deeper.txt"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "a", "000.txt"), []byte("another text"), 0o600))
	var err error
	s.files, err = filesOf(s.dir, "*/*.txt")
	require.NoError(t, err)
	assert.Equal(t, []string{"a/000.txt"}, s.files, "directories are no files")
	assert.Equal(t, summary{done: 1}, s.mustRun())
	text, err := os.ReadFile(filepath.Join(s.out, "a", "000.txt.md"))
	require.NoError(t, err)
	assert.Equal(t, "another text\n\n", string(text))
}

// TestRun runs the whole program.
func TestRun(t *testing.T) {
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	t.Setenv(reducto.EnvAPIKey, srv.APIKey())
	t.Setenv(reducto.EnvBaseURL, srv.URL())
	dir, out := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("text"), 0o600))
	runs := func(ctx context.Context, want int, says string, args ...string) {
		t.Helper()
		var errs strings.Builder
		assert.Equal(t, want, run(ctx, ctx, args, &errs), errs.String())
		assert.Contains(t, errs.String(), says)
	}
	ctx := t.Context()
	srv.Fault("POST /parse_async", reductotest.LoseAnswer())
	runs(ctx, exitUnknown, "1 unknown", "-dir", dir, "-out", out)
	runs(ctx, exitDone, "submitted 1/1: a.txt", "-dir", dir, "-out", out, "-resubmit")
	runs(ctx, exitDone, "1 done", "-dir", dir, "-out", out)
	srv.FailNext("corrupt", "")
	runs(ctx, exitFailed, "corrupt", "-dir", dir, "-out", t.TempDir())
	runs(ctx, exitUsage, "-out is missing", "-dir", dir)
	runs(ctx, exitUsage, "-c must be positive", "-dir", dir, "-out", out, "-c", "0")
	runs(ctx, exitUsage, "no files match", "-dir", dir, "-out", out, "-glob", "*.pdf")
	runs(ctx, exitUsage, "pattern", "-dir", dir, "-out", out, "-glob", "[")
	runs(ctx, exitDone, "-resubmit", "-help")

	ended, cancel := context.WithCancel(ctx)
	cancel()
	runs(ended, exitInterrupted, "1 not submitted", "-dir", dir, "-out", t.TempDir())

	srv.SetAPIKey("another")
	runs(ctx, exitFailed, "401", "-dir", dir, "-out", t.TempDir())
	t.Setenv(reducto.EnvAPIKey, "")
	runs(ctx, exitUsage, reducto.EnvAPIKey, "-dir", dir, "-out", t.TempDir())
}

// The texts of a run with -fake must not count as results of a real run, nor those of
// one API as results of another.
func TestStateFileBelongsToOneAPI(t *testing.T) {
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	t.Setenv(reducto.EnvAPIKey, srv.APIKey())
	t.Setenv(reducto.EnvBaseURL, srv.URL())
	dir, out := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("text"), 0o600))
	runs := func(want int, says, out string, args ...string) {
		t.Helper()
		var errs strings.Builder
		assert.Equal(t, want, run(t.Context(), t.Context(), append(args, "-dir", dir, "-out", out), &errs), errs.String())
		assert.Contains(t, errs.String(), says)
	}
	runs(exitDone, "1 done", out, "-fake")
	runs(exitDone, "1 done", out, "-fake")
	runs(exitUsage, "from a run with -fake, and this run uses "+srv.URL()+": use another -out", out)
	assert.Empty(t, srv.Jobs())

	out = t.TempDir()
	runs(exitDone, "1 done", out)
	runs(exitUsage, "and this run uses -fake", out, "-fake")
	t.Setenv(reducto.EnvBaseURL, "https://another.example.com")
	runs(exitUsage, "and this run uses https://another.example.com", out)
}

func TestLastLineOfTheStateIsWhatCounts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	j, err := openJournal(path, testOrigin)
	require.NoError(t, err)
	for _, s := range []state{stateSubmitting, stateSubmitted, stateDone} {
		require.NoError(t, j.record(entry{File: "a", State: s, JobID: "1"}))
	}
	require.NoError(t, j.record(entry{File: "b", State: stateSubmitted, JobID: "2"}))
	j.close()
	j, err = openJournal(path, testOrigin)
	require.NoError(t, err)
	defer j.close()
	assert.Equal(t, stateDone, j.get("a").State)
	assert.Equal(t, counts{submitted: 2, finished: 1}, j.count([]string{"a", "b", "c"}))
	require.NoError(t, j.record(entry{File: "c", State: stateRejected, Error: errors.New("no").Error()}))
}
