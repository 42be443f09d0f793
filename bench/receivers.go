package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/go-github/v84/github"
	stripe "github.com/stripe/stripe-go/v82/webhook"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/reducto-go/reducto/webhook"
)

// The handlers that goals are about.
const (
	oursSecret = "reducto, Secret"
	oursSvix   = "reducto, Svix"
	peerByHand = "ReadAll + json.Unmarshal"
	peerSvix   = "svix Verify + json.Unmarshal"
)

// receiver is a handler and a delivery that it takes.
type receiver struct {
	name     string
	handler  http.Handler
	header   http.Header
	body     []byte
	reported *reported // of the last delivery; nil if the handler understands nothing
	// forgeable says that the handler verifies nothing.
	forgeable bool
	// next makes the body that of another job; nil if every delivery is the same.
	next func(body []byte)
}

// plainDelivery is what a program would declare for its deliveries. With a map for the
// metadata it would cost half as much again.
type plainDelivery struct {
	Status   string `json:"status"`
	JobID    string `json:"job_id"`
	Metadata struct {
		UserID       string `json:"user_id"`
		Secret       string `json:"secret"`
		SubmissionID string `json:"submission_id"`
	} `json:"metadata"`
}

// receivers are this library's handlers, others', and some written by hand.
func receivers() ([]*receiver, error) {
	secret, err := webhook.NewSecret(benchSecret)
	if err != nil {
		return nil, err
	}
	signed, err := webhook.NewSvix(svixSecret)
	if err != nil {
		return nil, err
	}
	var list []*receiver
	for _, c := range []struct {
		name     string
		verifier webhook.Verifier
		first    bool
	}{
		{oursSecret, secret, false},
		{oursSecret + ", first of its job, with a call of the function", secret, true},
		{oursSvix, signed, false},
	} {
		r, err := ours(c.name, c.verifier, c.first)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	direct, svixSigned := list[0], list[2]
	peers, err := byHand(direct)
	if err != nil {
		return nil, err
	}
	list = append(list, peers...)
	for _, verified := range []func(*receiver) (*receiver, error){svixReceiver, stripeReceiver, githubReceiver} {
		r, err := verified(svixSigned)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// ours is a Handler of this library and a delivery for it, which is always the same
// one, unless it is to be the first of its job each time.
func ours(name string, v webhook.Verifier, first bool) (*receiver, error) {
	r := &receiver{name: name, reported: new(reported)}
	h, err := webhook.NewHandler(v, func(_ context.Context, d *webhook.Delivery) error {
		*r.reported = reported{d.JobID, string(d.Status)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	job := newJob()
	request := testRequest(v, job)
	r.handler, r.header = h, request.Header
	if r.body, err = readBody(request); err != nil {
		return nil, err
	}
	if first {
		at, also := bytes.Index(r.body, []byte(job)), bytes.Index(r.body, []byte(submissionOf(job)))
		n := uint32(1 << 31) // beyond what newJob counts to
		r.next = func(body []byte) {
			n++
			digits := [4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
			hex.Encode(body[at:], digits[:])
			copy(body[also:], body[at:at+8])
		}
	}
	return r, nil
}

// byHand are handlers without a library, for the same delivery as another receiver's.
func byHand(as *receiver) ([]*receiver, error) {
	readAll := func(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		return raw, err == nil
	}
	read := &receiver{name: "ReadAll", forgeable: true}
	read.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := readAll(w, r); ok {
			w.WriteHeader(http.StatusOK)
		}
	})
	parse := &receiver{name: peerByHand, forgeable: true, reported: new(reported)}
	parse.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if raw, ok := readAll(w, r); ok {
			w.WriteHeader(parse.unmarshal(raw))
		}
	})
	// What is missing there, as one writes it first.
	whole := &receiver{name: peerByHand + ", secret, set of ids", reported: new(reported)}
	var mu sync.Mutex
	seen := map[string]bool{}
	whole.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, ok := readAll(w, r)
		if !ok {
			return
		}
		var d plainDelivery
		if err := json.Unmarshal(raw, &d); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if subtle.ConstantTimeCompare([]byte(d.Metadata.Secret), []byte(benchSecret)) != 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mu.Lock()
		seen[d.JobID] = true
		mu.Unlock()
		*whole.reported = reported{d.JobID, d.Status}
		w.WriteHeader(http.StatusOK)
	})
	list := []*receiver{read, parse, whole}
	for _, r := range list {
		r.header, r.body = as.header, as.body
	}
	return list, nil
}

// unmarshal reads a body, and returns the status to answer.
func (c *receiver) unmarshal(body []byte) int {
	var d plainDelivery
	if err := json.Unmarshal(body, &d); err != nil {
		return http.StatusBadRequest
	}
	*c.reported = reported{d.JobID, d.Status}
	return http.StatusOK
}

func svixReceiver(as *receiver) (*receiver, error) {
	v, err := svix.NewWebhook(svixSecret)
	if err != nil {
		return nil, err
	}
	c := &receiver{name: peerSvix, header: as.header, body: as.body, reported: new(reported)}
	c.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil || v.Verify(raw, r.Header) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(c.unmarshal(raw))
	})
	return c, nil
}

