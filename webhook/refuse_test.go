package webhook_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// Why a delivery was refused is in logs and metrics, in one of few words, and never
// in the answer.
func TestRefusalsHaveReasons(t *testing.T) {
	t.Parallel()
	const svixA, svixB = "whsec_Y2FuYXJ5LXN2aXgtMDEyMzQ1Njc4OWFiY2RlZg==", "whsec_Y2FuYXJ5LXN2aXgtZmVkY2JhOTg3NjU0MzIxMA=="
	svix := func(secret string) *webhook.Svix {
		v, err := webhook.NewSvix(secret)
		require.NoError(t, err)
		return v
	}
	made := func(v webhook.Verifier) func() *http.Request {
		return func() *http.Request {
			return webhook.NewTestRequest("/", v, jobA, reducto.JobStatusCompleted, nil)
		}
	}
	body := func(metadata string) func() *http.Request {
		return func() *http.Request { return request(payload("Completed", jobA, metadata)) }
	}
	says := func(err error) webhook.Verifier {
		return verifierFunc(func(http.Header, []byte) (webhook.Event, error) { return webhook.Event{}, err })
	}
	secret, signer := newSecret(t, testSecret), newSigner(t, "k1")
	var want http.Header
	for name, tt := range map[string]struct {
		verifier webhook.Verifier
		request  func() *http.Request
		later    time.Duration
		reason   string
	}{
		"no secret":           {secret, body(`{}`), 0, "no_secret"},
		"no object":           {secret, body(`"` + testSecret + `"`), 0, "no_secret"},
		"wrong secret":        {secret, body(`{"secret":"` + canary + `wrong-000000000"}`), 0, "wrong_secret"},
		"no token":            {signer, body(`{}`), 0, "no_secret"},
		"a token that is not": {signer, body(`{"secret":"` + canary + `"}`), 0, "wrong_secret"},
		"expired":             {signer, made(signer), webhook.DefaultTokenLife + time.Hour, "expired_token"},
		"unknown key":         {signer, made(newSigner(t, "k2")), 0, "unknown_key"},
		"not signed":          {svix(svixA), body(signed()), 0, "no_signature"},
		"signed by another":   {svix(svixA), made(svix(svixB)), 0, "bad_signature"},
		"signed long ago":     {svix(svixA), made(svix(svixA)), time.Hour, "timestamp"},
		"a user's own":        {says(fmt.Errorf("%w: %s", webhook.ErrUnauthorized, testSecret)), body(`{}`), 0, "other"},
		"a user's, of ours":   {says(fmt.Errorf("%s: %w", testSecret, webhook.ErrWrongSecret)), body(`{}`), 0, "wrong_secret"},
		"nobody's":            {says(errors.New(testSecret)), body(`{}`), 0, "other"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				p := s.make(tt.verifier, nothing)
				r := tt.request()
				time.Sleep(tt.later)
				w := serveRequest(p, r)
				requireAnswer(t, w, http.StatusUnauthorized)
				if want == nil {
					want = maps.Clone(w.Header())
				}
				assert.Equal(t, want, w.Header(), "the answer does not tell")
				assert.Zero(t, p.spy.count())
				synctest.Wait()
				assert.Equal(t, 1, s.meter.count("unauthorized{"+tt.reason+"}"))
				records := s.log.records(slog.LevelWarn, "delivery refused")
				require.Len(t, records, 1)
				assert.Equal(t, tt.reason, records[0]["reason"])
				assert.NotContains(t, s.log.text.String(), canary)
			})
		})
	}
}

// A verifier's error whose methods misbehave is the verifier's panic.
func TestVerifierWhoseErrorMisbehaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.make(verifierFunc(func(http.Header, []byte) (webhook.Event, error) { return webhook.Event{}, hostile{} }), nothing)
		requireAnswer(t, post(p, genuine(jobA)), http.StatusInternalServerError)
		assert.Zero(t, p.spy.count())
		synctest.Wait()
		assert.Len(t, s.log.records(slog.LevelError, "the verifier panicked"), 1)
	})
}
