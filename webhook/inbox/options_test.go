package inbox_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

func TestNewRefusesWrongArguments(t *testing.T) {
	t.Parallel()
	secret, err := webhook.NewSecret(Secret)
	require.NoError(t, err)
	store := inbox.NewMemoryStore()
	var noStore *inbox.MemoryStore
	refused := func(want string, v webhook.Verifier, s inbox.Store, f webhook.Func, opts ...inbox.Option) {
		t.Helper()
		in, err := inbox.New(v, s, f, opts...)
		require.ErrorContains(t, err, want)
		assert.Nil(t, in)
		var wrong *reducto.RequestError
		require.ErrorAs(t, err, &wrong)
		assert.Equal(t, "inbox.New", wrong.Op)
	}
	refused("the verifier", nil, store, nothing)
	refused("the verifier", new(webhook.Secret), store, nothing)
	refused("the store: it is nil", secret, nil, nothing)
	refused("the store: it is nil", secret, noStore, nothing)
	refused("the function: it is nil", secret, store, nil)
	for want, opt := range map[string]inbox.Option{
		"an option is nil":                                  nil,
		"WithWorkers: 0 is not positive":                    inbox.WithWorkers(0),
		"WithLease: 999.999999ms is too short":              inbox.WithLease(time.Second - 1),
		"WithMinBackoff: 0s is not positive":                inbox.WithMinBackoff(0),
		"WithMaxBackoff: -1ns is not positive":              inbox.WithMaxBackoff(-1),
		"WithJobExpiry: 0s is not positive":                 inbox.WithJobExpiry(0),
		"WithGiveUpBefore: -1ns is negative":                inbox.WithGiveUpBefore(-1),
		"WithGiveUpBefore: 12h0m0s is not shorter than the": inbox.WithGiveUpBefore(inbox.DefaultJobExpiry),
		"WithDoneRetention: 0s is not positive":             inbox.WithDoneRetention(0),
		"WithDeadRetention: 0s is not positive":             inbox.WithDeadRetention(0),
		"WithIntakeTimeout: 0s is not positive":             inbox.WithIntakeTimeout(0),
		"WithStoreTimeout: -1s is not positive":             inbox.WithStoreTimeout(-time.Second),
		"WithHold: 0s is not positive":                      inbox.WithHold(0),
		"WithPollAfter: 0s is not positive":                 inbox.WithPollAfter(0),
		"WithPollRate: -1 is not positive":                  inbox.WithPollRate(-1),
		"WithClaimInterval: 0s is not positive":             inbox.WithClaimInterval(0),
		"WithShutdownTimeout: 0s is not positive":           inbox.WithShutdownTimeout(0),
		"WithFuncTimeout: 0s is not positive":               inbox.WithFuncTimeout(0),
		"WithTracer: the tracer is nil":                     inbox.WithTracer(nil),
		"WithObserver: the observer is nil":                 inbox.WithObserver(nil),
		"WithLogger: the logger is nil":                     inbox.WithLogger(nil),
		"WithMaxBodyBytes: 0 is not positive":               inbox.WithMaxBodyBytes(0),
		"WithRetryAfter: 0s is not positive":                inbox.WithRetryAfter(0),
		"WithReadTimeout: -1ns is not positive":             inbox.WithReadTimeout(-1),
	} {
		refused(want, secret, store, nothing, opt)
	}
	for _, opt := range []inbox.Option{
		inbox.WithWorkers(1), inbox.WithLease(time.Hour), inbox.WithMinBackoff(time.Hour), inbox.WithMaxBackoff(1), inbox.WithJobExpiry(24 * time.Hour),
		inbox.WithGiveUpBefore(0), inbox.WithHold(1), inbox.WithStoreTimeout(time.Hour), inbox.WithRequireJSON(), inbox.WithLogger(slog.Default()),
	} {
		_, err := inbox.New(secret, store, nothing, opt)
		require.NoError(t, err)
	}
}

func TestWithRequireJSONRefusesOtherContentTypes(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(nothing, inbox.WithRequireJSON(), inbox.WithRetryAfter(7*time.Second))
		assert.Equal(t, 415, Post(p, Genuine(JobA)))
	})
}
