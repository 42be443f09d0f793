package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// Scenario 11.
func TestReceiverAnswers400ToNonDeliveries(t *testing.T) {
	t.Parallel()
	full := genuine(jobA)
	with := func(member string) string { return payload("Completed", jobA, signed(member)) }
	bodies := []string{
		"", " \n", "null", "[]", "[" + full + "]", "{}", `"Completed"`, "1", "hello", "<html></html>",
		"status=Completed&job_id=" + jobA, "\xff\xfe{\x00}\x00", "\xfe\xff\x00{\x00}", "\xef\xbb" + full, " \xef\xbb\xbf" + full, "\xef\xbb\xbf\xef\xbb\xbf" + full,
		full + full, full + "\n{}", full + "x", full + "\x00", full + "\xef\xbb\xbf", `{'status':'Completed'}`,
		strings.TrimSuffix(full, "}") + ",}", "/**/" + full, strings.TrimSuffix(full, "}") + `,"x":NaN}`,
		with(`"n":01`), with(`"n":.5`), with(`"n":1.`), with(`"n":1e+`), with(`"s":"\x"`), with(`"s":"\u12g4"`),
		with("\"s\":\"\n\""), with(`"t":tru`), with(`1:2`), with(`"a":1 "b":2`),
		string(zipped(t, full)), // without a Content-Encoding
	}
	for n := range len(full) {
		bodies = append(bodies, full[:n])
	}
	s := newSite(t, nil)
	for _, body := range bodies {
		s.answers(400, body)
	}
	assert.Equal(t, webhook.Stats{Invalid: uint64(len(bodies))}, s.Stats())
	s.answers(200, " \r\n\t"+full+"\n")
}

// Scenarios 12, 13 and 16.
func TestReceiverAnswers400ToAmbiguousMembers(t *testing.T) {
	t.Parallel()
	s := newAPISite(t, nil)
	id, status, metadata := `"job_id":"`+jobA+`"`, `"status":"Failed"`, `"metadata":`+signed()
	var bodies []string
	for _, members := range [][]string{
		{status, `"STATUS":"Completed"`, id, metadata},
		{`"STATUS":"Completed"`, id, metadata},
		{`"\u017ftatus":"Completed"`, status, id, metadata}, // folds to an s
		{status, `"status":"Completed"`, id, metadata},
		{status, status, id, metadata},
		{status, `"\u0073tatus":"Completed"`, id, metadata},
		{status, id, `"job_id":"` + jobB + `"`, metadata},
		{status, id, `"Job_ID":"` + jobB + `"`, metadata},
		{status, id, `"metadata":{}`, metadata},
		{status, id, `"metadata":null`, metadata},
		{status, id, metadata, `"Metadata":null`},
		{status, id, metadata, `"new":1`, `"new":1`},
		{status, metadata},
		{id, metadata},
	} {
		bodies = append(bodies, "{"+strings.Join(members, ",")+"}")
	}
	for _, jobID := range []string{
		`null`, `17`, `true`, `{}`, `["` + jobA + `"]`, `""`, `" "`, quote(strings.Repeat("a", 129)), quote(strings.Repeat("a", 1<<19)),
		`"../cancel/x"`, `"a/b"`, `"a\/b"`, `"a%2fb"`, `"a?b"`, `"a#b"`, `"a b"`, `"a\\b"`, `"."`, `".."`, `"-a"`,
		`"a\n"`, `"\na"`, `"a\u0000"`, "\"a\x7f\"", `"ä"`, `"\ud800"`, `"a\udc00"`, "\"\xed\xa0\x80\"", "\"a\xff\"", `"` + "\ufffd" + `"`,
	} {
		bodies = append(bodies, `{"status":"Completed","job_id":`+jobID+`,"metadata":`+signed()+`}`)
	}
	for _, status := range []string{
		`1`, `null`, `{}`, `""`, `"\n"`, `"a\tb"`, "\"\u202e\"", "\"\ufffd\"", quote(strings.Repeat("x", 65)), `"\ud800"`, "\"\xff\"",
	} {
		bodies = append(bodies, `{"status":`+status+`,"job_id":"job","metadata":`+signed()+`}`)
	}
	for _, body := range bodies {
		s.answers(400, body)
	}
	assert.Equal(t, webhook.Stats{Invalid: uint64(len(bodies))}, s.Stats())
	assert.Empty(t, s.srv.Requests(), "no such id reaches a URL")
}

