package webhook_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

func TestNewTestRequestIsVerified(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		v, other webhook.Verifier
		kid      string
	}{
		"Secret": {newSecret(t, testSecret), newSecret(t, oldSecret), "current"},
		"Signer": {newSigner(t, "k1", "k2"), newSigner(t, "k9"), "k1"},
		"Svix":   {newSvix(t, svixKey, oldSvixKey), newSvix(t, oldSvixKey[:20]), "current"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSiteWith(t, tt.v, nil)
			metadata := map[string]any{"submission_id": submissionID, "order": 17}
			r := webhook.NewTestRequest("https://app.test/webhook", tt.v, jobA, reducto.JobStatusFailed, metadata)
			assert.Equal(t, http.MethodPost, r.Method)
			answers(t, s, 200, r)
			require.Equal(t, 1, s.f.count())
			assert.Equal(t, webhook.Event{
				JobID: jobA, Status: "Failed", SubmissionID: submissionID, KeyID: tt.kid, Metadata: []byte(`{"order":17}`),
			}, s.f.last().Event)
			assert.Len(t, metadata, 2, "the caller's map is unchanged")
			answers(t, s, 200, webhook.NewTestRequest("/", tt.v, jobB, reducto.JobStatusCompleted, nil))
			for _, v := range []webhook.Verifier{nil, tt.other} {
				answers(t, s, 401, webhook.NewTestRequest("/", v, jobA, reducto.JobStatusCompleted, metadata))
			}
		})
	}
}

func TestNewTestRequestPanicsOnMistakes(t *testing.T) {
	t.Parallel()
	secret := newSecret(t, testSecret)
	for _, v := range []webhook.Verifier{new(webhook.Secret), new(webhook.Signer), new(webhook.Svix), struct{ webhook.Verifier }{secret}} {
		assert.Panics(t, func() { webhook.NewTestRequest("/", v, jobA, "", nil) })
	}
	assert.Panics(t, func() { webhook.NewTestRequest("/", secret, jobA, "", map[string]any{"f": func() {}}) })
	assert.Panics(t, func() { webhook.NewTestRequest("://", secret, jobA, "", nil) })
}
