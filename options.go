package reducto

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Environment variables that NewClient reads if no option overrides them.
const (
	EnvAPIKey  = "REDUCTO_API_KEY"
	EnvBaseURL = "REDUCTO_BASE_URL"
)

// Region is the place where the service processes and stores documents. An API key
// is valid in one region.
type Region string

// The regions of the public service. Default: RegionUS.
const (
	RegionUS Region = "us"
	RegionEU Region = "eu"
	RegionAU Region = "au"
)

var regionURLs = map[Region]string{
	RegionUS: "https://platform.reducto.ai",
	RegionEU: "https://eu.platform.reducto.ai",
	RegionAU: "https://au.platform.reducto.ai",
}

// Defaults of a Client.
const (
	// DefaultMaxRetries is the number of retries after the first attempt.
	DefaultMaxRetries = 3
	// DefaultMaxRetryAfter is the longest Retry-After that the client obeys. A full
	// batch queue asks for five minutes.
	DefaultMaxRetryAfter = 10 * time.Minute
	// DefaultTimeout bounds one attempt at a submission or a read.
	DefaultTimeout = 30 * time.Second
	// DefaultSyncTimeout bounds one attempt at a synchronous call. The service's own
	// limit is 15 minutes.
	DefaultSyncTimeout = 16 * time.Minute
	// DefaultIdleTimeout limits the time in which an upload or a download transfers no
	// byte. Only the context limits its whole duration.
	DefaultIdleTimeout = 60 * time.Second
	// DefaultMaxResponseBytes bounds an answer of the API. It does not apply to
	// results behind a URL, which the service uses from about 6 MB.
	DefaultMaxResponseBytes = 256 << 20
	// DefaultMaxResultBytes bounds the download of a result from its URL.
	DefaultMaxResultBytes = 4 << 30
	// DefaultMaxMetadataBytes is the default of WithMaxMetadataBytes: the 1 MiB that
	// receivers accept in a delivery, minus room for its other members.
	DefaultMaxMetadataBytes = 1<<20 - 4<<10
)

// Option configures a Client.
type Option func(*config) error

type config struct {
	key            func(context.Context) (credential, error)
	baseURL        string
	region         Region
	httpClient     *http.Client
	maxRetries     int
	maxRetryAfter  time.Duration
	timeout        time.Duration
	syncTimeout    time.Duration
	idleTimeout    time.Duration
	maxResponse    int64
	maxResult      int64
	maxDirect      int64
	logger         *slog.Logger
	userAgent      string
	webhook        Webhook
	hooks          []SubmitHook
	tracer         Tracer // nil for none
	maxMetadata    int
	quietWebhook   bool
	explicitKey    bool
	explicitServer bool
}

// WithAPIKey sets the API key. Default: REDUCTO_API_KEY.
func WithAPIKey(key string) Option {
	return func(c *config) error {
		if err := checkKey(key); err != nil {
			return fmt.Errorf("WithAPIKey: %w", err)
		}
		c.key, c.explicitKey = fixedKey(key), true
		return nil
	}
}

// WithMaxMetadataBytes sets the largest metadata, in bytes of JSON, of a submission
// with a webhook and a submit hook. A delivery repeats the metadata, so a receiver of
// this library refuses a larger one. If you raise the limit, raise the receiver's
// WithMaxBodyBytes too. Default: DefaultMaxMetadataBytes.
func WithMaxMetadataBytes(n int) Option {
	return func(c *config) error {
		if n <= 0 {
			return fmt.Errorf("WithMaxMetadataBytes: %d is not positive", n)
		}
		c.maxMetadata = n
		return nil
	}
}

// WithoutWebhookWarning silences the warning that Reducto's public service cannot
// reach the URL of a webhook.
func WithoutWebhookWarning() Option {
	return func(c *config) error {
		c.quietWebhook = true
		return nil
	}
}

// WithAPIKeyFunc sets a function that returns the API key. The client calls it
// before every attempt, so you can rotate the key without a restart. It must be fast
// and safe for concurrent use. Its error fails the request.
func WithAPIKeyFunc(f func(context.Context) (string, error)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("WithAPIKeyFunc: the function is nil")
		}
		c.key, c.explicitKey = askKey(f), true
		return nil
	}
}

// WithBaseURL sets the URL of the API, for your own installation. It must be http or
// https and may have a path prefix. Default: REDUCTO_BASE_URL, then that of the region.
func WithBaseURL(baseURL string) Option {
	return func(c *config) error {
		c.baseURL, c.explicitServer = baseURL, true
		return nil
	}
}