// Scenario 14.
func TestReceiverAcceptsJobIDsThatAreNoUUIDs(t *testing.T) {
	t.Parallel()
	s, strict := newSite(t, nil), newSite(t, nil, webhook.WithStrictJobIDs())
	for _, id := range []string{
		"job_abc123", "a", "A-b_c.d:e~f", strings.Repeat("9", 128), strings.ReplaceAll(jobA, "-", ""), jobA + "0", jobA[1:], "g" + jobA[1:],
	} {
		s.answers(200, genuine(id))
		assert.Equal(t, id, s.f.last().JobID)
		strict.answers(400, genuine(id))
	}
	strict.answers(200, genuine(jobA))
	strict.answers(200, genuine(strings.ToUpper(jobA)))
}

// A UTF-8 byte order mark does not count. Svix signs it with the body.
func TestReceiverSkipsAByteOrderMark(t *testing.T) {
	t.Parallel()
	signer, svix := newSigner(t, "k1"), newSvix(t, svixKey)
	for name, v := range map[string]webhook.Verifier{"Secret": newSecret(t, testSecret), "Signer": signer, "Svix": svix} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSiteWith(t, v, nil)
			r := webhook.NewTestRequest("/", v, jobA, reducto.JobStatusCompleted, map[string]any{"order": 17})
			body := append([]byte("\xef\xbb\xbf"), bodyOf(t, r)...)
			marked := request(string(body))
			marked.Header = r.Header
			if v == svix {
				answers(t, s, 401, marked)
				marked = request(string(body))
				marked.Header = svixSigned("svix-", svixKey, time.Now(), body)
			}
			answers(t, s, 200, marked)
			assert.Equal(t, jobA, s.f.last().JobID)
			assert.Equal(t, `{"order":17}`, string(s.f.last().Metadata))
		})
	}
}

// bodyOf reads the body of a request, which can be read again.
func bodyOf(t testing.TB, r *http.Request) []byte {
	t.Helper()
	body, err := r.GetBody()
	require.NoError(t, err)
	raw, err := io.ReadAll(body)
	require.NoError(t, err)
	return raw
}

func zipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, text)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestReceiverReadsGzip(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	full := genuine(jobA)
	good := zipped(t, full)
	damaged := bytes.Clone(good)
	damaged[len(damaged)-5] ^= 1
	pad := strings.Repeat(" ", limit-len(full))
	for name, tt := range map[string]struct {
		encoding string
		body     []byte
		code     int
	}{
		"gzip":                    {"gzip", good, 200},
		"upper case":              {"GZIP", good, 200},
		"identity":                {"identity", []byte(full), 200},
		"two members":             {"gzip", append(zipped(t, full[:50]), zipped(t, full[50:])...), 200},
		"at the limit":            {"gzip", zipped(t, full+pad), 200},
		"a byte over the limit":   {"gzip", zipped(t, full+pad+" "), 413},
		"bomb":                    {"gzip", zipped(t, strings.Repeat("\x00", 1<<20)), 413},
		"members without content": {"gzip", bytes.Repeat(zipped(t, ""), limit), 413},
		"cut":                     {"gzip", good[:len(good)-1], 400},
		"cut in its header":       {"gzip", good[:5], 400},
		"wrong checksum":          {"gzip", damaged, 400},
		"more behind":             {"gzip", append(bytes.Clone(good), 'x'), 400},
		"not gzip":                {"gzip", []byte(full), 400},
		"of nothing":              {"gzip", zipped(t, ""), 400},
		"of nonsense":             {"gzip", zipped(t, "nonsense"), 400},
		"empty":                   {"gzip", nil, 400},
		"another encoding":        {"br", []byte(full), 415},
		"two encodings":           {"gzip, gzip", zipped(t, string(good)), 415},
		"without the secret":      {"gzip", zipped(t, payload("Completed", jobA, "{}")), 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, chunked := range []bool{false, true} {
				s := newSite(t, nil, webhook.WithMaxBodyBytes(limit))
				r := request(string(tt.body))
				if chunked {
					r.ContentLength = -1
				}
				r.Header.Set("Content-Encoding", tt.encoding)
				answers(t, s, tt.code, r)
				stats := s.Stats()
				assert.EqualValues(t, 1, stats.Accepted+stats.Invalid+stats.TooLarge+stats.Unauthorized)
				s.flush()
				want := 0
				if tt.code == 415 {
					want = 1
				}
				assert.Len(t, s.log.records(t, slog.LevelWarn, "its Content-Encoding is not gzip"), want)
				assert.Empty(t, s.log.records(t, slog.LevelError, "middleware"))
			}
		})
	}
}

