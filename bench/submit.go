package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
)

const benchKey = "bench"

// The submission that all send.
const (
	documentURL = "https://files.example.com/contracts/2026/0412.pdf"
	webhookURL  = "https://app.example.com/reducto/webhook"
)

type documentMetadata struct {
	UserID string `json:"user_id"`
	Folder string `json:"folder"`
}

var submittedMetadata = documentMetadata{UserID: "123", Folder: "contracts"}

// submitter submits one document, and returns the job's id.
type submitter struct {
	name   string
	submit func(context.Context) (string, error)
	close  func() // closes its connections
}

// byLibrary submits with a new client.
func byLibrary(base string) (submitter, error) {
	client, err := reducto.NewClient(reducto.WithAPIKey(benchKey), reducto.WithBaseURL(base))
	if err != nil {
		return submitter{}, err
	}
	return submitter{"reducto", func(ctx context.Context) (string, error) {
		job, err := client.ParseAsync(ctx, reducto.ParseRequest{
			Input: reducto.URL(documentURL),
			Async: reducto.Async{Webhook: reducto.DirectWebhook(webhookURL), Metadata: submittedMetadata},
		})
		if err != nil {
			return "", err
		}
		return job.JobID, nil
	}, client.CloseIdleConnections}, nil
}

// postByHand submits as a careful program does without a library: it bounds the time of
// the request, as the library bounds that of every attempt, and reads the answer to its
// end, so that the connection can be used again.
func postByHand(name, base string, client *http.Client, metadata any, webhook string) submitter {
	type wireWebhook struct {
		Mode string `json:"mode"`
		URL  string `json:"url"`
	}
	type wireAsync struct {
		Metadata any         `json:"metadata"`
		Webhook  wireWebhook `json:"webhook"`
	}
	type wireRequest struct {
		Input string    `json:"input"`
		Async wireAsync `json:"async"`
	}
	return submitter{name, func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, reducto.DefaultTimeout)
		defer cancel()
		body, err := json.Marshal(wireRequest{
			Input: documentURL,
			Async: wireAsync{Metadata: metadata, Webhook: wireWebhook{Mode: "direct", URL: webhook}},
		})
		if err != nil {
			return "", err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/parse_async", bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		req.Header.Set("Authorization", "Bearer "+benchKey)
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return "", errors.New(resp.Status)
		}
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			return "", err
		}
		var accepted struct {
			JobID string `json:"job_id"`
		}
		err = json.Unmarshal(raw, &accepted)
		return accepted.JobID, err
	}, client.CloseIdleConnections}
}

// measureSubmit measures everything about submissions, sent to another process.
func measureSubmit(ctx context.Context, r *run) error {
	var api servedAPI
	server, err := startChild(ctx, order{Serve: true}, &api)
	if err != nil {
		return err
	}
	err = r.submitTo(ctx, api)
	return errors.Join(err, server.end())
}

func (r *run) submitTo(ctx context.Context, api servedAPI) error {
	if err := r.measureCost(ctx, api); err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(api.Certificate) {
		return errors.New("the server has no certificate")
	}
	trust(roots)
	return r.measureTogether(ctx, api)
}

// trusted has the roots been set that trust sets: that can be done once.
var trusted sync.Once

// trust has all clients of this process, this library's and net/http's defaults, trust
// the server of httptest, which always has the same certificate. It works because of
// the directive in main.go.
func trust(roots *x509.CertPool) { trusted.Do(func() { x509.SetFallbackRoots(roots) }) }

// measureCost compares the cost of a submission in this process. Some are sent at a
// time, over connections that both keep: a process that waits for one answer at a time
// spends most of its CPU on falling asleep.
func (r *run) measureCost(ctx context.Context, api servedAPI) error {
	const atATime = 8
	r.log("submit: cost")
	ours, err := byLibrary(api.Plain)
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = connections
	list := []submitter{ours, postByHand("net/http by hand", api.Plain, &http.Client{Transport: transport}, submittedMetadata, webhookURL)}
	contestants := make([]contestant, len(list))
	for i, s := range list {
		if err := s.check(ctx, api.Plain); err != nil {
			return err
		}
		contestants[i] = contestant{s.name, func() error {
			return s.submitTimes(ctx, atATime*atATime, atATime)
		}}
	}
	// Rounds differ by far more than the two do, so there are many.
	found, err := compare(ctx, 4*r.loadRounds, r.sample, contestants...)
	if err != nil {
		return err
	}
	r.record("submit CPU", ratios(found[0].cpu, found[1].cpu))
	r.record("submit allocations", ratios(found[0].allocs, found[1].allocs))
	t := peerTable{
		area: "submit", title: fmt.Sprintf("a submission, %d at a time, to a server in another process", atATime),
		header: []string{"client", "µs of CPU", "allocations"},
	}
	for i, s := range list {
		t.rows = append(t.rows, []string{s.name,
			fmt.Sprintf("%.1f", 1e6*spreadOf(found[i].cpu).median/(atATime*atATime)),
			fmt.Sprintf("%.0f", spreadOf(found[i].allocs).median/(atATime*atATime))})
		s.close()
	}
	r.peers = append(r.peers, t)
	return nil
}

