package reductotest

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// jobState holds all jobs. The mutex of the server guards it.
type jobState struct {
	jobs       map[string]*job
	order      []*job // by submission
	processing time.Duration
	holding    bool
	due        []dueJob
	wake       chan struct{} // tells the scheduler that due changed
	planned    []plan        // for the next submissions
	pipelines  map[string]Pipeline
}

func newJobState(cfg config) jobState {
	return jobState{
		jobs: map[string]*job{}, processing: cfg.processing, pipelines: map[string]Pipeline{},
		wake: make(chan struct{}, 1),
	}
}

// plan is the failure or the result that a test sets for a job.
type plan struct {
	failure *apiError
	result  any // raw JSON or a *generatedResult; nil is none
}

// The statuses of jobs.
const (
	statusPending    = "Pending"
	statusInProgress = "InProgress"
	statusCompleting = "Completing"
	statusCompleted  = "Completed"
	statusFailed     = "Failed"
	statusCancelled  = "Cancelled"
)

// job is one submission. The mutex of the server guards the fields that change.
type job struct {
	id       string
	seq      int // position in order
	jobType  string
	created  time.Time
	config   string         // the request as submitted
	request  map[string]any // the request in the current form
	refs     []string
	metadata json.RawMessage // as submitted; nil if there is none
	hook     webhook
	sync     bool
	persist  bool
	text     *string // the document of a seeded job

	// The fields below change.

	plan     plan
	started  time.Time // zero while held
	takes    time.Duration
	start    int    // counts starts and stops; only the latest start is valid
	pinned   string // by SetStatus
	status   string // the final status; empty while the job runs
	finished time.Time
	failure  *apiError
	document *document
	outcome  *outcome
	done     chan struct{} // closed at its end

	lag         int // responses left that say that it runs
	lagged      int // responses that said so
	isExpired   bool
	deleted     bool
	deletedAt   time.Time
	toldDeleted bool // a GET has responded that the deletion is in progress

	faults []WebhookFault
}

// webhook is the webhook of a submission.
type webhook struct {
	mode     string // "direct", "svix" or empty
	url      string
	channels []string
}

func (j *job) ended() bool { return j.status != "" }

// phase returns the status of the job in its life cycle.
func (j *job) phase(now time.Time) string {
	switch {
	case j.pinned != "":
		return j.pinned
	case j.ended():
		return j.status
	case j.started.IsZero():
		return statusPending
	}
	switch share := j.progress(now); {
	case share < 0.25:
		return statusPending
	case share < 0.75:
		return statusInProgress
	}
	return statusCompleting
}

// progress returns the share of its time that a running job has used.
func (j *job) progress(now time.Time) float64 {
	if j.started.IsZero() {
		return 0
	}
	if j.takes <= 0 {
		return 1
	}
	return min(1, now.Sub(j.started).Seconds()/j.takes.Seconds())
}

// expired reports whether the API does not know the job any more. The caller holds the
// mutex.
func (s *Server) expired(j *job) bool {
	return j.isExpired || !j.persist && time.Since(j.created) >= s.cfg.jobTTL
}

// submit adds a job and starts it unless jobs are held.
func (s *Server) submit(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addLocked(j)
	if len(s.planned) > 0 {
		j.plan, s.planned = s.planned[0], s.planned[1:]
	}
	if !s.holding {
		s.startLocked(j)
	}
}

func (s *Server) addLocked(j *job) {
	if j.id == "" {
		j.id = uuid.NewString()
	}
	if j.created.IsZero() {
		j.created = time.Now()
	}
	j.done = make(chan struct{})
	j.takes = s.processing
	j.seq = len(s.order)
	s.jobs[j.id] = j
	s.order = append(s.order, j)
}

// process computes the result of a job and ends it, unless it has ended.
func (s *Server) process(j *job) {
	s.mu.Lock()
	p := j.plan
	s.mu.Unlock()
	switch {
	case p.failure != nil:
		s.end(j, statusFailed, nil, nil, p.failure)
	case p.result != nil:
		// Other jobs can use the document of this one as input.
		d, _ := s.documentFor(j)
		s.end(j, statusCompleted, d, plannedOutcome(j, p.result), nil)
	default:
		d, out, err := s.compute(j)
		if err != nil {
			if err.name == "NOT_FOUND" && !j.sync {
				err = newAPIError("INVALID_CONFIG", "%s", err.message) // as the API does for jobs
			}
			s.end(j, statusFailed, d, nil, err)
			return
		}
		s.end(j, statusCompleted, d, out, nil)
	}
}

