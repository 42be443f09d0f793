package reducto

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/reducto-go/reducto/internal/redact"
)

// Webhook selects how the service notifies you when a job ends. Make one with
// DirectWebhook, SvixWebhook or NoWebhook. The zero value means the client's default
// (WithWebhook). It prints without the query of its URL, which may be a secret.
type Webhook struct {
	mode     string
	url      string
	channels []string
}

const (
	webhookDirect   = "direct"
	webhookSvix     = "svix"
	webhookDisabled = "disabled"
)

// DirectWebhook makes the service POST {"status","job_id","metadata"} to url. The
// request is unsigned. The service tries it at most four times. The URL must be http or
// https and reachable from the internet. Reducto recommends https. See
// https://docs.reducto.ai/workflows/direct-webhooks.
func DirectWebhook(url string) Webhook { return Webhook{mode: webhookDirect, url: url} }

// SvixWebhook makes the service send signed notifications through Svix to the endpoints
// that are configured in Reducto's portal. Channels select the endpoints. Without
// channels, all endpoints get the notifications. See
// https://docs.reducto.ai/workflows/svix-webhooks.
func SvixWebhook(channels ...string) Webhook {
	return Webhook{mode: webhookSvix, channels: slices.Clone(channels)}
}

// NoWebhook disables notifications, even if the client has a default webhook.
func NoWebhook() Webhook { return Webhook{mode: webhookDisabled} }

// IsZero reports whether w means the client's default.
func (w Webhook) IsZero() bool { return w.mode == "" }

// Enabled reports whether w sends notifications.
func (w Webhook) Enabled() bool { return w.mode == webhookDirect || w.mode == webhookSvix }

// Mode returns "direct", "svix", "disabled" or, for the zero value, "".
func (w Webhook) Mode() string { return w.mode }

// URL returns the URL of a direct webhook; empty for others.
func (w Webhook) URL() string { return w.url }

// String returns the mode and, for a direct webhook, the URL without its query.
func (w Webhook) String() string {
	switch w.mode {
	case webhookDirect:
		return "direct " + redact.URL(w.url)
	case "":
		return "default"
	}
	return strings.TrimSpace(w.mode + " " + strings.Join(w.channels, ","))
}

// Format prints String with every verb.
func (w Webhook) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, w.String()) }

// LogValue logs String.
func (w Webhook) LogValue() slog.Value { return slog.StringValue(w.String()) }

func (w Webhook) check() error {
	if w.mode != webhookDirect {
		return nil
	}
	if w.url == "" {
		return errors.New("the URL is empty: give the full URL of your endpoint, such as https://example.com/webhook")
	}
	if plainURL(w.url) {
		return nil
	}
	u, err := url.Parse(w.url)
	switch {
	case err != nil:
		return errors.New("the URL cannot be parsed: give one such as https://example.com/webhook")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the URL's scheme is %q: it must be http or https", u.Scheme)
	case u.Hostname() == "":
		return errors.New("the URL has no host: give the full URL of your endpoint, such as https://example.com/webhook")
	}
	return nil
}

// unreachable returns the reason why Reducto's public service cannot or should not
// deliver to the webhook. It is empty if no reason is known.
func (w Webhook) unreachable() string {
	if w.mode != webhookDirect {
		return ""
	}
	u, err := url.Parse(w.url)
	switch {
	case err != nil:
		return ""
	case isPrivateHost(u.Hostname()):
		return "Reducto cannot reach the webhook's URL, as it is in a private network: use a tunnel or reducto-hooks listen, or Wait without a webhook"
	case u.Scheme == "http":
		return "the webhook's URL is http, so its secret can be read on the way: use https"
	}
	return ""
}

// warnUnreachable logs once if the public service cannot deliver to a webhook.
func (c *Client) warnUnreachable(w Webhook) {
	if c.cfg.quietWebhook || !c.public || w.mode != webhookDirect {
		return
	}
	if last := c.checked.Load(); last != nil && *last == w.url {
		return
	}
	c.checked.Store(&w.url)
	if reason := w.unreachable(); reason != "" {
		c.warned.Do(func() {
			c.cfg.logger.Warn("reducto: "+reason+" (WithoutWebhookWarning silences this)", slog.Any("webhook", w))
		})
	}
}

// isPublic reports whether a base URL belongs to Reducto's public service.
func isPublic(base *url.URL) bool {
	for _, region := range regionURLs {
		if u, err := url.Parse(region); err == nil && u.Host == base.Host {
			return true
		}
	}
	return false
}

// wire returns the JSON form of an enabled webhook.
func (w Webhook) wire() webhookWire {
	return webhookWire{Mode: w.mode, URL: w.url, Channels: w.channels}
}

type webhookWire struct {
	Mode     string   `json:"mode"`
	URL      string   `json:"url,omitempty"`
	Channels []string `json:"channels,omitempty"`
}
