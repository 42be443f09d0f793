package webhook_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

func TestPermanentKeepsTheError(t *testing.T) {
	t.Parallel()
	require.NoError(t, webhook.Permanent(nil))
	assert.False(t, webhook.IsPermanent(nil))
	assert.False(t, webhook.IsPermanent(io.EOF))
	err := webhook.Permanent(fmt.Errorf("reading: %w", io.EOF))
	assert.True(t, webhook.IsPermanent(err))
	assert.True(t, webhook.IsPermanent(fmt.Errorf("more: %w", err)))
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, "reading: EOF", err.Error())
	refused := new(reducto.RequestError)
	require.ErrorAs(t, webhook.Permanent(&reducto.RequestError{Op: "x"}), &refused)
}

// RefusalReason's values are labels of metrics, so there are few (scenario 62).
func TestRefusalReasonIsOneOfFewLabels(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		webhook.ErrNoSecret:         "no_secret",
		webhook.ErrWrongSecret:      "wrong_secret",
		webhook.ErrExpiredToken:     "expired_token",
		webhook.ErrUnknownKey:       "unknown_key",
		webhook.ErrNoSignature:      "no_signature",
		webhook.ErrBadSignature:     "bad_signature",
		webhook.ErrTimestamp:        "timestamp",
		webhook.ErrUnauthorized:     "other",
		io.EOF:                      "other",
		fmt.Errorf("%s", "a\nline"): "other",
	} {
		assert.Equal(t, want, webhook.RefusalReason(err))
		assert.Equal(t, want, webhook.RefusalReason(fmt.Errorf("more: %w", err)))
	}
	assert.Equal(t, "other", webhook.RefusalReason(nil))
}
