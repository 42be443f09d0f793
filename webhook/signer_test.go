package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// keyOf is the secret of a test's key.
func keyOf(kid string) []byte { return []byte(canary + "key-of-" + kid + "-0123456789") }

func newSigner(t testing.TB, kids ...string) *webhook.Signer {
	t.Helper()
	var keys []webhook.Key
	for _, kid := range kids {
		keys = append(keys, webhook.Key{ID: kid, Secret: keyOf(kid)})
	}
	s, err := webhook.NewSigner(keys)
	require.NoError(t, err)
	return s
}

// tokenOf makes a token as it is documented, by other means than the Signer.
func tokenOf(kid, submission string, expiry int64) string {
	return tokenFor("v1."+kid+"."+submission+"."+strconv.FormatInt(expiry, 10), keyOf(kid))
}

func tokenFor(signed string, key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// withToken is a body with a token.
func withToken(token string) []byte {
	return []byte(payload("Completed", jobA, `{"secret":`+quote(token)+`,"submission_id":"whatever it says"}`))
}

const submissionID = "0199a0b4-5b7c-7d52-9d4e-3f5f0c1b2a3d"

func TestSignerAddsATokenToSubmissions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		signer := newSigner(t, "new", "old")
		client := srv.Client(reducto.WithSubmitHook(signer))
		var f counter
		h, err := webhook.NewHandler(signer, f.process, webhook.WithClient(client))
		require.NoError(t, err)
		hook := srv.Mount("/webhook", h)
		job := submit(t, client, reducto.Async{Webhook: reducto.DirectWebhook(hook), Metadata: map[string]int{"order": 17}})
		want := tokenOf("new", job.SubmissionID, time.Now().Add(webhook.DefaultTokenLife).Unix())
		assert.JSONEq(t, `{"order":17,"secret":"`+want+`","submission_id":"`+job.SubmissionID+`"}`, string(srv.Jobs()[0].Metadata))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 1, f.count())
		d := f.last()
		assert.Equal(t, job.SubmissionID, d.SubmissionID)
		assert.Equal(t, "new", d.KeyID)
		assert.JSONEq(t, `{"order":17}`, string(d.Metadata))

		submit(t, client, reducto.Async{Metadata: []int{1}}) // without a webhook it adds nothing
		assert.JSONEq(t, `[1]`, string(srv.Jobs()[1].Metadata))
		_, err = client.ParseAsync(t.Context(), reducto.ParseRequest{
			Input: reducto.URL("https://example.com/a.pdf"),
			Async: reducto.Async{Webhook: reducto.DirectWebhook(hook), Metadata: []int{1}},
		})
		require.Error(t, err)
		require.NoError(t, h.Shutdown(t.Context()))

		for _, s := range []*webhook.Signer{nil, new(webhook.Signer)} {
			require.Error(t, s.BeforeSubmit(t.Context(), new(reducto.Submission)))
			s.AfterSubmit(t.Context(), nil, reducto.SubmitResult{})
			_, err := s.Verify(nil, withToken(want))
			require.ErrorIs(t, err, webhook.ErrUnauthorized)
		}
	})
}