// Scenario 17.
func TestReceiverLimitsTheSizeOfBodies(t *testing.T) {
	t.Parallel()
	body := genuine(jobA)
	pad := func(n int) string { return body + strings.Repeat(" ", n-len(body)) }
	const limit = 8 << 10
	for name, chunked := range map[string]bool{"with a length": false, "chunked": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := reductotest.NewServer(t)
			s := newSite(t, nil, webhook.WithMaxBodyBytes(limit))
			url := srv.Mount("/webhook", s)
			for _, tt := range []struct{ size, code int }{{limit, 200}, {limit + 1, 413}, {10 * limit, 413}} {
				var r io.Reader = strings.NewReader(pad(tt.size))
				if chunked {
					r = struct{ io.Reader }{r} // net/http does not see its length
				}
				resp, err := srv.HTTPClient().Post(url, "application/json", r)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, tt.code, resp.StatusCode)
				assert.Equal(t, tt.code == 413, resp.Close, "the rest is not read")
			}
			assert.EqualValues(t, 2, s.Stats().TooLarge)
		})
	}

	s := newSite(t, nil)
	s.answers(200, pad(webhook.DefaultMaxBodyBytes))
	assert.Equal(t, "close", s.answers(413, pad(webhook.DefaultMaxBodyBytes+1)).Header().Get("Connection"))
	answers(t, http.MaxBytesHandler(s, 1000), 413, request(pad(1001))) // a middleware's limit
}

func TestReceiverLimitsTheTimeOfBodies(t *testing.T) {
	virtual(t, func(t *testing.T) {
		srv := reductotest.NewServer(t, reductotest.WithRetrySchedule())
		s := newSite(t, nil)
		url := srv.Mount("/webhook", s)
		for _, tt := range []struct {
			slow time.Duration
			code int
			took time.Duration
		}{{3 * time.Second, 200, 3 * time.Second}, {time.Minute, 400, webhook.DefaultReadTimeout}} {
			srv.WebhookFault(reductotest.SlowBody(tt.slow))
			began := time.Now()
			id := srv.SeedJob(reductotest.SeedJob{Webhook: url, Metadata: map[string]any{"secret": testSecret}})
			deliveries, err := srv.AwaitDeliveries(t.Context(), id, 1)
			require.NoError(t, err)
			assert.Equal(t, tt.code, deliveries[0].StatusCode)
			assert.Equal(t, tt.took, time.Since(began).Round(time.Second))
		}
		assert.Equal(t, 1, s.f.count())
		synctest.Wait()
		assert.Len(t, s.log.records(t, slog.LevelWarn, "could not be read to the end"), 1)
	})
}

// stuckReader never returns anything.
type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

func TestReceiverAnswers400IfTheSenderGoes(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, body := range []io.Reader{iotest.ErrReader(errors.New("gone")), stuckReader{}} {
		answers(t, s, 400, httptest.NewRequest(http.MethodPost, "/webhook", body))
	}
}

// Scenario 18.
func TestReceiverSaysThatAMiddlewareConsumedTheBody(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"", "gzip"} {
		s := newSite(t, nil)
		for _, consume := range []func(r *http.Request){
			func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) },
			func(r *http.Request) { r.Body = nil },
			func(r *http.Request) { r.Body = http.NoBody },
		} {
			r := request(genuine(jobA))
			r.Header.Set("Content-Encoding", encoding)
			consume(r)
			answers(t, s, 500, r)
		}
		s.flush()
		assert.Len(t, s.log.records(t, slog.LevelError, "a middleware consumed the body"), 1, "once a second")
		assert.Equal(t, webhook.Stats{Invalid: 3}, s.Stats())
	}
}

// Scenario 19.
func TestReceiverAnswers405ToOtherMethods(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "post"} {
		r := request(genuine(jobA))
		r.Method = method
		answers(t, s, 405, r)
	}
}

