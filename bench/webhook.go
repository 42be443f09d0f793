package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// The secrets of deliveries; nobody else knows them or wants to.
const benchSecret = "0f4b1c9a7e2d5836" + "4a6f8c0e1b3d5f79"

var svixSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte(benchSecret))

// reported is the job and the status in a delivery.
type reported struct{ JobID, Status string }

// measureWebhook measures everything about deliveries that are not kept.
func measureWebhook(ctx context.Context, r *run) error {
	if err := r.measureInProcess(ctx); err != nil {
		return err
	}
	return r.measureLoopback(ctx)
}

// measureInProcess compares handlers without a server.
func (r *run) measureInProcess(ctx context.Context) error {
	r.log("webhook: in the process")
	list, err := receivers()
	if err != nil {
		return err
	}
	contestants := make([]contestant, len(list))
	for i, c := range list {
		if err := c.check(); err != nil {
			return err
		}
		contestants[i] = contestant{c.name, c.serving()}
	}
	found, err := compare(ctx, r.rounds, r.sample, contestants...)
	if err != nil {
		return err
	}
	cost := map[string]series{}
	for i, c := range list {
		cost[c.name] = found[i]
	}
	byHand := cost[peerByHand]
	r.record("secret CPU", ratios(cost[oursSecret].cpu, byHand.cpu))
	r.record("secret allocations", spreadOf(cost[oursSecret].allocs))
	r.record("svix CPU", ratios(cost[oursSvix].cpu, cost[peerSvix].cpu))
	r.record("svix allocations", spreadOf(cost[oursSvix].allocs))

	t := peerTable{
		area:   "webhook",
		title:  fmt.Sprintf("a delivery of %d bytes in the process, by ServeHTTP", len(list[0].body)),
		header: []string{"handler", "µs of CPU", "allocations", "x ReadAll + json.Unmarshal", "spread"},
	}
	for i, c := range list {
		beside := ratios(found[i].cpu, byHand.cpu)
		t.rows = append(t.rows, []string{
			c.name,
			fmt.Sprintf("%.2f", 1e6*spreadOf(found[i].cpu).median),
			fmt.Sprintf("%.0f", spreadOf(found[i].allocs).median),
			fmt.Sprintf("%.2f", beside.median),
			fmt.Sprintf("%.2f to %.2f", beside.least, beside.most),
		})
	}
	r.peers = append(r.peers, t)
	return nil
}

// sender makes deliveries for a handler under load.
type sender struct {
	name   string
	signer webhook.Verifier // of the deliveries
	// handler is one of net/http's alone; nil: this library's, with the signer.
	handler http.HandlerFunc
	// known: the jobs were delivered before. Otherwise each delivery is of another job, and
	// has the function called.
	known bool
	rates []float64
	cpu   []float64 // seconds a delivery, the client's too
}

// empty is the most that net/http can do. It leaves the body to the server.
func empty(http.ResponseWriter, *http.Request) {}

// answering is the most that a receiver can do: it reads the body, bounds its size and how
// long that takes, and answers what this library's handlers do.
func answering(w http.ResponseWriter, r *http.Request) {
	deadline := http.NewResponseController(w)
	if err := deadline.SetReadDeadline(time.Now().Add(webhook.DefaultReadTimeout)); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.DefaultMaxBodyBytes)); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_ = deadline.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, `{"received":true}`)
}

