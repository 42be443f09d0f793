package sqlstore_test

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
)

// refuses has a process refuse requests, none of which reaches the store, and then
// take in a genuine one, with one call.
func (q *process) refuses(code int, requests ...*http.Request) {
	q.p.t.Helper()
	var first *httptest.ResponseRecorder
	for i, r := range requests {
		w := httptest.NewRecorder()
		q.ServeHTTP(w, r)
		require.Equal(q.p.t, code, w.Code, "request %d", i)
		if first == nil {
			first = w
		}
		assert.Equal(q.p.t, first.Body.String(), w.Body.String(), "request %d", i)
		assert.Equal(q.p.t, first.Header(), w.Header(), "request %d", i)
	}
	require.Zero(q.p.t, q.spy.count(), "the store is untouched")
	require.Empty(q.p.t, q.p.records())
	require.Equal(q.p.t, http.StatusOK, post(q, genuine(jobA)))
	require.Equal(q.p.t, 1, q.spy.count())
	require.Len(q.p.t, q.p.records(webhook.StateReceived), 1, "the victim's job is not burnt")
}

func bodies(texts ...string) (requests []*http.Request) {
	for _, text := range texts {
		requests = append(requests, httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(text)))
	}
	return requests
}

func metadata(forms ...string) (requests []*http.Request) {
	for _, form := range forms {
		requests = append(requests, bodies(payload("Completed", jobA, form))...)
	}
	return requests
}

func TestScenario02_WrongSecret(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		p.process(p.work).refuses(http.StatusUnauthorized, metadata(
			`{"secret":"somebody else's secret"}`, `{}`, `null`, `{"secret":"v1.k1.0199a0b4.1.expired"}`)...)
	})
}

func TestScenario03_SecretsThatAreNearlyRight(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		p.process(p.work).refuses(http.StatusUnauthorized, metadata(
			`{"secret":"`+testSecret[1:]+`"}`, `{"secret":"`+testSecret[:len(testSecret)-1]+`"}`, `{"secret":"`+testSecret+`x"}`,
			`{"secret":"`+testSecret+`\u0000"}`, `{"secret":"`+strings.ToUpper(testSecret)+`"}`, `{"secret":""}`)...)
	})
}

func TestScenario04_Rotation(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work)
		require.Equal(t, http.StatusOK, post(q, genuine(jobA)))
		require.Equal(t, http.StatusOK, post(q, payload("Completed", jobB, `{"secret":"`+oldSecret+`"}`)))
		require.Equal(t, http.StatusUnauthorized, post(q, payload("Completed", "job-c", `{"secret":"`+canary+`removed-000000"}`)))
		require.NoError(t, q.Shutdown(t.Context())) // all is measured
		assert.Equal(t, 1, p.meter.count("keys{current}"))
		assert.Equal(t, 1, p.meter.count("keys{previous-1}"))
		assert.Equal(t, 1, p.meter.count("unauthorized{wrong_secret}"))
		assert.Len(t, p.records(webhook.StateReceived), 2)
	})
}

// Whatever the verifier lets through, the store keeps as it came.
func TestScenario05_MetadataOfEveryForm(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work, webhook.WithWorkers(1))
		nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
		taken := 0
		for i, form := range []string{
			``, `null`, `17`, `"` + testSecret + `"`, `["` + testSecret + `"]`, `{"a":`,
			signed(), signed(`"a":null`), signed(`"a":"\u0000"`), signed(`"a":"\ud800"`), signed("\"a\":\"\xff\xfe\""),
			signed(`"a":1e400`), signed(`"a":12345678901234567890123456789`), signed(`"a" : [ 1 , 2 ]`), signed(`"":{"":""}`),
			signed(`"a":"` + strings.Repeat("x", 900<<10) + `"`), signed(`"a":"é \u00e9 \"\\ '; DROP TABLE reducto_records; --"`),
			signed(`"a":` + nested(60)), signed(`"a":` + nested(9_998)), signed(`"a":` + nested(20_000)),
		} {
			id := fmt.Sprintf("job-%d", i)
			r := bodies(payload("Completed", id, form))[0]
			raw, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			event, err := p.secret.Verify(r.Header, raw)
			want := map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[err == nil]
			if err != nil && errors.Is(err, webhook.ErrMalformed) {
				want = http.StatusBadRequest
			}
			require.Equal(t, want, post(q, string(raw)), "%.60s", form)
			if err != nil {
				continue
			}
			taken++
			assert.Equal(t, string(event.Metadata), string(p.record(id).Metadata), "%.60s", form)
		}
		assert.Greater(t, taken, 10)
		assert.Len(t, p.records(), taken)
	})
}

func TestScenario06_SecretIsNoString(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		p.process(p.work).refuses(http.StatusUnauthorized, metadata(
			`{"secret":17}`, `{"secret":null}`, `{"secret":["`+testSecret+`"]}`, `{"secret":{"secret":"`+testSecret+`"}}`, `{"secret":true}`)...)
	})
}

func TestScenario07_SecretUnderAnotherNameOrTwice(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		p.process(p.work).refuses(http.StatusUnauthorized, metadata(
			`{"Secret":"`+testSecret+`"}`, `{"secret ":"`+testSecret+`"}`,
			`{"secret":"`+testSecret+`","secret":"`+testSecret+`"}`, `{"secret":"x","secret":"`+testSecret+`"}`)...)
	})
}

