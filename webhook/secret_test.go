package webhook_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// Scenario 1 for the empty ones.
func TestNewSecretRefusesBadSecrets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		secrets []string
		field   string
		reason  string
	}{
		{[]string{""}, "current", "empty"},
		{[]string{"\t\n  "}, "current", "white space"},
		{[]string{strings.Repeat(" ", 32)}, "current", "white space"},
		{[]string{testSecret + "\n"}, "current", "begins or ends with white space"},
		{[]string{" " + testSecret}, "current", "begins or ends with white space"},
		{[]string{testSecret + "\u00a0"}, "current", "begins or ends with white space"},
		{[]string{"fifteen bytes!!"}, "current", "shorter than 16 bytes"},
		{[]string{strings.Repeat("x", 1025)}, "current", "longer than 1024 bytes"},
		{[]string{testSecret + "\xff"}, "current", "UTF-8"},
		{[]string{testSecret + "\ufffd"}, "current", "UTF-8"},
		{[]string{testSecret, ""}, "previous-1", "empty"},
		{[]string{testSecret, oldSecret, "short"}, "previous-2", "shorter"},
		{[]string{testSecret, testSecret}, "previous-1", "the same as current"},
		{[]string{testSecret, oldSecret, oldSecret}, "previous-2", "the same as previous-1"},
	} {
		s, err := webhook.NewSecret(tt.secrets[0], tt.secrets[1:]...)
		assert.Nil(t, s)
		requireRefused(t, err, "webhook.NewSecret", tt.field, tt.reason)
	}
	for _, s := range []string{
		strings.Repeat("x", 16), strings.Repeat("x", 1024), `with "quotes" <and> & \ escapes`, "with a new\nline in it", "schlüssel-日本-🔑", "with\x00NUL and so on",
	} {
		e, err := newSecret(t, s).Verify(nil, []byte(payload("Completed", jobA, `{"secret":`+quote(s)+`}`)))
		require.NoError(t, err, "%q", s)
		assert.Equal(t, "current", e.KeyID)
	}
	// A caller that ignores the error has a verifier that refuses everything.
	for _, s := range []*webhook.Secret{nil, new(webhook.Secret)} {
		_, err := s.Verify(nil, []byte(payload("Completed", jobA, `{"secret":""}`)))
		require.ErrorIs(t, err, webhook.ErrUnauthorized)
		require.Error(t, s.BeforeSubmit(t.Context(), new(reducto.Submission)))
		s.AfterSubmit(t.Context(), nil, reducto.SubmitResult{})
	}
}

// Scenario 3. An inverted comparison, one of a prefix and one that ignores case fail
// this test.
func TestSecretRefusesNearlyRightSecrets(t *testing.T) {
	t.Parallel()
	s := newSecret(t, testSecret)
	sum := sha256.Sum256([]byte(testSecret))
	reversed := []byte(testSecret)
	slices.Reverse(reversed)
	near := []string{
		"", testSecret + testSecret, strings.ToUpper(testSecret), testSecret + "\x00", "\x00" + testSecret,
		testSecret + strings.Repeat("\x00", 64-len(testSecret)), testSecret + " ", testSecret + "\n", " " + testSecret,
		fmt.Sprintf("%x", sum), string(sum[:]), strings.Repeat("a", 100_000), oldSecret, string(reversed), "[redacted]", "current",
		`"` + testSecret + `"`, strings.Repeat("x", len(testSecret)), testSecret[:len(testSecret)-1] + "\xed\xa0\x80",
	}
	for n := range len(testSecret) {
		flipped := []byte(testSecret)
		flipped[n] ^= 1
		near = append(near, testSecret[:n], testSecret[n+1:], string(flipped), testSecret[:n]+strings.Repeat("\x00", len(testSecret)-n))
	}
	for _, candidate := range near {
		e, err := s.Verify(nil, []byte(payload("Completed", jobA, `{"secret":`+quote(candidate)+`}`)))
		require.ErrorIs(t, err, webhook.ErrWrongSecret, "%q", candidate)
		require.ErrorIs(t, err, webhook.ErrUnauthorized)
		require.Zero(t, e)
	}

	// The same text in another notation of JSON is the same secret.
	var escaped strings.Builder
	for _, r := range testSecret {
		fmt.Fprintf(&escaped, `\u%04x`, r)
	}
	for _, metadata := range []string{signed(), `{"secret":"` + escaped.String() + `"}`, `{"\u0073ecret":"` + testSecret + `"}`} {
		e, err := s.Verify(nil, []byte(payload("Completed", jobA, metadata)))
		require.NoError(t, err)
		assert.Equal(t, webhook.Event{JobID: jobA, Status: reducto.JobStatusCompleted, KeyID: "current"}, e)
	}
}

