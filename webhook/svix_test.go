package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
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

// svixSignature makes a signature as documented, without the Svix.
func svixSignature(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + string(body)))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// svixSigned returns the headers of a delivery, in one of the two spellings.
func svixSigned(prefix string, key []byte, at time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	h := http.Header{}
	h.Set(prefix+"id", "msg_1")
	h.Set(prefix+"timestamp", stamp)
	h.Set(prefix+"signature", svixSignature(key, "msg_1", stamp, body))
	return h
}

func TestSvixAcceptsBothSpellingsAndAllSecrets(t *testing.T) {
	t.Parallel()
	s := newSvix(t, svixKey, oldSvixKey)
	body := []byte(payload("Completed", jobA, `{"submission_id":"`+submissionID+`","order":17}`))
	for _, prefix := range []string{"svix-", "webhook-"} {
		for kid, key := range map[string][]byte{"current": svixKey, "previous-1": oldSvixKey} {
			e, err := s.Verify(svixSigned(prefix, key, time.Now(), body), body)
			require.NoError(t, err)
			assert.Equal(t, webhook.Event{
				JobID: jobA, Status: "Completed", SubmissionID: submissionID, KeyID: kid, Metadata: []byte(`{"order":17}`),
			}, e)
		}
		_, err := s.Verify(svixSigned(prefix, []byte(canary+"somebody-else-0000"), time.Now(), body), body)
		require.ErrorIs(t, err, webhook.ErrBadSignature)
		require.ErrorIs(t, err, webhook.ErrUnauthorized)
	}
	_, err := newSvix(t, svixKey).Verify(svixSigned("svix-", oldSvixKey, time.Now(), body), body)
	require.ErrorIs(t, err, webhook.ErrBadSignature, "a secret that was removed")

	// A known answer: HMAC-SHA256 with the key "0123456789abcdef" of "msg_1.1700000000.{}".
	assert.Equal(t, "v1,3uojc/2kvL+KpJkw4ZNrA/5YjEs9cdfKdc3lXIvRjkk=", svixSignature([]byte("0123456789abcdef"), "msg_1", "1700000000", []byte("{}")))
}

func TestSvixTolerance(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newSvix(t, svixKey)
		body := []byte(genuine(jobA))
		for age, want := range map[time.Duration]error{
			0: nil, 5 * time.Minute: nil, -5 * time.Minute: nil,
			5*time.Minute + time.Second: webhook.ErrTimestamp, -5*time.Minute - time.Second: webhook.ErrTimestamp,
			1000 * time.Hour: webhook.ErrTimestamp, -1000 * time.Hour: webhook.ErrTimestamp,
		} {
			_, err := s.Verify(svixSigned("svix-", svixKey, time.Now().Add(-age), body), body)
			require.ErrorIs(t, err, want, "%v", age)
		}
	})
}

