package reducto

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInputJSON(t *testing.T) {
	t.Parallel()
	for want, in := range map[string]Input{
		`"https://example.com/a.pdf"`:                        URL("https://example.com/a.pdf"),
		`["https://example.com/a.pdf","reducto://5a1e.pdf"]`: URLs("https://example.com/a.pdf", "reducto://5a1e.pdf"),
		`["https://example.com/a.pdf"]`:                      URLs("https://example.com/a.pdf"),
		`"reducto://5a1e.pdf"`:                               FromUpload(&Upload{FileID: "reducto://5a1e.pdf"}),
		`"jobid://j1"`:                                       FromJob("j1"),
		`null`:                                               {},
	} {
		raw, err := json.Marshal(in)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(raw))
		var again Input
		require.NoError(t, json.Unmarshal(raw, &again))
		assert.Equal(t, in, again, want)
		assert.Equal(t, want == "null", in.IsZero(), want)
		assert.Equal(t, strings.HasPrefix(want, "["), in.isList(), want)
		if want != "null" {
			require.NoError(t, in.check("Input"), want)
		}
	}
	var in Input
	require.NoError(t, json.Unmarshal([]byte(`{"file_id":"reducto://5a1e.pdf","presigned_url":null}`), &in))
	assert.Equal(t, URL("reducto://5a1e.pdf"), in)
	require.NoError(t, json.Unmarshal([]byte(`null`), &in))
	assert.Equal(t, URL("reducto://5a1e.pdf"), in, "null is nothing, as everywhere in JSON")
	for _, text := range []string{`7`, `{}`, `{"file_id":""}`, `{"file_id":7}`, `[1]`, `true`, `[["a"]]`} {
		require.ErrorContains(t, json.Unmarshal([]byte(text), &in), "an input must be", text)
	}
	assert.True(t, FromUpload(nil).IsZero())
	assert.True(t, URLs().IsZero())
}

func TestInputCopiesItsSlice(t *testing.T) {
	t.Parallel()
	list := []string{"https://example.com/a.pdf", "https://example.com/b.pdf"}
	in := URLs(list...)
	list[0] = "https://example.org/"
	assert.Equal(t, "[https://example.com/a.pdf https://example.com/b.pdf]", in.String())
}

func TestInputCheckRefusesInvalidReferences(t *testing.T) {
	t.Parallel()
	for _, good := range []Input{
		URL("https://example.com/a.pdf?X-Amz-Signature=5a1e#p"), URL("HTTP://EXAMPLE.COM"), URL("s3://bucket/key"), URL("reducto://x"),
		URL("jobid://3d4b0e5a-9c1f-4f63-8a57-1f0c6f6f1a01"), URLs("reducto://a", "jobid://b"), URL("file:///srv/a.pdf"),
	} {
		require.NoError(t, good.check("Input"), good)
	}
	for reason, bad := range map[string][]Input{
		"no document":         {{}, URLs(), FromUpload(nil)},
		"the URL is empty":    {URL(""), URL(" \n"), URLs("https://example.com/a", ""), FromUpload(&Upload{})},
		"job id of FromJob":   {FromJob(""), FromJob("a/b"), FromJob("../x"), URL("jobid://a?b"), URLs("jobid://")},
		"has no file id":      {URL("reducto://")},
		"cannot be parsed":    {URL("http://example.com:port/"), URL("https://exa mple.com"), URL("%zz")},
		"is no URL: upload":   {URL("report.pdf"), URL("/srv/report.pdf"), URL("example.com/a.pdf")},
		"the URL has no host": {URL("https:///a.pdf"), URL("http:a.pdf"), URL("https:")},
	} {
		for _, in := range bad {
			var refused *RequestError
			require.ErrorAs(t, in.check("Field"), &refused, "%s: %v", reason, in)
			assert.Equal(t, "Field", refused.Field)
			assert.Contains(t, refused.Reason, reason)
		}
	}
	// Errors show an invalid input without its secrets.
	err := URL("report.pdf?token=5a1e").check("Input")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "5a1e")
	assert.Less(t, len(URL("x"+strings.Repeat("y", 10000)).check("Input").Error()), 300)
}

func TestInputStringHidesQueries(t *testing.T) {
	t.Parallel()
	for want, in := range map[string]Input{
		"":                                     {},
		"[]":                                   URLs(),
		"https://example.com/a.pdf?[redacted]": URL("https://user:5a1e@example.com/a.pdf?sig=5a1e"),
		"[https://example.com/a reducto://5.pdf]": URLs("https://example.com/a#5a1e", "reducto://5.pdf"),
		"jobid://j1": FromJob("j1"),
	} {
		assert.Equal(t, want, in.String())
		assert.Equal(t, want, in.LogValue().String())
	}
}

func TestPlainURLAcceptsOnlySimpleURLs(t *testing.T) {
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

// plainURL accepts only URLs that url.Parse accepts, with a scheme and a host.
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
