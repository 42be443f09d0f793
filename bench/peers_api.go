package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
)

// deliverPath has the child deliver the jobs that were submitted since it last did.
const deliverPath = "/bench/deliver"

// deliverOrder says where to deliver, and when.
type deliverOrder struct {
	Address string // host and port of the webhook
	// Rate is how many jobs end a second. They end at random times. With zero, all
	// deliveries are sent as fast as the receiver answers.
	Rate float64
}

// delivered says when the first delivery of each job was sent, in nanoseconds since 1970.
type delivered map[string]int64

// Each job is delivered twice. The second delivery comes so many jobs after the first,
// or so much later if there is a rate.
const (
	duplicateJobs  = 100
	duplicateAfter = 100 * time.Millisecond
)

// jobAPI takes submissions, and delivers the ends of their jobs on command. It is in
// another process, so that its CPU time is not that of the receiver.
type jobAPI struct {
	mu   sync.Mutex
	jobs []apiJob
}

type apiJob struct {
	ID       string
	Metadata json.RawMessage
}

// serveJobs serves until in ends. It tells out where.
func serveJobs(in io.Reader, out io.Writer) error {
	address, stop, err := serveLoopback(new(jobAPI))
	if err != nil {
		return err
	}
	defer stop()
	if err := json.NewEncoder(out).Encode(servedAPI{Plain: "http://" + address}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

func (a *jobAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := a.submit
	if r.URL.Path == deliverPath {
		answer = a.deliver
	}
	v, err := answer(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (a *jobAPI) submit(r *http.Request) (any, error) {
	if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+benchKey {
		return nil, fmt.Errorf("no submission: %s %s", r.Method, r.URL.Path)
	}
	var body struct {
		Async struct {
			Metadata json.RawMessage `json:"metadata"`
		} `json:"async"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	job := apiJob{newJob(), body.Async.Metadata}
	a.mu.Lock()
	a.jobs = append(a.jobs, job)
	a.mu.Unlock()
	return map[string]string{"job_id": job.ID}, nil
}

// deliver delivers each job twice, and returns when all deliveries were answered 200.
func (a *jobAPI) deliver(r *http.Request) (any, error) {
	var o deliverOrder
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		return nil, err
	}
	a.mu.Lock()
	jobs := a.jobs
	a.jobs = nil
	a.mu.Unlock()
	list := arrivals(len(jobs), o.Rate)
	requests := make([][]byte, len(list))
	for i, d := range list {
		var err error
		if requests[i], err = jobs[d.job].message(o.Address); err != nil {
			return nil, err
		}
	}
	sent := make([]time.Time, len(jobs)) // an element is written by one connection
	began := time.Now()
	_, err := deliverAfter(r.Context(), o.Address, connections, requests, func(ctx context.Context, n int) {
		at := time.Now()
		if o.Rate > 0 {
			due := began.Add(list[n].at)
			if wait(ctx, time.Until(due)) {
				at = time.Now()
			} else {
				at = due // it waited for a connection
			}
		}
		if list[n].first {
			sent[list[n].job] = at
		}
	})
	if err != nil {
		return nil, err
	}
	d := make(delivered, len(jobs))
	for i, job := range jobs {
		d[job.ID] = sent[i].UnixNano()
	}
	return d, nil
}

// wait waits for d, and reports whether d was positive.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return true
}

// message returns a delivery of the job as it goes over a connection. Its metadata is
// that of the submission, with the secret that the submitter added.
func (j apiJob) message(address string) ([]byte, error) {
	body, err := json.Marshal(struct {
		Status   reducto.JobStatus `json:"status"`
		JobID    string            `json:"job_id"`
		Metadata json.RawMessage   `json:"metadata"`
	}{reducto.JobStatusCompleted, j.ID, j.Metadata})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+address+"/webhook", strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return message(r)
}

// arrival is a delivery of a job, at a time after the start.
type arrival struct {
	job   int
	first bool
	at    time.Duration
}

// arrivals returns the two deliveries of each of n jobs in the order in which they are
// sent. It is the same for all contestants.
func arrivals(n int, rate float64) []arrival {
	list := make([]arrival, 0, 2*n)
	if rate > 0 {
		random := rand.New(rand.NewPCG(1, 2))
		var at time.Duration
		for job := range n {
			at += time.Duration(random.ExpFloat64() / rate * float64(time.Second))
			list = append(list, arrival{job, true, at}, arrival{job, false, at + duplicateAfter})
		}
		slices.SortStableFunc(list, func(a, b arrival) int { return int(a.at - b.at) })
		return list
	}
	for i := range n + duplicateJobs {
		if i < n {
			list = append(list, arrival{job: i, first: true})
		}
		if i >= duplicateJobs {
			list = append(list, arrival{job: i - duplicateJobs})
		}
	}
	return list
}

// orderDeliveries has the child deliver all jobs that were submitted.
func orderDeliveries(ctx context.Context, api string, o deliverOrder) (delivered, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, api+deliverPath, strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return nil, errors.New("deliveries failed: " + string(text))
	}
	var d delivered
	err = json.NewDecoder(resp.Body).Decode(&d)
	return d, err
}
