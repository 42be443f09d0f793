package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// balancer passes each delivery on to one of the children. Like a load balancer it
// knows which children are up, but not which are paused.
type balancer struct {
	client *http.Client
	owner  func(jobID string) (submissionID string)

	mu      sync.Mutex
	random  *rand.Rand
	targets map[int]string // addresses by slot
	acked   []string       // submissions with a genuine delivery that was answered 2xx
	answers []childAnswer  // to genuine deliveries
}

// childAnswer is a child's answer to a genuine delivery.
type childAnswer struct {
	Began, Ended time.Time
	Status       int
}

func newBalancer(seed uint64) *balancer {
	return &balancer{
		// A connection that was kept may lead to a child that has exited.
		client: &http.Client{
			Transport: &http.Transport{DisableKeepAlives: true},
			Timeout:   3 * time.Second,
		},
		random:  stream(seed, "balancer"),
		targets: map[int]string{},
	}
}

// add makes the child of a slot receive deliveries.
func (b *balancer) add(slot int, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets[slot] = address
}

// removeAddress stops deliveries to the child of a slot, unless the slot has another
// child already.
func (b *balancer) removeAddress(slot int, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.targets[slot] == address {
		delete(b.targets, slot)
	}
}

// pick returns the address of a child, or "" if none is up.
func (b *balancer) pick() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.targets) == 0 {
		return ""
	}
	slots := make([]int, 0, len(b.targets))
	for slot := range b.targets {
		slots = append(slots, slot)
	}
	slices.Sort(slots)
	return b.targets[slots[b.random.IntN(len(slots))]]
}

// ServeHTTP passes a delivery on. If no child is up it answers 502. If the child exits
// before its answer, it breaks the connection.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	began, address := time.Now(), b.pick()
	if address == "" {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+address+"/webhook", bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	request.Header = r.Header.Clone()
	response, err := b.client.Do(request)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close()
	b.note(began, response.StatusCode, body)
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

// announced is the body of a delivery.
type announced struct {
	JobID    string `json:"job_id"`
	Metadata struct {
		SubmissionID string `json:"submission_id"`
	} `json:"metadata"`
}

// note records the answer to a genuine delivery. If it is 2xx, the child must have stored
// the delivery.
func (b *balancer) note(began time.Time, status int, body []byte) {
	var a announced
	if json.Unmarshal(body, &a) != nil {
		return
	}
	owner := b.owner(a.JobID)
	if owner == "" || owner != a.Metadata.SubmissionID {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = append(b.answers, childAnswer{Began: began, Ended: time.Now(), Status: status})
	if status/100 == 2 {
		b.acked = append(b.acked, owner)
	}
}

// allAnswers returns the answers to genuine deliveries.
func (b *balancer) allAnswers() []childAnswer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.answers)
}

// acknowledged returns the submissions that have a genuine delivery that was answered
// 2xx, from the given index on.
func (b *balancer) acknowledged(from int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.acked[from:])
}
