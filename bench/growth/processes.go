package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// workers is the number of functions that run at a time in a process.
const workers = 16

// leastThroughput is the goal: the total beside that of fewer processes.
const leastThroughput = 0.95

// worked is what a child did.
type worked struct{ Calls, Claims, Empty, Lost int64 }

// countingStore counts claims, and claims that were lost.
type countingStore struct {
	*sqlstore.Store
	claims, empty, lost atomic.Int64
}

func (s *countingStore) Claim(ctx context.Context, n int, lease time.Duration) ([]inbox.Record, time.Duration, error) {
	claimed, next, err := s.Store.Claim(ctx, n, lease)
	s.claims.Add(1)
	if len(claimed) == 0 {
		s.empty.Add(1)
	}
	return claimed, next, err
}

func (s *countingStore) Finish(ctx context.Context, list []inbox.Completion) ([]bool, error) {
	held, err := s.Store.Finish(ctx, list)
	for _, ok := range held {
		if !ok {
			s.lost.Add(1)
		}
	}
	return held, err
}

// newInbox makes an Inbox whose function counts its calls.
func newInbox(store inbox.Store, calls *atomic.Int64) (*inbox.Inbox, error) {
	secret, err := webhook.NewSecret("a secret of 32 characters or more")
	if err != nil {
		return nil, err
	}
	return inbox.New(secret, store, func(context.Context, *webhook.Delivery) error {
		calls.Add(1)
		return nil
	}, inbox.WithWorkers(workers), inbox.WithoutRefetch(), inbox.WithPollRate(1e6), inbox.WithLogger(slog.New(slog.DiscardHandler)))
}

// work runs an Inbox from the second line of the input until its end.
func work(ctx context.Context, o order, input *json.Decoder, out io.Writer) error {
	d, err := connect(ctx, o.Schema)
	if err != nil {
		return err
	}
	defer d.Close()
	var calls atomic.Int64
	store := &countingStore{Store: d.store}
	in, err := newInbox(store, &calls)
	if err != nil {
		return err
	}
	client, err := reducto.NewClient(reducto.WithAPIKey("key"), reducto.WithBaseURL("http://127.0.0.1:9"))
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode("ready"); err != nil {
		return err
	}
	var line any
	if err := input.Decode(&line); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx, client) }()
	for input.Decode(&line) == nil {
	}
	err = errors.Join(in.Shutdown(ctx), <-ended)
	return errors.Join(err, json.NewEncoder(out).Encode(worked{calls.Load(), store.claims.Load(), store.empty.Load(), store.lost.Load()}))
}

// share lets n processes do the due records of a database, and returns how many they did
// a second.
func (r *run) share(ctx context.Context, n int) (perSecond float64, total worked, err error) {
	d, err := create(ctx)
	if err != nil {
		return 0, total, err
	}
	defer func() { err = errors.Join(err, d.drop(ctx)) }()
	if err := d.fill(ctx, inbox.StateReceived, r.work-1, time.Minute); err != nil { // the original is the last one
		return 0, total, err
	}
	if err := d.do(ctx, `VACUUM (ANALYZE) reducto_records`); err != nil {
		return 0, total, err
	}
	var children []*child
	defer func() {
		for _, c := range children {
			err = errors.Join(err, c.end())
		}
	}()
	var line any
	for range n {
		c, err := startChild(ctx, order{Schema: d.schema})
		if err != nil {
			return 0, total, err
		}
		children = append(children, c)
		if err := c.answer(&line); err != nil {
			return 0, total, err
		}
	}
	began := time.Now()
	for _, c := range children {
		if _, err := io.WriteString(c.input, "\"go\"\n"); err != nil {
			return 0, total, err
		}
	}
	for left := true; left; {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return 0, total, err
		}
		err := d.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM reducto_records WHERE state IN ('received', 'claimed'))`).Scan(&left)
		if err != nil {
			return 0, total, err
		}
	}
	took := time.Since(began)
	for _, c := range children {
		_ = c.input.Close()
		var w worked
		if err := c.answer(&w); err != nil {
			return 0, total, err
		}
		total = worked{total.Calls + w.Calls, total.Claims + w.Claims, total.Empty + w.Empty, total.Lost + w.Lost}
	}
	if total.Calls != int64(r.work) {
		return 0, total, fmt.Errorf("%d records were done by %d calls of the function", r.work, total.Calls)
	}
	return float64(r.work) / took.Seconds(), total, nil
}

func measureProcesses(ctx context.Context, r *run) (report, error) {
	rates := make([][]float64, len(r.counts))
	totals := make([]worked, len(r.counts))
	for round := range r.repeated {
		for k := range r.counts {
			i := (k + round) % len(r.counts)
			rate, w, err := r.share(ctx, r.counts[i])
			if err != nil {
				return report{}, err
			}
			r.log("processes: %d do %.0f a second", r.counts[i], rate)
			rates[i], totals[i] = append(rates[i], rate), w
		}
	}
	rows := [][]string{{"Processes", "Jobs a second", "Beside fewer", "Claims", "Claims without a record", "Leases lost", ""}}
	best := 0.0
	for i, n := range r.counts {
		rate := median(rates[i])
		ratio, verdict := "", ""
		if best > 0 {
			ratio, verdict = fmt.Sprintf("%.2f", rate/best), verdictOf(rate/best >= leastThroughput)
		}
		best = max(best, rate)
		w := totals[i]
		rows = append(rows, []string{
			fmt.Sprint(n), fmt.Sprintf("%.0f (%.0f to %.0f)", rate, slices.Min(rates[i]), slices.Max(rates[i])), ratio,
			fmt.Sprint(w.Claims), fmt.Sprint(w.Empty), fmt.Sprint(w.Lost), verdict,
		})
	}
	return report{
		note: fmt.Sprintf("Processes share a database with %s due records. Each is an Inbox with %d workers, and the function does nothing. "+
			"The goal is that the total is at least %.2f of the best total of fewer processes. The processes and PostgreSQL share the cores.",
			grouped(r.work), workers, leastThroughput),
		tables: [][][]string{rows},
	}, nil
}
