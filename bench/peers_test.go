package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMarkdownShowsOtherQueues(t *testing.T) {
	t.Parallel()
	r := newRun(quickScale, "", io.Discard)
	p := peers()[1]
	for _, values := range []*[]float64{&p.rates, &p.receiving, &p.cpu, &p.receivingCPU, &p.commits, &p.median, &p.p99} {
		*values = []float64{0.002}
	}
	r.peers = append(r.peers, peersTable(r, []*peer{p}), peerTable{area: "peers", title: "not for a page"})
	var out strings.Builder
	require.NoError(t, r.printMarkdown(&out, []string{"peers"}))
	assert.Contains(t, out.String(), "| "+goalNamed("river sql rate").what+" | ≥ 1.50 x | ")
	assert.Contains(t, out.String(), "\n| River, pgx | 0 | 0 to 0 | 0 | 2000 | 2000 to 2000 | 2000 | - | 0.00 | 2.0 | 2.0 | 2.0 to 2.0 |\n")
	assert.Contains(t, out.String(), "Only reducto keeps a record")
	assert.NotContains(t, out.String(), "not for a page")
	out.Reset()
	require.NoError(t, r.printMarkdown(&out, []string{"submit"}))
	assert.NotContains(t, out.String(), p.name)
}

func TestEachJobIsDeliveredTwice(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 1000} {
		var api jobAPI
		child := httptest.NewServer(&api)
		defer child.Close()
		var mu sync.Mutex
		bodies := map[string]int{}
		receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			bodies[string(body)]++
		}))
		defer receiver.Close()
		client := postByHand("by hand", child.URL, child.Client(), secretMetadata{submittedMetadata, benchSecret}, receiver.URL)
		const n = 150
		require.NoError(t, client.submitTimes(t.Context(), n, 8))
		began := time.Now()
		sent, err := orderDeliveries(t.Context(), child.URL, deliverOrder{Address: receiver.Listener.Addr().String(), Rate: rate})
		require.NoError(t, err)
		assert.Len(t, sent, n)
		assert.Len(t, bodies, n)
		for body, times := range bodies {
			assert.Equal(t, 2, times, body)
			assert.Contains(t, body, benchSecret)
		}
		for _, at := range sent {
			assert.WithinRange(t, time.Unix(0, at), began, time.Now())
		}
	}
}

func TestDeliveryThatIsRefusedEndsTheRun(t *testing.T) {
	t.Parallel()
	child := httptest.NewServer(new(jobAPI))
	defer child.Close()
	receiver := httptest.NewServer(http.NotFoundHandler())
	defer receiver.Close()
	client := postByHand("by hand", child.URL, child.Client(), nil, receiver.URL)
	require.NoError(t, client.submitTimes(t.Context(), 1, 1))
	_, err := orderDeliveries(t.Context(), child.URL, deliverOrder{Address: receiver.Listener.Addr().String()})
	require.ErrorContains(t, err, "404")
}

func TestArrivalsAreInOrderAndTheSameEachTime(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 200} {
		list := arrivals(1000, rate)
		require.Len(t, list, 2000)
		assert.Equal(t, list, arrivals(1000, rate))
		first := map[int]bool{}
		for i, a := range list {
			assert.Equal(t, !first[a.job], a.first, "the first one of a job comes first")
			first[a.job] = true
			if i > 0 {
				assert.LessOrEqual(t, list[i-1].at, a.at)
			}
		}
		if rate > 0 {
			assert.InEpsilon(t, 5*time.Second, list[len(list)-1].at, 0.2)
		}
	}
}

func TestHandlerByHandVerifies(t *testing.T) {
	t.Parallel()
	var accepted []string
	var fails error
	h := handlerByHand(func(_ context.Context, d *handDelivery) error {
		accepted = append(accepted, d.JobID+" "+d.Metadata.UserID)
		return fails
	})
	serve := func(body string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
		return w.Code
	}
	const good = `{"status":"Completed","job_id":"j","metadata":{"user_id":"u","secret":"` + benchSecret + `"}}`
	assert.Equal(t, http.StatusUnauthorized, serve(strings.Replace(good, benchSecret, "1"+benchSecret[1:], 1)))
	assert.Equal(t, http.StatusBadRequest, serve(good[1:]))
	assert.Empty(t, accepted)
	assert.Equal(t, http.StatusOK, serve(good))
	fails = errors.New("the store failed")
	assert.Equal(t, http.StatusServiceUnavailable, serve(good))
	assert.Equal(t, []string{"j u", "j u"}, accepted)
}

func TestTaskSeesJobsThatAreNotProcessedOnce(t *testing.T) {
	t.Parallel()
	began := time.Now()
	tasks := newTask(2)
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("too slow"))
	defer cancel()
	tasks.enter("a")
	tasks.finish()
	require.EqualError(t, tasks.wait(ctx), "1 of 2 jobs were processed: too slow")
	sent := delivered{"a": began.UnixNano(), "b": began.UnixNano()}
	_, err := tasks.latencies(sent)
	require.ErrorContains(t, err, "not processed: b")
	tasks.enter("b")
	tasks.finish()
	require.NoError(t, tasks.wait(t.Context()))
	latencies, err := tasks.latencies(sent)
	require.NoError(t, err)
	assert.Len(t, latencies, 2)
	tasks.enter("b")
	_, err = tasks.latencies(sent)
	require.ErrorContains(t, err, "called twice")
}

func TestSecondEffectOfAJobEndsTheRun(t *testing.T) {
	t.Parallel()
	admin, server, err := connectPostgres(t.Context())
	if errors.Is(err, errNoPostgres) {
		if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	require.NoError(t, err)
	defer admin.Close()
	s, err := createScratch(t.Context(), admin, server)
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.drop(t.Context())) }()
	before, err := s.commits(t.Context())
	require.NoError(t, err)
	const n = 100
	require.NoError(t, s.use(t.Context(), func(db *sql.DB) error {
		for i := range n {
			if _, err := db.ExecContext(t.Context(), insertEffect, fmt.Sprint("job-", max(1, i)), "u"); err != nil {
				return err
			}
		}
		require.ErrorContains(t, checkEffects(t.Context(), db, n), "effects")
		require.ErrorContains(t, checkEffects(t.Context(), db, n-1), "effects")
		_, err := db.ExecContext(t.Context(), `DELETE FROM effects WHERE id = 1`)
		require.NoError(t, checkEffects(t.Context(), db, n-1))
		return err
	}))
	after, err := s.commits(t.Context())
	require.NoError(t, err)
	assert.InDelta(t, n, after-before, 15, "there are also 4 statements, and the driver prepares")
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	list := make([]float64, 200)
	for i := range list {
		list[i] = float64(i + 1)
	}
	assert.InDelta(t, 100, quantile(list, 0.5), 0)
	assert.InDelta(t, 198, quantile(list, 0.99), 0)
	assert.InDelta(t, 1, quantile(list[:1], 0.99), 0)
}