// WithRegion selects a region of the public service. It conflicts with WithBaseURL
// and REDUCTO_BASE_URL. Default: RegionUS.
func WithRegion(r Region) Option {
	return func(c *config) error {
		if _, ok := regionURLs[r]; !ok {
			return fmt.Errorf("WithRegion: unknown region %q: it is one of us, eu, au; for another host use WithBaseURL", r)
		}
		c.region = r
		return nil
	}
}

// WithHTTPClient sets the client that sends requests. The Client copies it and
// refuses redirects in the copy. Leave Timeout zero, because it would also end long
// uploads and downloads. Default: a client that keeps enough idle connections for
// concurrent use.
func WithHTTPClient(h *http.Client) Option {
	return func(c *config) error {
		if h == nil {
			return errors.New("WithHTTPClient: the client is nil")
		}
		c.httpClient = h
		return nil
	}
}

// WithMaxRetries sets the number of retries after the first attempt. Zero disables
// retries. Default: DefaultMaxRetries.
func WithMaxRetries(n int) Option {
	return func(c *config) error {
		if n < 0 {
			return fmt.Errorf("WithMaxRetries: %d is negative: use 0 for no retries", n)
		}
		c.maxRetries = n
		return nil
	}
}

// WithMaxRetryAfter sets the longest Retry-After that the client obeys. After a
// longer one it does not retry, and the error has RetryAfter. Default:
// DefaultMaxRetryAfter.
func WithMaxRetryAfter(d time.Duration) Option {
	return positive("WithMaxRetryAfter", d, func(c *config) { c.maxRetryAfter = d })
}

// WithTimeout bounds one attempt at a submission or a read. Default:
// DefaultTimeout.
func WithTimeout(d time.Duration) Option {
	return positive("WithTimeout", d, func(c *config) { c.timeout = d })
}

// WithSyncTimeout bounds one attempt at a synchronous call. Default:
// DefaultSyncTimeout.
func WithSyncTimeout(d time.Duration) Option {
	return positive("WithSyncTimeout", d, func(c *config) { c.syncTimeout = d })
}

// WithIdleTimeout ends an upload or a download that transfers no byte for the time d.
// Default: DefaultIdleTimeout.
func WithIdleTimeout(d time.Duration) Option {
	return positive("WithIdleTimeout", d, func(c *config) { c.idleTimeout = d })
}

// WithMaxResponseBytes bounds the size of an answer of the API, in bytes. A larger
// answer is an error that matches ErrTooLarge. Default: DefaultMaxResponseBytes.
func WithMaxResponseBytes(n int64) Option {
	return positive("WithMaxResponseBytes", n, func(c *config) { c.maxResponse = n })
}

// WithMaxResultBytes bounds the download of a result from its URL, in bytes. A
// larger result is an error that matches ErrTooLarge. Default: DefaultMaxResultBytes.
func WithMaxResultBytes(n int64) Option {
	return positive("WithMaxResultBytes", n, func(c *config) { c.maxResult = n })
}

// WithMaxDirectUpload sets the largest file, in bytes, that the client sends to the
// API itself. It sends a larger file to storage by a presigned URL. Default and
// maximum: MaxDirectUpload.
func WithMaxDirectUpload(n int64) Option {
	return func(c *config) error {
		if n < 0 || n > MaxDirectUpload {
			return fmt.Errorf("WithMaxDirectUpload: %d is not between 0 and %d", n, int64(MaxDirectUpload))
		}
		c.maxDirect = n
		return nil
	}
}

// WithLogger sets the logger. The client logs attempts at debug level and retries at
// warning level. It never logs a key, a body or the query of a URL. Default: no logs.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil: omit the option to disable logs")
		}
		c.logger = l
		return nil
	}
}

// WithUserAgent sets the name of your application, such as "invoices/1.4". It precedes
// the library's name in the User-Agent header.
func WithUserAgent(app string) Option {
	return func(c *config) error {
		for _, r := range app {
			if r < ' ' || r > '~' {
				return errors.New("WithUserAgent: the name contains a character that is not allowed in a header")
			}
		}
		c.userAgent = strings.TrimSpace(app)
		return nil
	}
}

// WithWebhook sets the default webhook of asynchronous submissions. Async.Webhook
// overrides it. Default: none.
func WithWebhook(w Webhook) Option {
	return func(c *config) error {
		if err := w.check(); err != nil {
			return fmt.Errorf("WithWebhook: %w", err)
		}
		c.webhook = w
		return nil
	}
}

