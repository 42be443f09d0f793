package reductotest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// answerLimit is the number of bytes that the sender reads of a response.
const answerLimit = 64 << 10

var (
	errLost   = errors.New("reductotest: a fault lost the delivery")
	errBroken = errors.New("reductotest: a fault broke the connection before the response was read")
)

// webhookState holds the deliveries. The mutex of the server guards it.
type webhookState struct {
	svixEndpoints []svixEndpoint
	webhookFaults []WebhookFault
	lastingFault  WebhookFault    // of jobs without another one
	afterNext     []chan struct{} // sequences that wait for the end of the next one
	deliveries    []*Delivery
	byJob         map[string][]*Delivery
	delivered     chan struct{} // closed and replaced at each delivery
}

func newWebhookState() webhookState {
	return webhookState{byJob: map[string][]*Delivery{}, delivered: make(chan struct{})}
}

// Delivery is one attempt to deliver a webhook.
type Delivery struct {
	JobID string
	// Attempt counts from 1. A duplicate has the number of the attempt that it repeats.
	// It is 0 for forged deliveries and those of Deliver or Redeliver.
	Attempt int
	URL     string
	// Header and Body are sent with the request.
	Header http.Header
	Body   Body
	// StatusCode is the status of the response. It is 0 without a response.
	StatusCode int
	// Answer is the body of the response, up to 64 KiB.
	Answer Body
	// Err is the error if there is no response or only part of one.
	Err error
	// Lost reports that a fault lost the delivery.
	Lost bool
	// Forged reports that the service would not send this delivery.
	Forged bool
	// Duplicate reports that the delivery repeats another one.
	Duplicate bool
	// Time is the time when the delivery started.
	Time time.Time
}

