package webhook_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// The scenarios are those of the specification of the receiving side, by number.

func TestScenario01_NoSecretConfigured(t *testing.T) {
	t.Parallel()
	for _, current := range []string{"", " ", "\t\n  ", strings.Repeat(" ", 32)} {
		s, err := webhook.NewSecret(current)
		require.Error(t, err, "%q", current)
		require.Nil(t, s)
		refused := new(reducto.RequestError)
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "webhook.NewSecret", refused.Op)
	}

	var none *webhook.Secret
	for name, v := range map[string]webhook.Verifier{"nil": nil, "nil pointer": none, "zero value": new(webhook.Secret)} {
		h, err := webhook.NewHandler(v, nothing)
		require.Error(t, err, name)
		assert.Nil(t, h, name)
	}

	// Whoever ignores the error gets a verifier that refuses everything.
	_, err := none.Verify(nil, []byte(payload("Completed", jobA, `{"secret":""}`)))
	require.ErrorIs(t, err, webhook.ErrUnauthorized)
	_, err = new(webhook.Secret).Verify(nil, []byte(payload("Completed", jobA, `{"secret":""}`)))
	require.ErrorIs(t, err, webhook.ErrUnauthorized)
}

func TestScenario02_WrongSecret(t *testing.T) {
	t.Parallel()
	var f counter
	h := newHandler(t, f.process)
	var answers []*httptest.ResponseRecorder
	forged := []string{
		payload("Completed", jobA, `{"secret":"somebody else's secret"}`),
		payload("Completed", jobA, `{}`),
		payload("Completed", jobA, `null`),
		`{"status":"Completed","job_id":"` + jobA + `"}`,
		payload("Completed", jobA, `{"secret":"v1.k1.0199a0b4.1.expired"}`),
	}
	for _, body := range forged {
		w := post(h, body)
		requireAnswer(t, w, http.StatusUnauthorized)
		answers = append(answers, w)
	}
	for _, w := range answers {
		assert.Equal(t, answers[0].Body.String(), w.Body.String())
		assert.Equal(t, answers[0].Header(), w.Header(), "the headers tell nothing either")
	}
	assert.Equal(t, 0, f.count())
	assert.Equal(t, webhook.Stats{Unauthorized: uint64(len(forged))}, h.Stats(), "the memory is untouched")

	// The victim's job is not burnt.
	requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
	assert.Equal(t, 1, f.count())
}

// Written so that an inverted comparison, one that stops early and one of a
// prefix fail it.
func TestScenario03_SecretsThatAreNearlyRight(t *testing.T) {
	t.Parallel()
	s := newSecret(t, testSecret)
	near := map[string]string{
		"empty":          "",
		"twice":          testSecret + testSecret,
		"upper case":     strings.ToUpper(testSecret),
		"NUL behind":     testSecret + "\x00",
		"NULs to 64":     testSecret + strings.Repeat("\x00", 64-len(testSecret)),
		"NUL before":     "\x00" + testSecret,
		"space behind":   testSecret + " ",
		"line behind":    testSecret + "\n",
		"space before":   " " + testSecret,
		"the hash":       fmt.Sprintf("%x", sha256.Sum256([]byte(testSecret))),
		"the raw hash":   func() string { h := sha256.Sum256([]byte(testSecret)); return string(h[:]) }(),
		"long":           strings.Repeat("a", 100_000),
		"another":        oldSecret,
		"reversed":       func() string { b := []byte(testSecret); slices.Reverse(b); return string(b) }(),
		"the mark":       "[redacted]",
		"the kid":        "current",
		"quoted":         `"` + testSecret + `"`,
		"same length":    strings.Repeat("x", len(testSecret)),
		"surrogate half": testSecret[:len(testSecret)-1] + "\xed\xa0\x80",
	}
	for n := range len(testSecret) {
		near[fmt.Sprintf("prefix %d", n)] = testSecret[:n]
		near[fmt.Sprintf("suffix %d", n)] = testSecret[n+1:]
		b := []byte(testSecret)
		b[n] ^= 1
		near[fmt.Sprintf("byte %d", n)] = string(b)
		near[fmt.Sprintf("NUL from %d", n)] = testSecret[:n] + strings.Repeat("\x00", len(testSecret)-n)
	}
	for name, candidate := range near {
		e, err := s.Verify(nil, []byte(payload("Completed", jobA, `{"secret":`+quote(candidate)+`}`)))
		require.ErrorIs(t, err, webhook.ErrWrongSecret, name)
		require.ErrorIs(t, err, webhook.ErrUnauthorized, name)
		require.NotErrorIs(t, err, webhook.ErrNoSecret, name)
		require.Zero(t, e, name)
	}

	e, err := s.Verify(nil, []byte(genuine(jobA)))
	require.NoError(t, err)
	assert.Equal(t, webhook.Event{JobID: jobA, Status: reducto.JobStatusCompleted, KeyID: "current"}, e)

	// The same text in another notation of JSON is the same secret.
	var escaped strings.Builder
	for _, r := range testSecret {
		fmt.Fprintf(&escaped, `\u%04x`, r)
	}
	_, err = s.Verify(nil, []byte(payload("Completed", jobA, `{"secret":"`+escaped.String()+`"}`)))
	require.NoError(t, err)
	_, err = s.Verify(nil, []byte(payload("Completed", jobA, `{"\u0073ecret":"`+testSecret+`"}`)))
	require.NoError(t, err)
}

