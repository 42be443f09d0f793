package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
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

// tokenOf makes a token as documented, without the Signer.
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

func TestSignerAddsATokenToSubmissions(t *testing.T) {
	virtual(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		signer := newSigner(t, "new", "old")
		client := srv.Client(reducto.WithSubmitHook(signer))
		s := newSiteWith(t, signer, nil, webhook.WithClient(client))
		hook := reducto.DirectWebhook(srv.Mount("/webhook", s))
		job := submit(t, client, reducto.Async{Webhook: hook, Metadata: map[string]int{"order": 17}})
		token := tokenOf("new", job.SubmissionID, time.Now().Add(webhook.DefaultTokenLife).Unix())
		assert.JSONEq(t, `{"order":17,"secret":"`+token+`","submission_id":"`+job.SubmissionID+`"}`, string(srv.Jobs()[0].Metadata))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 1, s.f.count())
		d := s.f.last()
		assert.Equal(t, job.SubmissionID, d.SubmissionID)
		assert.Equal(t, "new", d.KeyID)
		assert.JSONEq(t, `{"order":17}`, string(d.Metadata))

		submit(t, client, reducto.Async{Metadata: []int{1}})
		assert.JSONEq(t, `[1]`, string(srv.Jobs()[1].Metadata), "without a webhook nothing is added")
		_, err := client.ParseAsync(t.Context(), reducto.ParseRequest{
			Input: reducto.URL("https://example.com/a.pdf"), Async: reducto.Async{Webhook: hook, Metadata: []int{1}},
		})
		require.Error(t, err, "an array has no room for a token")

		for _, s := range []*webhook.Signer{nil, new(webhook.Signer)} {
			require.Error(t, s.BeforeSubmit(t.Context(), new(reducto.Submission)))
			s.AfterSubmit(t.Context(), nil, reducto.SubmitResult{})
			_, err := s.Verify(nil, withToken(token))
			require.ErrorIs(t, err, webhook.ErrUnauthorized)
		}
	})
}