// send delivers d and records it.
func (s *Server) send(ctx context.Context, d Delivery, fail error, slow time.Duration) Delivery {
	d.Time = time.Now()
	if d.Err = fail; !d.Lost {
		s.post(ctx, &d, slow)
		if d.Err == nil {
			d.Err = fail
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries = append(s.deliveries, &d)
	s.byJob[d.JobID] = append(s.byJob[d.JobID], &d)
	close(s.delivered)
	s.delivered = make(chan struct{})
	return d
}

// post sends the request of d and sets its result.
func (s *Server) post(ctx context.Context, d *Delivery, slow time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.webhookTimeout)
	defer cancel()
	var body io.Reader = bytes.NewReader(d.Body)
	if half := (len(d.Body) + 1) / 2; slow > 0 {
		body = io.MultiReader(bytes.NewReader(d.Body[:half]), &pause{ctx, slow}, bytes.NewReader(d.Body[half:]))
	}
	var req *http.Request
	if req, d.Err = http.NewRequestWithContext(ctx, http.MethodPost, d.URL, body); d.Err != nil {
		return
	}
	req.ContentLength = int64(len(d.Body))
	req.Header = d.Header.Clone()
	resp, err := s.sender.Do(req)
	if err != nil {
		d.Err = err
		return
	}
	defer resp.Body.Close()
	d.StatusCode = resp.StatusCode
	d.Answer, d.Err = io.ReadAll(io.LimitReader(resp.Body, answerLimit))
}

// pause is an empty reader that ends after some time.
type pause struct {
	ctx  context.Context
	time time.Duration
}

func (p *pause) Read([]byte) (int, error) {
	if !sleep(p.ctx, p.time) {
		return 0, context.Cause(p.ctx)
	}
	return 0, io.EOF
}

// payload returns the body of a webhook.
func payload(status, jobID string, metadata json.RawMessage) []byte {
	return mustMarshal(obj("status", status, "job_id", jobID, "metadata", metadata))
}

// sequence is the attempts to deliver the webhook of a job to one URL.
type sequence struct {
	s       *Server
	job     *job
	url     string
	payload []byte
	fault   WebhookFault
	svixID  string // empty for direct webhooks
}

// sendLocked starts the webhook of a job that has ended. The caller holds the mutex.
func (s *Server) sendLocked(j *job) {
	targets := s.targets(j.hook)
	if len(targets) == 0 {
		return
	}
	fault := s.takeFault(j)
	held := s.afterNext // these sequences wait for this one
	s.afterNext = nil
	var turn chan struct{}
	if fault.afterNext {
		turn = make(chan struct{})
		s.afterNext = []chan struct{}{turn}
	}
	status := j.status
	if fault.status != "" {
		status = fault.status
	}
	s.goLocked(func() {
		defer func() {
			for _, c := range held {
				close(c)
			}
		}()
		if turn != nil {
			select {
			case <-turn:
			case <-s.ctx.Done():
				return
			}
		}
		if !sleep(s.ctx, fault.delay) {
			return
		}
		var all sync.WaitGroup
		for _, url := range targets {
			q := &sequence{s: s, job: j, url: url, payload: payload(status, j.id, j.metadata), fault: fault, svixID: newSvixID(j.hook)}
			all.Go(q.run)
		}
		all.Wait()
	})
}

func newSvixID(h webhook) string {
	if h.mode != "svix" {
		return ""
	}
	return "msg_" + strings.ReplaceAll(uuid.NewString(), "-", "")
}

// retryDelays returns the delays between attempts.
func (q *sequence) retryDelays() []time.Duration {
	switch {
	case q.s.cfg.retrySchedule != nil:
		return q.s.cfg.retrySchedule
	case q.svixID != "":
		return svixSchedule
	}
	return directSchedule
}

// run makes all attempts, with those that faults add.
func (q *sequence) run() {
	for _, f := range q.fault.forgeries {
		q.forge(f)
	}
	delivered, attempt, copied := false, 1, false
	for delays := q.retryDelays(); ; attempt++ {
		var copies sync.WaitGroup
		if attempt > q.fault.lose && !copied {
			copied = true
			for range q.fault.concurrent {
				copies.Go(func() { q.attempt(attempt, true) })
			}
		}
		delivered = q.attempt(attempt, false)
		copies.Wait()
		if delivered || attempt > len(delays) || !sleep(q.s.ctx, delays[attempt-1]) {
			break
		}
	}
	if delivered {
		for range q.fault.duplicates {
			q.attempt(attempt, true)
		}
	}
	if q.fault.also && q.s.ctx.Err() == nil {
		status := statusFailed
		if q.job.status == statusFailed {
			status = statusCompleted
		}
		q.payload = payload(status, q.job.id, q.job.metadata)
		q.svixID = newSvixID(q.job.hook)
		q.attempt(attempt, true)
	}
}

// attempt delivers once. It reports whether the receiver confirmed the delivery.
func (q *sequence) attempt(number int, duplicate bool) bool {
	d := Delivery{
		JobID: q.job.id, Attempt: number, Duplicate: duplicate, URL: q.url,
		Header: q.headers(), Body: q.payload, Lost: number <= q.fault.lose,
	}
	if number <= q.fault.corrupt {
		d.Body = d.Body[:len(d.Body)/2]
	}
	var fail error
	switch {
	case d.Lost:
		fail = errLost
	case number <= q.fault.breaks:
		fail = errBroken
	}
	d = q.s.send(q.s.ctx, d, fail, q.fault.slow)
	return d.Err == nil && d.StatusCode >= 200 && d.StatusCode < 300
}

// headers returns the headers of the payload.
func (q *sequence) headers() http.Header {
	h := directHeaders()
	if q.svixID != "" {
		maps.Copy(h, svixHeaders(q.s.cfg.svixKey, q.svixID, time.Now(), q.payload))
	}
	return h
}

func directHeaders() http.Header {
	return http.Header{"Content-Type": {"application/json"}, "User-Agent": {"reductotest"}}
}

// forge sends a delivery as an attacker would.
func (q *sequence) forge(f Forgery) {
	metadata := withSecret(q.job.metadata, f.Secret)
	if f.Metadata != nil {
		if raw, err := rawJSON(f.Metadata); err == nil {
			metadata = raw
		}
	}
	body := payload(cmp.Or(f.Status, q.job.status), cmp.Or(f.JobID, q.job.id), metadata)
	if f.Body != nil {
		body = slices.Clone(f.Body)
	}
	header := directHeaders()
	if q.svixID != "" && f.Secret != "" {
		key, err := svixKey(f.Secret)
		if err != nil {
			key = []byte(f.Secret)
		}
		maps.Copy(header, svixHeaders(key, newSvixID(q.job.hook), time.Now(), body))
	}
	for key, values := range f.Header {
		header[http.CanonicalHeaderKey(key)] = slices.Clone(values)
	}
	q.s.send(q.s.ctx, Delivery{JobID: q.job.id, URL: q.url, Header: header, Body: body, Forged: true}, nil, 0)
}

// withSecret returns metadata with another secret, or with none.
func withSecret(metadata json.RawMessage, secret string) json.RawMessage {
	var o map[string]json.RawMessage
	if json.Unmarshal(metadata, &o) != nil || o == nil {
		o = map[string]json.RawMessage{}
	}
	delete(o, "secret")
	if secret != "" {
		o["secret"] = mustMarshal(secret)
	}
	return mustMarshal(o)
}

// Deliveries returns the finished deliveries of a job, in the order in which they
// finished. It includes lost and forged ones.
func (s *Server) Deliveries(jobID string) []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cloneDeliveries(s.byJob[jobID])
}

