package sqlstore_test

import (
	"context"
	"database/sql"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/sqlstore"
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

// Overlaps is the store's: a wrapper would hide that it says so.
func (c *counting) Overlaps() bool {
	o, ok := c.Store.(webhook.Overlapper)
	return ok && o.Overlaps()
}

const benchSecret = "a-secret-for-benchmarks"

// delivery is the body for a job, and for a submission unless that is empty.
func delivery(job, submission string) string {
	if submission != "" {
		submission = `,"` + reducto.MetadataSubmissionID + `":"` + submission + `"`
	}
	return `{"status":"Completed","job_id":"` + job + `","metadata":{"user_id":"123","secret":"` + benchSecret + `"` + submission + `}}`
}

// contestant is one way of receiving.
type contestant struct {
	name    string
	handler http.Handler
	store   *counting // nil without one
	// known: each job was submitted and bound before, as it is where the Inbox is the
	// client's SubmitHook. Otherwise nobody has heard of it.
	known bool

	rates, cpu []float64 // deliveries a second of time and of this process's CPU time, a round each
}

// benchContestants are a Handler, which comes first, and an Inbox for each database
// and each kind of job.
func benchContestants(b *testing.B) []*contestant {
	secret, err := webhook.NewSecret(benchSecret)
	require.NoError(b, err)
	work := func(context.Context, *webhook.Delivery) error { return nil }
	handler, err := webhook.NewHandler(secret, work)
	require.NoError(b, err)
	list := []*contestant{{name: "none", handler: handler}}
	for _, open := range []struct {
		name string
		open func(testing.TB, ...sqlstore.Option) (*sqlstore.Store, *sql.DB)
	}{{"sqlite", openSQLite}, {"postgres", openPostgres}} {
		for _, known := range []bool{true, false} {
			store, _ := open.open(b)
			counted := &counting{Store: store}
			inbox, err := webhook.NewInbox(secret, counted, work)
			require.NoError(b, err)
			name := open.name
			if !known {
				name += "_unknown"
			}
			list = append(list, &contestant{name: name, handler: inbox, store: counted, known: known})
		}
	}
	return list
}

// sent is a delivery, with its body.
type sent struct{ job, submission, body string }

// deliveries makes n of them, for new jobs.
func (c *contestant) deliveries(b *testing.B, n int) []sent {
	list := make([]sent, n)
	submissions, jobs := make([]string, n), make([]string, n)
	for i := range list {
		jobs[i] = uuid.NewString()
		if c.known {
			submissions[i] = uuid.NewString()
		}
		list[i] = sent{jobs[i], submissions[i], delivery(jobs[i], submissions[i])}
	}
	if c.known {
		require.NoError(b, c.store.Store.(*sqlstore.Store).SubmitAndBind(b.Context(), submissions, jobs))
	}
	// In another order than they were submitted in.
	rand.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// receiveBare has the store receive a delivery, and nothing else.
func (c *contestant) receiveBare(b *testing.B, d sent) {
	receipts, err := c.store.Store.Receive(b.Context(), []webhook.Arrival{{
		JobID: d.job, SubmissionID: d.submission, Status: reducto.JobStatusCompleted, Outcome: webhook.OutcomeCompleted,
		Metadata: []byte(`{"user_id":"123"}`), Source: webhook.SourceWebhook, Hold: time.Minute,
	}})
	require.NoError(b, err)
	require.Equal(b, webhook.ReceiptAccepted, receipts[0].Kind)
}

// deliver sends deliveries over that many connections of a loopback server, and
// returns how many were answered a second, of time and of CPU time.
func deliver(b *testing.B, h http.Handler, connections int, list []sent) (rate, cpu float64) {
	srv := httptest.NewServer(h)
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var wg sync.WaitGroup
	start, used := time.Now(), cpuTime(b)
	for range connections {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(list)); i = next.Add(1) - 1 {
				resp, err := client.Post(srv.URL, "application/json", strings.NewReader(list[i].body))
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
	n := float64(len(list))
	return n / time.Since(start).Seconds(), n / (cpuTime(b) - used).Seconds()
}

// cpuTime is what this process has used, which is all of it with SQLite.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// ratios divides what was measured in the same rounds, and prints each.
func ratios(b *testing.B, name string, of, by []float64) float64 {
	list := make([]float64, len(of))
	for i := range of {
		list[i] = of[i] / by[i]
	}
	b.Logf("%s: %.3f", name, list)
	return median(list)
}

// BenchmarkIntake compares receiving durably with receiving from memory, in rounds
// that take turns. Its figures are ratios: goals, not limits.
func BenchmarkIntake(b *testing.B) {
	const connections, deliveries, rounds = 64, 6000, 7
	list := benchContestants(b)
	for _, c := range list {
		deliver(b, c.handler, connections, c.deliveries(b, 500)) // warm
		if c.store != nil {
			c.store.calls.Store(0)
			c.store.arrivals.Store(0)
		}
	}
	for b.Loop() {
		for range rounds {
			for _, c := range list {
				all := c.deliveries(b, deliveries)
				runtime.GC()
				rate, cpu := deliver(b, c.handler, connections, all)
				c.rates, c.cpu = append(c.rates, rate), append(c.cpu, cpu)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(list[0].rates), "none/s")
	for _, c := range list[1:] {
		b.ReportMetric(ratios(b, c.name, c.rates, list[0].rates), c.name+"_x_none")
		b.ReportMetric(ratios(b, c.name+" CPU", c.cpu, list[0].cpu), c.name+"_cpu_x_none")
		b.ReportMetric(float64(c.store.arrivals.Load())/float64(c.store.calls.Load()), c.name+"_deliveries/commit")
	}
}

// BenchmarkLoneClient compares a delivery through an Inbox, with nobody else there,
// with the bare commit of the same.
func BenchmarkLoneClient(b *testing.B) {
	const each, rounds = 200, 15
	list := benchContestants(b)[1:]
	for b.Loop() {
		for _, c := range list {
			var through, bare []float64
			for range rounds {
				var took [2]time.Duration
				for i, d := range c.deliveries(b, 2*each) { // they take turns
					start := time.Now()
					if i%2 == 0 {
						c.receiveBare(b, d)
					} else {
						w := httptest.NewRecorder()
						c.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(d.body)))
						require.Equal(b, http.StatusOK, w.Code)
					}
					took[i%2] += time.Since(start)
				}
				bare, through = append(bare, took[0].Seconds()), append(through, took[1].Seconds())
			}
			b.ReportMetric(ratios(b, c.name, through, bare), c.name+"_x_commit")
		}
	}
	b.ReportMetric(0, "ns/op")
}
