package webhook_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
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

func TestNewSecretRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		secrets []string
		field   string
		reason  string
	}{
		{[]string{""}, "current", "empty"},
		{[]string{"\n\n"}, "current", "white space"},
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
		require.Error(t, err)
		assert.Nil(t, s)
		refused := new(reducto.RequestError)
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, tt.field, refused.Field)
		assert.Contains(t, refused.Reason, tt.reason)
	}
	for _, s := range []string{
		strings.Repeat("x", 16), strings.Repeat("x", 1024), `with "quotes" <and> & \ escapes`, "with a new\nline in it", "schlüssel-日本-🔑", "with\x00NUL and so on",
	} {
		secret := newSecret(t, s)
		e, err := secret.Verify(nil, []byte(payload("Completed", jobA, `{"secret":`+quote(s)+`}`)))
		require.NoError(t, err, "%q", s)
		assert.Equal(t, "current", e.KeyID)
	}
}

func TestSecretShowsNothing(t *testing.T) {
	t.Parallel()
	s := newSecret(t, testSecret)
	assert.Equal(t, "webhook.Secret([redacted])", fmt.Sprint(s))
	assert.Equal(t, "webhook.Secret([redacted])", fmt.Sprintf("%#v", s))
	raw, err := json.Marshal(map[string]any{"s": s})
	require.NoError(t, err)
	assert.JSONEq(t, `{"s":"[redacted]"}`, string(raw))
	raw, err = json.Marshal(map[*webhook.Secret]int{s: 1}) // as a key, by MarshalText
	require.NoError(t, err)
	assert.JSONEq(t, `{"[redacted]":1}`, string(raw))
	assert.Equal(t, "[redacted]", s.LogValue().String())
	assert.Equal(t, slog.KindString, s.LogValue().Kind())

	var none *webhook.Secret
	assert.NotPanics(t, func() { _ = printed(none) })
}

func TestSecretAsSubmitHook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		secret := newSecret(t, testSecret, oldSecret)
		client := srv.Client(reducto.WithSubmitHook(secret))
		var f counter
		h := newHandler(t, f.process, webhook.WithClient(client))
		hook := srv.Mount("/webhook", h)
		sent := func(job *reducto.Handle[*reducto.ParseResult]) string {
			for _, j := range srv.Jobs() {
				if j.ID == job.JobID {
					return string(j.Metadata)
				}
			}
			return ""
		}

		// With a webhook, the secret and the id travel there and back, and are stripped.
		job := submit(t, client, reducto.Async{
			Webhook:  reducto.DirectWebhook(hook),
			Metadata: map[string]any{"user_id": "123", "big": json.Number("12345678901234567890")},
		})
		time.Sleep(time.Second)
		assert.JSONEq(t, `{"big":12345678901234567890,"user_id":"123","secret":"`+testSecret+`","submission_id":"`+job.SubmissionID+`"}`, sent(job))
		require.Equal(t, 1, f.count())
		d := f.last()
		assert.Equal(t, job.JobID, d.JobID)
		assert.Equal(t, job.SubmissionID, d.SubmissionID)
		assert.Equal(t, "current", d.KeyID)
		assert.JSONEq(t, `{"user_id":"123","big":12345678901234567890}`, string(d.Metadata))
		var metadata struct {
			UserID string `json:"user_id"`
		}
		require.NoError(t, d.DecodeMetadata(&metadata))
		assert.Equal(t, "123", metadata.UserID)

		// Without metadata of the user's there is none to see.
		submit(t, client, reducto.Async{Webhook: reducto.DirectWebhook(hook)})
		time.Sleep(time.Second)
		require.Equal(t, 2, f.count())
		assert.Nil(t, f.last().Metadata)
		metadata.UserID = "untouched"
		require.NoError(t, f.last().DecodeMetadata(&metadata))
		assert.Equal(t, "untouched", metadata.UserID)

		// Without a webhook it adds nothing.
		job = submit(t, client, reducto.Async{Metadata: []int{1}})
		assert.JSONEq(t, `[1]`, sent(job))

		// What belongs to this library cannot be given.
		_, err := client.ParseAsync(t.Context(), reducto.ParseRequest{
			Input: reducto.URL("https://example.com/a.pdf"),
			Async: reducto.Async{Webhook: reducto.DirectWebhook(hook), Metadata: map[string]any{"submission_id": "mine"}},
		})
		require.Error(t, err)
		assert.NotContains(t, err.Error(), testSecret)

		// A Secret that nobody made refuses.
		for _, s := range []*webhook.Secret{nil, new(webhook.Secret)} {
			require.Error(t, s.BeforeSubmit(t.Context(), new(reducto.Submission)))
			s.AfterSubmit(t.Context(), nil, reducto.SubmitResult{})
		}
	})
}

func TestNewTestRequest(t *testing.T) {
	t.Parallel()
	secret := newSecret(t, testSecret)
	var f counter
	h := newHandler(t, f.process)
	metadata := map[string]any{"user_id": "123", "submission_id": "s-1"}
	r := webhook.NewTestRequest("https://app.test/webhook", secret, jobA, reducto.JobStatusFailed, metadata)
	assert.Equal(t, http.MethodPost, r.Method)
	requireAnswer(t, serveRequest(h, r), http.StatusOK)
	assert.Equal(t, webhook.Event{
		JobID: jobA, Status: reducto.JobStatusFailed, SubmissionID: "s-1", KeyID: "current",
		Metadata: json.RawMessage(`{"user_id":"123"}`),
	}, f.last().Event)
	assert.Equal(t, map[string]any{"user_id": "123", "submission_id": "s-1"}, metadata, "the caller's map is left alone")

	requireAnswer(t, serveRequest(h, webhook.NewTestRequest("/", secret, jobB, reducto.JobStatusCompleted, nil)), http.StatusOK)
	requireAnswer(t, serveRequest(h, webhook.NewTestRequest("/", nil, jobB, reducto.JobStatusCompleted, nil)), http.StatusUnauthorized)
	other := newSecret(t, canary+"somebody-else-0000")
	requireAnswer(t, serveRequest(h, webhook.NewTestRequest("/", other, jobB, reducto.JobStatusCompleted, metadata)), http.StatusUnauthorized)

	assert.Panics(t, func() { webhook.NewTestRequest("/", new(webhook.Secret), jobA, "", nil) })
	assert.Panics(t, func() { webhook.NewTestRequest("/", secret, jobA, "", map[string]any{"f": func() {}}) })
	assert.Panics(t, func() { webhook.NewTestRequest("://", secret, jobA, "", nil) })
	assert.Panics(t, func() { webhook.NewTestRequest("/", struct{ webhook.Verifier }{secret}, jobA, "", nil) })
}
