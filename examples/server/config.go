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
	"github.com/reducto-go/reducto/webhook/inbox"
)

// config has all settings.
type config struct {
	addr            string
	publicURL       string // without a slash at its end; empty if there are no webhooks
	results         string
	db              string
	tlsCert, tlsKey string
	maxUpload       int64
	maxUploads      int
	drainDelay      time.Duration
	shutdownTimeout time.Duration
	logLevel        slog.Level
	fake            bool

	// These are secret, and never logged.
	keys            []webhook.Key
	webhookSecret   string
	previousSecrets []string
	token           string // may be empty with -fake; then callers need none

	clientOptions []reducto.Option // with -fake
	inboxOptions  []inbox.Option   // for tests
}

// newFlags returns the flags that every command has.
func newFlags(name string, c *config, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.db, "db", os.Getenv("DB_FILE"), "`file` of the SQLite database (DB_FILE)")
	return flags
}

// configure reads the flags and the environment. Its error names all missing settings
// at once.
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
	flags.StringVar(&c.publicURL, "public-url", os.Getenv("PUBLIC_URL"), "`URL` at which Reducto reaches this service; if empty, the service polls Reducto (PUBLIC_URL)")
	flags.StringVar(&c.results, "results", os.Getenv("RESULTS_DIR"), "`directory` for the results (RESULTS_DIR)")
	flags.StringVar(&c.tlsCert, "tls-cert", os.Getenv("TLS_CERT"), "`file` with a certificate chain, to serve TLS without a proxy (TLS_CERT)")
	flags.StringVar(&c.tlsKey, "tls-key", os.Getenv("TLS_KEY"), "`file` with its key (TLS_KEY)")
	flags.Int64Var(&c.maxUpload, "max-upload", 200<<20, "largest request to /documents, in `bytes`")
	flags.IntVar(&c.maxUploads, "max-uploads", 16, "the `number` of documents that may be uploaded at a time")
	flags.DurationVar(&c.drainDelay, "drain-delay", 0, "how long to go on serving after SIGTERM while /readyz answers 503")
	flags.DurationVar(&c.shutdownTimeout, "shutdown-timeout", 30*time.Second, "how long to wait for running requests and functions")
	flags.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "lowest `level` that is logged")
	flags.BoolVar(&c.fake, "fake", false, "use a Reducto in this process")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unknown command %q: the commands are dead and replay", flags.Arg(0))
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
		need(os.Getenv(reducto.EnvAPIKey) != "", reducto.EnvAPIKey+" is not set")
		need(c.publicURL == "" || c.webhookSecret != "" || len(c.keys) > 0,
			"neither WEBHOOK_KEYS nor WEBHOOK_SECRET is set: make one with openssl rand -hex 32")
		need(c.token != "", "SERVICE_TOKEN is not set: without it, anybody could read the documents")
		need(c.results != "", "RESULTS_DIR is not set, and there is no -results")
		need(c.db != "", "DB_FILE is not set, and there is no -db")
	}
	need(c.webhookSecret == "" || len(c.keys) == 0, "both WEBHOOK_KEYS and WEBHOOK_SECRET are set: use one, not both")
	need((c.tlsCert == "") == (c.tlsKey == ""), "use both -tls-cert and -tls-key, or neither")
	need(c.maxUpload > 0 && c.maxUploads > 0, "-max-upload and -max-uploads must be positive")
	if len(wrong) == 0 {
		return nil
	}
	if !c.fake {
		wrong = append(wrong, errors.New("to try the service without these settings, use -fake"))
	}
	return fmt.Errorf("wrong settings:\n%w", errors.Join(wrong...))
}

// useFake sets what -fake does not require.
func (c *config) useFake(api, key, publicURL string) {
	c.clientOptions = []reducto.Option{reducto.WithBaseURL(api), reducto.WithAPIKey(key)}
	c.publicURL = publicURL
	if len(c.keys) == 0 {
		c.webhookSecret = cmp.Or(c.webhookSecret, rand.Text())
	}
}
