package webhook

import (
	"errors"
	"fmt"
	"time"
)

// Defaults of an Inbox.
const (
	// DefaultWorkers is how many functions run at a time.
	DefaultWorkers = 8
	// DefaultLease is how long a claim lasts unless it is renewed, which happens
	// three times as often.
	DefaultLease = 5 * time.Minute
	// DefaultJobLife is how long the service keeps a job after it was submitted.
	DefaultJobLife = 12 * time.Hour
	// DefaultGiveUpBefore is how long before the end of a job's life a function that
	// fails is not called again.
	DefaultGiveUpBefore = time.Hour
	// DefaultTombstones is how long records that are done are kept, so that late
	// duplicates are recognised.
	DefaultTombstones = 48 * time.Hour
	// DefaultDeadFor is how long dead records are kept, so that they can be replayed.
	DefaultDeadFor = 30 * 24 * time.Hour
	// DefaultIntakeTimeout bounds how long a delivery waits for its answer.
	DefaultIntakeTimeout = 4 * time.Second
	// DefaultStoreTimeout bounds a call of the store.
	DefaultStoreTimeout = 2 * time.Second
	// DefaultFirstLook is when a sweep first looks for a job whose delivery has not
	// come.
	DefaultFirstLook = 60 * time.Second
	// DefaultSweepRate is how many requests a second sweeps may send.
	DefaultSweepRate = 2.0
	// DefaultPoll is how often a store is asked for records that another process
	// received.
	DefaultPoll = time.Second
)

type inboxConfig struct {
	workers       int
	lease         time.Duration
	backoffMin    time.Duration
	backoffMax    time.Duration
	jobLife       time.Duration
	giveUpBefore  time.Duration
	tombstones    time.Duration
	deadFor       time.Duration
	intakeTimeout time.Duration
	storeTimeout  time.Duration
	firstLook     time.Duration
	sweepRate     float64
	poll          time.Duration
	batch         int
}

func defaultInbox() inboxConfig {
	return inboxConfig{
		workers:       DefaultWorkers,
		lease:         DefaultLease,
		backoffMin:    time.Second,
		backoffMax:    10 * time.Minute,
		jobLife:       DefaultJobLife,
		giveUpBefore:  DefaultGiveUpBefore,
		tombstones:    DefaultTombstones,
		deadFor:       DefaultDeadFor,
		intakeTimeout: DefaultIntakeTimeout,
		storeTimeout:  DefaultStoreTimeout,
		firstLook:     DefaultFirstLook,
		sweepRate:     DefaultSweepRate,
		poll:          DefaultPoll,
		batch:         256,
	}
}

// inboxOnly makes an option that a Handler refuses.
func inboxOnly(name string, check func() error, set func(*inboxConfig)) Option {
	return func(c *config) error {
		if err := check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c.forInbox = append(c.forInbox, name)
		set(&c.inbox)
		return nil
	}
}

func isPositive[T int | time.Duration | float64](values ...T) func() error {
	return func() error {
		for _, v := range values {
			if v <= 0 {
				return fmt.Errorf("%v is not positive", v)
			}
		}
		return nil
	}
}

// WithWorkers sets how many functions an Inbox runs at a time. Default:
// DefaultWorkers.
func WithWorkers(n int) Option {
	return inboxOnly("WithWorkers", isPositive(n), func(c *inboxConfig) { c.workers = n })
}

// WithLease sets for how long an Inbox claims a record. A process that dies holds
// up the work that it had claimed for that long. Default: DefaultLease.
func WithLease(d time.Duration) Option {
	check := func() error {
		if d < time.Second {
			return errors.New("a lease shorter than a second cannot be renewed in time")
		}
		return nil
	}
	return inboxOnly("WithLease", check, func(c *inboxConfig) { c.lease = d })
}

// WithBackoff sets the pauses after which an Inbox calls a function that failed
// again: about first after the first failure, twice as long after each further
// one, at most longest, half of it random. Default: 1 s and 10 min.
func WithBackoff(first, longest time.Duration) Option {
	return inboxOnly("WithBackoff", isPositive(first, longest), func(c *inboxConfig) {
		c.backoffMin, c.backoffMax = first, max(first, longest)
	})
}

// WithJobLife sets how long the service keeps a job after it was submitted, and
// how long before that an Inbox gives up calling a function that fails. Raise the
// former if your jobs persist their results. Default: DefaultJobLife,
// DefaultGiveUpBefore.
func WithJobLife(life, giveUpBefore time.Duration) Option {
	check := func() error {
		if life <= 0 || giveUpBefore < 0 || giveUpBefore >= life {
			return fmt.Errorf("%v before the end of %v is not within it", giveUpBefore, life)
		}
		return nil
	}
	return inboxOnly("WithJobLife", check, func(c *inboxConfig) { c.jobLife, c.giveUpBefore = life, giveUpBefore })
}

// WithRetention sets for how long an Inbox keeps records that are done and records
// that are dead. Duplicates of a record that is gone are new jobs. Default:
// DefaultTombstones, DefaultDeadFor.
func WithRetention(done, dead time.Duration) Option {
	return inboxOnly("WithRetention", isPositive(done, dead), func(c *inboxConfig) { c.tombstones, c.deadFor = done, dead })
}

// WithIntakeTimeout bounds how long an Inbox lets a delivery wait for its answer,
// and each call of the store. Default: DefaultIntakeTimeout, DefaultStoreTimeout.
func WithIntakeTimeout(whole, store time.Duration) Option {
	return inboxOnly("WithIntakeTimeout", isPositive(whole, store), func(c *inboxConfig) {
		c.intakeTimeout, c.storeTimeout = whole, min(whole, store)
	})
}

// WithSweeps sets when an Inbox first looks for a job whose delivery has not come,
// and how many requests a second it may send for that. Default: DefaultFirstLook,
// DefaultSweepRate.
func WithSweeps(firstLook time.Duration, requestsPerSecond float64) Option {
	return func(c *config) error {
		if firstLook <= 0 || requestsPerSecond <= 0 {
			return fmt.Errorf("WithSweeps: %v and %v are not both positive", firstLook, requestsPerSecond)
		}
		c.forInbox = append(c.forInbox, "WithSweeps")
		c.inbox.firstLook, c.inbox.sweepRate = firstLook, requestsPerSecond
		return nil
	}
}

// WithPoll sets how often an Inbox asks its store for records that another process
// received or gave back. Its own it notices at once. Default: DefaultPoll.
func WithPoll(d time.Duration) Option {
	return inboxOnly("WithPoll", isPositive(d), func(c *inboxConfig) { c.poll = d })
}

// WithObserver sets who receives an Inbox's measurements. Default: nobody.
func WithObserver(o Observer) Option {
	return func(c *config) error {
		if o == nil {
			return errors.New("WithObserver: the observer is nil")
		}
		c.forInbox = append(c.forInbox, "WithObserver")
		c.observer = o
		return nil
	}
}
