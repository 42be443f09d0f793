package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
)

const (
	testSecret = "a secret that the receiver knows"
	testKeys   = "new=the secret of the first key,old=the secret of the second key"
	testSvix   = "whsec_bmluZXR5LW5pbmUgYm90dGxlcyBvZiBiZWVy"
)

// receiver is a Handler of package webhook, and what it received.
type receiver struct {
	url string

	mu   sync.Mutex
	list []*webhook.Delivery
}

func newReceiver(t *testing.T, v webhook.Verifier) *receiver {
	t.Helper()
	r := new(receiver)
	h, err := webhook.NewHandler(v, func(_ context.Context, d *webhook.Delivery) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.list = append(r.list, d)
		return nil
	})
	require.NoError(t, err)
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	r.url = srv.URL + "/webhook"
	return r
}

func (r *receiver) take() []*webhook.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
}

func TestTriggerSignsForEachVerifier(t *testing.T) {
	t.Parallel()
	secret, err := webhook.NewSecret(testSecret)
	require.NoError(t, err)
	signer, err := newSigner(testKeys)
	require.NoError(t, err)
	svix, err := webhook.NewSvix(testSvix)
	require.NoError(t, err)
	for _, test := range []struct {
		env, flag, text string
		v               webhook.Verifier
	}{
		{"WEBHOOK_SECRET", "--secret-file", testSecret, secret},
		{"WEBHOOK_KEYS", "--keys-file", testKeys, signer},
		{"WEBHOOK_SVIX_SECRET", "--svix-file", testSvix, svix},
	} {
		r := newReceiver(t, test.v)
		file := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(file, []byte(test.text+"\n"), 0o600))
		inEnv, inFile := newShell(t, test.env+"="+test.text), newShell(t, "WEBHOOK_SECRET=another secret, which is not used")
		for _, kind := range []string{"completed", "failed", "cancelled"} {
			out := inEnv.ok("trigger", kind, r.url, "--json", "--metadata", `{"order":7}`)
			o := objects(t, out)[0]
			assert.Equal(t, "accepted", o["verdict"])
			list := r.take()
			require.Len(t, list, 1, "%s %s", test.env, kind)
			assert.EqualValues(t, kind, list[0].Outcome)
			assert.JSONEq(t, `{"order":7}`, string(list[0].Metadata))
			assert.Equal(t, o["job_id"], list[0].JobID)
		}
		e := inFile.run("trigger", "completed", r.url, test.flag, file, "--job", "job-7", "--submission", "a6b0a7a2-8d4c-4bb7-8d0f-6a2a4f9a6f10")
		require.Equal(t, exitDone, e.code, e.stderr)
		assert.Empty(t, e.stderr)
		list := r.take()
		require.Len(t, list, 1)
		assert.Equal(t, "job-7", list[0].JobID)
		assert.Contains(t, []string{"a6b0a7a2-8d4c-4bb7-8d0f-6a2a4f9a6f10"}, list[0].SubmissionID)

		assert.Contains(t, inEnv.ok("trigger", "forged", r.url), "401 Unauthorized")
		assert.Contains(t, newShell(t).ok("trigger", "forged", r.url), "refused", "it needs no secret")
		e = inEnv.run("trigger", "completed", r.url)
		assert.Contains(t, e.stderr, "use --job ID")
		require.Len(t, r.take(), 1)
		e = inEnv.run("trigger", "completed", r.url, "--unsigned")
		assert.Equal(t, exitFailure, e.code)
		assert.Empty(t, r.take())

		out := inEnv.ok("trigger", "duplicate", r.url, "--times", "3", "--json")
		assert.Len(t, objects(t, out), 3)
		assert.Len(t, r.take(), 1, "the Handler calls its function once")
	}
}

func TestTriggerSaysWhatIsWrongWithTheReceiver(t *testing.T) {
	t.Parallel()
	s := newShell(t, "WEBHOOK_SECRET="+testSecret)
	answers := func(code int) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/webhook/")
			w.WriteHeader(code)
		}))
		t.Cleanup(srv.Close)
		return srv.URL
	}
	for _, test := range []struct {
		kind string
		code int
		says string
	}{
		{"forged", 200, "the receiver accepted a forged delivery"},
		{"forged", 500, "answered 500"},
		{"completed", 307, "mind a slash"},
		{"completed", 401, "refused the secret"},
		{"completed", 404, "check its path"},
		{"completed", 503, "answered 503"},
	} {
		e := s.run("trigger", test.kind, answers(test.code))
		assert.Equal(t, exitFailure, e.code, test.says)
		assert.Contains(t, e.stderr, test.says)
	}
	e := s.run("trigger", "completed", "http://127.0.0.1:1/?token=x")
	assert.Equal(t, exitFailure, e.code)
	assert.Contains(t, e.stderr, "connection refused")
	assert.NotContains(t, e.stderr+e.stdout, "token")
}

func TestTriggerIsInterrupted(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client has gone
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	defer srv.Close()
	cmd := newShell(t, "WEBHOOK_SECRET="+testSecret).start("trigger", "completed", srv.URL)
	<-arrived
	assert.Equal(t, exitInterrupted, cmd.interrupt(t))
}

func TestTriggerRefusesTwoSecrets(t *testing.T) {
	t.Parallel()
	e := newShell(t, "WEBHOOK_SECRET="+testSecret, "WEBHOOK_KEYS="+testKeys).run("trigger", "completed", "http://localhost")
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "WEBHOOK_SECRET and WEBHOOK_KEYS are set")
}
