package reductotest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestFaultsAreUsedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		code := func(path string) int { return call(t, srv, "GET", path, nil).StatusCode }
		srv.Fault("GET /jobs", reductotest.Status(500), reductotest.HTML(502).Times(2), reductotest.Status(429))
		srv.Fault("GET /jobs", reductotest.Status(503))
		srv.Fault("* /", reductotest.Status(504))
		assert.Equal(t, 504, code("/version"))
		var codes []int
		for range 7 {
			codes = append(codes, code("/jobs"))
		}
		assert.Equal(t, []int{500, 502, 502, 429, 503, 200, 200}, codes)

		srv.Fault("GET /version", reductotest.Status(500).Times(0), reductotest.Status(418).Always())
		for range 3 {
			assert.Equal(t, 418, code("/version"))
		}
		srv.ClearFaults()
		assert.Equal(t, 200, code("/version"))
	})
}

func TestFaultMatchesMethodAndPath(t *testing.T) {
	for _, test := range []struct {
		match, method, path string
		want                bool
	}{
		{"GET /job", "GET", "/job/x", true}, {"GET /job/", "GET", "/job/x", true}, {"GET /job", "GET", "/jobs", false},
		{"GET /job/x", "GET", "/job/y", false}, {"POST /parse", "POST", "/parse_async", false}, {"POST /parse_async", "POST", "/parse_async", true},
		{"POST /", "POST", "/parse_async", true}, {"POST /", "GET", "/jobs", false}, {"/jobs", "GET", "/jobs", true}, {"* /jobs", "GET", "/jobs", true},
		{"", "GET", "/version", true}, {"GET storage", "GET", "/jobs", false},
	} {
		t.Run(test.match+" and "+test.method+" "+test.path, func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *reductotest.Server) {
				srv.Fault(test.match, reductotest.Status(418))
				assert.Equal(t, test.want, call(t, srv, test.method, test.path, nil).StatusCode == 418)
			})
		})
	}
}

func TestStatusRespondsWithTheBodiesOfTheAPI(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		answer := func(f reductotest.Fault, path string) reply {
			srv.Fault("", f)
			return call(t, srv, "GET", path, nil)
		}
		for _, code := range []int{400, 401, 403, 404, 408, 409, 410, 413, 415, 442, 500, 502, 503, 504} {
			o := answer(reductotest.Status(code), "/jobs").object(t)
			assert.EqualValues(t, code, at(t, o, "error", "code"))
			assert.NotEmpty(t, at(t, o, "error", "name"))
			assert.NotEmpty(t, o["detail"])
		}
		assert.Contains(t, answer(reductotest.Status(429), "/jobs").object(t)["message"], "[CODE 1000]")
		limited := answer(reductotest.Status(429), "/job/x")
		assert.Contains(t, limited.object(t)["message"], "[CODE 2000]")
		assert.Empty(t, limited.Header.Get("Retry-After"))
		assert.Empty(t, answer(reductotest.Status(204), "/jobs").body)
		assert.JSONEq(t, `{}`, string(answer(reductotest.Status(200), "/jobs").body))

		base := reductotest.Status(503)
		with := base.Header("Retry-After", "300").JSON(m{"a": 1})
		plain := answer(base, "/jobs")
		assert.Empty(t, plain.Header.Get("Retry-After"), "a copy was changed")
		r := answer(with, "/jobs")
		assert.Equal(t, "300", r.Header.Get("Retry-After"))
		assert.Equal(t, `{"a":1}`, string(r.body))
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		assert.Equal(t, `[1]`, string(answer(reductotest.Status(200).JSON(`[1]`), "/jobs").body))
		text := answer(reductotest.Status(200).Body("text/plain", ""), "/jobs")
		assert.Empty(t, text.body)
		assert.Equal(t, "text/plain", text.Header.Get("Content-Type"))
		page := answer(reductotest.HTML(502), "/jobs")
		assert.Equal(t, "text/html", page.Header.Get("Content-Type"))
		assert.Contains(t, string(page.body), "502 Bad Gateway")
		moved := answer(reductotest.Redirect(307, "http://reducto.test/version"), "/jobs")
		assert.Equal(t, 307, moved.StatusCode)
		assert.Equal(t, "http://reducto.test/version", moved.Header.Get("Location"))

		link := ok(t, srv, "POST", "/upload", nil)["presigned_url"].(string)
		srv.Fault("PUT storage", reductotest.Status(503))
		stored := put(t, srv, link, strings.NewReader("x"))
		assert.Equal(t, 503, stored.StatusCode)
		assert.Contains(t, string(stored.body), "<Code>ServiceUnavailable</Code>")
	})
}

