package scenarios_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// requireRefused posts requests that are refused in the same words and do not reach
// the store, and then a genuine one.
func requireRefused(t *testing.T, p *Process, code int, requests ...*http.Request) {
	t.Helper()
	var first *httptest.ResponseRecorder
	for i, r := range requests {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		require.Equal(t, code, w.Code, "request %d", i)
		if first == nil {
			first = w
		}
		assert.Equal(t, first.Body.String(), w.Body.String(), "request %d", i)
		assert.Equal(t, first.Header(), w.Header(), "request %d", i)
	}
	require.Zero(t, p.Spy.Count(), "calls of the store")
	require.Empty(t, p.Env.Records())
	require.Equal(t, http.StatusOK, Post(p, Genuine(JobA)))
	require.Equal(t, 1, p.Spy.Count())
	require.Len(t, p.Env.Records(inbox.StateReceived), 1)
}

func bodies(texts ...string) (requests []*http.Request) {
	for _, text := range texts {
		requests = append(requests, Request(text))
	}
	return requests
}

func withMetadata(forms ...string) (requests []*http.Request) {
	for _, form := range forms {
		requests = append(requests, Request(Payload("Completed", JobA, form)))
	}
	return requests
}

// Scenario 2.
func wrongSecret(t *testing.T, e *Env) {
	requireRefused(t, e.Process(e.Work), http.StatusUnauthorized, withMetadata(
		`{"secret":"somebody else's secret"}`, `{}`, `null`, `{"secret":"v1.k1.0199a0b4.1.expired"}`)...)
}

// Scenario 3.
func nearlyRightSecret(t *testing.T, e *Env) {
	requireRefused(t, e.Process(e.Work), http.StatusUnauthorized, withMetadata(
		`{"secret":"`+Secret[1:]+`"}`, `{"secret":"`+Secret[:len(Secret)-1]+`"}`, `{"secret":"`+Secret+`x"}`,
		`{"secret":"`+Secret+`\u0000"}`, `{"secret":"`+strings.ToUpper(Secret)+`"}`, `{"secret":""}`)...)
}

// Scenario 4.
func severalSecrets(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	require.Equal(t, http.StatusOK, Post(p, Genuine(JobA)))
	require.Equal(t, http.StatusOK, Post(p, Payload("Completed", JobB, `{"secret":"`+OldSecret+`"}`)))
	require.Equal(t, http.StatusUnauthorized, Post(p, Payload("Completed", "job-c", `{"secret":"`+Canary+`removed-000000"}`)))
	p.Flush()
	assert.Equal(t, 1, e.Meter.Counter("keys{current}"))
	assert.Equal(t, 1, e.Meter.Counter("keys{previous-1}"))
	assert.Equal(t, 1, e.Meter.Counter("unauthorized{wrong_secret}"))
	assert.Len(t, e.Records(inbox.StateReceived), 2)

	p = e.ProcessOf(newSigner(t, "new", "old"), e.Work)
	for key, code := range map[string]int{"new": 200, "old": 200, "gone": 401} {
		assert.Equal(t, code, Serve(p, webhook.NewTestRequest("/", newSigner(t, key), "job-"+key, reducto.JobStatusCompleted, nil)))
	}
	p.Flush()
	assert.Equal(t, 1, e.Meter.Counter("keys{new}"))
	assert.Equal(t, 1, e.Meter.Counter("keys{old}"))
	assert.Zero(t, e.Meter.Counter("keys{gone}"))
}

// Scenario 5.
func metadataOfAnyForm(t *testing.T, e *Env) {
	p := e.Process(e.Work, inbox.WithWorkers(1))
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	accepted := 0
	for i, form := range []string{
		``, `null`, `17`, `"` + Secret + `"`, `["` + Secret + `"]`, `{"a":`,
		Signed(), Signed(`"a":null`), Signed(`"a":"\u0000"`), Signed(`"a":"\ud800"`), Signed("\"a\":\"\xff\xfe\""),
		Signed(`"a":1e400`), Signed(`"a":12345678901234567890123456789`), Signed(`"a" : [ 1 , 2 ]`), Signed(`"":{"":""}`),
		Signed(`"a":"` + strings.Repeat("x", 900<<10) + `"`), Signed(`"a":"é \u00e9 \"\\ '; DROP TABLE reducto_records; --"`),
		Signed(`"a":` + nested(60)), Signed(`"a":` + nested(9_998)), Signed(`"a":` + nested(20_000)),
	} {
		id := fmt.Sprintf("job-%d", i)
		body := Payload("Completed", id, form)
		event, err := e.Secret.Verify(nil, []byte(body))
		want := map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[err == nil]
		if err != nil && errors.Is(err, webhook.ErrMalformed) {
			want = http.StatusBadRequest
		}
		require.Equal(t, want, Post(p, body), "%.60s", form)
		if err == nil {
			accepted++
			assert.Equal(t, string(event.Metadata), string(e.Record(id).Metadata), "%.60s", form)
		}
	}
	assert.Greater(t, accepted, 10)
	assert.Len(t, e.Records(), accepted)
}

// Scenario 6.
func secretNoString(t *testing.T, e *Env) {
	requireRefused(t, e.Process(e.Work), http.StatusUnauthorized, withMetadata(
		`{"secret":17}`, `{"secret":null}`, `{"secret":["`+Secret+`"]}`, `{"secret":{"secret":"`+Secret+`"}}`, `{"secret":true}`)...)
}

// Scenario 7.
func secretUnderAnotherName(t *testing.T, e *Env) {
	requireRefused(t, e.Process(e.Work), http.StatusUnauthorized, withMetadata(
		`{"Secret":"`+Secret+`"}`, `{"secret ":"`+Secret+`"}`,
		`{"secret":"`+Secret+`","secret":"`+Secret+`"}`, `{"secret":"x","secret":"`+Secret+`"}`)...)
}

