package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/reducto-go/reducto"
)

// Defaults.
const (
	// DefaultMaxBodyBytes is the default of WithMaxBodyBytes: 1 MiB. A body has about
	// 150 bytes, plus your metadata.
	DefaultMaxBodyBytes = 1 << 20
	// DefaultReadTimeout is the default of WithReadTimeout.
	DefaultReadTimeout = 4 * time.Second
	// DefaultRetryAfter is the default of WithRetryAfter.
	DefaultRetryAfter = 5 * time.Second
	// DefaultFuncTimeout is the default of WithFuncTimeout.
	DefaultFuncTimeout = 15 * time.Minute
	// DefaultDuplicateTimeout is the default of WithDuplicateTimeout.
	DefaultDuplicateTimeout = 4 * time.Second
	// DefaultDedupWindow is the default of WithDedupWindow. It is longer than Reducto's
	// retries, and longer than the twelve hours for which Reducto keeps a job.
	DefaultDedupWindow = 48 * time.Hour
	// DefaultDedupSize is the default of WithDedupSize. A job needs about 300 bytes.
	DefaultDedupSize = 100_000
)

// Option configures a Handler. Every ReceiverOption is an Option.
type Option interface{ apply(*config) error }

// ReceiverOption configures how requests are received. It is for Handlers and
// Receivers. Package inbox has the same options.
type ReceiverOption func(*config) error

func (o ReceiverOption) apply(c *config) error {
	if o == nil {
		return errors.New("an option is nil")
	}
	return o(c)
}

type handlerOption func(*config) error

func (o handlerOption) apply(c *config) error { return o(c) }

type config struct {
	logger      *slog.Logger
	maxBody     int64
	readTimeout time.Duration
	retryAfter  time.Duration
	requireJSON bool
	strictIDs   bool

	// These are a Handler's.
	client           *reducto.Client
	refetch          bool
	funcTimeout      time.Duration
	duplicateTimeout time.Duration
	dedupWindow      time.Duration
	dedupSize        int
}

func configure[O Option](opts []O) (*config, error) {
	c := &config{
		maxBody:          DefaultMaxBodyBytes,
		readTimeout:      DefaultReadTimeout,
		retryAfter:       DefaultRetryAfter,
		refetch:          true,
		funcTimeout:      DefaultFuncTimeout,
		duplicateTimeout: DefaultDuplicateTimeout,
		dedupWindow:      DefaultDedupWindow,
		dedupSize:        DefaultDedupSize,
	}
	for _, opt := range opts {
		if any(opt) == nil {
			return nil, errors.New("an option is nil")
		}
		if err := opt.apply(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// WithLogger sets the logger. Successes are logged at debug level, refusals and
// conflicts at warning level, and failures that an operator must fix at error level.
// Metadata, secrets, bodies and unverified requests are never logged. A separate
// goroutine writes the records. If the logger blocks, records are lost, but no
// deliveries. Default: no logger.
func WithLogger(l *slog.Logger) ReceiverOption {
	return func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil: leave the option out")
		}
		c.logger = l
		return nil
	}
}

// WithMaxBodyBytes sets the largest body, in bytes. The receiver answers 413 to a
// larger one. For a gzip body, the limit applies before and after decompression.
// Default: DefaultMaxBodyBytes.
func WithMaxBodyBytes(n int64) ReceiverOption {
	return positive("WithMaxBodyBytes", n, func(c *config) { c.maxBody = n })
}

// WithReadTimeout sets how long a body may take to arrive. A slower one is answered
// 400. A shorter ReadTimeout of the http.Server still applies. Default:
// DefaultReadTimeout.
func WithReadTimeout(d time.Duration) ReceiverOption {
	return positive("WithReadTimeout", d, func(c *config) { c.readTimeout = d })
}

// WithRetryAfter sets the header Retry-After of a 503, rounded up to seconds.
// Default: DefaultRetryAfter.
func WithRetryAfter(d time.Duration) ReceiverOption {
	return positive("WithRetryAfter", d, func(c *config) { c.retryAfter = d })
}

// WithRequireJSON answers 415 to a delivery whose Content-Type is not JSON. Reducto
// does not document the Content-Type that it sends. By default, the receiver accepts
// every Content-Type.
func WithRequireJSON() ReceiverOption {
	return func(c *config) error {
		c.requireJSON = true
		return nil
	}
}

// WithStrictJobIDs answers 400 to a delivery whose job id is not a UUID. Reducto's
// ids are UUIDs today, but this is not documented. Default: see Event.JobID.
func WithStrictJobIDs() ReceiverOption {
	return func(c *config) error {
		c.strictIDs = true
		return nil
	}
}

// WithClient sets the client that fetches jobs for Delivery.Job. The Handler also uses
// it to confirm a job's end before it calls the function. The API's status decides the
// outcome. If the API says that the job still runs, the Handler asks again for some
// seconds, and then answers 503. Default: no client; the first delivery's status
// decides the outcome.
func WithClient(client *reducto.Client) Option {
	return handlerOption(func(c *config) error {
		if client == nil {
			return errors.New("WithClient: the client is nil")
		}
		c.client = client
		return nil
	})
}

// WithoutRefetch makes the Handler use the delivery's status, even if there is a
// client. It saves a request if your function does not need the job.
func WithoutRefetch() Option {
	return handlerOption(func(c *config) error {
		c.refetch = false
		return nil
	})
}

// WithFuncTimeout sets how long a call of the function may take. After that its context
// ends. A function that ignores its context blocks its own job only. Default:
// DefaultFuncTimeout.
func WithFuncTimeout(d time.Duration) Option {
	return handlerOption(positive("WithFuncTimeout", d, func(c *config) { c.funcTimeout = d }))
}

// WithDuplicateTimeout sets how long a duplicate waits for the running call. It gets
// the same answer as that call. After this time, the Handler answers 503. With zero, it
// answers at once. Default: DefaultDuplicateTimeout.
func WithDuplicateTimeout(d time.Duration) Option {
	return handlerOption(func(c *config) error {
		if d < 0 {
			return fmt.Errorf("WithDuplicateTimeout: %v is negative: use 0 to answer at once", d)
		}
		c.duplicateTimeout = d
		return nil
	})
}

// WithDedupWindow sets how long the Handler remembers finished jobs. It answers 200 to
// a duplicate of such a job, without a call. A duplicate that comes later is a new job.
// Default: DefaultDedupWindow.
func WithDedupWindow(d time.Duration) Option {
	return handlerOption(positive("WithDedupWindow", d, func(c *config) { c.dedupWindow = d }))
}

// WithDedupSize sets how many finished jobs the Handler remembers. It forgets the
// oldest first. Default: DefaultDedupSize.
func WithDedupSize(n int) Option {
	return handlerOption(positive("WithDedupSize", n, func(c *config) { c.dedupSize = n }))
}

func positive[T time.Duration | int64 | int](name string, v T, set func(*config)) ReceiverOption {
	return func(c *config) error {
		if v <= 0 {
			return fmt.Errorf("%s: %v is not positive", name, v)
		}
		set(c)
		return nil
	}
}
