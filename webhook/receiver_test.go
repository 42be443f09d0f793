package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
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

func TestScenario11_NotADelivery(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, genuine(jobA))
	require.NoError(t, z.Close())

	var f counter
	h := newHandler(t, f.process)
	bodies := map[string]string{
		"empty":               "",
		"spaces":              " \n",
		"null":                "null",
		"array":               "[]",
		"array of deliveries": "[" + genuine(jobA) + "]",
		"empty object":        "{}",
		"string":              `"Completed"`,
		"number":              "1",
		"text":                "hello",
		"page":                "<html></html>",
		"form":                "status=Completed&job_id=" + jobA,
		"byte order mark":     "\xef\xbb\xbf" + genuine(jobA),
		"UTF-16":              "\xff\xfe{\x00}\x00",
		"second object":       genuine(jobA) + genuine(jobA),
		"second line":         genuine(jobA) + "\n{}",
		"trailing text":       genuine(jobA) + "x",
		"trailing NUL":        genuine(jobA) + "\x00",
		"gzip":                zipped.String(),
		"single quotes":       `{'status':'Completed'}`,
		"trailing comma":      strings.TrimSuffix(genuine(jobA), "}") + ",}",
		"comment":             "/**/" + genuine(jobA),
		"NaN":                 strings.TrimSuffix(genuine(jobA), "}") + `,"x":NaN}`,
		"leading zero":        payload("Completed", jobA, signed(`"n":01`)),
		"bare fraction":       payload("Completed", jobA, signed(`"n":.5`)),
		"open number":         payload("Completed", jobA, signed(`"n":1.`)),
		"open exponent":       payload("Completed", jobA, signed(`"n":1e+`)),
		"bad escape":          payload("Completed", jobA, signed(`"s":"\x"`)),
		"bad hex":             payload("Completed", jobA, signed(`"s":"\u12g4"`)),
		"raw newline":         payload("Completed", jobA, signed("\"s\":\"\n\"")),
		"half a literal":      payload("Completed", jobA, signed(`"t":tru`)),
		"number as name":      payload("Completed", jobA, signed(`1:2`)),
		"no comma":            payload("Completed", jobA, signed(`"a":1 "b":2`)),
	}
	full := genuine(jobA)
	for n := range len(full) {
		bodies["the first "+string(rune('0'+n%10))+" of "+full[:n]] = full[:n]
	}
	for name, body := range bodies {
		r := request(body)
		if name == "gzip" {
			r.Header.Set("Content-Encoding", "gzip")
		}
		requireAnswer(t, serveRequest(h, r), http.StatusBadRequest)
	}
	assert.Equal(t, 0, f.count())
	assert.EqualValues(t, len(bodies), h.Stats().Invalid)
	requireAnswer(t, post(h, " \r\n\t"+full+"\n"), http.StatusOK)
}

func TestScenario12_AmbiguousMembers(t *testing.T) {
	t.Parallel()
	var f counter
	h := newHandler(t, f.process)
	m := signed()
	for _, body := range []string{
		`{"status":"Failed","STATUS":"Completed","job_id":"` + jobA + `","metadata":` + m + `}`,
		`{"STATUS":"Completed","job_id":"` + jobA + `","metadata":` + m + `}`,
		`{"\u017ftatus":"Completed","status":"Failed","job_id":"` + jobA + `","metadata":` + m + `}`,
		`{"status":"Failed","status":"Completed","job_id":"` + jobA + `","metadata":` + m + `}`,
		`{"status":"Failed","status":"Failed","job_id":"` + jobA + `","metadata":` + m + `}`,
		`{"status":"Failed","\u0073tatus":"Completed","job_id":"` + jobA + `","metadata":` + m + `}`,
		`{"status":"Failed","job_id":"` + jobA + `","job_id":"` + jobB + `","metadata":` + m + `}`,
		`{"status":"Failed","job_id":"` + jobA + `","Job_ID":"` + jobB + `","metadata":` + m + `}`,
		`{"status":"Failed","job_id":"` + jobA + `","metadata":{},"metadata":` + m + `}`,
		`{"status":"Failed","job_id":"` + jobA + `","metadata":null,"metadata":` + m + `}`,
		`{"status":"Failed","job_id":"` + jobA + `","metadata":` + m + `,"Metadata":null}`,
		`{"status":"Failed","job_id":"` + jobA + `","metadata":` + m + `,"new":1,"new":1}`,
	} {
		requireAnswer(t, post(h, body), http.StatusBadRequest)
	}
	assert.Equal(t, 0, f.count())
}