// newSigner returns a Signer whose keys have these ids.
func newSigner(t testing.TB, ids ...string) *webhook.Signer {
	t.Helper()
	return signerFor(t, time.Minute, ids...)
}

func signerFor(t testing.TB, life time.Duration, ids ...string) *webhook.Signer {
	t.Helper()
	var keys []webhook.Key
	for _, id := range ids {
		keys = append(keys, webhook.Key{ID: id, Secret: []byte(Canary + "key-of-a-signer-" + id)})
	}
	s, err := webhook.NewSigner(keys, webhook.WithTokenLife(life))
	require.NoError(t, err)
	return s
}

// Scenario 9. The times of leases are the store's, so no other clock matters.
func lateToken(t *testing.T, e *Env) {
	p := e.ProcessOf(newSigner(t, "k1"), e.Work)
	token := func(v webhook.Verifier, jobID string) *http.Request {
		return webhook.NewTestRequest("/", v, jobID, reducto.JobStatusCompleted, nil)
	}
	assert.Equal(t, http.StatusOK, Serve(p, token(signerFor(t, time.Nanosecond, "k1"), JobA)), "clocks may differ")
	assert.Equal(t, http.StatusUnauthorized, Serve(p, token(newSigner(t, "k2"), JobB)))

	claimed, _, err := e.Store.Claim(t.Context(), 1, time.Minute)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	e.Advance(2 * time.Minute)
	again, _, err := e.Store.Claim(t.Context(), 1, time.Hour)
	require.NoError(t, err)
	require.Len(t, again, 1)
	if e.DB != nil { // the clock of a MemoryStore cannot go back
		e.Advance(-time.Hour)
	}
	old := inbox.Lease{Key: claimed[0].Key, Token: claimed[0].Token}
	held, err := e.Store.Finish(t.Context(), []inbox.Completion{{Lease: old, State: inbox.StateDone}})
	require.NoError(t, err)
	assert.Equal(t, []bool{false}, held)
	held, err = e.Store.Extend(t.Context(), []inbox.Lease{old}, time.Hour)
	require.NoError(t, err)
	assert.Equal(t, []bool{false}, held)
	assert.Equal(t, again[0].Token, e.Record(JobA).Token)
}

// Scenario 11.
func notADelivery(t *testing.T, e *Env) {
	requireRefused(t, e.Process(e.Work), http.StatusBadRequest, bodies("", "null", "[]", "nonsense", " \ufeff"+Genuine(JobA),
		Genuine(JobA)+Genuine(JobB), "\x1f\x8b\x08\x00", `{"status":"Completed"`)...)
}

// Scenario 12.
func ambiguousMembers(t *testing.T, e *Env) {
	requireRefused(t, e.Process(e.Work), http.StatusBadRequest, bodies(
		`{"status":"Failed","STATUS":"Completed","job_id":"`+JobA+`","metadata":`+Signed()+`}`,
		`{"status":"Failed","status":"Completed","job_id":"`+JobA+`","metadata":`+Signed()+`}`,
		`{"status":"Completed","job_id":"`+JobA+`","job_id":"`+JobB+`","metadata":`+Signed()+`}`)...)
}

// Scenario 13.
func illegalJobIDs(t *testing.T, e *Env) {
	requests := bodies(`{"status":"Completed","metadata":` + Signed() + `}`)
	for _, id := range []string{
		`null`, `17`, `""`, `"` + strings.Repeat("x", 129) + `"`, `"../cancel/x"`, `"a\nb"`, `"a\u0000"`, `"\ud800"`, `"a b"`, `"a'b"`,
	} {
		requests = append(requests, bodies(`{"status":"Completed","job_id":`+id+`,"metadata":`+Signed()+`}`)...)
	}
	requireRefused(t, e.Process(e.Work), http.StatusBadRequest, requests...)
	for _, r := range e.Srv.Requests() {
		assert.NotContains(t, r.Path, "cancel")
	}
}

// Scenario 17. The genuine delivery is exactly as long as it may be.
func bodyLimit(t *testing.T, e *Env) {
	p := e.Process(e.Work, inbox.WithMaxBodyBytes(int64(len(Genuine(JobA)))))
	requests := bodies(Genuine(JobB)+" ", Genuine(JobB)+" ")
	requests[1].ContentLength = -1 // chunked
	requireRefused(t, p, http.StatusRequestEntityTooLarge, requests...)
	p.Flush()
	assert.Equal(t, 2, e.Meter.Counter("deliveries{too_large}"))
}

// Scenario 18.
func consumedBody(t *testing.T, e *Env) {
	r := Request(Genuine(JobB))
	_, err := io.Copy(io.Discard, r.Body)
	require.NoError(t, err)
	requireRefused(t, e.Process(e.Work), http.StatusInternalServerError, r)
}

// Scenario 19.
func otherMethods(t *testing.T, e *Env) {
	var requests []*http.Request
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		r := Request(Genuine(JobB))
		r.Method = method
		requests = append(requests, r)
	}
	requireRefused(t, e.Process(e.Work), http.StatusMethodNotAllowed, requests...)
}

// Scenario 20.
func contentTypes(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	for i, contentType := range []string{"", "text/plain", "application/json;charset=utf-8"} {
		r := Request(Genuine(fmt.Sprintf("job-%d", i)))
		r.Header.Set("Content-Type", contentType)
		assert.Equal(t, http.StatusOK, Serve(p, r))
	}
	assert.Len(t, e.Records(inbox.StateReceived), 3)
}