// Scenario 20.
func TestReceiverAcceptsEveryContentTypeByDefault(t *testing.T) {
	t.Parallel()
	s, strict := newSite(t, nil), newSite(t, nil, webhook.WithRequireJSON())
	for contentType, code := range map[string]int{
		"application/json":                  200,
		"application/json;charset=utf-8":    200,
		"Application/JSON":                  200,
		"application/cloudevents+json":      200,
		"":                                  415,
		"text/plain":                        415,
		"application/x-www-form-urlencoded": 415,
		"application/json/x":                415,
		"nonsense":                          415,
		";":                                 415,
	} {
		for h, code := range map[*site]int{s: 200, strict: code} {
			r := request(genuine(jobA))
			if r.Header.Set("Content-Type", contentType); contentType == "" {
				r.Header.Del("Content-Type")
			}
			answers(t, h, code, r)
		}
	}
}

// deadlineWriter records the read deadlines.
type deadlineWriter struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (w *deadlineWriter) SetReadDeadline(t time.Time) error {
	w.deadlines = append(w.deadlines, t)
	return nil
}

func TestReceiverResetsTheReadDeadline(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newSite(t, nil, webhook.WithMaxBodyBytes(1000))
		limit := time.Now().Add(webhook.DefaultReadTimeout)
		for _, tt := range []struct {
			r    *http.Request
			want []time.Time
		}{
			{request(genuine(jobA)), []time.Time{limit, {}}},
			{request("nonsense"), []time.Time{limit, {}}},
			{request(strings.Repeat(" ", 1001)), []time.Time{limit}}, // net/http reads the rest
			{httptest.NewRequest(http.MethodPut, "/", strings.NewReader("x")), []time.Time{limit}},
		} {
			w := &deadlineWriter{ResponseRecorder: httptest.NewRecorder()}
			s.ServeHTTP(w, tt.r)
			assert.Equal(t, tt.want, w.deadlines)
		}
	})
}

func TestReadDeadlineEndsNoRequestThatHasArrived(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		server time.Duration
		want   []int
	}{
		"the receiver's":       {0, []int{200, 400}},
		"the server's shorter": {2 * time.Second, []int{400, 400}},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				srv := reductotest.NewServer(t, reductotest.WithRetrySchedule(), reductotest.WithWebhookTimeout(2*time.Minute))
				s := newSite(t, func(ctx context.Context, _ *webhook.Delivery) error {
					time.Sleep(12 * time.Second) // longer than the deadline
					return ctx.Err()
				}, webhook.WithReadTimeout(10*time.Second))
				url := srv.Mount("/webhook", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					assert.NotNil(t, r.Context().Value(http.ServerContextKey))
					if tt.server > 0 {
						_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(tt.server))
						r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, &http.Server{ReadTimeout: tt.server}))
					}
					s.ServeHTTP(w, r)
				}))
				var got []int
				for _, slow := range []time.Duration{5 * time.Second, time.Minute} {
					srv.WebhookFault(reductotest.SlowBody(slow))
					id := srv.SeedJob(reductotest.SeedJob{Webhook: url, Metadata: map[string]any{"secret": testSecret}})
					deliveries, err := srv.AwaitDeliveries(t.Context(), id, 1)
					require.NoError(t, err)
					got = append(got, deliveries[0].StatusCode)
				}
				assert.Equal(t, tt.want, got)
			})
		})
	}
}

func TestReceiverKeepsConnections(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	url := srv.Mount("/webhook", newSite(t, nil))
	for i, body := range []string{genuine(jobA), genuine(jobA), payload("Failed", jobB, "null"), "nonsense", string(zipped(t, genuine(jobB)))} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		require.NoError(t, err)
		if i == 4 {
			req.Header.Set("Content-Encoding", "gzip")
		}
		resp, err := srv.HTTPClient().Do(req)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		assert.False(t, resp.Close, "request %d", i)
	}
}

