package webhook

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

// process has a job processed in m, with that ending.
func process(t testing.TB, m *memory, jobID string, e ending) {
	t.Helper()
	c, role, _ := m.admit(t.Context(), &Event{JobID: jobID, Status: reducto.JobStatusCompleted}, time.Now())
	require.Equal(t, roleStart, role)
	c.ending, c.called = e, true
	m.finish(c)
	<-c.done
}

func TestMemoryIsBounded(t *testing.T) { // not parallel: it measures
	const jobs = 20_000
	m := newMemory(time.Hour, jobs)
	heap := func() int64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	before := heap()
	for range jobs {
		process(t, m, uuid.NewString(), endedDone)
	}
	each := (heap() - before) / jobs
	t.Logf("%d bytes a job", each)
	assert.LessOrEqual(t, each, int64(400), "DefaultDedupSize says about 300")
	for range jobs {
		process(t, m, uuid.NewString(), endedFailed) // these count too
	}
	assert.Equal(t, jobs, m.works.len())
	_, settled := m.sizes()
	assert.Zero(t, settled)
	assert.Equal(t, jobs, m.finished.len)
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	t.Parallel()
	m := newMemory(time.Hour, 3)
	for i := range 5 {
		process(t, m, fmt.Sprintf("job-%d", i), endedDone)
	}
	// A job that is processed again is as new as its latest call.
	process(t, m, "failing", endedFailed)
	process(t, m, "other", endedDone)
	process(t, m, "failing", endedDone)
	var left []string
	for w := m.finished.first; w != nil; w = w.next {
		left = append(left, w.key.id)
		assert.Same(t, w, m.works.jobs[w.key.id])
	}
	assert.Equal(t, []string{"job-4", "other", "failing"}, left)
	assert.Equal(t, 2, m.finished.last.attempts)
	assert.Equal(t, 3, m.works.len())
	_, settled := m.sizes()
	assert.Equal(t, 3, settled)
}

func TestMemoryForgetsWorkThatWasNotCalled(t *testing.T) {
	t.Parallel()
	m := newMemory(time.Hour, 3)
	c, _, _ := m.admit(t.Context(), &Event{JobID: "a"}, time.Now())
	c.ending = endedPostponed
	m.finish(c)
	assert.Zero(t, m.works.len())
	assert.Zero(t, m.finished.len)
}

func TestJobIsYoungByItsSubmissionID(t *testing.T) {
	t.Parallel()
	notFound := &reducto.APIError{StatusCode: 404}
	require.ErrorIs(t, notFound, reducto.ErrNotFound)
	v7 := uuid.Must(uuid.NewV7()).String()
	for id, want := range map[string]bool{
		v7: true, "": false, "order-17": false, uuid.NewString(): false, "{" + v7 + "}": false, v7[1:]: false,
		"0199a0b4-5b7c-7d52-9d4e-3f5f0c1b2a3d": false, // of 2025
	} {
		assert.Equal(t, want, notYetVisible(&Event{SubmissionID: id}, notFound), id)
		assert.False(t, notYetVisible(&Event{SubmissionID: id}, &reducto.APIError{StatusCode: 410}), id)
	}
}