func TestSvixRefusesWrongHeaders(t *testing.T) {
	t.Parallel()
	s := newSvix(t, svixKey, oldSvixKey)
	body := []byte(genuine(jobA))
	now := strconv.FormatInt(time.Now().Unix(), 10)
	right := svixSignature(svixKey, "msg_1", now, body)
	other := svixSignature([]byte(canary+"somebody-else-0000"), "msg_1", now, body)
	for name, tt := range map[string]struct {
		id, stamp, signatures string
		want                  error
	}{
		"none":                      {"", "", "", webhook.ErrNoSignature},
		"no id":                     {"", now, right, webhook.ErrNoSignature},
		"no time":                   {"msg_1", "", right, webhook.ErrNoSignature},
		"no signature":              {"msg_1", now, "", webhook.ErrNoSignature},
		"white space":               {"msg_1", now, "  ", webhook.ErrBadSignature},
		"another id":                {"msg_2", now, right, webhook.ErrBadSignature},
		"another time":              {"msg_1", "1" + now, right, webhook.ErrBadSignature},
		"time with a fraction":      {"msg_1", now + ".0", right, webhook.ErrTimestamp},
		"time that is none":         {"msg_1", "now", right, webhook.ErrTimestamp},
		"time beyond all":           {"msg_1", "99999999999999999999", right, webhook.ErrTimestamp},
		"id and time moved":         {"msg_1." + now[:1], now[1:], right, webhook.ErrBadSignature},
		"no version":                {"msg_1", now, strings.TrimPrefix(right, "v1,"), webhook.ErrBadSignature},
		"another version":           {"msg_1", now, "v1a" + right[2:], webhook.ErrBadSignature},
		"two":                       {"msg_1", now, other + " " + right, nil},
		"with others' versions":     {"msg_1", now, "v1a,AAAA nonsense v1,!!! " + right + " v2," + right[3:], nil},
		"cut":                       {"msg_1", now, right[:20], webhook.ErrBadSignature},
		"longer":                    {"msg_1", now, right[:len(right)-1] + "AA==", webhook.ErrBadSignature},
		"without padding":           {"msg_1", now, strings.TrimRight(right, "="), webhook.ErrBadSignature},
		"empty":                     {"msg_1", now, "v1,", webhook.ErrBadSignature},
		"comma":                     {"msg_1", now, ",", webhook.ErrBadSignature},
		"tabs":                      {"msg_1", now, other + "\t" + right, nil},
		"31 wrong, then the right":  {"msg_1", now, strings.Repeat(other+" ", 31) + right, nil},
		"32 wrong, then the right":  {"msg_1", now, strings.Repeat(other+" ", 32) + right, webhook.ErrBadSignature},
		"100 000, then the right":   {"msg_1", now, strings.Repeat("v1,A ", 100_000) + right, nil},
		"separated by commas":       {"msg_1", now, other + "," + right, webhook.ErrBadSignature},
		"of another body":           {"msg_1", now, svixSignature(svixKey, "msg_1", now, append(body, ' ')), webhook.ErrBadSignature},
		"of no body":                {"msg_1", now, svixSignature(svixKey, "msg_1", now, nil), webhook.ErrBadSignature},
		"in another base64":         {"msg_1", now, "v1," + strings.NewReplacer("+", "-", "/", "_").Replace(right[3:]), webhook.ErrBadSignature},
		"of the text of the secret": {"msg_1", now, svixSignature([]byte(svixText(svixKey)), "msg_1", now, body), webhook.ErrBadSignature},
	} {
		if name == "in another base64" && !strings.ContainsAny(right[3:], "+/") {
			continue
		}
		h := http.Header{}
		h.Set("svix-id", tt.id)
		h.Set("svix-timestamp", tt.stamp)
		h.Set("svix-signature", tt.signatures)
		e, err := s.Verify(h, body)
		if tt.want == nil {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, tt.want, name)
		require.ErrorIs(t, err, webhook.ErrUnauthorized, name)
		require.Zero(t, e, name)
	}

	// The two spellings cannot be mixed.
	mixed := svixSigned("svix-", svixKey, time.Now(), body)
	mixed.Set("webhook-signature", mixed.Get("svix-signature"))
	mixed.Del("svix-signature")
	_, err := s.Verify(mixed, body)
	require.ErrorIs(t, err, webhook.ErrNoSignature)

	// Each bit of the body and of the signature counts.
	good := svixSigned("svix-", svixKey, time.Now(), body)
	for i := range body {
		changed := bytes.Clone(body)
		changed[i] ^= 1
		_, err := s.Verify(good, changed)
		require.ErrorIs(t, err, webhook.ErrBadSignature)
	}
	signature := good.Get("svix-signature")
	for i := 3; i < len(signature)-1; i++ {
		changed := []byte(signature)
		changed[i] ^= 1
		h := good.Clone()
		h.Set("svix-signature", string(changed))
		_, err := s.Verify(h, body)
		require.ErrorIs(t, err, webhook.ErrBadSignature, "byte %d", i)
	}

	// A signed body must be a delivery, too.
	for _, bad := range []string{`null`, `[]`, `{"status":"Completed"}`, payload("Completed", "../x", "{}")} {
		_, err := s.Verify(svixSigned("svix-", svixKey, time.Now(), []byte(bad)), []byte(bad))
		require.ErrorIs(t, err, webhook.ErrMalformed)
	}
	_, err = s.Verify(nil, body)
	require.ErrorIs(t, err, webhook.ErrNoSignature)
}