// Scenario 2: the reason is in logs and metrics, but not in the answer.
func TestReceiverRefusesWithoutSayingWhy(t *testing.T) {
	t.Parallel()
	made := func(v webhook.Verifier) func() *http.Request {
		return func() *http.Request { return webhook.NewTestRequest("/", v, jobA, reducto.JobStatusCompleted, nil) }
	}
	body := func(metadata string) func() *http.Request {
		return func() *http.Request { return request(payload("Completed", jobA, metadata)) }
	}
	says := func(err error) webhook.Verifier {
		return verifierFunc(func(http.Header, []byte) (webhook.Event, error) { return webhook.Event{}, err })
	}
	secret, signer, svix := newSecret(t, testSecret), newSigner(t, "k1"), newSvix(t, svixKey)
	var want http.Header
	for name, tt := range map[string]struct {
		verifier webhook.Verifier
		request  func() *http.Request
		later    time.Duration
		reason   string
	}{
		"no secret":           {secret, body(`{}`), 0, "no_secret"},
		"no metadata":         {secret, body(`null`), 0, "no_secret"},
		"no object":           {secret, body(`"` + testSecret + `"`), 0, "no_secret"},
		"wrong secret":        {secret, body(`{"secret":"` + canary + `wrong-000000000"}`), 0, "wrong_secret"},
		"no token":            {signer, body(`{}`), 0, "no_secret"},
		"wrong token":         {signer, body(`{"secret":"` + canary + `"}`), 0, "wrong_secret"},
		"expired token":       {signer, made(signer), webhook.DefaultTokenLife + time.Hour, "expired_token"},
		"unknown key":         {signer, made(newSigner(t, "k2")), 0, "unknown_key"},
		"not signed":          {svix, body(signed()), 0, "no_signature"},
		"signed by another":   {svix, made(newSvix(t, oldSvixKey)), 0, "bad_signature"},
		"signed long ago":     {svix, made(svix), time.Hour, "timestamp"},
		"the user's error":    {says(fmt.Errorf("%w: %s", webhook.ErrUnauthorized, testSecret)), body(`{}`), 0, "other"},
		"the user wraps ours": {says(fmt.Errorf("%s: %w", testSecret, webhook.ErrWrongSecret)), body(`{}`), 0, "wrong_secret"},
		"embeds ours":         {stricter{signer}, made(signer), 0, "other"},
		"any error":           {says(errors.New(testSecret)), body(`{}`), 0, "other"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSiteWith(t, tt.verifier, nil)
				r := tt.request()
				time.Sleep(tt.later)
				w := answers(t, s, 401, r)
				if want == nil {
					want = maps.Clone(w.Header())
				}
				assert.Equal(t, want, w.Header())
				assert.Equal(t, webhook.Stats{Unauthorized: 1}, s.Stats())
				synctest.Wait()
				records := s.log.records(t, slog.LevelWarn, "delivery refused")
				require.Len(t, records, 1)
				assert.Equal(t, tt.reason, records[0]["reason"])
			})
		})
	}
}

func TestReceiverContainsAVerifierOfTheUsers(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, verifierFunc(func(h http.Header, body []byte) (webhook.Event, error) {
		switch h.Get("X-Test") {
		case "malformed":
			return webhook.Event{}, fmt.Errorf("%w: %s", webhook.ErrMalformed, testSecret)
		case "panic":
			panic(testSecret)
		case "hostile error":
			return webhook.Event{}, hostile{}
		case "illegal job":
			return webhook.Event{JobID: "../cancel/x"}, nil
		case "illegal submission":
			return webhook.Event{JobID: jobA, SubmissionID: strings.Repeat("s", 1000)}, nil
		}
		return webhook.Event{JobID: string(body)}, nil
	}), nil)
	for name, code := range map[string]int{
		"malformed": 400, "panic": 500, "hostile error": 500, "illegal job": 400, "illegal submission": 400, "": 200,
	} {
		r := request(jobA)
		r.Header.Set("X-Test", name)
		answers(t, s, code, r)
	}
	assert.Equal(t, webhook.Stats{Accepted: 1, Invalid: 3, Panics: 2, Calls: 1, Remembered: 1}, s.Stats())
	s.flush()
	records := s.log.records(t, slog.LevelError, "the verifier panicked")
	require.Len(t, records, 2)
	for _, r := range records {
		assert.Regexp(t, `^string in .*\((handler|receiver)_test\.go:\d+\)$`, r["panic"])
	}
}

// stricter refuses what the Signer that it embeds would accept.
type stricter struct{ *webhook.Signer }