// measureLoopback compares handlers by how many deliveries a server with them takes in a
// second of CPU time: both ends of the connections keep all cores busy, so this is the
// ratio of their rates on a machine that does nothing else.
func (r *run) measureLoopback(ctx context.Context) error {
	r.log("webhook: over loopback, %d connections", connections)
	secret, err := webhook.NewSecret(benchSecret)
	if err != nil {
		return err
	}
	svix, err := webhook.NewSvix(svixSecret)
	if err != nil {
		return err
	}
	const peerAnswering = "by hand: read deadline, ReadAll, the same answer"
	var senders []*sender
	signers := map[string]webhook.Verifier{oursSecret: secret, oursSvix: svix}
	for _, ours := range []string{oursSecret, oursSvix} {
		senders = append(senders,
			&sender{name: peerAnswering, signer: signers[ours], handler: answering},
			&sender{name: ours + ", known deliveries", signer: signers[ours], known: true},
			&sender{name: ours + ", first deliveries", signer: signers[ours]},
			&sender{name: "empty handler", signer: signers[ours], handler: empty})
	}
	for round := range 1 + 2*r.loadRounds { // the first one warms up
		requests := map[webhook.Verifier][][]byte{} // of this round, as Svix's signatures expire
		for _, v := range signers {
			if requests[v], err = deliveries(v, r.requests); err != nil {
				return err
			}
		}
		for k := range senders {
			s := senders[(round+k)%len(senders)]
			if err := s.load(ctx, requests[s.signer], round > 0); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	for i, id := range []string{"secret known", "secret first", "svix known", "svix first"} {
		byHand := senders[i/2*4]
		r.record(id, ratios(byHand.cpu, senders[i/2*4+1+i%2].cpu))
	}
	t := peerTable{
		area:   "webhook",
		title:  fmt.Sprintf("deliveries over loopback, %d connections; the second half has Svix's headers", connections),
		header: []string{"handler", "a second", "x by hand", "spread", "µs of CPU, with the client's", "x by hand, by CPU", "spread"},
	}
	for i, s := range senders {
		byHand := senders[i/4*4]
		rate, cpu := ratios(s.rates, byHand.rates), ratios(byHand.cpu, s.cpu)
		t.rows = append(t.rows, []string{
			s.name,
			fmt.Sprintf("%.0f", spreadOf(s.rates).median),
			fmt.Sprintf("%.2f", rate.median),
			fmt.Sprintf("%.2f to %.2f", rate.least, rate.most),
			fmt.Sprintf("%.1f", 1e6*spreadOf(s.cpu).median),
			fmt.Sprintf("%.3f", cpu.median),
			fmt.Sprintf("%.2f to %.2f", cpu.least, cpu.most),
		})
	}
	r.peers = append(r.peers, t)
	return nil
}

// load makes the deliveries, and counts how fast if it is to count. This library's
// handlers have to process each job once.
func (s *sender) load(ctx context.Context, requests [][]byte, counts bool) error {
	var processed atomic.Int64
	var handler http.Handler = s.handler
	if s.handler == nil {
		h, err := webhook.NewHandler(s.signer, func(context.Context, *webhook.Delivery) error {
			processed.Add(1)
			return nil
		})
		if err != nil {
			return err
		}
		handler = h
	}
	address, stop, err := serveLoopback(handler)
	if err != nil {
		return err
	}
	defer stop()
	if s.known {
		if _, err := deliver(ctx, address, connections, requests); err != nil {
			return err
		}
	}
	runtime.GC() // what was left behind while this was prepared is not the handler's
	before := cpuTime()
	rate, err := deliver(ctx, address, connections, requests)
	took := cpuTime() - before
	if err != nil {
		return err
	}
	if n := len(requests); s.handler == nil && processed.Load() != int64(n) {
		return fmt.Errorf("%d of %d jobs were processed", processed.Load(), n)
	}
	if counts {
		s.rates = append(s.rates, rate)
		s.cpu = append(s.cpu, took.Seconds()/float64(len(requests)))
	}
	return nil
}

var jobs atomic.Int64

// newJob is another id each time.
func newJob() string { return fmt.Sprintf("%08x-10b5-4c83-a978-0cee4af8cde2", jobs.Add(1)) }

// deliveries are messages of HTTP, each of the end of another job.
func deliveries(signer webhook.Verifier, n int) ([][]byte, error) {
	list := make([][]byte, n)
	for i := range list {
		var err error
		if list[i], err = message(testRequest(signer, newJob())); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// testRequest is the delivery of a job, with what this library's hook adds to a
// submission's metadata.
func testRequest(signer webhook.Verifier, job string) *http.Request {
	return webhook.NewTestRequest(benchURL.String(), signer, job, reducto.JobStatusCompleted,
		map[string]any{"user_id": "123", "submission_id": submissionOf(job)})
}

// submissionOf makes a submission's id of a job's.
func submissionOf(job string) string { return strings.Replace(job, "-10b5-4c83-", "-5b7c-7d52-", 1) }

// rateRow is a row of a table of rates.
func rateRow(name string, rates []float64) []string {
	s := spreadOf(rates)
	return []string{name, fmt.Sprintf("%.0f", s.median), fmt.Sprintf("%.0f to %.0f", s.least, s.most)}
}