func TestScenario04_Rotation(t *testing.T) {
	t.Parallel()
	const oldest = canary + "oldest-000000000000"
	kid := func(s *webhook.Secret, secret string) string {
		e, err := s.Verify(nil, []byte(payload("Failed", jobA, `{"secret":"`+secret+`"}`)))
		if err != nil {
			require.ErrorIs(t, err, webhook.ErrWrongSecret)
			return ""
		}
		return e.KeyID
	}
	three := newSecret(t, testSecret, oldSecret, oldest)
	assert.Equal(t, "current", kid(three, testSecret))
	assert.Equal(t, "previous-1", kid(three, oldSecret))
	assert.Equal(t, "previous-2", kid(three, oldest))

	one := newSecret(t, testSecret)
	assert.Equal(t, "current", kid(one, testSecret))
	assert.Empty(t, kid(one, oldSecret), "a secret that was removed")

	var f counter
	h := newHandler(t, f.process)
	requireAnswer(t, post(h, payload("Completed", jobA, `{"secret":"`+oldSecret+`"}`)), http.StatusOK)
	assert.Equal(t, "previous-1", f.last().KeyID)
	requireAnswer(t, post(h, payload("Completed", jobB, `{"secret":"`+oldest+`"}`)), http.StatusUnauthorized)
}

func TestScenario05_MetadataOfEveryForm(t *testing.T) { // not parallel: it measures
	var f counter
	h := newHandler(t, f.process)
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	blob := `"blob":"` + strings.Repeat("x", 900<<10) + `"`

	for _, tt := range []struct {
		name, metadata string
		want           int
	}{
		{"null", `null`, 401},
		{"string", `"secret"`, 401},
		{"the secret itself", quote(testSecret), 401},
		{"number", `17`, 401},
		{"true", `true`, 401},
		{"array", `[]`, 401},
		{"array with the object", `[` + signed() + `]`, 401},
		{"empty object", `{}`, 401},
		{"secret further in", `{"a":` + signed() + `}`, 401},
		{"nested 9 998 deep", signed(`"x":` + nested(9_998)), 200},
		{"nested 9 999 deep", signed(`"x":` + nested(9_999)), 400},
		{"nested 9 999 deep, no object", nested(9_999), 401},
		{"nested 10 000 deep, no object", nested(10_000), 400},
		{"nested 500 000 deep", nested(500_000), 400},
		{"unbalanced", strings.Repeat("[", 500_000), 400},
		{"900 KiB", signed(blob), 200},
		{"900 KiB, no secret", `{` + blob + `}`, 401},
		{"100 000 members", "{" + strings.Repeat(`"a":1,`, 100_000) + `"secret":"` + testSecret + `"}`, 200},
	} {
		job := fmt.Sprintf("job_%x", sha256.Sum256([]byte(tt.name)))
		body := payload("Completed", job, tt.metadata)
		used := allocated(func() { requireAnswer(t, post(h, body), tt.want) })
		assert.Less(t, used, uint64(16<<20), "%s: bytes allocated", tt.name)
	}
	requireAnswer(t, post(h, `{"status":"Completed","job_id":"`+jobA+`"}`), http.StatusUnauthorized)
	assert.Equal(t, 3, f.count())
}