func (stricter) Verify(http.Header, []byte) (webhook.Event, error) {
	return webhook.Event{}, webhook.ErrUnauthorized
}

func TestReceiverLimitsLogRecordsAboutRefusals(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newSite(t, nil)
		forged := payload("Completed", "job-of-another", `{"secret":"wrong"}`)
		refuse := func(n int) (warnings, alarms []map[string]any) {
			for range n {
				s.answers(401, forged)
			}
			synctest.Wait()
			return s.log.records(t, slog.LevelWarn, "wrong secret"), s.log.records(t, slog.LevelError, "the last 20 deliveries were refused")
		}
		warnings, alarms := refuse(19)
		assert.Len(t, warnings, 1, "one a second")
		assert.Empty(t, alarms)

		time.Sleep(time.Second)
		warnings, alarms = refuse(100) // the first is the 20th in a row
		require.Len(t, warnings, 2)
		assert.EqualValues(t, 18, warnings[1]["suppressed"])
		require.Len(t, alarms, 1)
		assert.Contains(t, alarms[0]["msg"], "check the rotation")
		assert.EqualValues(t, 20, alarms[0]["unauthorized"])

		time.Sleep(time.Minute)
		s.answers(200, genuine(jobA)) // ends the streak
		_, alarms = refuse(19)
		assert.Len(t, alarms, 1)
		_, alarms = refuse(1)
		assert.Len(t, alarms, 2)
		s.answers(200, genuine(jobA))
		_, alarms = refuse(20)
		assert.Len(t, alarms, 2, "one a minute")
		assert.NotContains(t, s.log.String(), "job-of-another")
	})
}

// Scenario 10.
func TestReceiverSurvivesAFloodOfForgeries(t *testing.T) { // not parallel: it measures
	const forgeries, workers = 10_000, 8
	s := newSite(t, nil)
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // the second frees what pools keep
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	s.answers(401, payload("Completed", jobB, `{"secret":"wrong"}`))
	before := heap()

	var flood sync.WaitGroup
	for worker := range workers {
		flood.Go(func() {
			for i := range forgeries / workers {
				w := httptest.NewRecorder()
				s.ServeHTTP(w, request(payload("Completed", fmt.Sprintf("job-%d-%d", worker, i), `{"secret":"wrong"}`)))
				assert.Equal(t, http.StatusUnauthorized, w.Code)
			}
		})
	}
	var took []time.Duration
	for i := range 200 {
		began := time.Now()
		s.answers(200, genuine(fmt.Sprintf("genuine-%d", i)))
		took = append(took, time.Since(began))
	}
	flood.Wait()
	slices.Sort(took)
	assert.Less(t, took[len(took)*99/100], 4*time.Second)
	stats := s.Stats()
	assert.EqualValues(t, forgeries+1, stats.Unauthorized)
	assert.Equal(t, 200, stats.Remembered)
	s.flush()
	assert.LessOrEqual(t, len(s.log.records(t, slog.LevelWarn, "wrong secret")), 60)
	s.f = calls{}
	s.log.b = bytes.Buffer{}
	assert.Eventually(t, func() bool { return heap()-before < 1<<20 }, 10*time.Second, 10*time.Millisecond, "more than 1 MB is kept")
}

// hookHandler is a slog.Handler that calls a function.
type hookHandler func(slog.Record)

func (h hookHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h hookHandler) Handle(_ context.Context, r slog.Record) error {
	h(r)
	return nil
}
func (h hookHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h hookHandler) WithGroup(string) slog.Handler      { return h }

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// Scenario 63. Blocked loggers are in the tests of internal/safe.
func TestLoggerThatMisbehavesStopsNoDelivery(t *testing.T) {
	t.Parallel()
	for name, logger := range map[string]slog.Handler{
		"panics":             hookHandler(func(slog.Record) { panic("logger") }),
		"ends its goroutine": hookHandler(func(slog.Record) { runtime.Goexit() }),
		"returns errors":     slog.NewTextHandler(failingWriter{}, &slog.HandlerOptions{Level: slog.LevelDebug}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil, webhook.WithLogger(slog.New(logger)))
			for i := range 10 {
				s.answers(200, genuine(fmt.Sprintf("job-%d", i)))
			}
			s.flush()
			assert.EqualValues(t, 10, s.Stats().LogLost)
		})
	}

	t.Run("blocks", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			stuck := make(chan struct{})
			s := newSite(t, nil, webhook.WithLogger(slog.New(hookHandler(func(slog.Record) { <-stuck }))))
			began := time.Now()
			for i := range 1000 {
				s.answers(200, genuine(fmt.Sprintf("job-%d", i)))
			}
			s.answers(400, "nonsense")
			assert.Zero(t, time.Since(began))
			assert.GreaterOrEqual(t, s.Stats().LogLost, uint64(700), "the queue is bounded")
			close(stuck)
		})
	})
}