// Scenario 4.
func TestSecretAcceptsPreviousSecrets(t *testing.T) {
	t.Parallel()
	const oldest = canary + "oldest-000000000000"
	all, one := newSecret(t, testSecret, oldSecret, oldest), newSecret(t, testSecret)
	for secret, kid := range map[string]string{testSecret: "current", oldSecret: "previous-1", oldest: "previous-2"} {
		body := []byte(payload("Failed", jobA, `{"secret":"`+secret+`"}`))
		e, err := all.Verify(nil, body)
		require.NoError(t, err)
		assert.Equal(t, kid, e.KeyID)
		if _, err = one.Verify(nil, body); secret != testSecret {
			require.ErrorIs(t, err, webhook.ErrWrongSecret, "a secret that was removed")
		} else {
			require.NoError(t, err)
		}
	}
}

// Scenario 5.
func TestSecretReadsMetadataOfEveryForm(t *testing.T) { // not parallel: it measures
	s := newSite(t, nil)
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	blob := `"blob":"` + strings.Repeat("x", 900<<10) + `"`
	for i, tt := range []struct {
		metadata string
		code     int
	}{
		{`null`, 401},
		{`"secret"`, 401},
		{quote(testSecret), 401},
		{`17`, 401},
		{`true`, 401},
		{`[]`, 401},
		{`[` + signed() + `]`, 401},
		{`{}`, 401},
		{`{"a":` + signed() + `}`, 401},
		{signed(`"x":` + nested(9_998)), 200},
		{signed(`"x":` + nested(9_999)), 400},
		{nested(9_999), 401},
		{nested(10_000), 400},
		{nested(500_000), 400},
		{strings.Repeat("[", 500_000), 400},
		{signed(blob), 200},
		{`{` + blob + `}`, 401},
		{"{" + strings.Repeat(`"a":1,`, 100_000) + `"secret":"` + testSecret + `"}`, 200},
	} {
		body := payload("Completed", fmt.Sprintf("job-%d", i), tt.metadata)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.answers(tt.code, body)
		runtime.ReadMemStats(&after)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20), "%.40s: bytes allocated", tt.metadata)
	}
	s.answers(401, `{"status":"Completed","job_id":"`+jobA+`"}`)
	assert.Equal(t, 3, s.f.count())
}

// Scenarios 6 and 7.
func TestSecretMustBeOneStringOfThatName(t *testing.T) {
	t.Parallel()
	s := newSecret(t, testSecret)
	right := `"` + testSecret + `"`
	var wrong []string
	for _, value := range []string{`0`, `1e3`, `null`, `true`, `[]`, `[` + right + `]`, `{}`, `{"secret":` + right + `}`} {
		wrong = append(wrong, `{"secret":`+value+`}`)
	}
	for _, name := range []string{"Secret", "SECRET", "\u017fecret", " secret", "secret ", `secret\u0000`} {
		wrong = append(wrong, `{"`+name+`":`+right+`}`)
	}
	for _, more := range []string{`"secret":` + right, `"secret":null`, `"\u0073ecret":` + right, `"secret":` + right + `,"secret":` + right} {
		wrong = append(wrong, signed(more))
	}
	for _, metadata := range append(wrong, `{"secret":"wrong","secret":`+right+`}`) {
		_, err := s.Verify(nil, []byte(payload("Completed", jobA, metadata)))
		require.ErrorIs(t, err, webhook.ErrNoSecret, metadata)
		require.ErrorIs(t, err, webhook.ErrUnauthorized)
	}
	for _, metadata := range []string{signed(`"Secret":"wrong"`), signed(`"user":1`, `"user":2`)} { // others' duplicates are allowed
		_, err := s.Verify(nil, []byte(payload("Completed", jobA, metadata)))
		require.NoError(t, err, metadata)
	}
}

