package reductotest

import (
	"encoding/json"
	"time"
)

// Hold keeps the jobs that are submitted from now on Pending until
// [Server.Release], or until Complete or Fail ends one. Synchronous calls wait.
func (s *Server) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
}

// Release starts the jobs that were held and holds no more. They end in the
// order of their submission.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = false
	for _, j := range s.order {
		if j.started.IsZero() && j.pinned == "" {
			s.startLocked(j)
		}
	}
}

// SetProcessingTime changes how long jobs take that are submitted from now on.
// See [WithProcessingTime].
func (s *Server) SetProcessingTime(d time.Duration) {
	if d < 0 {
		s.fatalf("SetProcessingTime: %v is negative", d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.processing = d
}

// FailNext lets the next job that is submitted, and has no such plan yet, fail
// when its time is over. reason is the text of the failure, name its error name,
// such as "DOCUMENT_CORRUPT"; empty is "PROCESSING_FAILED". Several calls are for
// several jobs. A synchronous call answers the HTTP status that goes with the name.
func (s *Server) FailNext(reason, name string) {
	s.planNext(plan{failure: failureOf(reason, name)})
}

// NextResult makes result the result of the next job that is submitted, and
// has no such plan yet: the whole document that GET /job has as "result", or
// that a synchronous call answers. Strings and bytes are taken as JSON text,
// everything else is marshalled. It is never answered as a URL by itself.
//
// A [GeneratedDocument] is a parse result with all that belongs to it, and is
// answered as a URL if it is large or the request asks for that.
func (s *Server) NextResult(result any) {
	if r, ok := s.result("NextResult", result); ok {
		s.planNext(plan{result: r})
	}
}

func (s *Server) planNext(p plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planned = append(s.planned, p)
}

func failureOf(reason, name string) *apiError {
	if name == "" {
		name = "PROCESSING_FAILED"
	}
	return &apiError{status: statusOf(name), name: name, message: reason}
}

func (s *Server) json(what string, v any) (json.RawMessage, bool) {
	raw, err := rawJSON(v)
	if err != nil {
		s.fatalf("%s: %v", what, err)
	}
	return raw, err == nil
}

// result is what a test gives as the result of a job: raw JSON, or a
// *generatedResult.
func (s *Server) result(what string, v any) (any, bool) {
	if p, ok := v.(*GeneratedDocument); ok && p != nil {
		v = *p
	}
	if d, ok := v.(GeneratedDocument); ok {
		g, err := newGeneratedResult(d, s.cfg.urlBody)
		if err != nil {
			s.fatalf("%s: %v", what, err)
		}
		return g, err == nil
	}
	return s.json(what, v)
}

// SetResult makes result the result of a job, as [Server.NextResult] does: of
// one that runs, once it is completed, or of one that is completed.
func (s *Server) SetResult(jobID string, result any) {
	r, ok := s.result("SetResult", result)
	j := s.job(jobID)
	if j == nil || !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j.plan = plan{result: r}
	if j.status == statusCompleted {
		j.outcome = plannedOutcome(j, r)
		s.storeOutcome(j, j.outcome)
	}
}

// Complete lets a job complete now, also one that is held. When it returns GET
// /job says so; the webhook is on its way. A job that has ended stays as it is.
func (s *Server) Complete(jobID string) {
	if j := s.job(jobID); j != nil {
		s.process(j)
	}
}

// Fail lets a job fail now, with reason as its text and "PROCESSING_FAILED" as
// its error name. A job that has ended stays as it is.
func (s *Server) Fail(jobID, reason string) {
	if j := s.job(jobID); j != nil {
		s.end(j, statusFailed, nil, nil, failureOf(reason, ""))
	}
}

// Cancel cancels a job, as POST /cancel does: it ends without a webhook. A job
// that has ended stays as it is.
func (s *Server) Cancel(jobID string) {
	if j := s.job(jobID); j != nil {
		s.end(j, statusCancelled, nil, nil, nil)
	}
}

// Expire lets a job expire now, although its time has not come: the API
// answers 404 for it, and its links lead nowhere. A webhook that is on its way
// still arrives, and so does that of a job that runs.
func (s *Server) Expire(jobID string) {
	if j := s.job(jobID); j != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		j.isExpired = true
	}
}

// SetStatus makes the API say status for a job, which may be one that the
// service does not have, and stops the job until Complete, Fail or Cancel ends
// it. Nothing else of the job changes: "Completed" has no result then, and no
// webhook is sent. The empty status undoes it, and the job starts again.
func (s *Server) SetStatus(jobID, status string) {
	j := s.job(jobID)
	if j == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j.pinned = status
	j.start++
	if status == "" && !s.holding {
		s.startLocked(j)
	}
}

// ReadLag lets the next n answers to GET /job for a job that has ended say
// that it still runs: Pending first, then Completing. Answers before its end do
// not count, so that it can be called at any time.
func (s *Server) ReadLag(jobID string, n int) {
	if j := s.job(jobID); j != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		j.lag, j.lagged = n, 0
	}
}