// A Receiver is a building block: this handler puts events into a queue.
func TestReceiverAsABuildingBlock(t *testing.T) {
	virtual(t, func(t *testing.T) {
		var log logBook
		r, err := webhook.NewReceiver(newSecret(t, testSecret), webhook.WithLogger(log.logger()), webhook.WithRetryAfter(time.Minute))
		require.NoError(t, err)
		queue := make(chan webhook.Event, 1)
		var errs []error
		h := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			event, err := r.Receive(w, req)
			if err != nil {
				errs = append(errs, err)
				assert.Equal(t, webhook.Event{}, event)
				return // it is answered
			}
			select {
			case queue <- event:
				r.Respond(w, http.StatusOK)
			default:
				r.Respond(w, http.StatusServiceUnavailable)
			}
		})
		answers(t, h, 200, request(genuine(jobA)))
		assert.Equal(t, "60", answers(t, h, 503, request(genuine(jobB))).Header().Get("Retry-After"))
		assert.Equal(t, webhook.Event{JobID: jobA, Status: "Completed", KeyID: "current"}, <-queue)

		answers(t, h, 401, request(payload("Completed", jobA, "{}")))
		answers(t, h, 400, request("{"))
		answers(t, h, 413, request(strings.Repeat(" ", webhook.DefaultMaxBodyBytes+1)))
		r2 := request("")
		r2.Method = http.MethodGet
		answers(t, h, 405, r2)
		require.Len(t, errs, 4)
		for i, want := range []error{webhook.ErrNoSecret, webhook.ErrMalformed, webhook.ErrTooLarge} {
			assert.ErrorIs(t, errs[i], want)
		}
		assert.Equal(t, "no_secret", webhook.RefusalReason(errs[0]))
		assert.Equal(t, webhook.Stats{Unauthorized: 1, Invalid: 2, TooLarge: 1}, r.Stats())

		require.NoError(t, r.Flush(t.Context()))
		assert.Len(t, log.records(t, slog.LevelWarn, "no secret"), 1)
		assert.Equal(t, "webhook.Receiver", fmt.Sprintf("%+v", r))
	})
}

func TestOnVerifiedIsCalledForVerifiedDeliveriesOnly(t *testing.T) {
	t.Parallel()
	const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	secret, err := webhook.NewSecret("a secret for this test")
	require.NoError(t, err)
	signer, err := webhook.NewSigner([]webhook.Key{{ID: "k", Secret: []byte("a key for this test")}})
	require.NoError(t, err)
	svix, err := webhook.NewSvix("whsec_" + base64.StdEncoding.EncodeToString([]byte("a key for this test, too")))
	require.NoError(t, err)
	for _, verifier := range []webhook.Verifier{secret, signer, svix} {
		receiver, err := webhook.NewReceiver(verifier)
		require.NoError(t, err)
		var events []webhook.Event
		receive := func(as webhook.Verifier) (webhook.Event, error) {
			r := webhook.NewTestRequest("/webhook", as, jobA, reducto.JobStatusCompleted, map[string]any{"user": 1, "traceparent": traceparent})
			r = r.WithContext(webhook.OnVerified(r.Context(), func(e webhook.Event) { events = append(events, e) }))
			return receiver.Receive(httptest.NewRecorder(), r)
		}
		_, err = receive(nil)
		require.ErrorIs(t, err, webhook.ErrUnauthorized)
		assert.Empty(t, events)
		event, err := receive(verifier)
		require.NoError(t, err)
		assert.Equal(t, []webhook.Event{event}, events)
		assert.Equal(t, traceparent, event.Traceparent)
		assert.Equal(t, `{"user":1}`, string(event.Metadata))
	}
}
