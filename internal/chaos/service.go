package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/reducto-go/reducto/reductotest"
)

// service is Reducto, with the faults of a plan. Jobs are held until their fates
// let them end: that is how the faults of a webhook are known to be set before it
// is sent.
type service struct {
	*reductotest.Server
	plan *plan
	hook string

	mu     sync.Mutex
	owners map[string]string   // submissions by job
	jobs   map[string][]string // jobs by submission
	hurt   map[string]int      // faults of webhooks by kind
	known  map[string]bool     // jobs of which a child has the id from an answer
	lives  sync.WaitGroup
	open   int // jobs whose life goes on
}

// startService starts Reducto with webhooks to the front.
func startService(p *plan, f *front) (*service, error) {
	retries := []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}
	if p.Profile.Gentle { // all have to arrive
		for d := retries[2]; d < 5*time.Second; {
			d *= 2
			retries = append(retries, d)
		}
	}
	server, err := reductotest.Start(reductotest.OnTCP(),
		reductotest.WithRetrySchedule(retries...), reductotest.WithWebhookTimeout(2*time.Second))
	if err != nil {
		return nil, err
	}
	s := &service{Server: server, plan: p, owners: map[string]string{}, jobs: map[string][]string{}, hurt: map[string]int{}, known: map[string]bool{}}
	s.hook = server.Mount("/webhook", f)
	f.owner = s.owner
	server.Hold()
	return s, nil
}

// breakAnswers sets the faults of the requests to come.
func (s *service) breakAnswers() {
	n := len(s.plan.Submissions)
	s.Fault("POST /", build(s.plan.submitFaults(4*n))...)
	s.Fault("GET /jobs", build(s.plan.readFaults("/jobs", 4*n))...)
	s.Fault("GET /job", build(s.plan.readFaults("/job", 10*n))...)
}

func build(faults []answerFault) []reductotest.Fault {
	list := make([]reductotest.Fault, 0, len(faults))
	for _, f := range faults {
		list = append(list, f.build())
	}
	return list
}

func (f answerFault) build() reductotest.Fault {
	switch f.Kind {
	case answerLimited:
		return reductotest.Status(429).Header("Retry-After", "1")
	case answerStatus:
		return reductotest.HTML(f.Code)
	case answerLost:
		return reductotest.LoseAnswer()
	case answerDropped:
		return reductotest.Drop()
	case answerTorn:
		return reductotest.Truncate(20)
	}
	return reductotest.Delay(f.For)
}

// watch lets jobs live as they are submitted, until ctx ends.
func (s *service) watch(ctx context.Context) {
	ticker := time.NewTicker(30 * time.Millisecond)
	defer ticker.Stop()
	seen := 0
	for {
		infos := s.Jobs()
		for _, info := range infos[seen:] {
			s.adopt(ctx, info)
		}
		seen = len(infos)
		select {
		case <-ctx.Done():
			s.lives.Wait()
			return
		case <-ticker.C:
		}
	}
}

// reference is the user's part of the metadata.
type reference struct {
	N *int `json:"n"`
}

// submissionID is the submission that a job was made by, as its metadata says:
// those without a webhook do not have the id itself.
func (s *service) submissionID(info *reductotest.JobInfo) string {
	var r reference
	if json.Unmarshal(info.Metadata, &r) != nil || r.N == nil || *r.N < 0 || *r.N >= len(s.plan.Submissions) {
		return ""
	}
	return s.plan.Submissions[*r.N].ID
}

// adopt begins the life of a job.
func (s *service) adopt(ctx context.Context, info reductotest.JobInfo) {
	id := s.submissionID(&info)
	if id == "" {
		return
	}
	s.mu.Lock()
	nth := len(s.jobs[id])
	s.jobs[id] = append(s.jobs[id], info.ID)
	s.owners[info.ID] = id
	s.open++
	s.mu.Unlock()
	s.lives.Go(func() {
		s.live(ctx, info, s.plan.fateOf(id, nth))
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
	})
}

