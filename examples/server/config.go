package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// config is all that can be configured.
type config struct {
	addr            string
	publicURL       string // without a slash at its end; empty: there are no webhooks
	results         string
	db              string
	tlsCert, tlsKey string
	maxUpload       int64
	maxUploads      int
	drainDelay      time.Duration
	shutdownTimeout time.Duration
	logLevel        slog.Level
	fake            bool

	// Secrets, never logged.
	keys            []webhook.Key
	webhookSecret   string
	previousSecrets []string
	token           string // empty with -fake only: then nobody is asked for one

	clientOptions []reducto.Option // with -fake
	inboxOptions  []webhook.Option // for tests
}

// newFlags makes a set of flags that has what every command needs.
func newFlags(name string, c *config, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.db, "db", os.Getenv("DB_FILE"), "`file` of the SQLite database with what is still to be done (DB_FILE)")
	return flags
}

// configure reads flags and environment. The error names everything that is
// missing, not the first thing alone.
func configure(args []string, stderr io.Writer) (*config, error) {
	c := &config{
		webhookSecret: os.Getenv("WEBHOOK_SECRET"),
		token:         os.Getenv("SERVICE_TOKEN"),
	}
	if previous := os.Getenv("WEBHOOK_SECRET_PREVIOUS"); previous != "" {
		c.previousSecrets = []string{previous}
	}
	flags := newFlags("server", c, stderr)
	flags.StringVar(&c.addr, "addr", cmp.Or(os.Getenv("ADDR"), ":8080"), "`address` to listen at (ADDR)")
	flags.StringVar(&c.publicURL, "public-url", os.Getenv("PUBLIC_URL"), "`URL` under which Reducto reaches this service; without one it asks Reducto instead (PUBLIC_URL)")
	flags.StringVar(&c.results, "results", os.Getenv("RESULTS_DIR"), "`directory` to keep results in (RESULTS_DIR)")
	flags.StringVar(&c.tlsCert, "tls-cert", os.Getenv("TLS_CERT"), "`file` with a certificate chain, to speak TLS without a proxy (TLS_CERT)")
	flags.StringVar(&c.tlsKey, "tls-key", os.Getenv("TLS_KEY"), "`file` with its key (TLS_KEY)")
	flags.Int64Var(&c.maxUpload, "max-upload", 200<<20, "largest request to /documents, in `bytes`")
	flags.IntVar(&c.maxUploads, "max-uploads", 16, "how many documents may be on their way at a `time`")
	flags.DurationVar(&c.drainDelay, "drain-delay", 0, "how long to serve on after SIGTERM, not ready, until a load balancer has noticed")
	flags.DurationVar(&c.shutdownTimeout, "shutdown-timeout", 30*time.Second, "how long to wait for requests and webhooks to be finished")
	flags.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "least `level` that is logged")
	flags.BoolVar(&c.fake, "fake", false, "run against a Reducto in this process")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("there is no command %q: dead and replay are all", flags.Arg(0))
	}
	c.publicURL = strings.TrimRight(c.publicURL, "/")
	var err error
	if c.keys, err = parseKeys(os.Getenv("WEBHOOK_KEYS")); err != nil {
		return nil, err
	}
	return c, c.check()
}

// parseKeys reads keys as id=secret,id=secret. The error does not repeat them.
func parseKeys(text string) ([]webhook.Key, error) {
	if text == "" {
		return nil, nil
	}
	var keys []webhook.Key
	for i, part := range strings.Split(text, ",") {
		id, secret, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, fmt.Errorf("WEBHOOK_KEYS: key %d is not of the form id=secret", i+1)
		}
		keys = append(keys, webhook.Key{ID: id, Secret: []byte(secret)})
	}
	return keys, nil
}

func (c *config) check() error {
	var wrong []error
	need := func(ok bool, text string) {
		if !ok {
			wrong = append(wrong, errors.New(text))
		}
	}
	if !c.fake {
		need(os.Getenv(reducto.EnvAPIKey) != "", "there is no "+reducto.EnvAPIKey)
		need(c.publicURL == "" || c.webhookSecret != "" || len(c.keys) > 0,
			"there is neither WEBHOOK_KEYS nor WEBHOOK_SECRET: make one with openssl rand -hex 32")
		need(c.token != "", "there is no SERVICE_TOKEN, and documents are not for everybody")
		need(c.results != "", "there is no RESULTS_DIR to keep results in")
		need(c.db != "", "there is no DB_FILE to remember jobs in")
	}
	need(c.webhookSecret == "" || len(c.keys) == 0, "give WEBHOOK_KEYS or WEBHOOK_SECRET, not both")
	need((c.tlsCert == "") == (c.tlsKey == ""), "give both -tls-cert and -tls-key, or neither")
	need(c.maxUpload > 0 && c.maxUploads > 0, "-max-upload and -max-uploads must be positive")
	if len(wrong) == 0 {
		return nil
	}
	if !c.fake {
		wrong = append(wrong, errors.New("to try it without, use -fake"))
	}
	return fmt.Errorf("it cannot start:\n%w", errors.Join(wrong...))
}

// useFake fills in what need not be said with -fake.
func (c *config) useFake(api, key, publicURL string) {
	c.clientOptions = []reducto.Option{reducto.WithBaseURL(api), reducto.WithAPIKey(key)}
	c.publicURL = publicURL
	if len(c.keys) == 0 {
		c.webhookSecret = cmp.Or(c.webhookSecret, rand.Text())
	}
}
