package reductotest_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func put(t *testing.T, srv *reductotest.Server, link string, body io.Reader) reply {
	t.Helper()
	req, err := http.NewRequest("PUT", link, body)
	require.NoError(t, err)
	r, err := send(srv, req)
	require.NoError(t, err)
	return r
}

func TestPresignedUploadStoresTheFile(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		for _, body := range []any{nil, "{}", ``} {
			upload := ok(t, srv, "POST", "/upload?extension=.txt", body)
			link, id := upload["presigned_url"].(string), upload["file_id"].(string)
			require.True(t, strings.HasPrefix(link, "http://storage.reducto.test/"), link)
			assert.True(t, strings.HasSuffix(id, ".txt"))
			assert.Equal(t, 404, call(t, srv, "POST", "/parse", m{"input": id}).StatusCode, "nothing is there yet")

			assert.Equal(t, 501, put(t, srv, link, io.MultiReader(strings.NewReader("of unknown length"))).StatusCode)
			assert.Equal(t, 403, get(t, srv, link).StatusCode, "the link is for uploading")
			assert.Equal(t, 403, put(t, srv, link+"0", strings.NewReader("x")).StatusCode)
			u, _ := url.Parse(link)
			u.RawQuery = ""
			r := put(t, srv, u.String(), strings.NewReader("x"))
			assert.Equal(t, 403, r.StatusCode)
			assert.Contains(t, string(r.body), "AccessDenied")

			r = put(t, srv, link, strings.NewReader("the text"))
			assert.Equal(t, 200, r.StatusCode)
			assert.NotEmpty(t, r.Header.Get("ETag"))
			assert.Equal(t, "the text", textOf(t, srv, id))
		}
		link := ok(t, srv, "POST", "/upload", nil)["presigned_url"].(string)
		srv.ExpireLinks()
		assert.Equal(t, 200, put(t, srv, link, strings.NewReader("x")).StatusCode, "ExpireLinks is for downloads")
		time.Sleep(time.Hour + 1)
		r := put(t, srv, link, strings.NewReader("x"))
		assert.Equal(t, 403, r.StatusCode)
		assert.Contains(t, string(r.body), "Request has expired")
		assert.Empty(t, srv.Violations())
	})
}

func TestLinksExpire(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		id := submit(t, srv, "/parse_async", m{"input": upload(srv, "x"), "settings": m{"force_url_result": true}})
		time.Sleep(time.Second)
		link := func() string { return resultURL(t, srv, id) }
		first := link()
		assert.Equal(t, 200, get(t, srv, first).StatusCode)
		srv.ExpireLinks()
		for range 2 {
			r := get(t, srv, first)
			assert.Equal(t, 403, r.StatusCode)
			assert.Equal(t, "application/xml", r.Header.Get("Content-Type"))
			assert.Contains(t, string(r.body), "<Code>AccessDenied</Code><Message>Request has expired</Message>")
		}
		second := link()
		assert.NotEqual(t, first, second)
		assert.Equal(t, 200, get(t, srv, second).StatusCode)
		time.Sleep(5*time.Minute + 1)
		assert.Equal(t, 403, get(t, srv, second).StatusCode)
		third := link()
		assert.Equal(t, 200, get(t, srv, third).StatusCode)
		for _, broken := range []string{
			strings.Replace(third, "X-Amz-Signature=", "X-Amz-Signature=0", 1), strings.Replace(third, "/results/", "/results/x", 1),
		} {
			r := get(t, srv, broken)
			assert.Equal(t, 403, r.StatusCode)
			assert.Contains(t, string(r.body), "SignatureDoesNotMatch")
		}
		srv.Expire(id)
		assert.Equal(t, 404, get(t, srv, third).StatusCode)
	}, reductotest.WithLinkTTL(5*time.Minute))
}