func TestSignerRefusesTamperedTokens(t *testing.T) {
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
	for want, tokens := range map[error][]string{
		webhook.ErrUnknownKey: {with(1, "k3"), tokenOf("k3", submissionID, expiry), with(1, "")},
		webhook.ErrWrongSecret: {
			"", "v1", strings.Repeat(".", 1000), " " + good, string(keyOf("k1")),
			with(0, "v2"), tokenFor("v2."+strings.Join(parts[1:4], "."), keyOf("k1")), // version
			with(1, "k2"),                                                          // another key
			with(2, jobB), tokenOf("k1", "", expiry), tokenOf("k1", "a/b", expiry), // submission
			with(3, strconv.FormatInt(expiry+1, 10)), tokenFor("v1.k1."+submissionID+".soon", keyOf("k1")), // expiry
			tokenFor("v1.k1."+submissionID+".99999999999999999999", keyOf("k1")),
			with(4, ""), with(4, parts[4][:20]), with(4, parts[4]+"AAAA"), with(4, parts[4]+"="), with(4, parts[4][:20]+"\n"+parts[4][20:]), // signature
			"v1.k1." + submissionID + "." + parts[3] + ".x." + parts[4], tokenFor("v1.k1."+submissionID+"."+parts[3]+".x", keyOf("k1")), // parts
			tokenFor("v1.k1."+submissionID, keyOf("k1")),
		},
	} {
		for _, token := range tokens {
			e, err := signer.Verify(nil, withToken(token))
			require.ErrorIs(t, err, want, token)
			require.ErrorIs(t, err, webhook.ErrUnauthorized, token)
			require.Zero(t, e, token)
		}
	}
	for i := range good { // each bit of each part
		changed := []byte(good)
		changed[i] ^= 1
		_, err := signer.Verify(nil, withToken(string(changed)))
		require.ErrorIs(t, err, webhook.ErrUnauthorized, "byte %d", i)
	}

	// Two bits of the last of 43 digits carry nothing, so a decoder would accept four
	// spellings of each signature.
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

// Scenario 9.
func TestSignerRefusesExpiredTokens(t *testing.T) {
	virtual(t, func(t *testing.T) {
		signer := newSigner(t, "k1")
		for age, want := range map[time.Duration]error{
			time.Second:                   nil,
			-5 * time.Minute:              nil, // clocks differ
			-5*time.Minute - time.Second:  webhook.ErrExpiredToken,
			-1000 * time.Hour:             webhook.ErrExpiredToken,
			10 * webhook.DefaultTokenLife: nil, // of a process with another WithTokenLife
		} {
			_, err := signer.Verify(nil, withToken(tokenOf("k1", submissionID, time.Now().Add(age).Unix())))
			require.ErrorIs(t, err, want, age)
		}
		for life, opts := range map[time.Duration][]webhook.SignerOption{
			webhook.DefaultTokenLife: nil,
			time.Hour:                {webhook.WithTokenLife(time.Hour)},
		} {
			short, err := webhook.NewSigner([]webhook.Key{{ID: "k1", Secret: keyOf("k1")}}, opts...)
			require.NoError(t, err)
			s := newSiteWith(t, short, nil)
			r := webhook.NewTestRequest("/", short, jobA, reducto.StatusCompleted, nil)
			body := string(bodyOf(t, r))
			time.Sleep(life + 4*time.Minute)
			s.answers(200, body)
			time.Sleep(2 * time.Minute)
			s.answers(401, body)
		}
	})
}

func TestSignerRotation(t *testing.T) {
	t.Parallel()
	oldOnly, announced, switched, newOnly := newSigner(t, "old"), newSigner(t, "old", "new"), newSigner(t, "new", "old"), newSigner(t, "new")
	for _, tt := range []struct {
		verifies, signs *webhook.Signer
		kid             string
	}{
		{oldOnly, announced, "old"}, {switched, announced, "old"}, {announced, switched, "new"}, {newOnly, switched, "new"},
		{newOnly, oldOnly, ""}, {oldOnly, newOnly, ""},
	} {
		e, err := tt.verifies.Verify(nil, bodyOf(t, webhook.NewTestRequest("/", tt.signs, jobA, "Completed", nil)))
		assert.Equal(t, tt.kid, e.KeyID)
		if tt.kid == "" {
			require.ErrorIs(t, err, webhook.ErrUnknownKey)
		}
	}
}

func TestNewSignerRefusesBadKeys(t *testing.T) {
	t.Parallel()
	good := webhook.Key{ID: "k1", Secret: keyOf("k1")}
	for _, tt := range []struct {
		keys  []webhook.Key
		opts  []webhook.SignerOption
		field string
		want  string
	}{
		{nil, nil, "keys", "there are none"},
		{[]webhook.Key{{ID: "", Secret: keyOf("k1")}}, nil, "keys[0]", "its ID"},
		{[]webhook.Key{{ID: "a.b", Secret: keyOf("k1")}}, nil, "keys[0]", "its ID"},
		{[]webhook.Key{{ID: "a b", Secret: keyOf("k1")}}, nil, "keys[0]", "its ID"},
		{[]webhook.Key{{ID: strings.Repeat("k", 33), Secret: keyOf("k1")}}, nil, "keys[0]", "its ID"},
		{[]webhook.Key{good, good}, nil, "keys[1]", "used by another key"},
		{[]webhook.Key{good, {ID: "k2"}}, nil, "keys[1]", "shorter than 16"},
		{[]webhook.Key{good, {ID: "k2", Secret: keyOf("k2")[:15]}}, nil, "keys[1]", "shorter than 16"},
		{[]webhook.Key{{ID: "k2", Secret: []byte(strings.Repeat(" ", 32))}}, nil, "keys[0]", "shorter"},
		{[]webhook.Key{good}, []webhook.SignerOption{webhook.WithTokenLife(0)}, "options", "WithTokenLife: 0s"},
		{[]webhook.Key{good}, []webhook.SignerOption{nil}, "options", "an option is nil"},
	} {
		s, err := webhook.NewSigner(tt.keys, tt.opts...)
		assert.Nil(t, s)
		requireRefused(t, err, "webhook.NewSigner", tt.field, tt.want)
	}

	// The keys are copied.
	secret := keyOf("k1")
	s, err := webhook.NewSigner([]webhook.Key{{ID: "k1", Secret: secret}})
	require.NoError(t, err)
	clear(secret)
	_, err = s.Verify(nil, withToken(tokenOf("k1", submissionID, time.Now().Add(time.Hour).Unix())))
	require.NoError(t, err)
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