func newSigner(t testing.TB, ids ...string) *webhook.Signer {
	t.Helper()
	var keys []webhook.Key
	for _, id := range ids {
		keys = append(keys, webhook.Key{ID: id, Secret: []byte(canary + "key-of-a-signer-" + id)})
	}
	s, err := webhook.NewSigner(keys, webhook.WithTokenLife(time.Minute))
	require.NoError(t, err)
	return s
}

// A host's clock is asked about tokens alone; a lease that is over stays over.
func TestScenario09_TokenPastItsTime(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		signer := newSigner(t, "k1")
		gone, err := webhook.NewSigner([]webhook.Key{{ID: "k1", Secret: []byte(canary + "key-of-a-signer-k1")}}, webhook.WithTokenLife(time.Nanosecond))
		require.NoError(t, err)
		q := p.processOf(signer, p.work)
		token := func(v webhook.Verifier, jobID string) *http.Request {
			return webhook.NewTestRequest("/", v, jobID, reducto.JobStatusCompleted, nil)
		}
		assert.Equal(t, http.StatusOK, serve(q, token(gone, jobA)), "within what clocks may differ")
		assert.Equal(t, http.StatusUnauthorized, serve(q, token(newSigner(t, "k2"), jobB)))

		claimed, _, err := p.store.Claim(t.Context(), 1, time.Minute)
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		p.advance(2 * time.Minute)
		again, _, err := p.store.Claim(t.Context(), 1, time.Hour)
		require.NoError(t, err)
		require.Len(t, again, 1)
		if p.db != nil { // the others' clocks cannot go back
			p.advance(-time.Hour)
		}
		verdict := webhook.Verdict{Lease: leaseOf(claimed[0]), State: webhook.StateDone}
		held, err := p.store.Finish(t.Context(), []webhook.Verdict{verdict})
		require.NoError(t, err)
		assert.Equal(t, []bool{false}, held)
		held, err = p.store.Extend(t.Context(), []webhook.Lease{leaseOf(claimed[0])}, time.Hour)
		require.NoError(t, err)
		assert.Equal(t, []bool{false}, held)
		assert.Equal(t, again[0].Token, p.record(jobA).Token)
	})
}

func TestScenario11_NotADelivery(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		p.process(p.work).refuses(http.StatusBadRequest, bodies("", "null", "[]", "nonsense", "\ufeff"+genuine(jobA),
			genuine(jobA)+genuine(jobB), "\x1f\x8b\x08\x00", `{"status":"Completed"`)...)
	})
}

func TestScenario12_AmbiguousMembers(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		p.process(p.work).refuses(http.StatusBadRequest, bodies(
			`{"status":"Failed","STATUS":"Completed","job_id":"`+jobA+`","metadata":`+signed()+`}`,
			`{"status":"Failed","status":"Completed","job_id":"`+jobA+`","metadata":`+signed()+`}`,
			`{"status":"Completed","job_id":"`+jobA+`","job_id":"`+jobB+`","metadata":`+signed()+`}`)...)
	})
}

func TestScenario13_JobIDs(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		var requests []*http.Request
		for _, id := range []string{
			`null`, `17`, `""`, `"` + strings.Repeat("x", 129) + `"`, `"../cancel/x"`, `"a\nb"`, `"a\u0000"`, `"\ud800"`, `"a b"`, `"a'b"`,
		} {
			requests = append(requests, bodies(`{"status":"Completed","job_id":`+id+`,"metadata":`+signed()+`}`)...)
		}
		q := p.process(p.work)
		q.refuses(http.StatusBadRequest, append(requests, bodies(`{"status":"Completed","metadata":`+signed()+`}`)...)...)
		for _, r := range p.srv.Requests() {
			assert.NotContains(t, r.Path, "cancel")
		}
	})
}

func TestScenario17_BodyLimits(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		// The genuine one that follows is exactly as long as it may be.
		q := p.process(p.work, webhook.WithMaxBodyBytes(int64(len(genuine(jobA)))))
		requests := bodies(genuine(jobB) + " ")
		for _, r := range bodies(genuine(jobB) + " ") { // its length is not announced
			r.ContentLength = -1
			requests = append(requests, r)
		}
		q.refuses(http.StatusRequestEntityTooLarge, requests...)
	})
}

func TestScenario18_BodyConsumed(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		r := bodies(genuine(jobB))[0]
		_, err := io.Copy(io.Discard, r.Body)
		require.NoError(t, err)
		p.process(p.work).refuses(http.StatusInternalServerError, r)
	})
}

func TestScenario19_Methods(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		var requests []*http.Request
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			r := bodies(genuine(jobB))[0]
			r.Method = method
			requests = append(requests, r)
		}
		p.process(p.work).refuses(http.StatusMethodNotAllowed, requests...)
	})
}

func TestScenario20_ContentTypes(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work)
		for i, contentType := range []string{"", "text/plain", "application/json;charset=utf-8"} {
			r := bodies(genuine(fmt.Sprintf("job-%d", i)))[0]
			r.Header.Set("Content-Type", contentType)
			assert.Equal(t, http.StatusOK, serve(q, r))
		}
		assert.Len(t, p.records(webhook.StateReceived), 3)
	})
}