func TestScenario13_JobIDs(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	var f counter
	h := newHandler(t, f.process, webhook.WithClient(srv.Client()))
	requireAnswer(t, post(h, `{"status":"Completed","metadata":`+signed()+`}`), http.StatusBadRequest)
	for _, id := range []string{
		`null`, `17`, `true`, `{}`, `["` + jobA + `"]`, `""`, `" "`,
		`"` + strings.Repeat("a", 129) + `"`,
		`"` + strings.Repeat("a", 1<<19) + `"`,
		`"../cancel/x"`, `"a/b"`, `"a\/b"`, `"a%2fb"`, `"a?b"`, `"a#b"`, `"a b"`, `"a\\b"`, `"."`, `".."`, `"-a"`,
		`"a\n"`, `"\na"`, `"a\u0000"`, "\"a\x7f\"", `"ä"`, `"\ud800"`, `"a\udc00"`, "\"\xed\xa0\x80\"", "\"a\xff\"", `"` + "\ufffd" + `"`,
	} {
		body := `{"status":"Completed","job_id":` + id + `,"metadata":` + signed() + `}`
		requireAnswer(t, post(h, body), http.StatusBadRequest)
	}
	assert.Equal(t, 0, f.count())
	assert.Empty(t, srv.Requests(), "no such id reaches a URL")
}

func TestScenario14_JobIDsThatAreNoUUID(t *testing.T) {
	t.Parallel()
	var f counter
	h := newHandler(t, f.process)
	for i, id := range []string{"job_abc123", "a", "A-b_c.d:e~f", strings.Repeat("9", 128), strings.Repeat("-", 35) + "x"} {
		if id[0] == '-' {
			requireAnswer(t, post(h, genuine(id)), http.StatusBadRequest)
			continue
		}
		requireAnswer(t, post(h, genuine(id)), http.StatusOK)
		assert.Equal(t, i+1, f.count())
		assert.Equal(t, id, f.last().JobID)
	}

	// Two spellings of one UUID are one job; of anything else, two.
	before := f.count()
	requireAnswer(t, post(h, genuine(strings.ToUpper(jobA))), http.StatusOK)
	requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
	assert.Equal(t, before+1, f.count())
	assert.Equal(t, strings.ToUpper(jobA), f.last().JobID, "as the service spelled it")
	requireAnswer(t, post(h, payload("Failed", strings.ToUpper(jobA), signed())), http.StatusOK)
	assert.EqualValues(t, 1, h.Stats().Conflicts, "the same job, in whatever spelling")
	requireAnswer(t, post(h, genuine("job_x")), http.StatusOK)
	requireAnswer(t, post(h, genuine("JOB_X")), http.StatusOK)
	assert.Equal(t, before+3, f.count())

	strict := newHandler(t, nothing, webhook.WithStrictJobIDs())
	requireAnswer(t, post(strict, genuine(jobA)), http.StatusOK)
	requireAnswer(t, post(strict, genuine(strings.ToUpper(jobA))), http.StatusOK)
	for _, id := range []string{"job_abc123", strings.ReplaceAll(jobA, "-", ""), jobA + "0", jobA[1:], "g" + jobA[1:]} {
		requireAnswer(t, post(strict, genuine(id)), http.StatusBadRequest)
	}
}

func TestScenario15_FailedJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		secret := newSecret(t, testSecret)
		client := srv.Client(reducto.WithSubmitHook(secret))
		f := counter{then: func(ctx context.Context, d *webhook.Delivery) error {
			assert.Equal(t, webhook.OutcomeFailed, d.Outcome)
			job, err := d.Job(ctx)
			if !assert.NoError(t, err) {
				return err
			}
			assert.Equal(t, "the pages are blank", job.FailureReason())
			assert.Nil(t, job.Result)
			return nil
		}}
		hook := srv.Mount("/webhook", newHandler(t, f.process, webhook.WithClient(client)))
		srv.FailNext("the pages are blank", "DOCUMENT_EMPTY")
		job := submit(t, client, reducto.Async{Webhook: reducto.DirectWebhook(hook), Metadata: map[string]any{"user_id": "123"}})
		time.Sleep(time.Minute)

		deliveries := srv.Deliveries(job.JobID)
		require.Len(t, deliveries, 1, "a failed job is not a failed delivery")
		assert.Equal(t, http.StatusOK, deliveries[0].StatusCode)
		assert.Equal(t, 1, f.count())
		d := f.last()
		assert.Equal(t, job.SubmissionID, d.SubmissionID)
		assert.JSONEq(t, `{"user_id":"123"}`, string(d.Metadata))
		assert.Len(t, srv.RequestsTo("GET /job/"+job.JobID), 1, "the job is fetched once")
	})
}

