package webhook

import "sync/atomic"

// Stats counts what a Handler has done since it was made.
type Stats struct {
	// Accepted counts deliveries that began a call, Duplicates those that joined a
	// running one or found the job done. Refused counts verified deliveries that
	// were answered 503 without knowing better: because of Shutdown, or because a
	// call took longer than their time.
	Accepted, Duplicates, Refused uint64
	// Unauthorized counts requests answered 401, TooLarge 413, Invalid those that
	// were no delivery for other reasons (400, 405, 415, a body that was gone).
	Unauthorized, Invalid, TooLarge uint64
	// Conflicts counts contradictions: between deliveries of one job, or between a
	// delivery and the API.
	Conflicts uint64
	// Calls counts calls of the function, Failures those that returned an error,
	// of whatever kind, or panicked. Panics counts panics, of the verifier too.
	Calls, Failures, Panics uint64
	// Expired counts jobs that were gone before they were processed.
	Expired uint64
	// LogLost counts log records that a logger did not take: because it was too
	// slow, failed or panicked.
	LogLost uint64
	// InFlight is the number of jobs that are being processed now, Remembered that of
	// jobs whose duplicates are answered without a call.
	InFlight, Remembered int
}

// Stats returns the counters as they stand. They are read one after the other.
func (h *Handler) Stats() Stats {
	s := h.stats.read()
	s.LogLost = h.log.lost.Load()
	s.InFlight, s.Remembered = h.memory.sizes()
	return s
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

type counters struct {
	accepted, duplicates, refused   atomic.Uint64
	unauthorized, invalid, tooLarge atomic.Uint64
	conflicts                       atomic.Uint64
	calls, failures, panics         atomic.Uint64
	expired                         atomic.Uint64
}
