package reductotest

import (
	"math"
	"net/http"
	"slices"
	"time"
)

// WebhookFault is what goes wrong with the webhook of one job: with the
// sequence of its attempts as a whole. [Combine] makes one of several; the zero
// value is a webhook that goes well.
type WebhookFault struct {
	lose       int // the first attempts that are lost
	corrupt    int
	breaks     int
	duplicates int
	concurrent int
	delay      time.Duration
	afterNext  bool
	forgeries  []Forgery
	status     string
	slow       time.Duration
	also       bool
}

// Forgery is a delivery that somebody else sends for a job.
type Forgery struct {
	// Secret is what the forger puts into metadata.secret; with none there is
	// no such member. In Svix mode the delivery is signed with it, or not at all.
	Secret string
	// JobID and Status are those of the payload; by default the genuine ones.
	JobID, Status string
	// Metadata replaces the job's metadata, Secret included, if it is not nil.
	Metadata any
	// Body replaces the whole payload if it is not nil.
	Body []byte
	// Header is added to the request's.
	Header http.Header
}

// Lose loses every attempt: none reaches the receiver. A lost attempt fails at
// once, without waiting for the timeout.
func Lose() WebhookFault { return LoseAttempts(math.MaxInt) }

// LoseAttempts loses the first n attempts.
func LoseAttempts(n int) WebhookFault { return WebhookFault{lose: n} }

// Corrupt damages the body of every attempt: it is cut to its first half.
func Corrupt() WebhookFault { return CorruptAttempts(math.MaxInt) }

// CorruptAttempts damages the body of the first n attempts.
func CorruptAttempts(n int) WebhookFault { return WebhookFault{corrupt: n} }

// BreakConnection breaks the connection of every attempt before the answer is
// read: the receiver has done its work, and the sender counts a failure. The
// Delivery has both, the answer and the error.
func BreakConnection() WebhookFault { return BreakAttempts(math.MaxInt) }

// BreakAttempts breaks the connection of the first n attempts.
func BreakAttempts(n int) WebhookFault { return WebhookFault{breaks: n} }

// Duplicate delivers n more times after an attempt that succeeded, one after
// the other, whatever is answered.
func Duplicate(n int) WebhookFault { return WebhookFault{duplicates: n} }

// DuplicateConcurrently delivers n more times together with the first attempt
// that is not lost.
func DuplicateConcurrently(n int) WebhookFault { return WebhookFault{concurrent: n} }

// DelayBy waits for d between the end of the job and the first attempt.
func DelayBy(d time.Duration) WebhookFault { return WebhookFault{delay: d} }

// AfterNext holds the webhook back until the webhook of the job that ends
// next, among those that have one, was delivered or given up.
func AfterNext() WebhookFault { return WebhookFault{afterNext: true} }

// ForgeBefore sends a forged delivery, once, before the first attempt.
func ForgeBefore(f Forgery) WebhookFault { return WebhookFault{forgeries: []Forgery{f}} }

// WithStatus puts status into the payload instead of the job's own.
func WithStatus(status string) WebhookFault { return WebhookFault{status: status} }

// SlowBody sends half of the body of each attempt, and the rest d later.
func SlowBody(d time.Duration) WebhookFault { return WebhookFault{slow: d} }

// AlsoFailed sends one more delivery when the attempts are over, with the
// contradictory status: Failed for a job that completed, Completed for one that
// failed.
func AlsoFailed() WebhookFault { return WebhookFault{also: true} }

// Combine is all the faults at once. Counts and durations add up; of several
// statuses the last is taken.
func Combine(faults ...WebhookFault) WebhookFault {
	var c WebhookFault
	for _, f := range faults {
		c.lose = add(c.lose, f.lose)
		c.corrupt = add(c.corrupt, f.corrupt)
		c.breaks = add(c.breaks, f.breaks)
		c.duplicates += f.duplicates
		c.concurrent += f.concurrent
		c.delay += f.delay
		c.afterNext = c.afterNext || f.afterNext
		c.forgeries = append(c.forgeries, f.forgeries...)
		if f.status != "" {
			c.status = f.status
		}
		c.slow += f.slow
		c.also = c.also || f.also
	}
	return c
}

// add is a+b without overflow; neither is negative.
func add(a, b int) int {
	if a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}

// WebhookFault lets the webhooks of the next jobs that end go wrong, those with
// a webhook: one fault for each job, in the order in which they end.
func (s *Server) WebhookFault(faults ...WebhookFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhookFaults = append(s.webhookFaults, slices.Clone(faults)...)
}

// WebhookFaultFor lets the webhook of one job go wrong in all these ways. The
// faults of [Server.WebhookFault] are then for other jobs. It must come before
// the job ends; [Server.Hold] makes sure of that.
func (s *Server) WebhookFaultFor(jobID string, faults ...WebhookFault) {
	if j := s.job(jobID); j != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		j.faults = append(j.faults, faults...)
	}
}

// takeFault is the fault for the webhook of a job that ends now. The caller
// holds the mutex.
func (s *Server) takeFault(j *job) WebhookFault {
	if len(j.faults) > 0 {
		return Combine(j.faults...)
	}
	if len(s.webhookFaults) == 0 {
		return WebhookFault{}
	}
	f := s.webhookFaults[0]
	s.webhookFaults = s.webhookFaults[1:]
	return f
}
