package reductotest

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// Option changes the behavior of a Server. Pass it to [NewServer] or [Start].
type Option func(*config) error

type config struct {
	apiKey          string
	processing      time.Duration
	deletion        time.Duration
	retrySchedule   []time.Duration // nil is the default of the webhook mode
	webhookTimeout  time.Duration
	jobTTL          time.Duration
	uploadTTL       time.Duration
	linkTTL         time.Duration
	urlThreshold    int
	urlBody         URLBody
	maxDirectUpload int64
	svixKey         []byte
	svixSecret      string
	responseType    responseTypeForm
	gzip            bool
	tcp             bool
	tcpAddr         string // of the API
}

func defaultConfig() config {
	return config{
		apiKey:          "reductotest-key",
		processing:      20 * time.Millisecond,
		deletion:        20 * time.Millisecond,
		webhookTimeout:  15 * time.Second,
		jobTTL:          12 * time.Hour,
		uploadTTL:       24 * time.Hour,
		linkTTL:         time.Hour,
		urlThreshold:    6_000_000,
		maxDirectUpload: 100_000_000,
		tcpAddr:         "127.0.0.1:0",
	}
}

// These are the delays before the second, third, … attempt of a webhook.
var (
	directSchedule = []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second}
	svixSchedule   = []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
	}
)

// URLBody selects the content at the URL of a large parse result. The documentation of
// the service describes all three forms. Pass it to [WithURLBody].
type URLBody int

const (
	// URLBodyResult is the value of an inline "result": an object with "type" and
	// "chunks". It is the default.
	URLBodyResult URLBody = iota
	// URLBodyChunks is the array of chunks.
	URLBodyChunks
	// URLBodyEnvelope is the whole response with the inline result, for every type of
	// job.
	URLBodyEnvelope
)

type responseTypeForm int

const (
	responseTypeFirst responseTypeForm = iota
	responseTypeLast
	responseTypeAbsent
)

// set returns an Option that reports err, or else changes the config.
func set(err error, change func(*config)) Option {
	return func(c *config) error {
		change(c)
		return err
	}
}

// atLeast checks a duration of an option.
func atLeast(low, d time.Duration, option string) error {
	switch {
	case d >= low:
		return nil
	case low > 0:
		return fmt.Errorf("%s: %v is not positive", option, d)
	}
	return fmt.Errorf("%s: %v is negative", option, d)
}

// WithAPIKey sets the API key that the server accepts. The default is a fixed test key,
// see [Server.APIKey].
func WithAPIKey(key string) Option {
	var err error
	if key == "" {
		err = errors.New("WithAPIKey: the key is empty")
	}
	return set(err, func(c *config) { c.apiKey = key })
}

// WithProcessingTime sets the time between the submission and the end of a job. A job is
// Pending for the first quarter, then InProgress, and Completing for the last quarter.
// The default is 20 ms. With zero, jobs end at once.
func WithProcessingTime(d time.Duration) Option {
	return set(atLeast(0, d, "WithProcessingTime"), func(c *config) { c.processing = d })
}

// WithDeletionTime sets how long the deletion of a job takes. Meanwhile GET /job responds
// 409 instead of 410. The first GET after a DELETE always gets a 409. The default is
// 20 ms.
func WithDeletionTime(d time.Duration) Option {
	return set(atLeast(0, d, "WithDeletionTime"), func(c *config) { c.deletion = d })
}

// WithRetrySchedule sets the delays between the attempts of a webhook, direct or Svix. n
// delays allow n retries.
//
// The default for direct webhooks is 1 s, 2 s, 4 s. The service documents three retries
// with exponential backoff, without times. The default for Svix is the published
// schedule: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h.
func WithRetrySchedule(delays ...time.Duration) Option {
	delays = append([]time.Duration{}, delays...)
	err := atLeast(0, slices.Min(append(delays, 0)), "WithRetrySchedule")
	return set(err, func(c *config) { c.retrySchedule = delays })
}

// WithWebhookTimeout sets how long an attempt of a webhook waits for the response. The
// default is 15 s, which is Svix's. The service does not document one for direct
// webhooks.
func WithWebhookTimeout(d time.Duration) Option {
	return set(atLeast(1, d, "WithWebhookTimeout"), func(c *config) { c.webhookTimeout = d })
}