func TestDelayProcessesTheRequestLater(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		start := time.Now()
		srv.Fault("GET /version", reductotest.Delay(time.Hour), reductotest.Status(500).After(time.Minute))
		assert.Equal(t, 200, call(t, srv, "GET", "/version", nil).StatusCode)
		assert.Equal(t, time.Hour, time.Since(start))
		assert.Equal(t, 500, call(t, srv, "GET", "/version", nil).StatusCode)
		assert.Equal(t, time.Hour+time.Minute, time.Since(start))

		// A delayed submission makes its job after the client has given up.
		srv.Fault("POST /parse_async", reductotest.Delay(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "POST", srv.URL()+"/parse_async", strings.NewReader(`{"input":"https://example.com/a"}`))
		req.Header.Set("Authorization", "Bearer "+srv.APIKey())
		_, err := send(srv, req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		pass(2 * time.Hour)
		assert.Len(t, srv.Jobs(), 1)
	})
}

func TestFaultsBreakTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		srv.Fault("POST /parse_async", reductotest.Drop(), reductotest.LoseAnswer(), reductotest.Truncate(10), reductotest.Truncate(10_000))
		body := m{"input": "https://example.com/a"}

		_, err := try(srv, "POST", "/parse_async", body)
		require.ErrorIs(t, err, io.EOF)
		assert.Empty(t, srv.Jobs(), "dropped before it was processed")
		requests := srv.RequestsTo("POST /parse_async")
		assert.NotEmpty(t, requests[0].Body, "it is recorded all the same")
		assert.Zero(t, requests[0].StatusCode)

		_, err = try(srv, "POST", "/parse_async", body)
		require.ErrorIs(t, err, io.EOF)
		assert.Len(t, srv.Jobs(), 1, "the job was made, only the answer is lost")

		r, err := try(srv, "POST", "/parse_async", body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Equal(t, `{"job_id":`, string(r.body))
		assert.Greater(t, r.ContentLength, int64(10))
		assert.Len(t, srv.Jobs(), 2)

		submit(t, srv, "/parse_async", body) // longer than the response
		submit(t, srv, "/parse_async", body)

		// Faults also apply to the storage.
		id := submit(t, srv, "/parse_async", m{"input": upload(srv, invoice), "settings": m{"force_url_result": true}})
		srv.Complete(id)
		link := resultURL(t, srv, id)
		srv.Fault("GET storage/results", reductotest.Truncate(100))
		req, _ := http.NewRequest("GET", link, nil)
		r, err = send(srv, req)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Len(t, r.body, 100)
		assert.Equal(t, 200, get(t, srv, link).StatusCode)
	})
}

func TestEndlessAndStallLastUntilTheClientIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		srv.Fault("GET /jobs", reductotest.Endless(), reductotest.Endless().Every(time.Second), reductotest.Stall())
		open := func(ctx context.Context) *http.Response {
			req, _ := http.NewRequestWithContext(ctx, "GET", srv.URL()+"/jobs", nil)
			req.Header.Set("Authorization", "Bearer "+srv.APIKey())
			resp, err := srv.HTTPClient().Do(req)
			require.NoError(t, err)
			assert.Equal(t, 200, resp.StatusCode)
			return resp
		}
		start := time.Now()
		resp := open(t.Context())
		n, err := io.CopyN(io.Discard, resp.Body, 10<<20)
		require.NoError(t, err)
		assert.EqualValues(t, 10<<20, n)
		assert.Zero(t, time.Since(start))
		resp.Body.Close()

		resp = open(t.Context())
		_, err = io.CopyN(io.Discard, resp.Body, 1<<10)
		require.NoError(t, err)
		assert.InDelta(t, 64, time.Since(start).Seconds(), 2)
		resp.Body.Close()

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		resp = open(ctx)
		raw, err := io.ReadAll(resp.Body)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Empty(t, raw)
		resp.Body.Close()

		// Closing the server ends both.
		srv.Fault("GET /jobs", reductotest.Stall(), reductotest.Endless().Every(time.Hour))
		for range 2 {
			resp := open(t.Context())
			ended := make(chan error)
			go func() {
				_, err := io.Copy(io.Discard, resp.Body)
				ended <- err
			}()
			synctest.Wait()
			if len(srv.RequestsTo("GET /jobs")) == 5 {
				go srv.Close()
			} else {
				go func() { <-ended }()
				continue
			}
			assert.Error(t, <-ended)
		}
	})
}