func TestNewSvixRefusesBadSecrets(t *testing.T) {
	t.Parallel()
	good := svixText(svixKey)
	for _, tt := range []struct {
		secrets []string
		field   string
		want    string
	}{
		{[]string{""}, "current", "empty"},
		{[]string{"whsec_"}, "current", "empty"},
		{[]string{" \n"}, "current", "empty"},
		{[]string{"whsec_not base64"}, "current", "not base64"},
		{[]string{"whsec_" + base64.StdEncoding.EncodeToString(svixKey[:15])}, "current", "shorter than 16"},
		{[]string{good, ""}, "previous-1", "empty"},
		{[]string{good, good, "?"}, "previous-2", "not base64"},
	} {
		s, err := webhook.NewSvix(tt.secrets[0], tt.secrets[1:]...)
		assert.Nil(t, s)
		requireRefused(t, err, "webhook.NewSvix", tt.field, tt.want)
	}
	_, err := webhook.NewSvix(strings.TrimPrefix(good, "whsec_"))
	require.NoError(t, err, "the prefix is optional")
	for _, zero := range []*webhook.Svix{nil, new(webhook.Svix)} {
		_, err := zero.Verify(svixSigned("svix-", svixKey, time.Now(), nil), nil)
		require.ErrorIs(t, err, webhook.ErrUnauthorized)
	}
}

func TestSvixDeliveriesOfTheService(t *testing.T) {
	virtual(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		v, err := webhook.NewSvix(srv.SvixSecret())
		require.NoError(t, err)
		client := srv.Client(reducto.WithSubmitHook(v))
		s := newSiteWith(t, v, nil, webhook.WithClient(client))
		s.srv = srv
		srv.AddSvixEndpoint(srv.Mount("/webhook", s))
		srv.WebhookFault(reductotest.ForgeBefore(reductotest.Forgery{Secret: canary + "nobody"}))
		for i, metadata := range []any{map[string]int{"order": 17}, []int{1}} {
			job := submit(t, client, reducto.Async{Webhook: reducto.SvixWebhook(), Metadata: metadata})
			time.Sleep(time.Minute)
			assert.ElementsMatch(t, [][]int{{401, 200}, {200}}[i], s.codes(job.JobID))
			require.Equal(t, i+1, s.f.count())
			assert.Equal(t, job.JobID, s.f.last().JobID)
			assert.JSONEq(t, []string{`{"order":17}`, `[1]`}[i], string(s.f.last().Metadata))
		}
		v.AfterSubmit(t.Context(), nil, reducto.SubmitResult{})
	})
}

func FuzzSvixVerify(f *testing.F) {
	s := newSvix(f, svixKey, oldSvixKey)
	body := []byte(genuine(jobA))
	now := strconv.FormatInt(time.Now().Unix(), 10)
	right := svixSignature(svixKey, "msg_1", now, body)
	f.Add("msg_1", now, right, string(body))
	f.Add("msg_1", "0", right, string(body))
	f.Add("", "", "v1,", "{}")
	f.Add("a.b", "-1", "v1,AAAA v1, ,v2 "+right, string(body))
	f.Fuzz(func(t *testing.T, id, stamp, signatures, body string) {
		h := http.Header{"Svix-Id": {id}, "Svix-Timestamp": {stamp}, "Svix-Signature": {signatures}}
		e, err := s.Verify(h, []byte(body))
		if err != nil {
			if !errors.Is(err, webhook.ErrUnauthorized) && !errors.Is(err, webhook.ErrMalformed) {
				t.Fatalf("%v", err)
			}
			return
		}
		key := map[string][]byte{"current": svixKey, "previous-1": oldSvixKey}[e.KeyID]
		if !strings.Contains(" "+signatures+" ", svixSignature(key, id, stamp, []byte(body))) {
			t.Fatalf("accepted: %v", e)
		}
	})
}
