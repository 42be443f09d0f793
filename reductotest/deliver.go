package reductotest

import (
	"bytes"
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

// answerLimit is how much is read of a receiver's answer.
const answerLimit = 64 << 10

var (
	errLost   = errors.New("reductotest: the delivery was lost on the way")
	errBroken = errors.New("reductotest: the connection broke before the answer was read")
)

// Delivery is one attempt to deliver a webhook.
type Delivery struct {
	JobID string
	// Attempt counts from 1. Duplicates have the number of the attempt they
	// repeat; forged deliveries and those sent by hand have 0.
	Attempt int
	URL     string
	// Header and Body are what was sent.
	Header http.Header
	Body   Body
	// StatusCode is what the receiver answered; 0 if it did not.
	StatusCode int
	// Answer is the body of its answer, at most 64 KiB.
	Answer Body
	// Err is why the delivery failed other than by the answer's status.
	Err error
	// Lost is whether a fault kept the delivery from the receiver.
	Lost bool
	// Forged is whether the delivery was not the service's own.
	Forged bool
	// Duplicate is whether the delivery repeats another on purpose.
	Duplicate bool
	// Time is when the delivery was begun.
	Time time.Time
}

// succeeded is whether the sender takes the delivery for done.
func (d *Delivery) succeeded() bool {
	return d.Err == nil && d.StatusCode >= 200 && d.StatusCode < 300
}

func directHeaders() http.Header {
	return http.Header{"Content-Type": {"application/json"}, "User-Agent": {"reductotest"}}
}

// post sends a delivery and notes what became of it.
func (s *Server) post(ctx context.Context, d *Delivery, slow time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.webhookTimeout)
	defer cancel()
	var body io.Reader = bytes.NewReader(d.Body)
	if slow > 0 {
		body = &slowReader{ctx: ctx, rest: d.Body, half: (len(d.Body) + 1) / 2, pause: slow}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, body)
	if err != nil {
		d.Err = err
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

// slowReader pauses after the first half of what it reads.
type slowReader struct {
	ctx   context.Context
	rest  []byte
	half  int // bytes until the pause
	pause time.Duration
}

func (r *slowReader) Read(p []byte) (int, error) {
	if r.half == 0 && r.pause > 0 {
		if !sleep(r.ctx, r.pause) {
			return 0, context.Cause(r.ctx)
		}
		r.pause = 0
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := len(r.rest)
	if r.pause > 0 {
		n = r.half
	}
	n = copy(p, r.rest[:n])
	r.rest = r.rest[n:]
	r.half = max(0, r.half-n)
	return n, nil
}

func (s *Server) recordDelivery(d *Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries = append(s.deliveries, d)
	s.byJob[d.JobID] = append(s.byJob[d.JobID], d)
	close(s.delivered)
	s.delivered = make(chan struct{})
}

// Deliveries lists the deliveries of a job that are over, in the order in
// which they were, those that were lost or forged included.
func (s *Server) Deliveries(jobID string) []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cloneDeliveries(s.byJob[jobID])
}

// AllDeliveries lists the deliveries of all jobs, in the order in which they
// were over.
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

// AwaitDeliveries waits until the receiver has answered n deliveries of a job,
// with whatever status, and returns the job's deliveries so far. Forged ones
// count, lost ones do not. The error is that of ctx, or that the server was closed.
func (s *Server) AwaitDeliveries(ctx context.Context, jobID string, n int) ([]Delivery, error) {
	for {
		s.mu.Lock()
		answered := 0
		for _, d := range s.byJob[jobID] {
			if d.StatusCode != 0 {
				answered++
			}
		}
		changed := s.delivered
		s.mu.Unlock()
		if answered >= n {
			return s.Deliveries(jobID), nil
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
		return s.Deliveries(jobID), fmt.Errorf("reductotest: %d of %d deliveries of job %s were answered: %w", answered, n, jobID, err)
	}
}

// Deliver posts body to url as it is, for deliveries that the service would
// not send, and waits for the answer. It is listed with those of jobID, which
// need not be a job's, as forged. A nil header is that of a direct webhook.
func (s *Server) Deliver(ctx context.Context, url, jobID string, body []byte, header http.Header) Delivery {
	if header == nil {
		header = directHeaders()
	}
	d := &Delivery{JobID: jobID, URL: url, Header: header.Clone(), Body: slices.Clone(body), Forged: true, Time: time.Now()}
	s.post(ctx, d, 0)
	s.recordDelivery(d)
	return *d
}

// Redeliver sends the webhook of a job that has ended once more, without
// retries and faults, and waits for the answer. Of several Svix endpoints it is
// the first.
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
	q := &sequence{s: s, job: j, url: targets[0], payload: payload(status, j.id, j.metadata), svixID: newSvixID(j.hook)}
	d := &Delivery{JobID: j.id, URL: q.url, Header: q.headers(q.payload), Body: q.payload, Duplicate: true, Time: time.Now()}
	s.post(s.ctx, d, 0)
	s.recordDelivery(d)
	return *d
}

// webhookState is the state of deliveries. The server's mutex guards it.
type webhookState struct {
	svixEndpoints []svixEndpoint
	webhookFaults []WebhookFault
	afterNext     []chan struct{} // sequences that wait for the next one's end
	deliveries    []*Delivery
	byJob         map[string][]*Delivery
	delivered     chan struct{} // closed and replaced at every delivery
}

func newWebhookState() webhookState {
	return webhookState{byJob: map[string][]*Delivery{}, delivered: make(chan struct{})}
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

// payload is the body of a webhook.
func payload(status, jobID string, metadata json.RawMessage) []byte {
	if metadata == nil {
		metadata = json.RawMessage("null")
	}
	return mustMarshal(obj("status", status, "job_id", jobID, "metadata", metadata))
}

// sendLocked starts the webhook of a job that has ended. The caller holds the
// mutex.
func (s *Server) sendLocked(j *job) {
	targets := s.targets(j.hook)
	if len(targets) == 0 {
		return
	}
	fault := s.takeFault(j)
	held := s.afterNext // those end their wait with this job
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

// schedule is the delays between attempts.
func (q *sequence) schedule() []time.Duration {
	switch {
	case q.s.cfg.retrySchedule != nil:
		return q.s.cfg.retrySchedule
	case q.svixID != "":
		return svixSchedule
	}
	return directSchedule
}

func (q *sequence) run() {
	for _, f := range q.fault.forgeries {
		q.forge(f)
	}
	delivered, attempt, copied := false, 1, false
	for delays := q.schedule(); ; attempt++ {
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

// attempt delivers once and is whether the receiver has confirmed it.
func (q *sequence) attempt(number int, duplicate bool) bool {
	d := &Delivery{JobID: q.job.id, Attempt: number, Duplicate: duplicate, URL: q.url, Time: time.Now()}
	body := q.payload
	d.Header = q.headers(body)
	if number <= q.fault.corrupt {
		body = body[:len(body)/2]
	}
	d.Body = body
	if number <= q.fault.lose {
		d.Lost, d.Err = true, errLost
	} else {
		q.s.post(q.s.ctx, d, q.fault.slow)
		if number <= q.fault.breaks && d.Err == nil {
			d.Err = errBroken
		}
	}
	q.s.recordDelivery(d)
	return d.succeeded()
}

func (q *sequence) headers(body []byte) http.Header {
	h := directHeaders()
	if q.svixID != "" {
		maps.Copy(h, svixHeaders(q.s.cfg.svixKey, q.svixID, time.Now(), body))
	}
	return h
}

// forge sends what somebody else would.
func (q *sequence) forge(f Forgery) {
	status, id := q.job.status, q.job.id
	if f.Status != "" {
		status = f.Status
	}
	if f.JobID != "" {
		id = f.JobID
	}
	metadata := withSecret(q.job.metadata, f.Secret)
	if f.Metadata != nil {
		if raw, err := rawJSON(f.Metadata); err == nil {
			metadata = raw
		}
	}
	body := payload(status, id, metadata)
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
	d := &Delivery{JobID: q.job.id, URL: q.url, Header: header, Body: body, Forged: true, Time: time.Now()}
	q.s.post(q.s.ctx, d, 0)
	q.s.recordDelivery(d)
}

// withSecret is metadata with another secret, or without any.
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