func TestScenario16_UnknownStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"Cancelled", "Expired", "Vanished", "completed", "Pending", "終了"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := reductotest.NewServer(t)
				client := srv.Client(reducto.WithSubmitHook(newSecret(t, testSecret)))
				var f counter
				h := newHandler(t, f.process, webhook.WithClient(client))
				hook := srv.Mount("/webhook", h)
				srv.WebhookFault(reductotest.WithStatus(status))
				job := submit(t, client, reducto.Async{Webhook: reducto.DirectWebhook(hook)})
				time.Sleep(time.Minute)
				require.Len(t, srv.Deliveries(job.JobID), 1)
				assert.Equal(t, http.StatusOK, srv.Deliveries(job.JobID)[0].StatusCode)
				require.Equal(t, 1, f.count())
				assert.Equal(t, webhook.OutcomeCompleted, f.last().Outcome, "the API decides")
				assert.EqualValues(t, status, f.last().Status, "what the webhook said is kept")
				want := uint64(0)
				if status == "Cancelled" {
					want = 1
				}
				assert.Equal(t, want, h.Stats().Conflicts)
			})
		})
	}

	t.Run("without a client", func(t *testing.T) {
		t.Parallel()
		var f counter
		h := newHandler(t, f.process)
		for status, want := range map[string]webhook.Outcome{
			"Cancelled": webhook.OutcomeCancelled,
			"Vanished":  webhook.OutcomeUnknown,
			"Pending":   webhook.OutcomeUnknown,
			"Failed":    webhook.OutcomeFailed,
			"Completed": webhook.OutcomeCompleted,
		} {
			requireAnswer(t, post(h, payload(status, "job-"+status, signed())), http.StatusOK)
			assert.Equal(t, want, f.last().Outcome)
		}
		for _, status := range []string{"", "\n", "a\tb", "\u202e", "\ufffd", strings.Repeat("x", 65)} {
			requireAnswer(t, post(h, payload(status, "job", signed())), http.StatusBadRequest)
		}
		for _, status := range []string{`1`, `null`, `{}`, `"\ud800"`, "\"\xff\""} {
			requireAnswer(t, post(h, `{"status":`+status+`,"job_id":"job","metadata":`+signed()+`}`), http.StatusBadRequest)
		}
		requireAnswer(t, post(h, `{"job_id":"job","metadata":`+signed()+`}`), http.StatusBadRequest)
	})
}

// noLength hides what net/http would make a Content-Length of.
type noLength struct{ io.Reader }