// check submits once, and sees that the server got what it should, and the client
// what the server answered.
func (s submitter) check(ctx context.Context, base string) error {
	job, err := s.submit(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if job != benchJob {
		return &mismatchError{s.name, "the job's id"}
	}
	var got any
	if err := getJSON(ctx, base+lastBodyPath, &got); err != nil {
		return err
	}
	want := map[string]any{
		"input": documentURL,
		"async": map[string]any{
			"metadata": map[string]any{"user_id": submittedMetadata.UserID, "folder": submittedMetadata.Folder},
			"webhook":  map[string]any{"mode": "direct", "url": webhookURL},
		},
	}
	if !reflect.DeepEqual(got, want) {
		return &mismatchError{s.name, fmt.Sprintf("what a submission says: %v", got)}
	}
	return nil
}

// getJSON reads from the server on a connection of its own.
func getJSON(ctx context.Context, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(v)
}

// together is what clients did that submit 64 at a time.
type together struct {
	name        string
	make        func() (submitter, error)
	rates       []float64
	connections []float64 // new ones a submission
}

// measureTogether compares clients that submit 64 at a time. Each round has new
// clients: those connections that any client has to make are counted too.
func (r *run) measureTogether(ctx context.Context, api servedAPI) error {
	r.log("submit: %d at a time", connections)
	defaults := func(base string) func() (submitter, error) {
		return func() (submitter, error) {
			client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
			return postByHand("", base, client, submittedMetadata, webhookURL), nil
		}
	}
	library := func(base string) func() (submitter, error) {
		return func() (submitter, error) { return byLibrary(base) }
	}
	list := []*together{
		{name: "reducto, TLS", make: library(api.TLS)},
		{name: "http.DefaultTransport, TLS", make: defaults(api.TLS)},
		{name: "reducto", make: library(api.Plain)},
		{name: "http.DefaultTransport", make: defaults(api.Plain)},
	}
	for round := range r.rounds {
		for k := range list {
			c := list[(round+k)%len(list)]
			if err := c.submit(ctx, api, r.submissions); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	r.record("submit connections", spreadOf(list[0].connections))
	r.record("submit TLS", ratios(list[0].rates, list[1].rates))
	t := peerTable{
		area: "submit", title: fmt.Sprintf("submissions, %d at a time, HTTP/1.1", connections),
		header: []string{"client", "a second", "spread", "new connections a submission"},
	}
	for _, c := range list {
		t.rows = append(t.rows, append(rateRow(c.name, c.rates), fmt.Sprintf("%.3f", spreadOf(c.connections).median)))
	}
	r.peers = append(r.peers, t)
	return nil
}

// submit submits n times with a new client.
func (c *together) submit(ctx context.Context, api servedAPI, n int) error {
	s, err := c.make()
	if err != nil {
		return err
	}
	defer s.close()
	var before, after int64
	if err := getJSON(ctx, api.Plain+connectionsPath, &before); err != nil {
		return err
	}
	began := time.Now()
	if err := s.submitTimes(ctx, n, connections); err != nil {
		return err
	}
	took := time.Since(began)
	if err := getJSON(ctx, api.Plain+connectionsPath, &after); err != nil {
		return err
	}
	c.rates = append(c.rates, float64(n)/took.Seconds())
	c.connections = append(c.connections, float64(after-before-1)/float64(n)) // one was that of the second question
	return nil
}

// submitTimes submits n times, some at a time.
func (s submitter) submitTimes(ctx context.Context, n, atATime int) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	var next atomic.Int64
	errs := make([]error, atATime)
	var wg sync.WaitGroup
	for i := range atATime {
		wg.Go(func() {
			for errs[i] == nil && next.Add(1) <= int64(n) {
				_, errs[i] = s.submit(ctx)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
