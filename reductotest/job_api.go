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

// serveJob is GET /job/{job_id}. Its answer does not have the id.
func (s *Server) serveJob(w http.ResponseWriter, r *http.Request, id string) {
	s.mu.Lock()
	j, failure := s.knownLocked(id, true)
	var answer object
	if failure == nil {
		answer = s.jobLocked(j)
	}
	s.mu.Unlock()
	if failure != nil {
		failure.write(w)
		return
	}
	s.writeResult(w, r, answer)
}

// knownLocked is the job of an id, or why the API does not give it. told is
// whether the answer goes to a reader, who hears of a deletion in progress once
// at least. The caller holds the mutex.
func (s *Server) knownLocked(id string, told bool) (*job, *apiError) {
	j := s.jobs[id]
	switch {
	case j == nil:
		return nil, newAPIError("NOT_FOUND", "Job not found")
	case j.deleted:
		if told && !j.toldDeleted || time.Since(j.deletedAt) < s.cfg.deletion {
			j.toldDeleted = j.toldDeleted || told
			return nil, newAPIError("JOB_DELETION_IN_PROGRESS", "The job is being deleted")
		}
		return nil, newAPIError("JOB_DELETED", "The job was deleted")
	case s.expired(j):
		return nil, newAPIError("NOT_FOUND", "Job not found")
	}
	return j, nil
}

func (s *Server) jobLocked(j *job) object {
	now := time.Now()
	status := j.phase(now)
	var result, reason, failure any
	switch {
	case j.pinned != "":
		status = j.pinned
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

// describeLocked is what GET /job and GET /jobs both say of a job.
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

// serveJobs is GET /jobs, the latest first.
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

// page lists the jobs that were submitted before the one numbered cursor.
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
		if j.pinned != "" {
			status = j.pinned
		}
		jobs = append(jobs, append(obj("job_id", j.id, "status", status), s.describeLocked(j, status, !exclude)...))
		last = j.seq
	}
	return jobs, nil
}

// serveCancel is POST /cancel/{job_id}. What it answers is not specified.
func (s *Server) serveCancel(w http.ResponseWriter, id string) {
	s.mu.Lock()
	j, failure := s.knownLocked(id, false)
	if failure == nil {
		s.endLocked(j, statusCancelled, nil, nil, nil) // nothing if it has ended
	}
	s.mu.Unlock()
	if failure != nil {
		failure.write(w)
		return
	}
	writeJSON(w, http.StatusOK, nil)
}

// serveDeleteJob is DELETE /job/{job_id}. A job that runs is cancelled by it.
func (s *Server) serveDeleteJob(w http.ResponseWriter, id string) {
	s.mu.Lock()
	j, failure := s.knownLocked(id, false)
	if failure == nil {
		s.endLocked(j, statusCancelled, nil, nil, nil)
		j.deleted, j.deletedAt = true, time.Now()
		j.document, j.outcome = nil, nil
	}
	s.mu.Unlock()
	if failure != nil {
		failure.write(w)
		return
	}
	writeJSON(w, http.StatusAccepted, obj("job_id", id))
}