// end sets the final status of a job and sends its webhook. It does nothing if the job
// has ended.
func (s *Server) end(j *job, status string, d *document, out *outcome, failure *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(j, status, d, out, failure)
}

func (s *Server) endLocked(j *job, status string, d *document, out *outcome, failure *apiError) {
	if j.ended() || s.closed {
		return
	}
	j.start++
	if j.started.IsZero() {
		j.started = time.Now()
	}
	j.status, j.finished, j.pinned = status, time.Now(), ""
	j.document, j.outcome, j.failure = d, out, failure
	if out != nil {
		s.storeOutcome(j, out)
	}
	close(j.done)
	if status != statusCancelled && !j.deleted {
		s.sendLocked(j)
	}
}

// documentFor reads the inputs of a job.
func (s *Server) documentFor(j *job) (*document, *apiError) {
	if j.text != nil {
		return &document{pages: strings.Split(*j.text, "\f"), contentType: "text/plain; charset=utf-8"}, nil
	}
	d, err := s.resolve(j.refs)
	if err != nil {
		return nil, err
	}
	if d.encrypted && lookupString(j.request, "settings", "document_password") == "" &&
		lookupString(j.request, "parsing", "settings", "document_password") == "" {
		return nil, newAPIError("DOCUMENT_PASSWORD_PROTECTED", "The document of document_url is password-protected")
	}
	return d, nil
}

// JobInfo describes a job of the server.
type JobInfo struct {
	ID string
	// Type is "Parse", "Extract", "Split", "Edit", "Pipeline" or "Classify".
	Type   string
	Status string
	// Sync reports that a synchronous call made the job.
	Sync bool
	// Metadata is the metadata as submitted. It is nil if there was none.
	Metadata json.RawMessage
	// WebhookMode is "direct", "svix", or empty without a webhook.
	WebhookMode string
	// WebhookURL is the URL of a direct webhook.
	WebhookURL string
	// WebhookChannels are the channels of a Svix webhook.
	WebhookChannels []string
	// RawConfig is the request as submitted.
	RawConfig string
	CreatedAt time.Time
	// FinishedAt is zero while the job runs.
	FinishedAt time.Time
	// Expired and Deleted report that the API does not know the job any more.
	Expired, Deleted bool
}

// Jobs returns all jobs, oldest first. It includes the jobs of synchronous calls, and
// expired and deleted jobs.
func (s *Server) Jobs() []JobInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	list := make([]JobInfo, 0, len(s.order))
	for _, j := range s.order {
		list = append(list, JobInfo{
			ID: j.id, Type: j.jobType, Status: j.phase(now), Sync: j.sync,
			Metadata:    slices.Clone(j.metadata),
			WebhookMode: j.hook.mode, WebhookURL: j.hook.url, WebhookChannels: slices.Clone(j.hook.channels),
			RawConfig: j.config, CreatedAt: j.created, FinishedAt: j.finished,
			Expired: s.expired(j), Deleted: j.deleted,
		})
	}
	return list
}

// dueJob is a running job and the time of its end. The server keeps these sorted by time
// and then by submission, so that faults that count jobs are deterministic.
type dueJob struct {
	at    time.Time
	start int // of the job; if the job's differs, this entry is void
	job   *job
}

// startLocked lets a job run from now on. The caller holds the mutex.
func (s *Server) startLocked(j *job) {
	if j.ended() {
		return
	}
	j.started = time.Now()
	j.start++
	due := dueJob{at: j.started.Add(j.takes), start: j.start, job: j}
	i, _ := slices.BinarySearchFunc(s.due, due, func(a, b dueJob) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.job.seq, b.job.seq))
	})
	s.due = slices.Insert(s.due, i, due)
	select {
	case s.wake <- struct{}{}:
	default: // the scheduler wakes already
	}
}

// schedule ends jobs at their time until the server is closed.
func (s *Server) schedule() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		j, wait := s.nextDue()
		if j != nil {
			s.process(j)
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-s.ctx.Done():
			return
		}
	}
}

// nextDue returns the next job to end, or how long to wait.
func (s *Server) nextDue() (*job, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.due) > 0 && !s.closed {
		next := s.due[0]
		ended := next.start != next.job.start || next.job.ended()
		if wait := time.Until(next.at); wait > 0 && !ended {
			return nil, wait
		}
		s.due[0] = dueJob{} // so that it can be collected
		s.due = s.due[1:]
		if !ended {
			return next.job, 0
		}
	}
	return nil, time.Hour
}
