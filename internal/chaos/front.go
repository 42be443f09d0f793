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

// front is where webhooks are sent: it hands each on to one of the children, as a
// load balancer that knows which of them are up, but not which are paused.
type front struct {
	client *http.Client
	owner  func(jobID string) (submissionID string)

	mu      sync.Mutex
	random  *rand.Rand
	targets map[int]string // addresses by slot
	acked   []string       // submissions of which a genuine delivery was answered 2xx
	strays  []string       // jobs that another submission's token was accepted with
	counts  map[string]int
}

func newFront(seed uint64) *front {
	return &front{
		// A new connection each time: one that was kept may lead to a child that has
		// died, which a balancer would notice.
		client: &http.Client{
			Transport: &http.Transport{DisableKeepAlives: true},
			Timeout:   3 * time.Second,
		},
		random:  stream(seed, "front"),
		targets: map[int]string{},
		counts:  map[string]int{},
	}
}

// add has deliveries go to the child too.
func (f *front) add(slot int, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets[slot] = address
}

// removeAddress has no more deliveries go to the child of that slot, unless it is
// the next one already.
func (f *front) removeAddress(slot int, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.targets[slot] == address {
		delete(f.targets, slot)
	}
}

// pick is the address of a child, empty if none is up.
func (f *front) pick() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.targets) == 0 {
		return ""
	}
	slots := make([]int, 0, len(f.targets))
	for slot := range f.targets {
		slots = append(slots, slot)
	}
	slices.Sort(slots)
	return f.targets[slots[f.random.IntN(len(slots))]]
}

// ServeHTTP hands on one delivery. Without a child, or if that one dies, the
// sender sees what it would of a balancer or a broken connection.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	address := f.pick()
	if address == "" {
		f.count("no child")
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+address+"/webhook", bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	request.Header = r.Header.Clone()
	response, err := f.client.Do(request)
	if err != nil {
		f.count("no answer")
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close()
	f.note(response.StatusCode, body)
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

// announced is what a delivery says.
type announced struct {
	JobID    string `json:"job_id"`
	Metadata struct {
		SubmissionID string `json:"submission_id"`
	} `json:"metadata"`
}

// note remembers what was answered 2xx: the child has promised to keep it.
func (f *front) note(status int, body []byte) {
	f.count(http.StatusText(status))
	var a announced
	if status/100 != 2 || json.Unmarshal(body, &a) != nil {
		return
	}
	owner := f.owner(a.JobID)
	f.mu.Lock()
	defer f.mu.Unlock()
	if owner != "" && owner == a.Metadata.SubmissionID {
		f.acked = append(f.acked, owner)
	} else {
		f.strays = append(f.strays, a.JobID)
	}
}

func (f *front) count(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[what]++
}

// acknowledged are the submissions of which a delivery was answered 2xx, from the
// given one on.
func (f *front) acknowledged(from int) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.acked[from:])
}

// quarantined is how many deliveries with a genuine token and a wrong job were
// answered 2xx: before the job's submission was answered nobody can tell them
// apart. They must have no consequences.
func (f *front) quarantined() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.strays)
}
