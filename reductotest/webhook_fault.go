package reductotest

import (
	"cmp"
	"math"
	"net/http"
	"time"
)

// WebhookFault changes how the webhook of one job is delivered. Pass it to
// [Server.WebhookFault]. Use [Combine] for several at once. The zero value changes
// nothing.
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

// Forgery is a delivery from an attacker. Pass it to [ForgeBefore].
type Forgery struct {
	// Secret is the metadata.secret of the delivery. If it is empty, metadata has no
	// secret. In Svix mode the delivery is signed with Secret, or not signed.
	Secret string
	// JobID and Status replace the values of the job.
	JobID, Status string
	// Metadata replaces the metadata of the job, including Secret.
	Metadata any
	// Body replaces the whole payload.
	Body []byte
	// Header is added to the request.
	Header http.Header
}

// Lose loses every attempt, so that none reaches the receiver. A lost attempt fails at
// once, without the timeout.
func Lose() WebhookFault { return LoseAttempts(math.MaxInt) }

// LoseAttempts loses the first n attempts.
func LoseAttempts(n int) WebhookFault { return WebhookFault{lose: n} }

// Corrupt cuts the body of every attempt to its first half.
func Corrupt() WebhookFault { return CorruptAttempts(math.MaxInt) }

// CorruptAttempts cuts the body of the first n attempts to its first half.
func CorruptAttempts(n int) WebhookFault { return WebhookFault{corrupt: n} }

// BreakConnection breaks the connection of every attempt before the sender reads the
// response. The receiver has processed the delivery, and the sender counts a failure.
// The [Delivery] has both, the response and the error.
func BreakConnection() WebhookFault { return BreakAttempts(math.MaxInt) }

// BreakAttempts breaks the connection of the first n attempts.
func BreakAttempts(n int) WebhookFault { return WebhookFault{breaks: n} }

// Duplicate delivers n more times after an attempt that succeeded, one after the other.
func Duplicate(n int) WebhookFault { return WebhookFault{duplicates: n} }

// DuplicateConcurrently delivers n more times together with the first attempt that is
// not lost.
func DuplicateConcurrently(n int) WebhookFault { return WebhookFault{concurrent: n} }

// DelayBy waits for d between the end of the job and the first attempt.
func DelayBy(d time.Duration) WebhookFault { return WebhookFault{delay: d} }

// AfterNext holds the webhook until the webhook of the next job that ends is delivered or
// given up. Jobs without a webhook do not count.
func AfterNext() WebhookFault { return WebhookFault{afterNext: true} }

// ForgeBefore sends a forged delivery once, before the first attempt.
func ForgeBefore(f Forgery) WebhookFault { return WebhookFault{forgeries: []Forgery{f}} }

// WithStatus replaces the status in the payload.
func WithStatus(status string) WebhookFault { return WebhookFault{status: status} }

// SlowBody sends half of the body of each attempt, and the rest after d.
func SlowBody(d time.Duration) WebhookFault { return WebhookFault{slow: d} }

// AlsoFailed sends one more delivery after the attempts, with the opposite status:
// Failed for a job that completed, Completed for a job that failed.
func AlsoFailed() WebhookFault { return WebhookFault{also: true} }

// Combine returns one fault with the effects of all. Counts and durations add up. The
// last status wins.
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
		c.status = cmp.Or(f.status, c.status)
		c.slow += f.slow
		c.also = c.also || f.also
	}
	return c
}

// add returns a+b without overflow. Both are at least 0.
func add(a, b int) int { return a + min(b, math.MaxInt-a) }

// WebhookFault applies one fault to each of the next jobs that end with a webhook, in the
// order in which they end.
func (s *Server) WebhookFault(faults ...WebhookFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhookFaults = append(s.webhookFaults, faults...)
}

// WebhookFaultFor applies all these faults to the webhook of one job. That job does not
// use a fault of [Server.WebhookFault]. Call it before the job ends. [Server.Hold] keeps
// a job from ending.
func (s *Server) WebhookFaultFor(jobID string, faults ...WebhookFault) {
	s.update(jobID, func(j *job) { j.faults = append(j.faults, faults...) })
}

// SetWebhookFault applies a fault to the webhooks of all jobs that have no other fault,
// until the next call. Combine several faults. The zero value ends it.
func (s *Server) SetWebhookFault(f WebhookFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastingFault = f
}

// takeFault returns the fault for the webhook of a job that ends now. The caller holds
// the mutex.
func (s *Server) takeFault(j *job) WebhookFault {
	if len(j.faults) > 0 {
		return Combine(j.faults...)
	}
	if len(s.webhookFaults) == 0 {
		return s.lastingFault
	}
	f := s.webhookFaults[0]
	s.webhookFaults = s.webhookFaults[1:]
	return f
}