// SeedJob describes a job that was not submitted through this server.
type SeedJob struct {
	// ID is the job's id. The default is a new UUID.
	ID string
	// Type is the job's type. The default is "Parse".
	Type string
	// Status is how the job ended: "Completed", "Failed" or "Cancelled". By
	// default it runs, and takes the processing time from now on. Any other
	// status is set as by [Server.SetStatus].
	Status string
	// CreatedAt is when it was submitted. The default is now.
	CreatedAt time.Time
	// Text is the document's text, for the result. Pages end at form feeds.
	Text string
	// Result is the whole result, as in [Server.NextResult], instead of the
	// result for Text.
	Result any
	// Reason and ErrorName are those of a failed job.
	Reason, ErrorName string
	// Webhook is the URL of a direct webhook, sent when a running job ends.
	// For one that has ended use [Server.Redeliver].
	Webhook string
	// Metadata is that of the submission: any JSON. The default is none.
	Metadata any
	// Persist is settings.persist_results: the job does not expire.
	Persist bool
}

// SeedJob adds a job that was not submitted through this server, and returns its id.
func (s *Server) SeedJob(seed SeedJob) (jobID string) {
	j := &job{
		id: seed.ID, jobType: seed.Type, created: seed.CreatedAt, persist: seed.Persist,
		text: &seed.Text, request: map[string]any{},
	}
	if j.jobType == "" {
		j.jobType = "Parse"
	}
	if seed.Webhook != "" {
		j.hook = webhook{mode: "direct", url: seed.Webhook}
	}
	config := obj("input", "https://documents.example/seeded")
	if seed.Metadata != nil {
		raw, ok := s.json("SeedJob: Metadata", seed.Metadata)
		if !ok {
			return ""
		}
		j.metadata = raw
		config = append(config, member{"async", obj("metadata", raw)})
	}
	j.config = string(mustMarshal(config))
	if seed.Result != nil {
		r, ok := s.result("SeedJob: Result", seed.Result)
		if !ok {
			return ""
		}
		j.plan.result = r
	}
	if seed.Status == statusFailed {
		j.plan = plan{failure: failureOf(seed.Reason, seed.ErrorName)}
	}
	s.mu.Lock()
	if s.jobs[j.id] != nil {
		s.mu.Unlock()
		s.fatalf("SeedJob: there is a job %q", j.id)
		return ""
	}
	s.addLocked(j)
	switch seed.Status {
	case "", statusPending:
		if !s.holding {
			s.startLocked(j)
		}
		s.mu.Unlock()
		return j.id
	}
	hook := j.hook
	j.hook = webhook{} // it was sent in the past
	s.mu.Unlock()

	switch seed.Status {
	case statusCompleted, statusFailed:
		s.process(j)
	case statusCancelled:
		s.end(j, statusCancelled, nil, nil, nil)
	default:
		s.SetStatus(j.id, seed.Status)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j.hook = hook
	if !seed.CreatedAt.IsZero() && j.ended() {
		j.started, j.finished = j.created, j.created.Add(j.takes)
	}
	return j.id
}

// job is the job with an id, whether the API still knows it or not.
func (s *Server) job(id string) *job {
	s.mu.Lock()
	j := s.jobs[id]
	s.mu.Unlock()
	if j == nil {
		s.fatalf("there is no job %q", id)
	}
	return j
}
