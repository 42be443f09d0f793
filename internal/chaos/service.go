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

// service is a Reducto with the faults of a plan. It ends each job by itself, so that it
// can set the faults of a webhook before the webhook is sent.
type service struct {
	*reductotest.Server
	plan *plan
	hook string

	mu       sync.Mutex
	owners   map[string]string   // submissions by job
	jobs     map[string][]string // jobs by submission
	faults   map[string]int      // faults of webhooks by kind
	answered map[string]bool     // submissions that were sent once, and whose answer is stored
	running  sync.WaitGroup
	open     int // jobs that run
}

// startService starts a Reducto that sends its webhooks to the balancer.
func startService(p *plan, b *balancer) (*service, error) {
	retries := []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}
	if p.Profile.Gentle { // every webhook must arrive
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
	s := &service{Server: server, plan: p,
		owners: map[string]string{}, jobs: map[string][]string{}, faults: map[string]int{}, answered: map[string]bool{}}
	s.hook = server.Mount("/webhook", b)
	b.owner = s.owner
	server.Hold()
	return s, nil
}

// breakAnswers sets the faults of the next requests.
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

// watch runs jobs as they are submitted, until ctx ends.
func (s *service) watch(ctx context.Context) {
	ticker := time.NewTicker(30 * time.Millisecond)
	defer ticker.Stop()
	seen := 0
	for {
		infos := s.Jobs()
		for _, info := range infos[seen:] {
			s.start(ctx, info)
		}
		seen = len(infos)
		select {
		case <-ctx.Done():
			s.running.Wait()
			return
		case <-ticker.C:
		}
	}
}

// reference is the user's metadata.
type reference struct {
	N *int `json:"n"`
}

// submissionID returns the submission that made a job, by the job's metadata.
func (s *service) submissionID(info *reductotest.JobInfo) string {
	var r reference
	if json.Unmarshal(info.Metadata, &r) != nil || r.N == nil || *r.N < 0 || *r.N >= len(s.plan.Submissions) {
		return ""
	}
	return s.plan.Submissions[*r.N].ID
}

// start runs a job on a goroutine of its own.
func (s *service) start(ctx context.Context, info reductotest.JobInfo) {
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
	s.running.Go(func() {
		s.runJob(ctx, info, s.plan.jobOf(id, nth))
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
	})
}

// runJob carries out the plan of a job.
func (s *service) runJob(ctx context.Context, info reductotest.JobInfo, p jobPlan) {
	if p.ReadLag > 0 {
		s.ReadLag(info.ID, p.ReadLag)
	}
	if !sleep(ctx, p.Takes) {
		return
	}
	var faults []reductotest.WebhookFault
	for _, h := range p.Faults {
		switch {
		case !h.replays():
			s.count(h.Kind)
			faults = append(faults, webhookFault(h))
		case h.Early:
			s.replay(ctx, info, h)
		}
	}
	if info.WebhookMode != "" {
		s.WebhookFaultFor(info.ID, faults...)
	}
	switch p.End {
	case endFail:
		s.Fail(info.ID, "a planned failure")
	case endCancel:
		s.Cancel(info.ID)
	default:
		s.Complete(info.ID)
	}
	late := slices.ContainsFunc(p.Faults, func(h hookFault) bool { return h.replays() && !h.Early })
	arrived := (late || p.End == endExpire) && s.awaitArrival(ctx, info.ID)
	if p.End == endExpire && arrived {
		// A job that expires before its end is known is expired for the Inbox too, but only
		// if its record has the job. A delivery that has arrived gives it the job.
		s.Expire(info.ID)
	} else if !sleep(ctx, time.Second) {
		return
	}
	s.ReadLag(info.ID, 0) // a lag ends with time, not only with reads
	for _, h := range p.Faults {
		if h.replays() && !h.Early && arrived {
			s.replay(ctx, info, h)
		}
	}
	for _, after := range p.Redeliveries {
		if info.WebhookMode == "" || !sleep(ctx, after) {
			return
		}
		s.Redeliver(info.ID)
	}
}

func (s *service) count(fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[fault]++
}

func webhookFault(h hookFault) reductotest.WebhookFault {
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

// replay sends a delivery for another job with the token of this job's submission. It
// does so only if the submission's answer is known: then the Inbox must refuse the
// delivery. A token that leaks while the answer is lost is a documented risk.
func (s *service) replay(ctx context.Context, info reductotest.JobInfo, h hookFault) {
	if info.WebhookMode == "" || !s.isAnswered(s.owner(info.ID)) {
		return
	}
	other := "00000000-0000-4000-8000-" + info.ID[len(info.ID)-12:]
	if h.Kind == hookCrossed {
		other = s.another(info.ID)
	}
	body, err := json.Marshal(map[string]any{"status": "Completed", "job_id": other, "metadata": info.Metadata})
	if err == nil {
		s.count(h.Kind)
		s.Deliver(ctx, s.hook, info.ID, body, nil)
	}
}

// awaitArrival waits some seconds until a genuine delivery of a job is answered 2xx,
// and reports whether one was.
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

// markAnswered records that a submission was sent once, and that its answer is stored.
func (s *service) markAnswered(submissionID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered[submissionID] = true
}

func (s *service) isAnswered(submissionID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered[submissionID]
}

// another returns a job of another submission.
func (s *service) another(jobID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var others []string
	for other, id := range s.owners {
		if id != s.owners[jobID] {
			others = append(others, other)
		}
	}
	if len(others) == 0 {
		return "unknown-job"
	}
	return others[stream(s.plan.Seed, "another than "+jobID).IntN(len(others))]
}

// owner returns the submission of a job, or "".
func (s *service) owner(jobID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owners[jobID]
}

// jobsOf returns the jobs of a submission.
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

// forgedSecret is the secret of forged deliveries.
const forgedSecret = "not-the-secret-of-the-run"
