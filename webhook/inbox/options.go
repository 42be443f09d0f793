package inbox

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// Defaults of the options.
const (
	// DefaultWorkers is the default of WithWorkers.
	DefaultWorkers = 8
	// DefaultLease is the default of WithLease.
	DefaultLease = 5 * time.Minute
	// DefaultMinBackoff is the default of WithMinBackoff.
	DefaultMinBackoff = time.Second
	// DefaultMaxBackoff is the default of WithMaxBackoff.
	DefaultMaxBackoff = 10 * time.Minute
	// DefaultJobExpiry is the default of WithJobExpiry. Reducto keeps a job for twelve
	// hours.
	DefaultJobExpiry = 12 * time.Hour
	// DefaultGiveUpBefore is the default of WithGiveUpBefore.
	DefaultGiveUpBefore = time.Hour
	// DefaultDoneRetention is the default of WithDoneRetention.
	DefaultDoneRetention = 48 * time.Hour
	// DefaultDeadRetention is the default of WithDeadRetention.
	DefaultDeadRetention = 30 * 24 * time.Hour
	// DefaultIntakeTimeout is the default of WithIntakeTimeout.
	DefaultIntakeTimeout = 4 * time.Second
	// DefaultStoreTimeout is the default of WithStoreTimeout.
	DefaultStoreTimeout = 2 * time.Second
	// DefaultPollAfter is the default of WithPollAfter.
	DefaultPollAfter = time.Minute
	// DefaultPollRate is the default of WithPollRate.
	DefaultPollRate = 2.0
	// DefaultClaimInterval is the default of WithClaimInterval.
	DefaultClaimInterval = time.Second
	// DefaultShutdownTimeout is the default of WithShutdownTimeout.
	DefaultShutdownTimeout = 30 * time.Second
)

// Option configures an Inbox. New checks the options.
type Option func(*config) error

type config struct {
	receiver []webhook.ReceiverOption
	maxBody  int64
	logger   *slog.Logger
	observer Observer
	tracer   reducto.Tracer // nil for none
	history  bool

	refetch         bool
	workers         int
	lease           time.Duration
	funcTimeout     time.Duration
	minBackoff      time.Duration
	maxBackoff      time.Duration
	jobExpiry       time.Duration
	giveUpBefore    time.Duration
	doneRetention   time.Duration
	deadRetention   time.Duration
	intakeTimeout   time.Duration
	storeTimeout    time.Duration
	hold            time.Duration
	pollAfter       time.Duration
	pollRate        float64
	claimInterval   time.Duration
	shutdownTimeout time.Duration
}

func configure(opts []Option) (*config, error) {
	c := &config{
		maxBody:         webhook.DefaultMaxBodyBytes,
		refetch:         true,
		workers:         DefaultWorkers,
		lease:           DefaultLease,
		funcTimeout:     webhook.DefaultFuncTimeout,
		minBackoff:      DefaultMinBackoff,
		maxBackoff:      DefaultMaxBackoff,
		jobExpiry:       DefaultJobExpiry,
		giveUpBefore:    DefaultGiveUpBefore,
		doneRetention:   DefaultDoneRetention,
		deadRetention:   DefaultDeadRetention,
		intakeTimeout:   DefaultIntakeTimeout,
		storeTimeout:    DefaultStoreTimeout,
		hold:            DefaultHold,
		pollAfter:       DefaultPollAfter,
		pollRate:        DefaultPollRate,
		claimInterval:   DefaultClaimInterval,
		shutdownTimeout: DefaultShutdownTimeout,
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("an option is nil")
		}
		if err := opt(c); err != nil {
			return nil, err
		}
	}
	if c.giveUpBefore >= c.jobExpiry {
		return nil, fmt.Errorf("WithGiveUpBefore: %v is not shorter than the job's life of %v", c.giveUpBefore, c.jobExpiry)
	}
	c.maxBackoff = max(c.minBackoff, c.maxBackoff)
	c.storeTimeout = min(c.storeTimeout, c.intakeTimeout)
	return c, nil
}

// positive returns an option that sets a value above zero.
func positive[T int | time.Duration | float64](name string, v T, set func(*config)) Option {
	return func(c *config) error {
		if v <= 0 {
			return fmt.Errorf("%s: %v is not positive", name, v)
		}
		set(c)
		return nil
	}
}

// received returns an option that a webhook.Receiver checks.
func received(opt webhook.ReceiverOption) Option {
	return func(c *config) error {
		c.receiver = append(c.receiver, opt)
		return nil
	}
}

// WithLogger sets the logger, as webhook.WithLogger does. Default: no logger.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil: leave the option out")
		}
		c.logger = l
		return nil
	}
}

// WithMaxBodyBytes sets the largest body, as webhook.WithMaxBodyBytes does. The Inbox
// refuses to submit metadata that would not fit into a delivery.
func WithMaxBodyBytes(n int64) Option {
	return func(c *config) error {
		c.maxBody = n
		return received(webhook.WithMaxBodyBytes(n))(c)
	}
}

// WithReadTimeout sets how long a body may take to arrive, as
// webhook.WithReadTimeout does.
func WithReadTimeout(d time.Duration) Option { return received(webhook.WithReadTimeout(d)) }

// WithRetryAfter sets the header Retry-After of a 503, as webhook.WithRetryAfter
// does.
func WithRetryAfter(d time.Duration) Option { return received(webhook.WithRetryAfter(d)) }

// WithRequireJSON refuses Content-Types other than JSON, as webhook.WithRequireJSON
// does.
func WithRequireJSON() Option { return received(webhook.WithRequireJSON()) }

