package reducto

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPlainURL(t *testing.T) {
	t.Parallel()
	for _, usual := range []string{
		"https://example.com", "http://example.com/", "https://a-1.example.com/a/b.pdf", "https://EXAMPLE.com/a",
		"https://bucket.s3.amazonaws.com/a.pdf?X-Amz-Credential=A%2Fus-east-1&X-Amz-Signature=5a1e",
	} {
		assert.True(t, plainURL(usual), usual)
	}
	for _, other := range []string{
		"", "https://", "https:///a", "ftp://example.com", "HTTPS://example.com", "https://user@example.com/", "https://example.com:80/",
		"https://example.com?a", "https://example.com/%zz", "https://example.com/a b", "https://example.com/#%zz", "https://[::1]/",
		"https://example.com/\x7f", "https://example.com/?\n", "https://exa\u0301mple.com/", "reducto://a.pdf", "example.com",
	} {
		assert.False(t, plainURL(other), other)
	}
}

// What url.Parse is not asked about is what it accepts, with a scheme and a host.
func FuzzPlainURL(f *testing.F) {
	for _, u := range []string{
		"https://example.com/a.pdf?sig=5%2F1e", "http://a", "https://a.b-c/d/e;f=g,h", "https://a/%zz", "https://a/?%zz", "https://./..",
	} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !plainURL(raw) {
			return
		}
		u, err := url.Parse(raw)
		require.NoError(t, err)
		require.Contains(t, []string{"http", "https"}, u.Scheme)
		require.NotEmpty(t, u.Hostname())
	})
}
