package reductotest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestRequestsAreRecorded(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		submit(t, srv, "/parse_async", parse("", nil))
		call(t, srv, "GET", "/jobs?limit=7", nil)
		req, _ := http.NewRequest("POST", srv.URL()+"/parse", strings.NewReader(`{"secret":1}`))
		req.Header.Set("Authorization", "Bearer wrong")
		_, err := send(srv, req)
		require.NoError(t, err)

		all := srv.Requests()
		require.Len(t, all, 3)
		assert.Equal(t, "POST", all[0].Method)
		assert.Equal(t, "/parse_async", all[0].Path)
		assert.Equal(t, "reducto.test", all[0].Host)
		assert.True(t, all[0].Authorized)
		assert.Equal(t, "[redacted]", all[0].Header.Get("Authorization"))
		assert.Equal(t, 200, all[0].StatusCode)
		assert.EqualValues(t, len(all[0].Body), all[0].BodySize)
		assert.Equal(t, "7", all[1].Query.Get("limit"))
		assert.False(t, all[2].Authorized)
		assert.Equal(t, 401, all[2].StatusCode)
		assert.Equal(t, `{"secret":1}`, string(all[2].Body), "of a refused request too")

		assert.Len(t, srv.RequestsTo("POST /parse"), 1, "not /parse_async")
		assert.Len(t, srv.RequestsTo("/"), 3)
		assert.Len(t, srv.RequestsTo("* /jobs"), 1)
		assert.Empty(t, srv.RequestsTo("GET storage"))
		assert.Empty(t, srv.RequestsTo("GET /job"), "not /jobs")

		big := strings.Repeat("x", 300<<10)
		call(t, srv, "POST", "/upload", multipartFile(t, "file", "a.txt", []byte(big)))
		last := srv.RequestsTo("POST /upload")[0]
		assert.Len(t, last.Body, 256<<10)
		assert.Greater(t, last.BodySize, int64(300<<10))
	})
}

func TestAuthorizationAtTheStorageIsAViolation(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		upload := ok(t, srv, "POST", "/upload", nil)
		link, _ := upload["presigned_url"].(string)
		req, _ := http.NewRequest("PUT", link, strings.NewReader("x"))
		req.Header.Set("Authorization", "Bearer "+srv.APIKey())
		r, err := send(srv, req)
		require.NoError(t, err)
		assert.Equal(t, 400, r.StatusCode)
		assert.Contains(t, string(r.body), "InvalidArgument")
		require.Len(t, srv.Violations(), 1)
		assert.NotContains(t, srv.Violations()[0], srv.APIKey())
		assert.NotContains(t, srv.Violations()[0], "Signature")
	})
}