func TestSignerBelievesNothingThatWasTamperedWith(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, "k1", "k2")
	expiry := time.Now().Add(time.Hour).Unix()
	good := tokenOf("k1", submissionID, expiry)
	e, err := signer.Verify(nil, withToken(good))
	require.NoError(t, err)
	assert.Equal(t, webhook.Event{JobID: jobA, Status: "Completed", SubmissionID: submissionID, KeyID: "k1"}, e)

	parts := strings.Split(good, ".")
	with := func(i int, s string) string {
		changed := append([]string(nil), parts...)
		changed[i] = s
		return strings.Join(changed, ".")
	}
	for name, tt := range map[string]struct {
		token string
		want  error
	}{
		"empty":                     {"", webhook.ErrWrongSecret},
		"version":                   {with(0, "v2"), webhook.ErrWrongSecret},
		"version, signed":           {tokenFor("v2."+strings.Join(parts[1:4], "."), keyOf("k1")), webhook.ErrWrongSecret},
		"another key's id":          {with(1, "k2"), webhook.ErrWrongSecret},
		"an unknown key's id":       {with(1, "k3"), webhook.ErrUnknownKey},
		"an unknown key":            {tokenOf("k3", submissionID, expiry), webhook.ErrUnknownKey},
		"no key":                    {with(1, ""), webhook.ErrUnknownKey},
		"submission":                {with(2, jobB), webhook.ErrWrongSecret},
		"no submission, signed":     {tokenOf("k1", "", expiry), webhook.ErrWrongSecret},
		"submission/path, signed":   {tokenOf("k1", "a/b", expiry), webhook.ErrWrongSecret},
		"expiry":                    {with(3, strconv.FormatInt(expiry+1, 10)), webhook.ErrWrongSecret},
		"expiry that is no number":  {tokenFor("v1.k1."+submissionID+".soon", keyOf("k1")), webhook.ErrWrongSecret},
		"expiry beyond all numbers": {tokenFor("v1.k1."+submissionID+".99999999999999999999", keyOf("k1")), webhook.ErrWrongSecret},
		"no signature":              {with(4, ""), webhook.ErrWrongSecret},
		"half a signature":          {with(4, parts[4][:20]), webhook.ErrWrongSecret},
		"a longer signature":        {with(4, parts[4]+"AAAA"), webhook.ErrWrongSecret},
		"padded signature":          {with(4, parts[4]+"="), webhook.ErrWrongSecret},
		"a line end in it":          {with(4, parts[4][:20]+"\n"+parts[4][20:]), webhook.ErrWrongSecret},
		"a part more":               {"v1.k1." + submissionID + "." + parts[3] + ".x." + parts[4], webhook.ErrWrongSecret},
		"a part more, signed":       {tokenFor("v1.k1."+submissionID+"."+parts[3]+".x", keyOf("k1")), webhook.ErrWrongSecret},
		"a part less, signed":       {tokenFor("v1.k1."+submissionID, keyOf("k1")), webhook.ErrWrongSecret},
		"no parts":                  {"v1", webhook.ErrWrongSecret},
		"dots":                      {strings.Repeat(".", 1000), webhook.ErrWrongSecret},
		"the key itself":            {string(keyOf("k1")), webhook.ErrWrongSecret},
		"white space":               {" " + good, webhook.ErrWrongSecret},
	} {
		e, err := signer.Verify(nil, withToken(tt.token))
		require.ErrorIs(t, err, tt.want, name)
		require.ErrorIs(t, err, webhook.ErrUnauthorized, name)
		require.Zero(t, e, name)
	}
	for i := range good { // each bit of each part
		changed := []byte(good)
		changed[i] ^= 1
		_, err := signer.Verify(nil, withToken(string(changed)))
		require.ErrorIs(t, err, webhook.ErrUnauthorized, "byte %d", i)
	}

	// The last digit of 43 has two bits that say nothing: there are four spellings of
	// each signature, of which one is right.
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	at := strings.IndexByte(digits, good[len(good)-1])
	for i := 1; i < 4; i++ {
		_, err := signer.Verify(nil, withToken(good[:len(good)-1]+string(digits[at+i])))
		require.ErrorIs(t, err, webhook.ErrWrongSecret)
	}

	for _, metadata := range []string{`null`, `{}`, `{"secret":1}`, `{"Secret":` + quote(good) + `}`, `{"secret":` + quote(good) + `,"secret":` + quote(good) + `}`} {
		_, err := signer.Verify(nil, []byte(payload("Completed", jobA, metadata)))
		require.ErrorIs(t, err, webhook.ErrNoSecret, metadata)
	}
	_, err = signer.Verify(nil, []byte(`{`))
	require.ErrorIs(t, err, webhook.ErrMalformed)
	_, err = signer.Verify(nil, []byte(payload("Completed", "../x", `{"secret":`+quote(good)+`}`)))
	require.ErrorIs(t, err, webhook.ErrMalformed)
}

