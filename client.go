package reducto

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/redact"
)

// Client is a client of the Reducto API. It is safe for concurrent use. Share one
// Client, because it keeps connections. NewClient makes one.
type Client struct {
	cfg  *config
	base *url.URL
	// api sends the key and refuses redirects. storage sends no key and follows them.
	api     *http.Client
	storage *http.Client
	guard   *storageGuard
	public  bool                    // the API is Reducto's public service
	checked *atomic.Pointer[string] // the URL of the webhook that was checked last
	warned  *sync.Once              // that the webhook's URL cannot be reached
	agent   string
	headers headers
}

// headers holds header values that all requests of a Client share.
type headers struct{ accept, json, agent []string }

// setHeaders derives the headers from the configuration.
func (c *Client) setHeaders() {
	c.agent = userAgent(c.cfg.userAgent)
	c.headers = headers{accept: []string{mediaJSON}, json: []string{mediaJSON}, agent: []string{c.agent}}
}

const mediaJSON = "application/json"

// NewClient makes a Client. It reads REDUCTO_API_KEY and REDUCTO_BASE_URL from the
// environment unless an option sets the value. It validates everything and sends
// nothing. Its error is a *RequestError.
func NewClient(opts ...Option) (*Client, error) {
	cfg, base, err := configure(opts)
	if err != nil {
		return nil, &RequestError{Op: "NewClient", Err: err}
	}
	c := &Client{cfg: cfg, base: base, checked: new(atomic.Pointer[string]), warned: new(sync.Once)}
	c.setHeaders()
	c.connect()
	return c, nil
}

// connect makes the HTTP clients.
func (c *Client) connect() {
	c.guard, c.public = newStorageGuard(c.base), isPublic(c.base)
	c.api, c.storage = newHTTPClients(c.cfg.httpClient, c.guard)
}

func userAgent(app string) string {
	agent := "reducto-go/" + LibraryVersion + " (" + runtime.Version() + ")"
	if app != "" {
		agent = app + " " + agent
	}
	return agent
}

// With returns a copy of c with the options applied. The copy shares the connections
// of c. New submit hooks run after those of c. Its error is a *RequestError.
func (c *Client) With(opts ...Option) (*Client, error) {
	cfg := *c.cfg
	cfg.hooks = slices.Clone(cfg.hooks)
	cfg.region = ""
	cfg.baseURL, cfg.explicitServer = "", false
	for _, opt := range opts {
		if opt == nil {
			return nil, &RequestError{Op: "With", Reason: "an option is nil"}
		}
		if err := opt(&cfg); err != nil {
			return nil, &RequestError{Op: "With", Err: err}
		}
	}
	d := *c
	d.cfg = &cfg
	if cfg.explicitServer || cfg.region != "" {
		base, err := cfg.server()
		if err != nil {
			return nil, &RequestError{Op: "With", Err: err}
		}
		d.base = base
	}
	if cfg.httpClient != c.cfg.httpClient || d.base != c.base {
		d.connect()
	}
	d.setHeaders()
	return &d, nil
}

// CloseIdleConnections closes idle connections and ends the goroutines that serve
// them. You can keep using the client.
func (c *Client) CloseIdleConnections() {
	c.api.CloseIdleConnections()
	c.storage.CloseIdleConnections()
}

// Format prints only the base URL, with every verb. Otherwise fmt would print
// unexported fields.
func (c Client) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "reducto.Client("+redact.URL(c.base.String())+")")
}

// LogValue logs what Format prints.
func (c *Client) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Do sends a request to an endpoint that this library has no method for. It uses the
// client's authentication, retries and errors. path is relative to the base URL and
// may have a query. Escape its segments. If in is not nil, Do sends it as JSON. If
// out is not nil, Do decodes the JSON answer into it. A *json.RawMessage receives the
// answer unchanged.
//
// Do retries GET, HEAD, PUT, DELETE and OPTIONS like reads. It retries other methods
// only if the service certainly did not accept the request. Do runs no submit hooks
// and adds no webhook.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	ref, err := url.Parse(path)
	switch {
	case err != nil:
		return &RequestError{Op: "Do", Field: "path", Reason: "it cannot be parsed: escape its segments with url.PathEscape"}
	case ref.IsAbs() || ref.Host != "" || len(path) == 0 || path[0] != '/':
		return &RequestError{Op: "Do", Field: "path", Reason: `it must begin with "/" and name no host, so that the key cannot go elsewhere`}
	}
	if !validMethod(method) {
		return &RequestError{Op: "Do", Field: "method", Reason: fmt.Sprintf("%q is no HTTP method", method)}
	}
	r := &call{
		op:      "Do",
		method:  method,
		path:    ref.EscapedPath(),
		query:   ref.RawQuery,
		safe:    method == http.MethodGet || method == http.MethodHead || method == http.MethodPut || method == http.MethodDelete || method == http.MethodOptions,
		timeout: c.cfg.syncTimeout,
	}
	if in != nil {
		if err := r.json(in); err != nil {
			return err
		}
	}
	if method == http.MethodHead {
		out = nil
	}
	r.read = readJSON(out)
	return c.do(ctx, r)
}

func validMethod(m string) bool {
	if m == "" {
		return false
	}
	for _, r := range m {
		if r < 'A' || r > 'Z' {
			return false
		}
	}
	return true
}

// Version returns the version of the Reducto service.
func (c *Client) Version(ctx context.Context) (string, error) {
	var version string
	err := c.do(ctx, &call{
		op: "Version", method: http.MethodGet, path: "/version",
		safe: true, timeout: c.cfg.timeout, read: readText(&version),
	})
	return version, err
}

// ConfigureWebhook returns a link to the portal that configures the account's Svix
// endpoints. The link grants access: treat it as a secret.
func (c *Client) ConfigureWebhook(ctx context.Context) (Link, error) {
	var portal string
	err := c.do(ctx, &call{
		op: "ConfigureWebhook", method: http.MethodPost, path: "/configure_webhook",
		safe: true, timeout: c.cfg.timeout, read: readText(&portal),
	})
	return Link(portal), err
}

// readText reads an answer that is a bare JSON string.
func readText(out *string) func(*answer) error {
	return func(a *answer) error {
		raw, err := io.ReadAll(a.body)
		if err != nil {
			return err
		}
		if members.Kind(raw) != '"' {
			return &badAnswer{reason: "the body is not a JSON string", body: raw, whole: json.Valid(raw)}
		}
		return decodeJSON(raw, out)
	}
}