// WithStrictJobIDs refuses job ids that are not UUIDs, as webhook.WithStrictJobIDs
// does.
func WithStrictJobIDs() Option { return received(webhook.WithStrictJobIDs()) }

// WithObserver sets the Observer that receives measurements. Default: none.
func WithObserver(o Observer) Option {
	return func(c *config) error {
		if o == nil {
			return errors.New("WithObserver: the observer is nil")
		}
		c.observer = o
		return nil
	}
}

// WithTracer sets the Tracer that observes the Inbox's own requests. "Reconcile" is a pass
// of the reconciler that has jobs to poll, and "Reconciled" a job within it that has
// ended. "Confirm" asks the API how a job ended, before the function is called. Default:
// none.
func WithTracer(t reducto.Tracer) Option {
	return func(c *config) error {
		if t == nil {
			return errors.New("WithTracer: the tracer is nil")
		}
		c.tracer = t
		return nil
	}
}

// WithoutRefetch makes the Inbox use the status of the delivery. It does not fetch the
// job before it calls the function. This saves a request if your function does not need
// the job.
func WithoutRefetch() Option {
	return func(c *config) error {
		c.refetch = false
		return nil
	}
}

// WithWorkers sets how many functions run at a time. Default: DefaultWorkers.
func WithWorkers(n int) Option {
	return positive("WithWorkers", n, func(c *config) { c.workers = n })
}

// WithLease sets how long a claim lasts, at least one second. The Inbox renews it each
// time a third of the lease has passed. If a process dies, its records wait for the end
// of their leases. Default: DefaultLease.
func WithLease(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Second {
			return fmt.Errorf("WithLease: %v is too short to be renewed in time: use at least a second", d)
		}
		c.lease = d
		return nil
	}
}

// WithFuncTimeout sets how long a call of the function may take. After that its context
// ends. A function that ignores its context keeps its worker. Default:
// webhook.DefaultFuncTimeout.
func WithFuncTimeout(d time.Duration) Option {
	return positive("WithFuncTimeout", d, func(c *config) { c.funcTimeout = d })
}

// WithMinBackoff sets the pause after the first failure of the function. The pause
// doubles with each failure. Half of the pause is random. Default: DefaultMinBackoff.
func WithMinBackoff(d time.Duration) Option {
	return positive("WithMinBackoff", d, func(c *config) { c.minBackoff = d })
}

// WithMaxBackoff sets the longest pause between two calls of a function that fails.
// Default: DefaultMaxBackoff.
func WithMaxBackoff(d time.Duration) Option {
	return positive("WithMaxBackoff", d, func(c *config) { c.maxBackoff = d })
}

// WithJobExpiry sets how long Reducto keeps a job after its submission. Raise it if you
// submit with Settings.PersistResults. Default: DefaultJobExpiry.
func WithJobExpiry(d time.Duration) Option {
	return positive("WithJobExpiry", d, func(c *config) { c.jobExpiry = d })
}

// WithGiveUpBefore sets when the Inbox stops retrying a function that fails: this long
// before the job expires. Then it marks the record dead. It always makes at least three
// calls. With zero, it stops when the job expires. Default: DefaultGiveUpBefore.
func WithGiveUpBefore(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("WithGiveUpBefore: %v is negative", d)
		}
		c.giveUpBefore = d
		return nil
	}
}

// WithDoneRetention sets how long records that are done are kept. A duplicate that
// comes later is a new job. Default: DefaultDoneRetention.
func WithDoneRetention(d time.Duration) Option {
	return positive("WithDoneRetention", d, func(c *config) { c.doneRetention = d })
}

// WithDeadRetention sets how long dead records are kept for Replay. Default:
// DefaultDeadRetention.
func WithDeadRetention(d time.Duration) Option {
	return positive("WithDeadRetention", d, func(c *config) { c.deadRetention = d })
}

// WithIntakeTimeout sets how long a delivery waits for the store. After that the Inbox
// answers 503. Default: DefaultIntakeTimeout.
func WithIntakeTimeout(d time.Duration) Option {
	return positive("WithIntakeTimeout", d, func(c *config) { c.intakeTimeout = d })
}

// WithStoreTimeout sets how long one call of the store may take, at most the intake
// timeout. Default: DefaultStoreTimeout.
func WithStoreTimeout(d time.Duration) Option {
	return positive("WithStoreTimeout", d, func(c *config) { c.storeTimeout = d })
}

// WithHold sets how long a delivery waits for the answer to its submission, if the
// answer is not recorded yet. After that, the Inbox processes the delivery. Default:
// DefaultHold.
func WithHold(d time.Duration) Option {
	return positive("WithHold", d, func(c *config) { c.hold = d })
}

// WithPollAfter sets when the reconciler polls the API for a job for the first time:
// this long after the submission, if no delivery has come. Without a webhook it polls
// after one second. Default: DefaultPollAfter.
func WithPollAfter(d time.Duration) Option {
	return positive("WithPollAfter", d, func(c *config) { c.pollAfter = d })
}

// WithPollRate sets how many requests per second the reconciler may send. Default:
// DefaultPollRate.
func WithPollRate(perSecond float64) Option {
	return positive("WithPollRate", perSecond, func(c *config) { c.pollRate = perSecond })
}

// WithClaimInterval sets how often a worker asks the store for records that another
// process received. Default: DefaultClaimInterval.
func WithClaimInterval(d time.Duration) Option {
	return positive("WithClaimInterval", d, func(c *config) { c.claimInterval = d })
}

// WithShutdownTimeout sets how long Serve waits for requests and functions when it
// ends. Default: DefaultShutdownTimeout.
func WithShutdownTimeout(d time.Duration) Option {
	return positive("WithShutdownTimeout", d, func(c *config) { c.shutdownTimeout = d })
}
