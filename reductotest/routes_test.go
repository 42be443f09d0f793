package reductotest_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestAPIRefusesWrongKeys(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		assert.Equal(t, "key one", srv.APIKey())
		call(t, srv, "GET", "/jobs", nil)
		with := func(header string) reply {
			req, _ := http.NewRequest("GET", srv.URL()+"/jobs", nil)
			if header != "" {
				req.Header.Set("Authorization", header)
			}
			r, err := send(srv, req)
			require.NoError(t, err)
			return r
		}
		missing := with("")
		assert.Equal(t, 403, missing.StatusCode)
		assert.Equal(t, "text/html", missing.Header.Get("Content-Type"))
		assert.Contains(t, string(missing.body), "nginx")
		for _, header := range []string{"Bearer wrong", "Basic key one", "Bearer", "Bearer key one and more"} {
			wrong := with(header)
			assert.Equal(t, 401, wrong.StatusCode, header)
			assert.JSONEq(t, `{"error":{"code":401,"name":"AUTH_ERROR","message":"Invalid access token"},"detail":"Invalid access token"}`, string(wrong.body))
		}
		assert.Equal(t, 200, with("bearer key one").StatusCode)
		srv.SetAPIKey("key two")
		assert.Equal(t, 401, with("Bearer key one").StatusCode)
		assert.Equal(t, 200, with("Bearer key two").StatusCode)
		req, _ := http.NewRequest("GET", srv.URL()+"/version", nil)
		r, err := send(srv, req)
		require.NoError(t, err)
		assert.Equal(t, 200, r.StatusCode, "/version needs no key")
	}, reductotest.WithAPIKey("key one"))
}

func TestRoutesRefuseUnknownPathsAndMethods(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		var version, portal string
		require.NoError(t, json.Unmarshal(call(t, srv, "GET", "/version", nil).body, &version))
		assert.NotEmpty(t, version)
		require.NoError(t, json.Unmarshal(call(t, srv, "POST", "/configure_webhook", nil).body, &portal))
		assert.Contains(t, portal, "https://")

		for _, missing := range []string{"/classify_async", "/", "/nothing", "/job/", "/cancel", "/job"} {
			assert.Equal(t, 404, call(t, srv, "POST", missing, "{}").StatusCode, missing)
		}
		for path, method := range map[string]string{
			"/parse_async": "GET", "/jobs": "POST", "/upload": "GET", "/version": "POST",
			"/job/x": "POST", "/cancel/x": "GET", "/upload/x": "GET", "/configure_webhook": "GET",
		} {
			r := call(t, srv, method, path, nil)
			assert.Equal(t, 405, r.StatusCode, path)
			assert.NotEmpty(t, r.Header.Get("Allow"), path)
		}
	})
}