func TestScenario09_TokenPastItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer := newSigner(t, "k1")
		now := time.Now()
		verify := func(age time.Duration) error {
			_, err := signer.Verify(nil, withToken(tokenOf("k1", submissionID, now.Add(age).Unix())))
			return err
		}
		require.NoError(t, verify(time.Second))
		require.NoError(t, verify(-5*time.Minute), "clocks differ")
		require.ErrorIs(t, verify(-5*time.Minute-time.Second), webhook.ErrExpiredToken)
		require.ErrorIs(t, verify(-1000*time.Hour), webhook.ErrExpiredToken)
		require.NoError(t, verify(10*webhook.DefaultTokenLife), "another process may give tokens a longer life")

		for life, opts := range map[time.Duration][]webhook.SignerOption{
			webhook.DefaultTokenLife: nil,
			time.Hour:                {webhook.WithTokenLife(time.Hour)},
		} {
			short, err := webhook.NewSigner([]webhook.Key{{ID: "k1", Secret: keyOf("k1")}}, opts...)
			require.NoError(t, err)
			h, err := webhook.NewHandler(short, nothing)
			require.NoError(t, err)
			made := webhook.NewTestRequest("/", short, jobA, reducto.JobStatusCompleted, nil)
			again := made.Clone(t.Context())
			body, err := made.GetBody()
			require.NoError(t, err)
			again.Body = body
			time.Sleep(life + 4*time.Minute)
			requireAnswer(t, serveRequest(h, made), http.StatusOK)
			time.Sleep(2 * time.Minute)
			requireAnswer(t, serveRequest(h, again), http.StatusUnauthorized)
			require.NoError(t, h.Shutdown(t.Context()))
		}
	})
}

func TestSignerRotation(t *testing.T) {
	t.Parallel()
	token := func(s *webhook.Signer) *http.Request { return webhook.NewTestRequest("/", s, jobA, "Completed", nil) }
	kid := func(s *webhook.Signer, r *http.Request) string {
		var seen webhook.Event
		body, _ := r.GetBody()
		raw := make([]byte, r.ContentLength)
		_, _ = body.Read(raw)
		seen, err := s.Verify(r.Header, raw)
		if err != nil {
			require.ErrorIs(t, err, webhook.ErrUnknownKey)
		}
		return seen.KeyID
	}
	oldOnly, announced, switched, newOnly := newSigner(t, "old"), newSigner(t, "old", "new"), newSigner(t, "new", "old"), newSigner(t, "new")
	assert.Equal(t, "old", kid(oldOnly, token(announced)))
	assert.Equal(t, "old", kid(switched, token(announced)))
	assert.Equal(t, "new", kid(announced, token(switched)))
	assert.Equal(t, "new", kid(newOnly, token(switched)))
	assert.Empty(t, kid(newOnly, token(oldOnly)), "a key that was removed")
	assert.Empty(t, kid(oldOnly, token(newOnly)))
}

func TestNewSignerRefuses(t *testing.T) {
	t.Parallel()
	good := webhook.Key{ID: "k1", Secret: keyOf("k1")}
	for _, tt := range []struct {
		keys  []webhook.Key
		opts  []webhook.SignerOption
		field string
		want  string
	}{
		{nil, nil, "keys", "there is none"},
		{[]webhook.Key{{ID: "", Secret: keyOf("k1")}}, nil, "keys[0]", "its ID"},
		{[]webhook.Key{{ID: "a.b", Secret: keyOf("k1")}}, nil, "keys[0]", "its ID"},
		{[]webhook.Key{{ID: "a b", Secret: keyOf("k1")}}, nil, "keys[0]", "its ID"},
		{[]webhook.Key{{ID: strings.Repeat("k", 33), Secret: keyOf("k1")}}, nil, "keys[0]", "its ID"},
		{[]webhook.Key{good, good}, nil, "keys[1]", "used by another key"},
		{[]webhook.Key{good, {ID: "k2"}}, nil, "keys[1]", "shorter than 16"},
		{[]webhook.Key{good, {ID: "k2", Secret: keyOf("k2")[:15]}}, nil, "keys[1]", "shorter than 16"},
		{[]webhook.Key{{ID: "k2", Secret: []byte(strings.Repeat(" ", 32))}}, nil, "keys[0]", "shorter"},
		{[]webhook.Key{good}, []webhook.SignerOption{webhook.WithTokenLife(0)}, "options", "WithTokenLife: 0s"},
	} {
		s, err := webhook.NewSigner(tt.keys, tt.opts...)
		assert.Nil(t, s)
		refused := new(reducto.RequestError)
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "webhook.NewSigner", refused.Op)
		assert.Equal(t, tt.field, refused.Field)
		assert.Contains(t, refused.Reason, tt.want)
		assert.NotContains(t, err.Error(), canary)
	}
	for _, zero := range []*webhook.Signer{nil, new(webhook.Signer)} {
		_, err := webhook.NewHandler(zero, nothing)
		require.Error(t, err)
	}

	// The keys are copied.
	secret := keyOf("k1")
	s, err := webhook.NewSigner([]webhook.Key{{ID: "k1", Secret: secret}})
	require.NoError(t, err)
	clear(secret)
	_, err = s.Verify(nil, withToken(tokenOf("k1", submissionID, time.Now().Add(time.Hour).Unix())))
	require.NoError(t, err)
}