// stripeReceiver takes the delivery as the object of one of Stripe's events, which is
// all that its library takes.
func stripeReceiver(as *receiver) (*receiver, error) {
	event := fmt.Appendf(nil, `{"id":"evt_1","object":"event","type":"job.completed","data":{"object":%s}}`, as.body)
	signed := stripe.GenerateTestSignedPayload(&stripe.UnsignedPayload{Payload: event, Secret: benchSecret, Timestamp: time.Now()})
	c := &receiver{
		name: "stripe-go ConstructEvent", body: event, reported: new(reported),
		header: http.Header{"Stripe-Signature": {signed.Header}},
	}
	c.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		e, err := stripe.ConstructEventWithOptions(raw, r.Header.Get("Stripe-Signature"), benchSecret,
			stripe.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		job, _ := e.Data.Object["job_id"].(string)
		status, _ := e.Data.Object["status"].(string)
		*c.reported = reported{job, status}
		w.WriteHeader(http.StatusOK)
	})
	return c, nil
}

func githubReceiver(as *receiver) (*receiver, error) {
	mac := hmac.New(sha256.New, []byte(benchSecret))
	_, _ = mac.Write(as.body)
	c := &receiver{
		name: "go-github ValidatePayload + json.Unmarshal", body: as.body, reported: new(reported),
		header: http.Header{
			"Content-Type":        {"application/json"},
			"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))},
		},
	}
	c.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := github.ValidatePayload(r, []byte(benchSecret))
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(c.unmarshal(raw))
	})
	return c, nil
}

// check delivers once, compares what the handler read with what encoding/json reads, and
// sees that a forgery is refused by who verifies.
func (c *receiver) check() error {
	body := c.body
	var event struct {
		Data struct{ Object json.RawMessage }
	} // Stripe's
	if err := json.Unmarshal(body, &event); err != nil {
		return err
	}
	if event.Data.Object != nil {
		body = event.Data.Object
	}
	var want plainDelivery
	if err := json.Unmarshal(body, &want); err != nil {
		return err
	}
	if status := c.serveOnce(c.body); status != http.StatusOK {
		return fmt.Errorf("%s: a delivery was answered %d", c.name, status)
	}
	if c.reported != nil && *c.reported != (reported{want.JobID, want.Status}) {
		return &mismatchError{c.name, "a delivery"}
	}
	if c.forgeable {
		return nil
	}
	// Another digit in the secret, or in what is signed.
	forged := bytes.Replace(c.body, []byte(benchSecret), []byte("1"+benchSecret[1:]), 1)
	if bytes.Equal(forged, c.body) {
		forged = bytes.Replace(c.body, []byte(want.JobID), []byte("ffffffff"+want.JobID[8:]), 1)
	}
	if status := c.serveOnce(forged); status == http.StatusOK {
		return fmt.Errorf("%s: a forged delivery was answered 200", c.name)
	}
	return nil
}

// serveOnce has the handler answer a body with the receiver's header.
func (c *receiver) serveOnce(body []byte) int {
	w, r, reader := c.exchange(body)
	reader.Reset(body)
	c.handler.ServeHTTP(w, r)
	return w.status
}

// serving has the handler answer the receiver's delivery.
func (c *receiver) serving() func() error {
	body := slices.Clone(c.body)
	w, r, reader := c.exchange(body)
	return func() error {
		if c.next != nil {
			c.next(body)
		}
		reader.Reset(body)
		r.Body = reader // a handler may have wrapped it
		w.status = 0
		c.handler.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			return fmt.Errorf("answered %d", w.status)
		}
		return nil
	}
}

// exchange is a request and a ResponseWriter that cost nothing to use again.
func (c *receiver) exchange(body []byte) (*freeWriter, *http.Request, *freeReader) {
	reader := new(freeReader)
	r := &http.Request{
		Method: http.MethodPost, URL: benchURL, Header: c.header, Host: benchURL.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: reader, ContentLength: int64(len(body)),
	}
	return &freeWriter{header: http.Header{}}, r, reader
}
