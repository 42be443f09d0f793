package reducto

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWebhook(t *testing.T) {
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
