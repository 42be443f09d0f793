package reducto

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWebhookModesAndWireForms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		w             Webhook
		mode, url     string
		text          string
		zero, enabled bool
		wire          webhookWire
	}{
		{Webhook{}, "", "", "default", true, false, webhookWire{}},
		{NoWebhook(), "disabled", "", "disabled", false, false, webhookWire{Mode: "disabled"}},
		{DirectWebhook("https://example.com/w?t=5a1e"), "direct", "https://example.com/w?t=5a1e", "direct https://example.com/w?[redacted]", false, true, webhookWire{Mode: "direct", URL: "https://example.com/w?t=5a1e"}},
		{DirectWebhook("http://localhost:8080"), "direct", "http://localhost:8080", "direct http://localhost:8080", false, true, webhookWire{Mode: "direct", URL: "http://localhost:8080"}},
		{SvixWebhook(), "svix", "", "svix", false, true, webhookWire{Mode: "svix"}},
		{SvixWebhook("a", "b"), "svix", "", "svix a,b", false, true, webhookWire{Mode: "svix", Channels: []string{"a", "b"}}},
	} {
		assert.Equal(t, test.mode, test.w.Mode())
		assert.Equal(t, test.url, test.w.URL())
		assert.Equal(t, test.text, test.w.String())
		assert.Equal(t, test.text, fmt.Sprintf("%+v", test.w))
		assert.Equal(t, test.zero, test.w.IsZero())
		assert.Equal(t, test.enabled, test.w.Enabled())
		assert.Equal(t, test.wire, test.w.wire())
		require.NoError(t, test.w.check())
	}
	channels := []string{"a"}
	w := SvixWebhook(channels...)
	channels[0] = "b"
	assert.Equal(t, "svix a", w.String())
}

func TestUnreachableWebhookIsLoggedOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		base, webhook string
		warns         string
	}{
		{"https://platform.reducto.ai", "http://localhost:8080/webhook?token=5a1e", "use a tunnel"},
		{"https://eu.platform.reducto.ai", "https://10.0.0.8/webhook", "use a tunnel"},
		{"https://platform.reducto.ai", "https://laptop.local/webhook", "use a tunnel"},
		{"https://platform.reducto.ai", "http://example.com/webhook", "use https"},
		{"https://platform.reducto.ai", "https://example.com/webhook", ""},
		{"https://example.com", "http://localhost:8080/webhook", ""},
	} {
		var log strings.Builder
		opts := []Option{
			WithAPIKey("sk-test"), WithBaseURL(tt.base), WithWebhook(DirectWebhook(tt.webhook)),
			WithLogger(slog.New(slog.NewTextHandler(&log, nil))), WithMaxRetries(0),
			WithHTTPClient(&http.Client{Transport: refusing{}}),
		}
		client, err := NewClient(opts...)
		require.NoError(t, err)
		for range 3 {
			_, _ = client.ParseAsync(t.Context(), ParseRequest{Input: URL("https://example.com/a.pdf")})
			_, _ = client.ParseAsync(t.Context(), ParseRequest{Input: URL("https://example.com/a.pdf"), Async: Async{Webhook: DirectWebhook(tt.webhook + "&a=b")}})
		}
		if tt.warns == "" {
			assert.NotContains(t, log.String(), "level=WARN", tt.webhook)
			continue
		}
		assert.Equal(t, 1, strings.Count(log.String(), "level=WARN"), tt.webhook)
		assert.Contains(t, log.String(), tt.warns)
		assert.NotContains(t, log.String(), "5a1e")
		log.Reset()
		client, err = NewClient(append(opts, WithoutWebhookWarning())...)
		require.NoError(t, err)
		_, _ = client.ParseAsync(t.Context(), ParseRequest{Input: URL("https://example.com/a.pdf")})
		assert.NotContains(t, log.String(), "level=WARN")
	}
}

// refusing is a transport without a network.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no network")
}

func TestTooLargeMetadataIsRefused(t *testing.T) {
	t.Parallel()
	sent := 0
	transport := roundTrip(func(*http.Request) (*http.Response, error) {
		sent++
		return nil, errors.New("no network")
	})
	hook := idleHook{}
	submit := func(size int, opts ...Option) error {
		client, err := NewClient(append([]Option{
			WithAPIKey("sk-test"), WithBaseURL("https://example.com"), WithMaxRetries(0),
			WithHTTPClient(&http.Client{Transport: transport}), WithWebhook(DirectWebhook("https://example.com/webhook")),
		}, opts...)...)
		require.NoError(t, err)
		_, err = client.ParseAsync(t.Context(), ParseRequest{
			Input: URL("https://example.com/a.pdf"), Async: Async{Metadata: map[string]string{"a": strings.Repeat("x", size)}},
		})
		return err
	}
	refused := func(err error) bool {
		_, ok := errors.AsType[*RequestError](err)
		return ok
	}
	err := submit(2<<20, WithSubmitHook(hook))
	require.True(t, refused(err), "%v", err)
	assert.ErrorContains(t, err, "1044480")
	assert.ErrorContains(t, err, "WithMaxMetadataBytes")
	assert.Zero(t, sent)
	assert.False(t, refused(submit(1<<20-8<<10, WithSubmitHook(hook))))
	assert.False(t, refused(submit(2<<20, WithSubmitHook(hook), WithMaxMetadataBytes(3<<20))))
	assert.False(t, refused(submit(2<<20)), "without a hook any metadata goes as it is")
	assert.Equal(t, 3, sent)
}