// AllDeliveries returns the finished deliveries of all jobs, in the order in which they
// finished.
func (s *Server) AllDeliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cloneDeliveries(s.deliveries)
}

func cloneDeliveries(deliveries []*Delivery) []Delivery {
	var list []Delivery
	for _, d := range deliveries {
		c := *d
		c.Header, c.Body, c.Answer = d.Header.Clone(), slices.Clone(d.Body), slices.Clone(d.Answer)
		list = append(list, c)
	}
	return list
}

// AwaitDeliveries waits until the receiver has responded to n deliveries of a job, with
// any status. It returns all deliveries of the job so far. Forged deliveries count,
// lost ones do not. It returns an error if ctx ends or the server is closed.
func (s *Server) AwaitDeliveries(ctx context.Context, jobID string, n int) ([]Delivery, error) {
	for {
		s.mu.Lock()
		list, changed := cloneDeliveries(s.byJob[jobID]), s.delivered
		s.mu.Unlock()
		answered := 0
		for _, d := range list {
			if d.StatusCode != 0 {
				answered++
			}
		}
		if answered >= n {
			return list, nil
		}
		var err error
		select {
		case <-changed:
			continue
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-s.ctx.Done():
			err = errors.New("the server was closed")
		}
		return list, fmt.Errorf("reductotest: the receiver responded to %d of %d deliveries of job %s: %w", answered, n, jobID, err)
	}
}

// Deliver posts body to url and waits for the response. Use it for deliveries that the
// service would not send. The delivery is listed as forged under jobID, which can be
// any text. A nil header selects the header of a direct webhook.
func (s *Server) Deliver(ctx context.Context, url, jobID string, body []byte, header http.Header) Delivery {
	if header == nil {
		header = directHeaders()
	}
	return s.send(ctx, Delivery{JobID: jobID, URL: url, Header: header.Clone(), Body: slices.Clone(body), Forged: true}, nil, 0)
}

// Redeliver sends the webhook of an ended job again and waits for the response. It does
// not retry and ignores faults. If there are several Svix endpoints, it sends to the
// first.
func (s *Server) Redeliver(jobID string) Delivery {
	j := s.job(jobID)
	if j == nil {
		return Delivery{}
	}
	s.mu.Lock()
	targets := s.targets(j.hook)
	status := j.status
	s.mu.Unlock()
	switch {
	case len(targets) == 0:
		s.fatalf("Redeliver: job %q has no webhook", jobID)
		return Delivery{}
	case status == "":
		s.fatalf("Redeliver: job %q has not ended", jobID)
		return Delivery{}
	}
	q := &sequence{s: s, job: j, payload: payload(status, j.id, j.metadata), svixID: newSvixID(j.hook)}
	return s.send(s.ctx, Delivery{JobID: j.id, URL: targets[0], Header: q.headers(), Body: q.payload, Duplicate: true}, nil, 0)
}
