package main

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// stage is a world for one job, without faults. The test disrupts it.
type stage struct {
	*world
	t *testing.T
}

func newStage(t *testing.T, store string, tx bool) *stage {
	t.Helper()
	t.Parallel()
	p := newPlan(1, profile{Jobs: 1, Children: 2, Window: time.Second, Gentle: true, Harmless: true})
	dir := t.TempDir()
	w, err := newWorld(t.Context(), p, options{Store: store, Tx: tx}, dir)
	skipWithoutPostgres(t, err)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, w.close()) })
	return &stage{world: w, t: t}
}

// skipWithoutPostgres skips the test if there is no server. In CI it fails the test.
func skipWithoutPostgres(t *testing.T, err error) {
	t.Helper()
	var none *noPostgresError
	if !errors.As(err, &none) {
		return
	}
	if inCI() {
		t.Fatal(err)
	}
	t.Skip(err)
}

func (s *stage) start(slot int, point string) *process {
	s.t.Helper()
	require.NoError(s.t, s.fleet.start(s.t.Context(), slot, point))
	return s.fleet.get(slot)
}

// submit makes the child submit the job, and returns the job's id.
func (s *stage) submit(p *process) string {
	s.t.Helper()
	a, err := p.submit(s.t.Context(), order{ID: s.plan.Submissions[0].ID, N: 0, Kind: kindParse})
	require.NoError(s.t, err)
	require.Empty(s.t, a.Error)
	return a.JobID
}

// awaitDeath waits for a child that kills itself.
func (s *stage) awaitDeath(p *process) {
	s.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		s.t.Fatal("the child still lives")
	}
}

// record returns the job's record without ReadAt, so that records can be compared.
func (s *stage) record() inbox.Record {
	s.t.Helper()
	list, err := s.db.records(s.t.Context(), inbox.Filter{})
	require.NoError(s.t, err)
	require.Len(s.t, list, 1)
	list[0].ReadAt = time.Time{}
	return list[0]
}

// await waits until the record meets a condition.
func (s *stage) await(what string, ok func(r inbox.Record) bool) inbox.Record {
	s.t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		list, err := s.db.records(s.t.Context(), inbox.Filter{})
		if err == nil && len(list) == 1 && ok(list[0]) {
			return s.record()
		}
	}
	s.t.Fatalf("the record is never %s: %+v", what, s.record())
	return inbox.Record{}
}

func (s *stage) awaitDone() inbox.Record {
	s.t.Helper()
	return s.await("done", func(r inbox.Record) bool { return r.State == inbox.StateDone })
}

// awaitFenced waits until a completion of a child was refused.
func (s *stage) awaitFenced() {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); s.fleet.metric(inbox.MetricFenced) == 0; time.Sleep(20 * time.Millisecond) {
		require.True(s.t, time.Now().Before(end), "no completion was refused")
	}
}

// effects returns the number of effects.
func (s *stage) effects() int {
	s.t.Helper()
	list, err := s.db.effects(s.t.Context())
	require.NoError(s.t, err)
	return len(list)
}

// answers returns the status codes of a job's deliveries. Zero is no answer.
func (s *stage) answers(jobID string) []int {
	var list []int
	for _, d := range s.service.Deliveries(jobID) {
		list = append(list, d.StatusCode)
	}
	return list
}

// settleDown waits long enough for a wrong second call to happen.
func (s *stage) settleDown() { time.Sleep(lease + lease/2) }
