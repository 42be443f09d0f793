package webhook

import "sync/atomic"

// Stats counts what a Handler has done since it was made.
type Stats struct {
	// Accepted counts deliveries that began a call. Duplicates counts deliveries of a
	// job that was already running or done. Refused counts verified deliveries with the
	// answer 503.
	Accepted, Duplicates, Refused uint64
	// Unauthorized counts requests answered 401, and TooLarge 413. Invalid counts
	// requests that were not a delivery: answers 400, 405 and 415, and consumed bodies.
	Unauthorized, Invalid, TooLarge uint64
	// Conflicts counts contradictions between two deliveries of a job, or between a
	// delivery and the API.
	Conflicts uint64
	// Calls counts calls of the function, and Failures those that returned an error or
	// panicked. Panics counts panics of the function and of the verifier.
	Calls, Failures, Panics uint64
	// Expired counts jobs that no longer existed when they were fetched.
	Expired uint64
	// LogLost counts log records that were dropped.
	LogLost uint64
	// InFlight is the number of running calls. Remembered is the number of finished
	// jobs in memory.
	InFlight, Remembered int
}

type counters struct {
	accepted, duplicates, refused   atomic.Uint64
	unauthorized, invalid, tooLarge atomic.Uint64
	conflicts                       atomic.Uint64
	calls, failures, panics         atomic.Uint64
	expired                         atomic.Uint64
}

func (c *counters) read() Stats {
	return Stats{
		Accepted:     c.accepted.Load(),
		Duplicates:   c.duplicates.Load(),
		Refused:      c.refused.Load(),
		Unauthorized: c.unauthorized.Load(),
		Invalid:      c.invalid.Load(),
		TooLarge:     c.tooLarge.Load(),
		Conflicts:    c.conflicts.Load(),
		Calls:        c.calls.Load(),
		Failures:     c.failures.Load(),
		Panics:       c.panics.Load(),
		Expired:      c.expired.Load(),
	}
}
