package reductotest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

// m is a JSON object.
type m = map[string]any

// bubble runs f in a synctest bubble with its own server.
func bubble(t *testing.T, f func(t *testing.T, srv *reductotest.Server), opts ...reductotest.Option) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, reductotest.NewServer(t, opts...)) })
}

// pass waits in virtual time, and then for all goroutines.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// reply is a response with its body.
type reply struct {
	*http.Response
	body []byte
}

// object decodes the body as a JSON object.
func (r reply) object(t *testing.T) m {
	t.Helper()
	var o m
	require.NoError(t, json.Unmarshal(r.body, &o), "%s", r.body)
	return o
}

// try sends a request with the API key and returns its error.
func try(srv *reductotest.Server, method, path string, body any) (reply, error) {
	var r io.Reader
	contentType := ""
	switch body := body.(type) {
	case nil:
	case string:
		r, contentType = strings.NewReader(body), "application/json"
	case form:
		r, contentType = bytes.NewReader(body.body), body.contentType
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			return reply{}, err
		}
		r, contentType = bytes.NewReader(raw), "application/json"
	}
	req, err := http.NewRequest(method, srv.URL()+path, r)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+srv.APIKey())
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return send(srv, req)
}

func send(srv *reductotest.Server, req *http.Request) (reply, error) {
	client := srv.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return reply{resp, raw}, err
}

// call sends a request and requires a response.
func call(t *testing.T, srv *reductotest.Server, method, path string, body any) reply {
	t.Helper()
	r, err := try(srv, method, path, body)
	require.NoError(t, err)
	return r
}

// ok sends a request and requires a 200 with a JSON object.
func ok(t *testing.T, srv *reductotest.Server, method, path string, body any) m {
	t.Helper()
	r := call(t, srv, method, path, body)
	require.Equal(t, 200, r.StatusCode, "%s %s: %s", method, path, r.body)
	return r.object(t)
}

// submit submits a job and returns its id.
func submit(t *testing.T, srv *reductotest.Server, path string, body any) string {
	t.Helper()
	id, _ := ok(t, srv, "POST", path, body)["job_id"].(string)
	require.NotEmpty(t, id)
	return id
}

// parse returns a parse request. A hook is the URL of a direct webhook.
func parse(hook string, metadata any) m {
	async := m{"metadata": metadata}
	if hook != "" {
		async["webhook"] = m{"mode": "direct", "url": hook}
	}
	return m{"input": "https://example.com/a.pdf", "async": async}
}

// get downloads a link without any authorization.
func get(t *testing.T, srv *reductotest.Server, link string) reply {
	t.Helper()
	req, err := http.NewRequest("GET", link, nil)
	require.NoError(t, err)
	r, err := send(srv, req)
	require.NoError(t, err)
	return r
}

// form is a multipart body.
type form struct {
	body        []byte
	contentType string
}

func multipartFile(t *testing.T, field, name string, content []byte) form {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	var part io.Writer
	var err error
	if name == "" {
		part, err = w.CreateFormField(field)
	} else {
		part, err = w.CreateFormFile(field, name)
	}
	require.NoError(t, err)
	_, err = part.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return form{b.Bytes(), w.FormDataContentType()}
}

// at follows keys and indexes into decoded JSON.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			o, isObject := v.(m)
			require.True(t, isObject, "%v has no member %q", v, step)
			v = o[step]
		case int:
			list, isList := v.([]any)
			require.True(t, isList && step < len(list), "%v has no item %d", v, step)
			v = list[step]
		}
	}
	return v
}

// getJob returns the response of GET /job.
func getJob(t *testing.T, srv *reductotest.Server, id string) m {
	t.Helper()
	return ok(t, srv, "GET", "/job/"+id, nil)
}

// resultURL returns the URL of a job's result.
func resultURL(t *testing.T, srv *reductotest.Server, id string) string {
	t.Helper()
	return at(t, getJob(t, srv, id), "result", "result", "url").(string)
}

// seededURL returns the URL of d as the result of a job.
func seededURL(t *testing.T, srv *reductotest.Server, d reductotest.GeneratedDocument) string {
	t.Helper()
	return resultURL(t, srv, srv.SeedJob(reductotest.SeedJob{Status: "Completed", Result: d}))
}
