package reductotest_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

// failures collects the messages of failed assertions.
type failures struct{ strings.Builder }

func (f *failures) Errorf(format string, args ...any) { fmt.Fprintf(f, format, args...) }

func TestFailedAssertionsPrintReadableBodiesWithoutSecrets(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := parse(srv.Mount("/webhook", answering(200)), m{"secret": `hidden "1"`, "user": "123"})
		body["settings"] = m{"document_password": "hidden 2", "force_url_result": true}
		srv.AddSvixEndpoint("http://app.test/webhook")
		srv.Complete(submit(t, srv, "/parse_async", body))
		srv.Complete(submit(t, srv, "/parse_async", m{"input": "https://example.com/a.pdf", "async": m{
			"webhook": m{"mode": "svix"}, "metadata": m{"secret": "hidden 3", "user": "123"}}}))
		srv.Deliver(t.Context(), "http://app.test/webhook?key=hidden-4", "123", []byte("hello"), http.Header{"Authorization": {"hidden 5"}})
		pass(1)
		get(t, srv, at(t, ok(t, srv, "GET", "/job/"+srv.Jobs()[0].ID, nil), "result", "result", "url").(string))
		signature := srv.Deliveries(srv.Jobs()[1].ID)[0].Header.Get("Svix-Signature")
		require.NotEmpty(t, signature)

		for _, list := range []any{srv.AllDeliveries(), srv.Requests(), srv.Jobs()} {
			var f failures
			assert.Empty(&f, list)
			assert.Len(&f, list, 17)
			assert.Nil(&f, list)
			assert.Contains(&f, list, "x")
			message := f.String()
			assert.Contains(t, message, `"user":"123"`)
			for _, secret := range []string{"hidden", signature, srv.APIKey(), srv.SvixSecret()} {
				assert.NotContains(t, message, secret)
			}
			assert.NotRegexp(t, regexp.MustCompile(`X-Amz-Signature\W+[0-9a-f]{8}|\b123,? (0x)?34`), message)
		}

		// testify prints both values and a diff of their memory. Methods cannot change
		// the diff.
		var f failures
		assert.Equal(&f, srv.Deliveries(srv.Jobs()[0].ID)[0], reductotest.Delivery{})
		values, _, _ := strings.Cut(f.String(), "Diff:")
		assert.Contains(t, values, `"metadata":{"secret":"[redacted]","user":"123"}}`)
		assert.Contains(t, values, "actual  : Delivery{}")
	})
}

func TestBodyFormat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ body, want string }{
		{"", "(empty)"},
		{"text", "text"},
		{"\x00\xff", `"\x00\xff"`},
		{`{"secret" : "a\"b","b":1}`, `{"secret":"[redacted]","b":1}`},
		{`{"secret":12,"b":1}`, `{"secret":"[redacted]","b":1}`},
		{`{"metadata":{"secret":"cut\`, `{"metadata":{"secret":"[redacted]"`},
		{strings.Repeat("é", 1000), strings.Repeat("é", 500) + "… (2000 bytes)"},
		{"x" + strings.Repeat("é", 500), "x" + strings.Repeat("é", 499) + "… (1001 bytes)"},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			assert.Equal(t, test.want, fmt.Sprintf(verb, reductotest.Body(test.body)), verb)
		}
	}
	assert.Equal(t, "6162", fmt.Sprintf("%x", reductotest.Body("ab")))
}
