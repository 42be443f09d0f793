package reductotest

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serveJob serves GET /job/{job_id}. The response has no job id.
func (s *Server) serveJob(w http.ResponseWriter, r *http.Request, id string) {
	var answer object
	if s.withKnown(w, id, true, func(j *job) { answer = s.jobLocked(j) }) {
		s.writeResult(w, r, answer)
	}
}

// knownLocked returns a job, or the error for a job that the API does not know. A read
// gets the error of a deletion in progress at least once. The caller holds the mutex.
func (s *Server) knownLocked(id string, read bool) (*job, *apiError) {
	j := s.jobs[id]
	switch {
	case j == nil:
		return nil, newAPIError("NOT_FOUND", "Job not found")
	case j.deleted:
		if read && !j.toldDeleted || time.Since(j.deletedAt) < s.cfg.deletion {
			j.toldDeleted = j.toldDeleted || read
			return nil, newAPIError("JOB_DELETION_IN_PROGRESS", "The job is being deleted")
		}
		return nil, newAPIError("JOB_DELETED", "The job was deleted")
	case s.expired(j):
		return nil, newAPIError("NOT_FOUND", "Job not found")
	}
	return j, nil
}

// withKnown calls f with a job and holds the mutex meanwhile. If the API does not know
// the job, it responds with the error and reports false.
func (s *Server) withKnown(w http.ResponseWriter, id string, read bool, f func(*job)) bool {
	s.mu.Lock()
	j, unknown := s.knownLocked(id, read)
	if unknown == nil {
		f(j)
	}
	s.mu.Unlock()
	if unknown != nil {
		unknown.write(w)
	}
	return unknown == nil
}

func (s *Server) jobLocked(j *job) object {
	now := time.Now()
	status := j.phase(now)
	var result, reason, failure any
	switch {
	case j.pinned != "":
	case j.ended() && j.lag > 0:
		j.lag--
		status = statusCompleting
		if j.lagged == 0 {
			status = statusPending
		}
		j.lagged++
	default:
		if j.outcome != nil {
			result = s.renderOutcome(j, j.outcome)
		}
		if j.failure != nil {
			reason = j.failure.message
			failure = obj("code", j.failure.status, "name", j.failure.name, "message", j.failure.message, "job_id", j.id)
		}
	}
	var progress any
	switch status {
	case statusInProgress, statusCompleting:
		progress = math.Round(j.progress(now)*100) / 100
	case statusCompleted:
		progress = 1.0
	}
	answer := obj("status", status, "result", result, "progress", progress, "reason", reason, "error", failure)
	return append(answer, s.describeLocked(j, status, true)...)
}

// describeLocked returns the members that GET /job and GET /jobs share.
func (s *Server) describeLocked(j *job, status string, config bool) object {
	var pages, duration any
	if j.ended() && status == j.status {
		duration = seconds(j.finished.Sub(j.started))
		if j.document != nil {
			pages = len(j.document.pages)
		}
	}
	var source any
	switch len(j.refs) {
	case 0:
	case 1:
		source = j.refs[0]
	default:
		source = j.refs
	}
	o := obj("type", j.jobType, "num_pages", pages, "total_pages", pages, "source", source,
		"duration", duration, "created_at", timestamp(j.created))
	if config {
		o = append(o, member{"raw_config", j.config})
	}
	return append(o, member{"bucket", nil})
}

// serveJobs serves GET /jobs, the newest job first.
func (s *Server) serveJobs(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var c checker
	limit := 100
	if v, ok := query["limit"]; ok {
		var err error
		if limit, err = strconv.Atoi(v[0]); err != nil {
			c.problem("int_parsing", "Input should be a valid integer", []any{"query", "limit"}, v[0], nil)
		} else {
			between(1, 500, integer)(&c, []any{"query", "limit"}, json.Number(strconv.Itoa(limit)))
		}
	}
	exclude := false
	if v, ok := query["exclude_configs"]; ok {
		var err error
		if exclude, err = strconv.ParseBool(strings.ToLower(v[0])); err != nil {
			c.problem("bool_parsing", "Input should be a valid boolean", []any{"query", "exclude_configs"}, v[0], nil)
		}
	}
	cursor := math.MaxInt
	if v := query.Get("cursor"); v != "" {
		raw, err := base64.RawURLEncoding.DecodeString(v)
		if err == nil {
			cursor, err = strconv.Atoi(string(raw))
		}
		if err != nil {
			c.problem("value_error", "Invalid cursor", []any{"query", "cursor"}, v, nil)
		}
	}
	if len(c.problems) > 0 {
		c.problems.write(w)
		return
	}
	jobs, next := s.page(cursor, limit, exclude)
	writeJSON(w, http.StatusOK, obj("jobs", jobs, "next_cursor", next))
}

// page lists the jobs that were submitted before the job with the number cursor.
func (s *Server) page(cursor, limit int, exclude bool) (jobs []object, next any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	jobs = []object{}
	last := 0
	for i := min(cursor, len(s.order)) - 1; i >= 0; i-- {
		j := s.order[i]
		if j.deleted || s.expired(j) {
			continue
		}
		if len(jobs) == limit {
			return jobs, base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(last)))
		}
		status := j.phase(now)
		jobs = append(jobs, append(obj("job_id", j.id, "status", status), s.describeLocked(j, status, !exclude)...))
		last = j.seq
	}
	return jobs, nil
}

// serveCancel serves POST /cancel/{job_id}. The API does not specify the response.
func (s *Server) serveCancel(w http.ResponseWriter, id string) {
	if s.withKnown(w, id, false, func(j *job) {
		s.endLocked(j, statusCancelled, nil, nil, nil) // no effect if it has ended
	}) {
		writeJSON(w, http.StatusOK, nil)
	}
}

// serveDeleteJob serves DELETE /job/{job_id}. It cancels a running job.
func (s *Server) serveDeleteJob(w http.ResponseWriter, id string) {
	if s.withKnown(w, id, false, func(j *job) {
		s.endLocked(j, statusCancelled, nil, nil, nil)
		j.deleted, j.deletedAt = true, time.Now()
		j.document, j.outcome = nil, nil
	}) {
		writeJSON(w, http.StatusAccepted, obj("job_id", id))
	}
}