// WithJobTTL sets the time after its submission for which the API knows a job. After
// that it responds 404. Jobs with settings.persist_results do not expire. The default is
// 12 h.
func WithJobTTL(d time.Duration) Option {
	return set(atLeast(1, d, "WithJobTTL"), func(c *config) { c.jobTTL = d })
}

// WithUploadTTL sets how long the server keeps an upload. The default is 24 h.
func WithUploadTTL(d time.Duration) Option {
	return set(atLeast(1, d, "WithUploadTTL"), func(c *config) { c.uploadTTL = d })
}

// WithLinkTTL sets how long a presigned link is valid: to a result, to an edited document
// or for an upload. The default is 1 h.
func WithLinkTTL(d time.Duration) Option {
	return set(atLeast(1, d, "WithLinkTTL"), func(c *config) { c.linkTTL = d })
}

// WithURLResultThreshold sets the size in bytes above which a result becomes a URL. The
// default is 6,000,000. With a negative size, no result becomes a URL.
func WithURLResultThreshold(bytes int) Option {
	return set(nil, func(c *config) { c.urlThreshold = bytes })
}

// WithURLBody sets the content at the URL of a parse result. The default is
// [URLBodyResult]. For other types of jobs the content is always the value of "result",
// except with [URLBodyEnvelope].
func WithURLBody(form URLBody) Option {
	var err error
	if form < URLBodyResult || form > URLBodyEnvelope {
		err = fmt.Errorf("WithURLBody: unknown form %d", form)
	}
	return set(err, func(c *config) { c.urlBody = form })
}

// WithMaxDirectUpload sets the size in bytes above which POST /upload responds 413. The
// default is 100,000,000. Presigned uploads have no limit.
func WithMaxDirectUpload(bytes int64) Option {
	var err error
	if bytes <= 0 {
		err = fmt.Errorf("WithMaxDirectUpload: %d is not positive", bytes)
	}
	return set(err, func(c *config) { c.maxDirectUpload = bytes })
}

// WithSvixSecret sets the secret that signs Svix webhooks: "whsec_" and base64. The
// default is random, see [Server.SvixSecret].
func WithSvixSecret(secret string) Option {
	key, err := svixKey(secret)
	if err != nil {
		err = fmt.Errorf("WithSvixSecret: %w", err)
	}
	return set(err, func(c *config) { c.svixSecret, c.svixKey = secret, key })
}

// WithoutResponseType leaves "response_type" out of results, as in results that the
// service stored before it had this member.
func WithoutResponseType() Option {
	return set(nil, func(c *config) { c.responseType = responseTypeAbsent })
}

// WithResponseTypeLast puts "response_type" after "result". Use it to test a reader that
// decodes while it reads.
func WithResponseTypeLast() Option {
	return set(nil, func(c *config) { c.responseType = responseTypeLast })
}

// WithGzip compresses results for clients that accept gzip, as Go's do by default. This
// applies to links, to GET /job and to synchronous calls. Such responses have no
// Content-Length. By default the server does not compress.
func WithGzip() Option {
	return set(nil, func(c *config) { c.gzip = true })
}

// OnTCP makes the server also listen on ports of 127.0.0.1, for other programs and for
// clients with their own transport. URL, links and the URLs of Mount then use these
// ports, and webhooks can go to any loopback address. The API answers 403 to a request
// whose host is neither localhost nor an IP address, so that web pages cannot reach it.
//
// Do not use it inside testing/synctest. A goroutine that waits for a socket stops the
// clock of the bubble.
func OnTCP() Option {
	return set(nil, func(c *config) { c.tcp = true })
}

// OnTCPAt is OnTCP with a fixed address for the API, such as "127.0.0.1:8700". Other
// programs then find the server again after a restart. If the address is in use, Start
// returns an error.
func OnTCPAt(addr string) Option {
	_, _, err := net.SplitHostPort(addr)
	if err != nil {
		err = fmt.Errorf("OnTCPAt: %w: use a host and a port, such as 127.0.0.1:8700", err)
	}
	return set(err, func(c *config) { c.tcp, c.tcpAddr = true, addr })
}
