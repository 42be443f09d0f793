package listen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// schedule has the pauses after a failed attempt. The service documents three retries
// with exponential backoff, without times.
var schedule = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}

const (
	// attemptTimeout is how long an attempt waits for the receiver's answer.
	attemptTimeout = 15 * time.Second
	// grace is how long it waits after the end of Run's context.
	grace = 3 * time.Second
	// maxAnswer is the number of bytes that are read of the receiver's answer.
	maxAnswer = 64 << 10
)

// Attempt is one attempt to deliver a webhook.
type Attempt struct {
	// JobID, Type and Status are those of the job.
	JobID  string
	Type   reducto.JobType
	Status reducto.JobStatus
	// Number counts the attempts for the job, from 1 to Attempts.
	Number int
	// Code is the status of the receiver's answer. It is 0 without an answer.
	Code int
	// Err is the error of an attempt that has no answer. It does not repeat the URL.
	Err error
	// Took is the time until the answer.
	Took time.Duration
	// Age is how long before the attempt the job ended, at most. The API tells when a job
	// was submitted and how long it was processed, but not how long it was queued. It
	// is negative if it is unknown.
	Age time.Duration
	// Origin says where the metadata came from.
	Origin Origin
	// Retry is the pause before the next attempt. It is zero if there is none.
	Retry time.Duration
}

// Attempts is the number of attempts for a webhook.
const Attempts = 4

// Delivered reports whether the receiver accepted the webhook with a 2xx.
func (a Attempt) Delivered() bool { return a.Err == nil && a.Code >= 200 && a.Code < 300 }

// Failed reports whether this was the last attempt, and failed. Replay sends the
// webhook again.
func (a Attempt) Failed() bool { return !a.Delivered() && a.Retry == 0 }

// Origin says where the metadata of a webhook came from.
type Origin string

// The origins of metadata.
const (
	// OriginInbox: the local Inbox recorded it at submission.
	OriginInbox Origin = "inbox"
	// OriginJob: the API repeated the request of the job.
	OriginJob Origin = "job"
	// OriginNone: it is not known. The metadata has the secret alone.
	OriginNone Origin = "none"
)

// forward makes the attempts for a job, and remembers the result. Its error is that of
// ctx or of the state.
func (r *run) forward(ctx context.Context, j *job) (delivered bool, err error) {
	metadata, origin, err := r.metadata(ctx, j)
	if err != nil {
		return false, err
	}
	for n := 1; ; n++ {
		a := Attempt{JobID: j.ID, Type: j.Type, Status: j.Status, Number: n, Origin: origin, Age: -1}
		began := time.Now()
		if !j.ended.IsZero() {
			a.Age = max(0, began.Sub(j.ended))
		}
		a.Code, a.Err = r.post(ctx, j, metadata)
		a.Took = time.Since(began)
		if !a.Delivered() && ctx.Err() != nil {
			return false, ctx.Err() // the next run makes all attempts
		}
		if !a.Delivered() && n < Attempts {
			a.Retry = schedule[n-1]
		} else if err = r.remember(j, a.Delivered()); err != nil {
			err = errors.Join(errors.New("listen: the state file cannot be written, so jobs could be forwarded twice"), err)
		}
		r.report.Lock()
		if r.OnAttempt != nil {
			r.OnAttempt(a)
		}
		r.report.Unlock()
		if a.Retry == 0 {
			return a.Delivered(), err
		}
		if err := sleep(ctx, a.Retry); err != nil {
			return false, err
		}
	}
}

func (r *run) remember(j *job, delivered bool) error {
	kind := kindFailed
	if delivered {
		kind = kindDelivered
	}
	if r.state == nil {
		return nil // a running listener has the file
	}
	return r.state.settle(inbox.Key(j.ID), kind, j.CreatedAt.Time)
}

// post sends a webhook once. An end of ctx does not end the request at once, because
// the receiver may be processing it.
func (r *run) post(ctx context.Context, j *job, metadata map[string]any) (int, error) {
	req := webhook.NewTestRequest(r.Forward.String(), r.Sign, j.ID, j.Status, metadata)
	req.Header.Set("User-Agent", "reducto-hooks")
	req.Close = true // a receiver that restarts breaks its idle connections
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()
	resp, err := r.http.Do(req.WithContext(detached))
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // the status is the answer, even if the rest does not come
	return resp.StatusCode, nil
}

// metadata returns the metadata of the submission, without a secret: what the Inbox
// recorded, or what the API repeats. It is nil if neither is known.
func (r *run) metadata(ctx context.Context, j *job) (map[string]any, Origin, error) {
	record, err := r.record(ctx, j.ID)
	if err != nil {
		return nil, "", err
	}
	if record != nil && (record.SubmissionID != "" || len(record.Metadata) > 0) {
		m := object(record.Metadata)
		if m == nil {
			m = map[string]any{}
		}
		if record.SubmissionID != "" {
			m[reducto.MetadataSubmissionID] = record.SubmissionID
		}
		return m, OriginInbox, nil
	}
	config := j.RawConfig
	if config == nil { // the job is from the list
		one, err := r.get(ctx, j.ID)
		switch {
		case err == nil:
			config = one.RawConfig
		case !isGone(err) && !isRefused(err):
			return nil, "", err
		}
	}
	if m := metadataIn(config); m != nil {
		return m, OriginJob, nil
	}
	return nil, OriginNone, nil
}

// metadataIn returns the metadata in the configuration of a job, or nil. The form of a
// configuration is not documented. It was JSON, in a string.
func metadataIn(config json.RawMessage) map[string]any {
	var text string
	if json.Unmarshal(config, &text) == nil {
		config = json.RawMessage(text)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(config, &members) != nil {
		return nil
	}
	for _, name := range []string{"async", "webhook"} { // an edit has it in its webhook
		var holder struct {
			Metadata json.RawMessage `json:"metadata"`
		}
		if json.Unmarshal(members[name], &holder) == nil && holder.Metadata != nil {
			return object(holder.Metadata)
		}
	}
	return nil
}

// object returns the members of a JSON object without the secret, or nil. Other
// metadata cannot carry a secret.
func object(text json.RawMessage) map[string]any {
	var members map[string]json.RawMessage
	if len(bytes.TrimSpace(text)) == 0 || json.Unmarshal(text, &members) != nil || members == nil {
		return nil
	}
	m := make(map[string]any, len(members))
	for name, value := range members {
		m[name] = value
	}
	delete(m, reducto.MetadataSecret)
	// A Signer takes the id as a string.
	var id string
	if raw, ok := members[reducto.MetadataSubmissionID]; ok && json.Unmarshal(raw, &id) == nil {
		m[reducto.MetadataSubmissionID] = id
	}
	return m
}
