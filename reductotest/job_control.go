package reductotest

import (
	"cmp"
	"encoding/json"
	"time"
)

// Hold keeps jobs that are submitted from now on Pending until [Server.Release], or until
// Complete, Fail or Cancel ends one. Synchronous calls wait.
func (s *Server) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
}

// Release starts the held jobs, which then end in the order of their submission. Jobs
// submitted later are not held.
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

// SetProcessingTime changes the processing time of jobs that are submitted from now on.
// See [WithProcessingTime].
func (s *Server) SetProcessingTime(d time.Duration) {
	if d < 0 {
		s.fatalf("SetProcessingTime: %v is negative", d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.processing = d
}

// FailNext makes the next submitted job end as failed. reason is the text of the
// failure. name is its error name, such as "DOCUMENT_CORRUPT". The default name is
// "PROCESSING_FAILED". A synchronous call responds with the HTTP status of the name.
//
// Several calls of FailNext and NextResult apply to several jobs in order.
func (s *Server) FailNext(reason, name string) {
	s.planNext(plan{failure: failureOf(reason, name)})
}

// NextResult sets the result of the next submitted job: the whole "result" of GET /job,
// or the response of a synchronous call. Strings and bytes are JSON text, any other value
// is marshalled. The result is sent as it is, never as a URL.
//
// A [GeneratedDocument] is sent as a whole parse result. It becomes a URL if it is large
// or the request asks for a URL.
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
	name = cmp.Or(name, "PROCESSING_FAILED")
	return &apiError{status: statusOf(name), name: name, message: reason}
}

func (s *Server) json(what string, v any) (json.RawMessage, bool) {
	raw, err := rawJSON(v)
	if err != nil {
		s.fatalf("%s: %v", what, err)
	}
	return raw, err == nil
}

// result reads a result that the test sets. It returns raw JSON or a *generatedResult.
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

// SetResult sets the result of a job that runs or has completed. See
// [Server.NextResult] for the form of the result.
func (s *Server) SetResult(jobID string, result any) {
	r, ok := s.result("SetResult", result)
	if !ok {
		return
	}
	s.update(jobID, func(j *job) {
		j.plan = plan{result: r}
		if j.status == statusCompleted {
			j.outcome = plannedOutcome(j, r)
			s.storeOutcome(j, j.outcome)
		}
	})
}

// Complete completes a job now, even if it is held. Its webhook is sent in the
// background. A job that has ended does not change.
func (s *Server) Complete(jobID string) {
	if j := s.job(jobID); j != nil {
		s.process(j)
	}
}

// Fail makes a job fail now, with the text reason and the error name
// "PROCESSING_FAILED". A job that has ended does not change.
func (s *Server) Fail(jobID, reason string) {
	s.update(jobID, func(j *job) { s.endLocked(j, statusFailed, nil, nil, failureOf(reason, "")) })
}

// Cancel cancels a job as POST /cancel does. It sends no webhook. A job that has ended
// does not change.
func (s *Server) Cancel(jobID string) {
	s.update(jobID, func(j *job) { s.endLocked(j, statusCancelled, nil, nil, nil) })
}

// Expire makes a job expire now. The API responds 404 for it and for its links. Its
// webhook is still sent, even if the job still runs.
func (s *Server) Expire(jobID string) {
	s.update(jobID, func(j *job) { j.isExpired = true })
}

// SetStatus makes the API report a status for a job and stops the job until Complete,
// Fail or Cancel ends it. The status can be one that the service does not have. Nothing
// else changes: "Completed" has no result and sends no webhook. An empty status undoes
// SetStatus and starts the job again.
func (s *Server) SetStatus(jobID, status string) {
	s.update(jobID, func(j *job) {
		j.pinned = status
		j.start++
		if status == "" && !s.holding {
			s.startLocked(j)
		}
	})
}

// ReadLag makes the next n responses to GET /job report that an ended job still runs:
// Pending first, then Completing. Responses before its end do not count.
func (s *Server) ReadLag(jobID string, n int) {
	s.update(jobID, func(j *job) { j.lag, j.lagged = n, 0 })
}

// SeedJob describes a job that was not submitted to this server. Pass it to
// [Server.SeedJob].
type SeedJob struct {
	// ID is the id of the job. The default is a new UUID.
	ID string
	// Type is the type of the job. The default is "Parse".
	Type string
	// Status is the final status of the job: "Completed", "Failed" or "Cancelled". By
	// default the job runs from now on, for the processing time. Any other status works
	// like [Server.SetStatus].
	Status string
	// CreatedAt is the time of the submission. The default is now.
	CreatedAt time.Time
	// Text is the text of the document. Form feeds separate its pages.
	Text string
	// Result replaces the result for Text. See [Server.NextResult] for its form.
	Result any
	// Reason and ErrorName describe the failure of a failed job.
	Reason, ErrorName string
	// Webhook is the URL of a direct webhook, which is sent at the end of a running
	// job. Use [Server.Redeliver] for a job that has ended.
	Webhook string
	// Metadata is any JSON. The default is none.
	Metadata any
	// Persist is settings.persist_results. If it is set, the job does not expire.
	Persist bool
}

// SeedJob adds a job that was not submitted to this server. It returns the id.
func (s *Server) SeedJob(seed SeedJob) (jobID string) {
	j := &job{
		id: seed.ID, jobType: cmp.Or(seed.Type, "Parse"), created: seed.CreatedAt, persist: seed.Persist,
		text: &seed.Text, request: map[string]any{},
	}
	config := obj("input", "https://documents.example/seeded")
	ok := true
	if seed.Metadata != nil {
		j.metadata, ok = s.json("SeedJob: Metadata", seed.Metadata)
		config = append(config, member{"async", obj("metadata", j.metadata)})
	}
	if seed.Result != nil && ok {
		j.plan.result, ok = s.result("SeedJob: Result", seed.Result)
	}
	if !ok {
		return ""
	}
	j.config = string(mustMarshal(config))
	if seed.Status == statusFailed {
		j.plan = plan{failure: failureOf(seed.Reason, seed.ErrorName)}
	}
	running := seed.Status == "" || seed.Status == statusPending
	hook := webhook{mode: "direct", url: seed.Webhook}
	if seed.Webhook == "" {
		hook = webhook{}
	}
	if running { // otherwise the webhook was sent in the past
		j.hook = hook
	}
	s.mu.Lock()
	if s.jobs[j.id] != nil {
		s.mu.Unlock()
		s.fatalf("SeedJob: there is a job %q already", j.id)
		return ""
	}
	s.addLocked(j)
	if running && !s.holding {
		s.startLocked(j)
	}
	s.mu.Unlock()

	switch {
	case running:
		return j.id
	case seed.Status == statusCompleted || seed.Status == statusFailed:
		s.process(j)
	case seed.Status == statusCancelled:
		s.Cancel(j.id)
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

// job returns the job with this id, even if the API does not know it any more. Without
// one it ends the test.
func (s *Server) job(id string) *job {
	s.mu.Lock()
	j := s.jobs[id]
	s.mu.Unlock()
	if j == nil {
		s.fatalf("there is no job %q", id)
	}
	return j
}

// update calls f with a job and holds the mutex meanwhile.
func (s *Server) update(id string, f func(j *job)) {
	if j := s.job(id); j != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		f(j)
	}
}