func (s *service) live(ctx context.Context, info reductotest.JobInfo, f fate) {
	if f.ReadLag > 0 {
		s.ReadLag(info.ID, f.ReadLag)
	}
	if !sleep(ctx, f.Takes) {
		return
	}
	var faults []reductotest.WebhookFault
	var replays []string // jobs to announce with this one's token
	for _, h := range f.Webhook {
		s.mu.Lock()
		s.hurt[h.Kind]++
		s.mu.Unlock()
		if replayed := s.replayed(h, info); replayed != "" && (!h.Early || s.plan.Profile.Gentle) {
			replays = append(replays, replayed)
			continue
		}
		faults = append(faults, s.webhookFault(h, info))
	}
	if info.WebhookMode != "" {
		s.WebhookFaultFor(info.ID, faults...)
	}
	switch f.End {
	case endFail:
		s.Fail(info.ID, "the plan says so")
	case endCancel:
		s.Cancel(info.ID)
	default:
		s.Complete(info.ID)
	}
	if f.End == endExpire {
		// Once a child has heard of it, and knows that it is its own: what nobody has
		// heard of, and the service has forgotten, nobody can find; and of a job that does
		// not exist nobody can tell that it was not made up, so that its submission ends as
		// unknown, a day later.
		if s.awaitArrival(ctx, info.ID) && s.isAnswered(info.ID) {
			s.Expire(info.ID)
		}
	} else if !sleep(ctx, time.Second) {
		return
	}
	s.ReadLag(info.ID, 0) // it is a matter of time, not of how often somebody asks
	s.replay(ctx, info, replays)
	for _, after := range f.Repeats {
		if info.WebhookMode == "" || !sleep(ctx, after) {
			return
		}
		s.Redeliver(info.ID)
	}
}

func (s *service) webhookFault(h hookFault, info reductotest.JobInfo) reductotest.WebhookFault {
	switch h.Kind {
	case hookLost:
		return reductotest.Lose()
	case hookLostAtFirst:
		return reductotest.LoseAttempts(h.N)
	case hookTwice:
		return reductotest.Duplicate(h.N)
	case hookAtOnce:
		return reductotest.DuplicateConcurrently(h.N)
	case hookReordered:
		return reductotest.AfterNext()
	case hookLate:
		return reductotest.DelayBy(h.For)
	case hookContradicts:
		return reductotest.AlsoFailed()
	case hookForged:
		return reductotest.ForgeBefore(reductotest.Forgery{Secret: forgedSecret})
	case hookReplayed, hookCrossed:
		return reductotest.ForgeBefore(reductotest.Forgery{JobID: s.replayed(h, info), Metadata: info.Metadata})
	case hookCorrupt:
		return reductotest.Corrupt()
	case hookTorn:
		return reductotest.CorruptAttempts(h.N)
	case hookBroken:
		return reductotest.BreakAttempts(h.N)
	case hookOdd:
		return reductotest.WithStatus("Archived")
	case hookSlow:
		return reductotest.SlowBody(h.For)
	}
	panic(fmt.Sprintf("no such fault: %q", h.Kind))
}

// replayed is the job for which a fault replays a job's token, empty for other
// faults.
func (s *service) replayed(h hookFault, info reductotest.JobInfo) string {
	switch h.Kind {
	case hookReplayed:
		return "00000000-0000-4000-8000-" + info.ID[len(info.ID)-12:]
	case hookCrossed:
		return s.another(info.ID)
	}
	return ""
}

// replay announces other jobs with the token of one, if its webhook arrives within
// some seconds: from where else would anybody have it?
func (s *service) replay(ctx context.Context, info reductotest.JobInfo, others []string) {
	if len(others) == 0 || info.WebhookMode == "" {
		return
	}
	if !s.awaitArrival(ctx, info.ID) {
		return
	}
	for _, other := range others {
		body, err := json.Marshal(map[string]any{"status": "Completed", "job_id": other, "metadata": info.Metadata})
		if err == nil {
			s.Deliver(ctx, s.hook, info.ID, body, nil)
		}
	}
}

// awaitArrival waits some seconds for a genuine delivery of a job to be answered
// 2xx, and reports whether one was.
func (s *service) awaitArrival(ctx context.Context, jobID string) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	for {
		for _, d := range s.Deliveries(jobID) {
			if !d.Forged && d.StatusCode/100 == 2 {
				return true
			}
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return false
		}
	}
}

// answered notes that a child has its job's id from the answer to its submission.
func (s *service) answered(jobID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[jobID] = true
}

func (s *service) isAnswered(jobID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[jobID]
}

// another is a job of another submission: every other time one of which no child has
// been told, if there is one, for then only the API can say whose it is.
func (s *service) another(jobID string) string {
	r := stream(s.plan.Seed, "another than "+jobID)
	s.mu.Lock()
	defer s.mu.Unlock()
	var others, untold []string
	for other, id := range s.owners {
		if id == s.owners[jobID] {
			continue
		}
		others = append(others, other)
		if !s.known[other] {
			untold = append(untold, other)
		}
	}
	if len(untold) > 0 && r.IntN(2) == 0 {
		others = untold
	}
	if len(others) == 0 {
		return "nobodys-job"
	}
	return others[r.IntN(len(others))]
}

// owner is the submission that has a job, empty if none has.
func (s *service) owner(jobID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owners[jobID]
}

// jobsOf are the jobs of a submission.
func (s *service) jobsOf(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.jobs[id])
}

// quiet reports whether all jobs have ended.
func (s *service) quiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open == 0
}

// sleep waits for d, and reports false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// forgedSecret is what forgers try.
const forgedSecret = "a-secret-of-somebody-else"