func TestScenario17_BodyLimits(t *testing.T) {
	t.Parallel()
	body := genuine(jobA)
	pad := func(n int) string { return body + strings.Repeat(" ", n) }
	const limit = 8 << 10

	for name, chunked := range map[string]bool{"with a length": false, "chunked": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := reductotest.NewServer(t)
			h := newHandler(t, nothing, webhook.WithMaxBodyBytes(limit))
			url := srv.Mount("/webhook", h)
			send := func(body string) *http.Response {
				var r io.Reader = strings.NewReader(body)
				if chunked {
					r = noLength{r}
				}
				resp, err := srv.HTTPClient().Post(url, "application/json", r)
				require.NoError(t, err)
				resp.Body.Close()
				return resp
			}
			assert.Equal(t, http.StatusOK, send(pad(limit-len(body))).StatusCode, "exactly at the limit")
			resp := send(pad(limit - len(body) + 1))
			assert.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode, "a byte over it")
			assert.True(t, resp.Close, "the rest is not read")
			assert.Equal(t, http.StatusRequestEntityTooLarge, send(pad(10*limit)).StatusCode)
			assert.EqualValues(t, 2, h.Stats().TooLarge)
		})
	}

	t.Run("default", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, nothing)
		requireAnswer(t, post(h, pad(webhook.DefaultMaxBodyBytes-len(body))), http.StatusOK)
		w := post(h, pad(webhook.DefaultMaxBodyBytes-len(body)+1))
		requireAnswer(t, w, http.StatusRequestEntityTooLarge)
		assert.Equal(t, "close", w.Header().Get("Connection"))
	})

	t.Run("limit of a middleware", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, nothing)
		w := serveRequest(http.MaxBytesHandler(h, 100), request(pad(100)))
		requireAnswer(t, w, http.StatusRequestEntityTooLarge)
	})

	t.Run("slow body", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			srv := reductotest.NewServer(t, reductotest.WithRetrySchedule())
			var f counter
			log := newLogBook(t)
			h := newHandler(t, f.process, webhook.WithLogger(log.logger()))
			url := srv.Mount("/webhook", h)
			slow := func(d time.Duration) (reductotest.Delivery, time.Duration) {
				srv.WebhookFault(reductotest.SlowBody(d))
				began := time.Now()
				id := srv.SeedJob(reductotest.SeedJob{Webhook: url, Metadata: map[string]any{"secret": testSecret}})
				_, _ = srv.AwaitDeliveries(t.Context(), id, 1)
				return srv.Deliveries(id)[0], time.Since(began).Round(time.Second)
			}
			d, _ := slow(3 * time.Second)
			assert.Equal(t, http.StatusOK, d.StatusCode, "slow, but in time")
			d, took := slow(time.Minute)
			assert.Equal(t, http.StatusBadRequest, d.StatusCode)
			assert.Equal(t, webhook.DefaultReadTimeout, took)
			assert.Equal(t, 1, f.count())
			synctest.Wait()
			assert.Len(t, log.records(slog.LevelWarn, "not read to its end"), 1)
		})
	})

	t.Run("sender gone", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, nothing)
		r := httptest.NewRequest(http.MethodPost, "/webhook", iotest.ErrReader(errors.New("gone")))
		requireAnswer(t, serveRequest(h, r), http.StatusBadRequest)
		r = httptest.NewRequest(http.MethodPost, "/webhook", stuckReader{})
		requireAnswer(t, serveRequest(h, r), http.StatusBadRequest)
	})
}

// stuckReader never gets anywhere.
type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

func TestScenario18_BodyConsumed(t *testing.T) {
	t.Parallel()
	var f counter
	log := newLogBook(t)
	h := newHandler(t, f.process, webhook.WithLogger(log.logger()))
	greedy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h.ServeHTTP(w, r)
	})
	requireAnswer(t, serveRequest(greedy, request(genuine(jobA))), http.StatusInternalServerError)
	requireAnswer(t, serveRequest(greedy, request(genuine(jobA))), http.StatusInternalServerError)
	r := request(genuine(jobA))
	r.Body = nil
	requireAnswer(t, serveRequest(h, r), http.StatusInternalServerError)
	assert.Equal(t, 0, f.count())
	flush(t, h)
	assert.Len(t, log.records(slog.LevelError, "a middleware consumed the body"), 1, "once a second")
}

func TestScenario19_Methods(t *testing.T) {
	t.Parallel()
	h := newHandler(t, nothing)
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "post"} {
		r := request(genuine(jobA))
		r.Method = method
		w := serveRequest(h, r)
		requireAnswer(t, w, http.StatusMethodNotAllowed)
		assert.Equal(t, "POST", w.Header().Get("Allow"))
	}
}

func TestScenario20_ContentTypes(t *testing.T) {
	t.Parallel()
	types := map[string]bool{ // whether it says JSON
		"":                                  false,
		"text/plain":                        false,
		"application/json":                  true,
		"application/json;charset=utf-8":    true,
		"Application/JSON":                  true,
		"application/cloudevents+json":      true,
		"application/x-www-form-urlencoded": false,
		"application/json/x":                false,
		"nonsense":                          false,
		";":                                 false,
	}
	loose, strict := newHandler(t, nothing), newHandler(t, nothing, webhook.WithRequireJSON())
	for contentType, isJSON := range types {
		send := func(h http.Handler) *httptest.ResponseRecorder {
			r := request(genuine(jobA))
			if contentType == "" {
				r.Header.Del("Content-Type")
			} else {
				r.Header.Set("Content-Type", contentType)
			}
			return serveRequest(h, r)
		}
		requireAnswer(t, send(loose), http.StatusOK)
		want := http.StatusUnsupportedMediaType
		if isJSON {
			want = http.StatusOK
		}
		requireAnswer(t, send(strict), want)
	}
}
