package webhook

import (
	"sync"
	"time"
)

// limiter lets something happen once in an interval, and counts what it held
// back.
type limiter struct {
	every time.Duration

	mu         sync.Mutex
	last       time.Time
	suppressed int
}

// allow reports whether it may happen now, and how often it was held back since
// it last did.
func (l *limiter) allow(now time.Time) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() && now.Sub(l.last) < l.every {
		l.suppressed++
		return 0, false
	}
	suppressed, l.suppressed = l.suppressed, 0
	l.last = now
	return suppressed, true
}

const (
	// refusalLogEvery is how often refused requests are logged: a flood of forgeries
	// must not become a flood of records.
	refusalLogEvery = time.Second
	// driftStreak is how many deliveries in a row must be refused, with none
	// believed, to look like a mistake in the configuration.
	driftStreak = 20
	// driftEvery is how often that is reported at most.
	driftEvery = time.Minute
)