// allocated is how many bytes f allocates, if nothing runs beside it.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestScenario06_SecretIsNoString(t *testing.T) {
	t.Parallel()
	s := newSecret(t, testSecret)
	for _, value := range []string{`0`, `1e3`, `null`, `true`, `[]`, `["` + testSecret + `"]`, `{}`, `{"secret":"` + testSecret + `"}`} {
		_, err := s.Verify(nil, []byte(payload("Completed", jobA, `{"secret":`+value+`}`)))
		require.ErrorIs(t, err, webhook.ErrNoSecret, value)
		require.ErrorIs(t, err, webhook.ErrUnauthorized, value)
	}
}

func TestScenario07_SecretUnderAnotherNameOrTwice(t *testing.T) {
	t.Parallel()
	s := newSecret(t, testSecret)
	right := `"` + testSecret + `"`
	for _, metadata := range []string{
		`{"Secret":` + right + `}`,
		`{"SECRET":` + right + `}`,
		`{"` + "\u017f" + `ecret":` + right + `}`, // folds to an s
		`{" secret":` + right + `}`,
		`{"secret ":` + right + `}`,
		`{"secret\u0000":` + right + `}`,
		`{"secret":` + right + `,"secret":` + right + `}`,
		`{"secret":"wrong","secret":` + right + `}`,
		`{"secret":` + right + `,"secret":null}`,
		`{"secret":` + right + `,"\u0073ecret":` + right + `}`,
		`{"secret":` + right + `,"secret":` + right + `,"secret":` + right + `}`,
	} {
		_, err := s.Verify(nil, []byte(payload("Completed", jobA, metadata)))
		require.ErrorIs(t, err, webhook.ErrNoSecret, metadata)
	}
	for _, metadata := range []string{
		signed(`"Secret":"wrong"`),
		signed(`"user":1`, `"user":2`), // others' duplicates are their business
	} {
		_, err := s.Verify(nil, []byte(payload("Completed", jobA, metadata)))
		require.NoError(t, err, metadata)
	}
}

func TestScenario10_FloodOfForgeries(t *testing.T) { // not parallel: it measures
	const forgeries, workers = 10_000, 8
	var f counter
	h := newHandler(t, f.process, webhook.WithLogger(newLogBook(t).logger()))
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what pools keep goes with the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	post(h, payload("Completed", jobB, `{"secret":"wrong"}`))
	before := heap()

	var flood sync.WaitGroup
	for worker := range workers {
		flood.Go(func() {
			for i := range forgeries / workers {
				job := fmt.Sprintf("job-%d-%d", worker, i)
				r := request(payload("Completed", job, `{"secret":"wrong"}`))
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				assert.Equal(t, http.StatusUnauthorized, w.Code)
			}
		})
	}
	var slowest []time.Duration
	for i := range 200 {
		began := time.Now()
		requireAnswer(t, post(h, genuine(fmt.Sprintf("genuine-%d", i))), http.StatusOK)
		slowest = append(slowest, time.Since(began))
	}
	flood.Wait()
	slices.Sort(slowest)
	assert.Less(t, slowest[len(slowest)*99/100], 4*time.Second, "the budget for an answer")

	stats := h.Stats()
	assert.EqualValues(t, forgeries+1, stats.Unauthorized)
	assert.Equal(t, 200, f.count())
	assert.Equal(t, 200, stats.Remembered)
	// What is kept stays; what other tests have left behind goes.
	assert.Eventually(t, func() bool { return int64(heap())-int64(before) < 1<<20 },
		10*time.Second, 10*time.Millisecond, "more than 1 MB is kept")
	assert.LessOrEqual(t, bytes.Count([]byte(logged.String()), []byte("wrong secret")), 60, "records are rate limited")
}
