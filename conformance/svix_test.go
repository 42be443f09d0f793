package conformance_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// svix is the library of Svix in a process of its own.
type svix struct{ *script }

func startSvix(t *testing.T) *svix {
	t.Helper()
	program(t, "svix", "package.json")
	return &svix{startScript(t, "svix.mjs")}
}

func newSvixSecret() string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(rand.Text())[:24])
}

// message is a signed delivery, not yet in headers.
type message struct {
	id, timestamp, signature string
	body                     []byte
}

// sign has Svix's library sign a delivery.
func (s *svix) sign(t *testing.T, secret, id string, at time.Time, body []byte) message {
	t.Helper()
	var a struct{ Signature string }
	s.ask(t, object{"secret": secret, "id": id, "at": at.Unix(), "payload": body}, &a)
	require.True(t, strings.HasPrefix(a.Signature, "v1,"), a.Signature)
	return message{id, strconv.FormatInt(at.Unix(), 10), a.Signature, body}
}

// verify has Svix's library verify one.
func (s *svix) verify(t *testing.T, secret string, h http.Header, body []byte) bool {
	t.Helper()
	headers := object{}
	for name := range h {
		headers[name] = h.Get(name)
	}
	var a struct{ Verified bool }
	s.ask(t, object{"secret": secret, "headers": headers, "payload": body}, &a)
	return a.Verified
}

// spellings are the two sets of header names.
var spellings = []string{"svix-", "webhook-"}

func (m message) header(spelling string) http.Header {
	h := http.Header{}
	h.Set(spelling+"id", m.id)
	h.Set(spelling+"timestamp", m.timestamp)
	h.Set(spelling+"signature", m.signature)
	return h
}

// svixBody is what Svix signs: text beyond ASCII and white space included.
const svixBody = `{"status":"Completed","job_id":"0190b6a4-7a0e-7c3e-8f0e-0a1b2c3d4e5f", "metadata":{"user":"Zoë 漢字 \u00e9"}}`

