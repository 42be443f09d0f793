package reductotest

import (
	"errors"
	"fmt"
	"time"
)

// An Option changes how a Server behaves. Each names its default.
type Option func(*config) error

type config struct {
	apiKey          string
	processing      time.Duration
	deletion        time.Duration
	retrySchedule   []time.Duration // nil: the default of the webhook mode
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
	}
}

// The delays before the second, third, … attempt of a webhook.
var (
	directSchedule = []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second}
	svixSchedule   = []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
	}
)

// URLBody is what is stored behind the URL of a large parse result. The
// service's documentation describes all three.
type URLBody int

const (
	// URLBodyResult is the value that "result" would have held, an object
	// with "type" and "chunks". It is the default.
	URLBodyResult URLBody = iota
	// URLBodyChunks is the array of chunks alone.
	URLBodyChunks
	// URLBodyEnvelope is the whole answer with the result inside, for every kind of job.
	URLBodyEnvelope
)

type responseTypeForm int

const (
	responseTypeFirst responseTypeForm = iota
	responseTypeLast
	responseTypeAbsent
)

// WithAPIKey sets the API key that the server accepts. The default is a fixed
// test key, see [Server.APIKey].
func WithAPIKey(key string) Option {
	return func(c *config) error {
		if key == "" {
			return errors.New("WithAPIKey: the key is empty")
		}
		c.apiKey = key
		return nil
	}
}

// WithProcessingTime sets how long a job takes from its submission to its
// end. For the first quarter it is Pending, then InProgress up to three
// quarters, then Completing. The default is 20 ms; zero ends jobs at once.
func WithProcessingTime(d time.Duration) Option {
	return func(c *config) error {
		c.processing = d
		return notNegative("WithProcessingTime", d)
	}
}

// WithDeletionTime sets how long the deletion of a job takes, during which GET
// /job answers 409 instead of 410. The first GET after a DELETE answers 409
// however late it comes. The default is 20 ms.
func WithDeletionTime(d time.Duration) Option {
	return func(c *config) error {
		c.deletion = d
		return notNegative("WithDeletionTime", d)
	}
}

// WithRetrySchedule sets the delays between a failed webhook attempt and the
// next one, so that n delays make at most n+1 attempts; no delays, no retry.
// The default is 1 s, 2 s, 4 s for direct webhooks, for which the service
// documents three retries with exponential backoff but no times, and the
// published schedule of Svix for Svix webhooks: 5 s, 5 min, 30 min, 2 h, 5 h,
// 10 h, 10 h. The option sets both.
func WithRetrySchedule(delays ...time.Duration) Option {
	return func(c *config) error {
		c.retrySchedule = append([]time.Duration{}, delays...)
		for _, d := range delays {
			if err := notNegative("WithRetrySchedule", d); err != nil {
				return err
			}
		}
		return nil
	}
}

// WithWebhookTimeout sets how long a webhook attempt waits for its answer.
// The default is 15 s, as Svix has it; for direct webhooks it is not documented.
func WithWebhookTimeout(d time.Duration) Option {
	return func(c *config) error {
		c.webhookTimeout = d
		return positive("WithWebhookTimeout", d)
	}
}

// WithJobTTL sets how long after its submission a job is known. After that it
// answers 404, unless it was submitted with settings.persist_results. The
// default is 12 h.
func WithJobTTL(d time.Duration) Option {
	return func(c *config) error {
		c.jobTTL = d
		return positive("WithJobTTL", d)
	}
}

// WithUploadTTL sets how long an uploaded file is kept. The default is 24 h.
func WithUploadTTL(d time.Duration) Option {
	return func(c *config) error {
		c.uploadTTL = d
		return positive("WithUploadTTL", d)
	}
}

// WithLinkTTL sets how long a presigned link is valid: those of results and of
// edited documents, and those to upload to. The default is 1 h.
func WithLinkTTL(d time.Duration) Option {
	return func(c *config) error {
		c.linkTTL = d
		return positive("WithLinkTTL", d)
	}
}

// WithURLResultThreshold sets the size in bytes above which a result is
// answered as a URL. The default is 6,000,000; negative is never.
func WithURLResultThreshold(bytes int) Option {
	return func(c *config) error { c.urlThreshold = bytes; return nil }
}

// WithURLBody sets what lies behind the URL of a parse result. The default is
// [URLBodyResult]. Other kinds of jobs keep the bare value of "result" there,
// except with [URLBodyEnvelope].
func WithURLBody(form URLBody) Option {
	return func(c *config) error {
		if form < URLBodyResult || form > URLBodyEnvelope {
			return fmt.Errorf("WithURLBody: unknown form %d", form)
		}
		c.urlBody = form
		return nil
	}
}

// WithMaxDirectUpload sets the size in bytes above which an upload through the
// API answers 413. The default is 100,000,000. Presigned uploads have no limit.
func WithMaxDirectUpload(bytes int64) Option {
	return func(c *config) error {
		if bytes <= 0 {
			return fmt.Errorf("WithMaxDirectUpload: %d is not positive", bytes)
		}
		c.maxDirectUpload = bytes
		return nil
	}
}

// WithSvixSecret sets the secret that Svix webhooks are signed with, "whsec_"
// and base64. The default is a new random one, see [Server.SvixSecret].
func WithSvixSecret(secret string) Option {
	return func(c *config) error {
		key, err := svixKey(secret)
		if err != nil {
			return fmt.Errorf("WithSvixSecret: %w", err)
		}
		c.svixSecret, c.svixKey = secret, key
		return nil
	}
}

// WithoutResponseType leaves "response_type" out of results, as in results
// that the service stored before it had that member.
func WithoutResponseType() Option {
	return func(c *config) error { c.responseType = responseTypeAbsent; return nil }
}

// WithResponseTypeLast puts "response_type" behind "result" instead of at the
// beginning. The order of members means nothing in JSON, but a reader that
// decodes as it reads sees the difference.
func WithResponseTypeLast() Option {
	return func(c *config) error { c.responseType = responseTypeLast; return nil }
}

// WithGzip lets results come compressed to clients that accept gzip, as Go's
// do by themselves: those behind links, and those in GET /job and in the answers
// of synchronous calls. Their length is not announced then. The default is that
// nothing is compressed.
func WithGzip() Option {
	return func(c *config) error { c.gzip = true; return nil }
}

// OnTCP makes the server listen on ports of 127.0.0.1 as well, for other
// programs and for clients with a transport of their own. URL, the links in
// results and the URLs that Mount returns are then on those ports, and webhooks
// are posted to any loopback address. It is not for use inside testing/synctest:
// a goroutine that waits for a socket stops the clock of the bubble.
func OnTCP() Option {
	return func(c *config) error { c.tcp = true; return nil }
}

func notNegative(option string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s: %v is negative", option, d)
	}
	return nil
}

func positive(option string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s: %v is not positive", option, d)
	}
	return nil
}