// WithSubmitHook adds hooks to every asynchronous submission. They run in the given
// order. Pass either a webhook secret or an inbox, not both, because an inbox calls
// the hook of its verifier.
func WithSubmitHook(hooks ...SubmitHook) Option {
	return func(c *config) error {
		for _, h := range hooks {
			if h == nil {
				return errors.New("WithSubmitHook: a hook is nil")
			}
		}
		c.hooks = append(c.hooks, hooks...)
		return nil
	}
}

// WithTracer sets the Tracer that observes the client's operations. Submissions with a
// webhook carry the trace in the metadata, if that is an object or absent. The key
// "traceparent" of the metadata is then reserved, and empty metadata comes back as none.
// Default: none.
func WithTracer(t Tracer) Option {
	return func(c *config) error {
		if t == nil {
			return errors.New("WithTracer: the tracer is nil")
		}
		c.tracer = t
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

// configure applies the options, then the environment, and validates the result.
func configure(opts []Option) (*config, *url.URL, error) {
	c := &config{
		maxRetries:    DefaultMaxRetries,
		maxRetryAfter: DefaultMaxRetryAfter,
		timeout:       DefaultTimeout,
		syncTimeout:   DefaultSyncTimeout,
		idleTimeout:   DefaultIdleTimeout,
		maxResponse:   DefaultMaxResponseBytes,
		maxResult:     DefaultMaxResultBytes,
		maxDirect:     MaxDirectUpload,
		maxMetadata:   DefaultMaxMetadataBytes,
		logger:        slog.New(slog.DiscardHandler),
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, nil, errors.New("an option is nil")
		}
		if err := opt(c); err != nil {
			return nil, nil, err
		}
	}
	if !c.explicitKey {
		key := os.Getenv(EnvAPIKey)
		if key == "" {
			return nil, nil, errors.New("no API key: set " + EnvAPIKey + " or use WithAPIKey")
		}
		if err := checkKey(key); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", EnvAPIKey, err)
		}
		c.key = fixedKey(key)
	}
	base, err := c.server()
	if err != nil {
		return nil, nil, err
	}
	return c, base, nil
}

// server returns the base URL of the API.
func (c *config) server() (*url.URL, error) {
	from := "WithBaseURL"
	if env := os.Getenv(EnvBaseURL); env != "" && !c.explicitServer {
		if c.region != "" {
			return nil, errors.New("WithRegion and " + EnvBaseURL + " are both set: unset one of them")
		}
		c.baseURL, from = env, EnvBaseURL
	} else if c.explicitServer && c.region != "" {
		return nil, errors.New("WithRegion and WithBaseURL are both set: omit one of them")
	}
	if c.baseURL == "" && !c.explicitServer {
		region := c.region
		if region == "" {
			region = RegionUS
		}
		c.baseURL = regionURLs[region]
	}
	base, err := parseBaseURL(c.baseURL)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return base, nil
}

// credential is a key and the header that carries it. Only functions hold one, because
// fmt prints fields.
type credential struct {
	key    string
	header []string
}

func newCredential(key string) credential { return credential{key, []string{"Bearer " + key}} }

// fixedKey returns a function that always returns key. The caller has checked key.
func fixedKey(key string) func(context.Context) (credential, error) {
	fixed := newCredential(key)
	return func(context.Context) (credential, error) { return fixed, nil }
}

// askKey returns a function that gets the key from f and checks it.
func askKey(f func(context.Context) (string, error)) func(context.Context) (credential, error) {
	return func(ctx context.Context) (credential, error) {
		key, err := f(ctx)
		if err == nil {
			err = checkKey(key)
		}
		if err != nil {
			return credential{}, err
		}
		return newCredential(key), nil
	}
}

func checkKey(key string) error {
	if strings.TrimSpace(key) == "" {
		return errors.New("the API key is empty")
	}
	for _, r := range key {
		if r <= ' ' || r > '~' {
			return errors.New("the API key contains a space or another character that is not allowed in a header: trim the line end if it comes from a file")
		}
	}
	return nil
}

func parseBaseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("the base URL cannot be parsed: give one such as https://platform.reducto.ai")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the base URL has the scheme %q: it must be http or https, as in https://platform.reducto.ai", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("the base URL has no host: give one such as https://platform.reducto.ai")
	case u.User != nil:
		return nil, errors.New("the base URL contains user information: pass the API key to WithAPIKey")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the base URL has a query or a fragment: leave them out")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	u.Host = strings.TrimSuffix(u.Host, ":") // an empty port is no port
	return u, nil
}