// TestSvix signs with the library of Svix and verifies with ours.
func TestSvix(t *testing.T) {
	t.Parallel()
	s := startSvix(t)
	secret := newSvixSecret()
	ours, err := webhook.NewSvix(secret)
	require.NoError(t, err)
	now := time.Now()
	good := s.sign(t, secret, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", now, []byte(svixBody))
	verifications := 0

	// check has both verify, and a handler of ours answer.
	check := func(t *testing.T, v *webhook.Svix, m message, wantErr error) {
		t.Helper()
		for _, spelling := range spellings {
			h := m.header(spelling)
			event, err := v.Verify(h, m.body)
			verifications++
			if wantErr == nil {
				require.NoError(t, err)
				assert.Equal(t, "0190b6a4-7a0e-7c3e-8f0e-0a1b2c3d4e5f", event.JobID)
				assert.JSONEq(t, `{"user":"Zoë 漢字 é"}`, string(event.Metadata))
				assert.Equal(t, http.StatusOK, deliver(t, v, h, m.body))
				continue
			}
			require.ErrorIs(t, err, wantErr, "%+v", m)
			require.ErrorIs(t, err, webhook.ErrUnauthorized)
			assert.Empty(t, event)
			assert.Equal(t, http.StatusUnauthorized, deliver(t, v, h, m.body))
		}
	}
	refused := func(t *testing.T, m message, wantErr error) {
		t.Helper()
		check(t, ours, m, wantErr)
		assert.False(t, s.verify(t, secret, m.header("svix-"), m.body), "Svix accepts what is refused here: %+v", m)
	}

	t.Run("genuine", func(t *testing.T) {
		check(t, ours, good, nil)
		assert.True(t, s.verify(t, secret, good.header("svix-"), good.body))
	})
	t.Run("genuine among others", func(t *testing.T) {
		for _, others := range []string{"v1,AAAA %s", "%s v2,AAAA", "v1a,x %s v1,"} {
			m := good
			m.signature = fmt.Sprintf(others, good.signature)
			check(t, ours, m, nil)
		}
	})
	t.Run("time", func(t *testing.T) {
		for _, c := range []struct {
			after time.Duration
			want  error
		}{
			{-4*time.Minute - 30*time.Second, nil},
			{4*time.Minute + 30*time.Second, nil},
			{-5*time.Minute - 10*time.Second, webhook.ErrTimestamp},
			{5*time.Minute + 10*time.Second, webhook.ErrTimestamp},
			{-24 * time.Hour, webhook.ErrTimestamp},
			{24 * time.Hour, webhook.ErrTimestamp},
			{-time.Duration(now.UnixNano()), webhook.ErrTimestamp},
		} {
			m := s.sign(t, secret, good.id, now.Add(c.after), good.body)
			check(t, ours, m, c.want)
			assert.Equal(t, c.want == nil, s.verify(t, secret, m.header("svix-"), m.body), "Svix differs about %v", c.after)
		}
	})
	t.Run("rotation", func(t *testing.T) {
		rotated, err := webhook.NewSvix(newSvixSecret(), newSvixSecret(), secret)
		require.NoError(t, err)
		check(t, rotated, good, nil)
		event, err := rotated.Verify(good.header("svix-"), good.body)
		require.NoError(t, err)
		assert.Equal(t, "previous-2", event.KeyID)
	})
	t.Run("wrong secret", func(t *testing.T) {
		for range 20 {
			refused(t, s.sign(t, newSvixSecret(), good.id, now, good.body), webhook.ErrBadSignature)
		}
	})
	t.Run("body changed", func(t *testing.T) {
		for _, body := range mutations(good.body) {
			m := good
			m.body = body
			refused(t, m, webhook.ErrBadSignature)
		}
	})
	t.Run("id changed", func(t *testing.T) {
		for _, id := range mutations([]byte(good.id)) {
			m := good
			m.id = string(id)
			want := webhook.ErrBadSignature
			if m.id == "" {
				want = webhook.ErrNoSignature
			}
			refused(t, m, want)
		}
	})
	t.Run("timestamp changed", func(t *testing.T) {
		unix := now.Unix()
		for stamp, want := range map[string]error{
			strconv.FormatInt(unix+1, 10): webhook.ErrBadSignature,
			strconv.FormatInt(unix-1, 10): webhook.ErrBadSignature,
			"-" + good.timestamp:          webhook.ErrBadSignature,
			good.timestamp + "0":          webhook.ErrBadSignature,
			good.timestamp[1:]:            webhook.ErrBadSignature,
			"0":                           webhook.ErrBadSignature,
			"now":                         webhook.ErrTimestamp,
			"99999999999999999999":        webhook.ErrTimestamp,
			"0x" + good.timestamp:         webhook.ErrTimestamp,
		} {
			m := good
			m.timestamp = stamp
			refused(t, m, want)
		}
		// Svix's library signs the number again, however it was spelled. Ours wants
		// the bytes that were signed.
		for stamp, want := range map[string]error{
			"0" + good.timestamp: webhook.ErrBadSignature, "+" + good.timestamp: webhook.ErrBadSignature, good.timestamp + ".0": webhook.ErrTimestamp,
		} {
			m := good
			m.timestamp = stamp
			check(t, ours, m, want)
		}
		m := good
		m.timestamp = ""
		refused(t, m, webhook.ErrNoSignature)
	})
	t.Run("signature changed", func(t *testing.T) {
		for _, signature := range mutations([]byte(good.signature)) {
			m := good
			m.signature = string(signature)
			if strings.Contains(m.signature, good.signature) {
				continue // with something beside it that separates
			}
			want := webhook.ErrBadSignature
			if m.signature == "" {
				want = webhook.ErrNoSignature
			}
			refused(t, m, want)
		}
		for _, version := range []string{"v0", "v2", "v1a", "V1", "", "1"} {
			m := good
			m.signature = strings.Replace(good.signature, "v1", version, 1)
			refused(t, m, webhook.ErrBadSignature)
		}
	})
	t.Run("parts of two deliveries", func(t *testing.T) {
		other := s.sign(t, secret, "msg_other", now.Add(-time.Second), []byte(strings.Replace(svixBody, "Completed", "Failed", 1)))
		for i := 1; i < 15; i++ { // neither the one nor the other as a whole
			m := good
			for bit, take := range []func(){
				func() { m.id = other.id }, func() { m.timestamp = other.timestamp },
				func() { m.signature = other.signature }, func() { m.body = other.body },
			} {
				if i&(1<<bit) != 0 {
					take()
				}
			}
			refused(t, m, webhook.ErrBadSignature)
		}
	})
	t.Run("headers of two spellings", func(t *testing.T) {
		h := good.header("svix-")
		h.Set("webhook-id", h.Get("svix-id"))
		h.Del("svix-id")
		_, err := ours.Verify(h, good.body)
		require.ErrorIs(t, err, webhook.ErrNoSignature)
	})
	t.Run("ours", func(t *testing.T) { s.testOurs(t, secret, ours) })
	t.Logf("%d calls of Svix's library, %d verifications", s.calls, verifications)
}

// testOurs has Svix's library verify what we sign: the requests that users test
// with, and the deliveries of reductotest.
func (s *svix) testOurs(t *testing.T, secret string, ours *webhook.Svix) {
	bodies := make(chan []byte, 1)
	headers := make(chan http.Header, 1)
	receive := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
		headers <- r.Header
	})
	r := webhook.NewTestRequest("http://example.com/webhook", ours, "a-job", reducto.JobStatusFailed, map[string]any{"user": "Zoë"})
	receive(httptest.NewRecorder(), r)
	h, body := <-headers, <-bodies
	assert.True(t, s.verify(t, secret, h, body))
	assert.False(t, s.verify(t, secret, h, append(body, ' ')))
	assert.False(t, s.verify(t, newSvixSecret(), h, body))

	srv := reductotest.NewServer(t, reductotest.WithSvixSecret(secret))
	srv.AddSvixEndpoint(srv.Mount("/svix", receive))
	job, err := srv.Client(reducto.WithWebhook(reducto.SvixWebhook())).ParseAsync(t.Context(), reducto.ParseRequest{
		Input: reducto.URL(anInput), Async: reducto.Async{Metadata: map[string]any{"user": "Zoë"}},
	})
	require.NoError(t, err)
	select {
	case body = <-bodies:
	case <-time.After(20 * time.Second):
		require.Fail(t, "no delivery came")
	}
	assert.Contains(t, string(body), job.JobID)
	assert.True(t, s.verify(t, secret, <-headers, body))
}

// deliver is the status that a handler of ours answers.
func deliver(t *testing.T, v *webhook.Svix, h http.Header, body []byte) int {
	t.Helper()
	called := false
	handler, err := webhook.NewHandler(v, func(context.Context, *webhook.Delivery) error { called = true; return nil })
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhook", strings.NewReader(string(body)))
	r.Header = h.Clone()
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	assert.Equal(t, w.Code == http.StatusOK, called)
	return w.Code
}

// mutations are changes of b: of each byte in turn, and of its length.
func mutations(b []byte) (list [][]byte) {
	for i := range b {
		for _, bit := range []byte{1, 0x20} {
			m := append([]byte{}, b...)
			m[i] ^= bit
			list = append(list, m)
		}
	}
	return append(list, []byte{}, b[1:], b[:len(b)-1], append([]byte{'x'}, b...), append(append([]byte{}, b...), 'x'), append(append([]byte{}, b...), b...))
}
