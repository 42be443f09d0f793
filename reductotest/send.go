package reductotest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

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
