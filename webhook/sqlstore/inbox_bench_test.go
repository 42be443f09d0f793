package sqlstore_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
)

// counting counts what a store is asked to receive.
type counting struct {
	webhook.Store
	calls, arrivals atomic.Int64
}

func (c *counting) Receive(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
	c.calls.Add(1)
	c.arrivals.Add(int64(len(arrivals)))
	return c.Store.Receive(ctx, arrivals)
}

const benchSecret = "a-secret-for-benchmarks"

func delivery(job string) string {
	return `{"status":"Completed","job_id":"` + job + `","metadata":{"user_id":"123","secret":"` + benchSecret + `"}}`
}

// contestant is one way of receiving.
type contestant struct {
	name    string
	handler http.Handler
	store   *counting // nil without one
	rates   []float64 // deliveries a second, a round each
}

func benchContestants(b *testing.B) []*contestant {
	secret, err := webhook.NewSecret(benchSecret)
	require.NoError(b, err)
	work := func(context.Context, *webhook.Delivery) error { return nil }
	handler, err := webhook.NewHandler(secret, work)
	require.NoError(b, err)
	list := []*contestant{{name: "none", handler: handler}}
	sqlite, _ := openSQLite(b)
	postgres, _ := openPostgres(b)
	for name, store := range map[string]webhook.Store{"sqlite": sqlite, "postgres": postgres} {
		counted := &counting{Store: store}
		inbox, err := webhook.NewInbox(secret, counted, work)
		require.NoError(b, err)
		list = append(list, &contestant{name: name, handler: inbox, store: counted})
	}
	return list
}

// deliver sends n deliveries over that many connections of a loopback server, and
// returns how many were answered a second.
func deliver(b *testing.B, h http.Handler, connections, n int) float64 {
	srv := httptest.NewServer(h)
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range connections {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				resp, err := client.Post(srv.URL, "application/json", strings.NewReader(delivery(uuid.NewString())))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					b.Errorf("answered %d", resp.StatusCode)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(start).Seconds()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// BenchmarkIntake compares receiving durably with receiving from memory, in rounds
// that take turns. Its figures are ratios: goals, not limits.
func BenchmarkIntake(b *testing.B) {
	const connections, deliveries, rounds = 64, 6000, 5
	list := benchContestants(b)
	for _, c := range list {
		deliver(b, c.handler, connections, 500) // warm
		if c.store != nil {
			c.store.calls.Store(0)
			c.store.arrivals.Store(0)
		}
	}
	for b.Loop() {
		for range rounds {
			for _, c := range list {
				c.rates = append(c.rates, deliver(b, c.handler, connections, deliveries))
			}
		}
	}
	none := median(list[0].rates)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(none, "none/s")
	for _, c := range list[1:] {
		b.ReportMetric(median(c.rates)/none, c.name+"_x_none")
		b.ReportMetric(float64(c.store.arrivals.Load())/float64(c.store.calls.Load()), c.name+"_deliveries/commit")
	}
}

// BenchmarkLoneClient compares a delivery through an Inbox, with nobody else there,
// with the bare commit of a row.
func BenchmarkLoneClient(b *testing.B) {
	const each, rounds = 200, 7
	list := benchContestants(b)[1:]
	for b.Loop() {
		for _, c := range list {
			var ratios []float64
			for range rounds {
				start := time.Now()
				for range each {
					_, err := c.store.Store.Receive(b.Context(), []webhook.Arrival{{JobID: uuid.NewString(), Status: "Completed", Outcome: webhook.OutcomeCompleted}})
					require.NoError(b, err)
				}
				bare := time.Since(start)
				start = time.Now()
				for range each {
					w := httptest.NewRecorder()
					c.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(delivery(uuid.NewString()))))
					require.Equal(b, http.StatusOK, w.Code)
				}
				ratios = append(ratios, float64(time.Since(start))/float64(bare))
			}
			b.ReportMetric(median(ratios), c.name+"_x_commit")
		}
	}
	b.ReportMetric(0, "ns/op")
}