func TestScenario61_SignerAndSvixShowNothing(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, "k1")
	key := webhook.Key{ID: "k1", Secret: keyOf("k1")}
	raw := []byte(canary + "svix-0123456789abcdef")
	text := base64.StdEncoding.EncodeToString(raw)
	svix, err := webhook.NewSvix("whsec_" + text)
	require.NoError(t, err)
	_, bad1 := webhook.NewSvix("whsec_" + text + "!")
	_, bad2 := webhook.NewSvix(base64.StdEncoding.EncodeToString([]byte(canary)))
	_, bad3 := signer.Verify(nil, withToken(string(keyOf("k1"))))
	_, bad4 := svix.Verify(http.Header{"Svix-Signature": {text}, "Svix-Id": {text}, "Svix-Timestamp": {text}}, []byte(text))
	for _, err := range []error{bad1, bad2, bad3, bad4} {
		require.Error(t, err)
	}
	var out strings.Builder
	for _, v := range []any{
		signer, *signer, []*webhook.Signer{signer}, struct{ s *webhook.Signer }{signer},
		svix, *svix, []*webhook.Svix{svix}, struct{ s *webhook.Svix }{svix}, bad1, bad2, bad3, bad4,
	} {
		out.WriteString(printed(v))
	}
	for _, v := range []any{key, &key, []webhook.Key{key}, struct{ K webhook.Key }{key}, map[string]webhook.Key{"k": key}} {
		out.WriteString(shown(v))
		marshalled, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(marshalled)
	}
	for _, m := range []interface{ MarshalText() ([]byte, error) }{signer, svix} {
		text, err := m.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, "[redacted]", string(text))
	}
	assert.Equal(t, "webhook.Key(k1 [redacted])", fmt.Sprintf("%+v", key))
	assert.Equal(t, "webhook.Signer([redacted])", fmt.Sprint(signer))
	assert.Equal(t, "webhook.Svix([redacted])", fmt.Sprint(svix))
	for _, s := range []string{canary, string(keyOf("k1")), text} {
		assert.False(t, leaks(out.String(), s), "%q is in the output", s)
	}
}

func FuzzSignerVerify(f *testing.F) {
	signer := newSigner(f, "k1", "k2")
	expiry := time.Now().Add(1000 * time.Hour).Unix()
	good := tokenOf("k1", submissionID, expiry)
	f.Add(good)
	f.Add(tokenOf("k2", "s-1", 0))
	f.Add(tokenOf("k3", "s-1", expiry))
	f.Add("v1...." + strings.Repeat("A", 43))
	f.Add(good + "\x00")
	f.Fuzz(func(t *testing.T, token string) {
		body := withToken(token)
		e, err := signer.Verify(nil, body)
		if err != nil {
			if !errors.Is(err, webhook.ErrUnauthorized) && !errors.Is(err, webhook.ErrMalformed) {
				t.Fatalf("%v", err)
			}
			return
		}
		// Whatever is accepted was made with one of the keys.
		signed := token[:max(0, strings.LastIndexByte(token, '.'))]
		if token != tokenFor(signed, keyOf(e.KeyID)) || !strings.HasPrefix(token, "v1."+e.KeyID+"."+e.SubmissionID+".") {
			t.Fatalf("%q was accepted: %v", token, e)
		}
	})
}

// stricter accepts nothing, whatever it embeds would.
type stricter struct{ *webhook.Signer }

func (stricter) Verify(http.Header, []byte) (webhook.Event, error) {
	return webhook.Event{}, webhook.ErrUnauthorized
}

func TestVerifierThatEmbedsOneOfOursDecides(t *testing.T) {
	t.Parallel()
	signer, err := webhook.NewSigner([]webhook.Key{{ID: "k1", Secret: []byte("canary-key-0123456789")}})
	require.NoError(t, err)
	r := webhook.NewTestRequest("http://app.test/webhook", signer, jobA, reducto.JobStatusCompleted, nil)
	h, err := webhook.NewHandler(stricter{signer}, func(context.Context, *webhook.Delivery) error { return nil })
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code)
}
