package scenarios_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// stream posts deliveries to a process while a test breaks the database. Like Reducto, it
// posts a delivery again if the answer is not 200, but without a limit. The function of the
// process writes an effect and completes the record in one transaction.
type stream struct {
	e *inboxtest.Env
	p *inboxtest.Process

	ctx     context.Context // ends when no new job begins
	stop    context.CancelFunc
	posting sync.WaitGroup

	mu                sync.Mutex
	accepted, refused int
	jobs              []string // that were answered 200
}

// openStream starts a process and posts deliveries to it from now on. Each has metadata of
// the given length.
func openStream(t *testing.T, b inboxtest.Backend, metadata int) *stream {
	t.Helper()
	e := newEnv(t, backend{open: func(*testing.T) inboxtest.Backend { return b }}, []reductotest.Option{reductotest.OnTCP()})
	_, err := e.DB.Exec(`CREATE TABLE effects (job text NOT NULL)`)
	require.NoError(t, err)
	s := &stream{e: e}
	s.ctx, s.stop = context.WithCancel(t.Context())
	s.p = e.Start(s.process, inbox.WithLease(3*time.Second), inbox.WithIntakeTimeout(inbox.DefaultIntakeTimeout),
		inbox.WithStoreTimeout(inbox.DefaultStoreTimeout))
	padding := fmt.Sprintf(`"padding":"%0*d"`, metadata, 0)
	for poster := range 4 {
		s.posting.Go(func() {
			for n := 0; s.ctx.Err() == nil; n++ {
				id := fmt.Sprintf("job-%d-%d", poster, n)
				e.Srv.SeedJob(reductotest.SeedJob{ID: id, Status: "Completed"})
				s.post(id, inboxtest.Payload("Completed", id, inboxtest.Signed(padding)))
			}
		})
	}
	t.Cleanup(func() { s.stop(); s.posting.Wait() })
	return s
}

// post posts a delivery until it is answered 200.
func (s *stream) post(id, body string) {
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		code := inboxtest.Post(s.p, body)
		s.mu.Lock()
		switch code {
		case http.StatusOK:
			s.accepted++
			s.jobs = append(s.jobs, id)
		case http.StatusServiceUnavailable:
			s.refused++
		default:
			assert.Fail(s.e.T, "a delivery was answered", "%d", code)
		}
		s.mu.Unlock()
		if code == http.StatusOK || s.e.T.Failed() || !assert.True(s.e.T, time.Now().Before(end), "%s is refused for a minute", id) {
			return
		}
	}
}

func (s *stream) process(ctx context.Context, d *webhook.Delivery) error {
	tx, err := s.e.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, `INSERT INTO effects (job) VALUES ($1)`, d.JobID); err != nil {
		return err
	}
	if err := d.CompleteTx(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// counts returns how many deliveries were answered 200 and 503 so far.
func (s *stream) counts() (accepted, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted, s.refused
}

// awaitAccepted waits until n more deliveries are answered 200.
func (s *stream) awaitAccepted(n int) {
	s.e.T.Helper()
	before, _ := s.counts()
	s.e.Until("deliveries are accepted", func() bool { now, _ := s.counts(); return now >= before+n })
}

// awaitRefused waits until n more deliveries are answered 503.
func (s *stream) awaitRefused(n int) {
	s.e.T.Helper()
	_, before := s.counts()
	s.e.Until("deliveries are refused", func() bool { _, now := s.counts(); return now >= before+n })
}

// end stops the stream. It requires that the process is well again, that each delivery that
// was answered 200 has a record that is done, and that its effect was committed once.
func (s *stream) end() {
	t := s.e.T
	t.Helper()
	s.stop()
	s.posting.Wait()
	s.e.Until("all records are done", func() bool {
		open, err := s.e.Store.List(t.Context(), inbox.Filter{Limit: 1, States: []inbox.State{
			inbox.StatePending, inbox.StateReceived, inbox.StateClaimed,
		}})
		return err == nil && len(open) == 0
	})
	require.NoError(t, s.p.Ready(t.Context()))
	require.NoError(t, s.p.Healthy())
	records := s.e.Records(inbox.StateDone)
	done := make(map[string]bool, len(records))
	for _, r := range records {
		done[r.JobID] = true
	}
	effects := effectsOf(t, s.e.DB)
	for _, id := range s.jobs {
		assert.True(t, done[id], "%s was answered 200 and has no record that is done", id)
		assert.Equal(t, 1, effects[id], "effects of %s", id)
	}
	assert.Len(t, done, len(s.jobs))
	assert.Len(t, effects, len(s.jobs))
	t.Logf("%d deliveries were answered 200, after %d were answered 503", s.accepted, s.refused)
}

// effectsOf counts the effects of each job.
func effectsOf(t testing.TB, db *sql.DB) map[string]int {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT job, count(*) FROM effects GROUP BY job`)
	require.NoError(t, err)
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var id string
		var n int
		require.NoError(t, rows.Scan(&id, &n))
		counts[id] = n
	}
	require.NoError(t, rows.Err())
	return counts
}
