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

// done has a job processed in m.
func done(t testing.TB, m *memory, jobID string, e ending) {
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
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	for range jobs {
		done(t, m, uuid.NewString(), endedDone)
	}
	each := (int64(heap()) - int64(before)) / jobs
	t.Logf("%d bytes a job", each)
	assert.LessOrEqual(t, each, int64(400), "as the documentation of DefaultRememberJobs says, about")
	for range jobs {
		done(t, m, uuid.NewString(), endedFailed) // these count too
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
		done(t, m, fmt.Sprintf("job-%d", i), endedDone)
	}
	// A job that failed and is processed again is as new as its last call.
	done(t, m, "failing", endedFailed)
	done(t, m, "other", endedDone)
	done(t, m, "failing", endedDone)
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

func TestMemoryKeepsNothingOfWorkThatWasNotCalled(t *testing.T) {
	t.Parallel()
	m := newMemory(time.Hour, 3)
	c, _, _ := m.admit(t.Context(), &Event{JobID: "a"}, time.Now())
	c.ending = endedPostponed
	m.finish(c)
	assert.Zero(t, m.works.len())
	assert.Zero(t, m.finished.len)
}

func TestYoungSubmissions(t *testing.T) {
	t.Parallel()
	v7, err := uuid.NewV7()
	require.NoError(t, err)
	e := Event{SubmissionID: v7.String()}
	assert.True(t, e.isYoung(time.Now()))
	assert.False(t, e.isYoung(time.Now().Add(visibleWithin+time.Second)))
	assert.True(t, e.isYoung(time.Now().Add(-visibleWithin/2)), "of a clock that is ahead")
	assert.False(t, e.isYoung(time.Now().Add(-visibleWithin-time.Second)))
	for _, id := range []string{"", "order-17", uuid.NewString(), "{" + v7.String() + "}", v7.String()[1:]} {
		e.SubmissionID = id
		assert.False(t, e.isYoung(time.Now()), id)
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "abc", head("abc", 3))
	assert.Equal(t, "ab…", head("abc", 2))
	assert.Equal(t, "…", head("日本", 2), "no half characters")
	assert.Equal(t, "日…", head("日本", 5))
}