func TestSecretTravelsWithSubmissions(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newAPISite(t, nil)
		job := s.submit(reducto.Async{Metadata: map[string]any{"user_id": "123", "big": json.Number("12345678901234567890")}})
		time.Sleep(time.Second)
		assert.JSONEq(t, `{"big":12345678901234567890,"user_id":"123","secret":"`+testSecret+`","submission_id":"`+job.SubmissionID+`"}`, string(s.srv.Jobs()[0].Metadata))
		require.Equal(t, 1, s.f.count())
		d := s.f.last()
		assert.Equal(t, []string{job.JobID, job.SubmissionID, "current"}, []string{d.JobID, d.SubmissionID, d.KeyID})
		assert.JSONEq(t, `{"user_id":"123","big":12345678901234567890}`, string(d.Metadata), "the reserved members are removed")

		s.submit(reducto.Async{})
		time.Sleep(time.Second)
		require.Equal(t, 2, s.f.count())
		assert.Nil(t, s.f.last().Metadata)

		submit(t, s.client, reducto.Async{Metadata: []int{1}})
		assert.JSONEq(t, `[1]`, string(s.srv.Jobs()[2].Metadata), "without a webhook nothing is added")
		synctest.Wait()

		for _, reserved := range []string{"submission_id", "secret"} {
			_, err := s.client.ParseAsync(t.Context(), reducto.ParseRequest{
				Input: reducto.URL("https://example.com/a.pdf"),
				Async: reducto.Async{Webhook: reducto.DirectWebhook(s.hook), Metadata: map[string]any{reserved: "mine"}},
			})
			require.Error(t, err)
			assert.NotContains(t, err.Error(), canary)
		}
	})
}

// FuzzSecretVerify checks that a body without the secret is not accepted.
func FuzzSecretVerify(f *testing.F) {
	secret := newSecret(f, testSecret, oldSecret)
	for _, body := range verifySeeds() {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkVerify(t, secret, body) })
}

// verifySeeds are bodies with and without the secret. Those of the parser are in
// internal/body.
func verifySeeds() []string {
	bodies := []string{
		``, `null`, `[]`, `{}`, `{"a":1,}`, genuine(jobA) + "{}", "\xef\xbb\xbf" + genuine(jobA), genuine("../cancel/x"),
		`{"STATUS":"Completed","status":"Failed","job_id":"a","metadata":` + signed() + `}`,
		`{"\u006aob_id":"a","status":"\u0046ailed","new":{"a":[1]},"metadata":` + signed() + `}`,
	}
	for _, metadata := range []string{
		`null`, `[]`, `"` + testSecret + `"`, signed(), signed(`"submission_id":"`+submissionID+`"`, `"user":"123"`), signed(`"secret":"x"`), signed(`"n":1e400`),
		`{"Secret":"` + testSecret + `"}`, `{"\u0073ecret":"\u0063` + testSecret[1:] + `"}`, `{"secret":17}`, `{"secret":"` + oldSecret + `"}`,
		`{"secret":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, "{\"\xff\":1,\"secret\":\"" + testSecret + "\"}",
	} {
		bodies = append(bodies, payload("Completed", jobA, metadata))
	}
	return bodies
}

// Scenario 64: FuzzSecretVerify in short, on bodies that are mutated from the seeds.
func TestSecretRefusesMutatedBodies(t *testing.T) {
	t.Parallel()
	secret := newSecret(t, testSecret, oldSecret)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 64))
	all := verifySeeds()
	const alphabet = "{}[]\",:\\u0123456789secrtjob_idmaCF \x00\xff\n"
	for range 20_000 {
		body := []byte(all[random.IntN(len(all))])
		for range 1 + random.IntN(4) {
			at := random.IntN(len(body) + 1)
			switch random.IntN(3) {
			case 0: // insert
				body = slices.Insert(body, at, alphabet[random.IntN(len(alphabet))])
			case 1: // cut
				body = slices.Delete(body, at, min(len(body), at+random.IntN(8)))
			case 2: // splice in a piece of another
				other := all[random.IntN(len(all))]
				from := random.IntN(len(other) + 1)
				body = slices.Insert(body, at, []byte(other[from:min(len(other), from+random.IntN(40))])...)
			}
		}
		checkVerify(t, secret, body)
		if t.Failed() {
			t.Fatalf("%q", body)
		}
	}
}

// checkVerify checks what holds for every body: Verify does not panic, accepts
// nothing without the secret, and its errors do not repeat the body.
func checkVerify(t *testing.T, secret *webhook.Secret, body []byte) {
	t.Helper()
	e, err := secret.Verify(nil, body)
	if err != nil {
		if !reflect.ValueOf(e).IsZero() {
			t.Errorf("an event beside an error: %v", e)
		}
		require.NotContains(t, err.Error(), canary)
		return
	}
	var read struct { // numbers in it may be larger than any type of Go's holds
		Metadata map[string]json.RawMessage `json:"metadata"`
	}
	require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(string(body), "\xef\xbb\xbf")), &read))
	var given string
	require.NoError(t, json.Unmarshal(read.Metadata["secret"], &given))
	require.Equal(t, map[string]string{testSecret: "current", oldSecret: "previous-1"}[given], e.KeyID, "%q", body)
	require.NotEmpty(t, e.KeyID)
	var left map[string]json.RawMessage
	require.NoError(t, e.DecodeMetadata(&left))
	require.NotContains(t, left, "secret")
}
