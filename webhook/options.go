package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/reducto-go/reducto"
)

// Defaults of a Handler.
const (
	// DefaultMaxBodyBytes bounds a delivery's body. The service's own are some 150
	// bytes and your metadata.
	DefaultMaxBodyBytes = 1 << 20
	// DefaultReadTimeout bounds how long a body may take to arrive.
	DefaultReadTimeout = 4 * time.Second
	// DefaultJoinTimeout is how long a duplicate waits for the call that is running.
	DefaultJoinTimeout = 4 * time.Second
	// DefaultFuncTimeout bounds a call of the function.
	DefaultFuncTimeout = 15 * time.Minute
	// DefaultRememberFor is how long a finished job is remembered. The service's
	// retries and a job's life of twelve hours lie well within it.
	DefaultRememberFor = 48 * time.Hour
	// DefaultRememberJobs is how many finished jobs are remembered, at about 300
	// bytes each.
	DefaultRememberJobs = 100_000
	// DefaultRetryAfter is what the Retry-After header of a 503 says.
	DefaultRetryAfter = 5 * time.Second
)

// Option configures a Handler. Options are checked when it is made.
type Option func(*config) error

type config struct {
	client       *reducto.Client
	refetch      bool
	logger       *slog.Logger
	maxBody      int64
	readTimeout  time.Duration
	joinTimeout  time.Duration
	funcTimeout  time.Duration
	rememberFor  time.Duration
	rememberJobs int
	retryAfter   time.Duration
	requireJSON  bool
	strictIDs    bool
	observer     Observer
	inbox        inboxConfig
	forInbox     []string // options that were given and are for an Inbox only
	forHandler   []string // the same for a Handler
}

func configure(opts []Option) (*config, error) {
	c := &config{
		refetch:      true,
		maxBody:      DefaultMaxBodyBytes,
		readTimeout:  DefaultReadTimeout,
		joinTimeout:  DefaultJoinTimeout,
		funcTimeout:  DefaultFuncTimeout,
		rememberFor:  DefaultRememberFor,
		rememberJobs: DefaultRememberJobs,
		retryAfter:   DefaultRetryAfter,
		inbox:        defaultInbox(),
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("an option is nil")
		}
		if err := opt(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// WithClient sets the client through which jobs are fetched: for Delivery.Job,
// and, before the function is called, to let the API confirm the end of the job.
// A delivery proves only that somebody knows the secret. The API's word decides
// the outcome; a job of which it says that it still runs is looked at again for
// some seconds, and then delivered again. That may take half a minute in all.
// Default: none; the first delivery's status is believed.
func WithClient(c *reducto.Client) Option {
	return func(cfg *config) error {
		if c == nil {
			return errors.New("WithClient: the client is nil")
		}
		cfg.client = c
		cfg.forHandler = append(cfg.forHandler, "WithClient")
		return nil
	}
}

// WithoutRefetch believes a delivery's status although there is a client, and
// spares a request for functions that never need the job. The client then serves
// Delivery.Job alone.
func WithoutRefetch() Option {
	return func(c *config) error {
		c.refetch = false
		return nil
	}
}

// WithLogger sets where the handler logs: what went well at debug level,
// refusals and conflicts at warning level, what somebody has to look at at error
// level. Neither metadata nor secrets nor bodies are logged, nor anything that an
// unverified request said. Records are written by a goroutine of their own, so a
// logger that blocks or panics costs records, never deliveries. Default: nowhere.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil: leave the option out for silence")
		}
		c.logger = l
		return nil
	}
}

// WithMaxBodyBytes bounds a delivery's body, in bytes. A larger one is answered
// 413. Default: DefaultMaxBodyBytes.
func WithMaxBodyBytes(n int64) Option {
	return positive("WithMaxBodyBytes", n, func(c *config) { c.maxBody = n })
}

// WithReadTimeout bounds how long a body may take to arrive. A slower one is
// answered 400. A shorter ReadTimeout of the http.Server stays in force. Default:
// DefaultReadTimeout.
func WithReadTimeout(d time.Duration) Option {
	return positive("WithReadTimeout", d, func(c *config) { c.readTimeout = d })
}

// WithJoinTimeout sets how long a delivery of a job that is being processed waits
// for the running call, whose answer it shares. After that it is answered 503, so
// that the service asks again. The delivery that began the call waits until it
// ends. Zero answers at once. Default: DefaultJoinTimeout.
func WithJoinTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("WithJoinTimeout: %v is negative: use 0 to answer at once", d)
		}
		c.joinTimeout = d
		c.forHandler = append(c.forHandler, "WithJoinTimeout")
		return nil
	}
}

// WithFuncTimeout bounds a call of the function: after that its context ends. A
// function that goes on regardless blocks its job, and nothing else. Default:
// DefaultFuncTimeout.
func WithFuncTimeout(d time.Duration) Option {
	return positive("WithFuncTimeout", d, func(c *config) { c.funcTimeout = d })
}

// WithRemember sets for how long, and how many at most, finished jobs are
// remembered, so that their duplicates are answered 200 without a call. When there
// are more, the one that finished first is forgotten first. A duplicate of a
// forgotten job is a new job: with a client it ends as expired, if it has; without
// one the function is called again. Default: DefaultRememberFor,
// DefaultRememberJobs.
func WithRemember(ttl time.Duration, maxJobs int) Option {
	return func(c *config) error {
		if ttl <= 0 || maxJobs <= 0 {
			return fmt.Errorf("WithRemember: %v and %d are not both positive", ttl, maxJobs)
		}
		c.rememberFor, c.rememberJobs = ttl, maxJobs
		c.forHandler = append(c.forHandler, "WithRemember")
		return nil
	}
}

// WithRetryAfter sets what the Retry-After header of a 503 says, rounded up to
// seconds. Default: DefaultRetryAfter.
func WithRetryAfter(d time.Duration) Option {
	return positive("WithRetryAfter", d, func(c *config) { c.retryAfter = d })
}

// WithRequireJSON answers 415 to a delivery whose Content-Type is not JSON. The
// service does not document which one it sends. Default: any is taken.
func WithRequireJSON() Option {
	return func(c *config) error {
		c.requireJSON = true
		return nil
	}
}

// WithStrictJobIDs answers 400 to a delivery whose job id is not a UUID. The
// service's are today, and are not documented to be. Default: see Event.JobID.
func WithStrictJobIDs() Option {
	return func(c *config) error {
		c.strictIDs = true
		return nil
	}
}

func positive[T time.Duration | int64](name string, v T, set func(*config)) Option {
	return func(c *config) error {
		if v <= 0 {
			return fmt.Errorf("%s: %v is not positive", name, v)
		}
		set(c)
		return nil
	}
}
