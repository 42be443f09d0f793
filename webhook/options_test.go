package webhook_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
)

func TestNewHandlerRefusesWrongConfiguration(t *testing.T) {
	t.Parallel()
	secret := newSecret(t, testSecret)
	for _, tt := range []struct {
		v     webhook.Verifier
		f     webhook.Func
		opts  []webhook.Option
		field string
		want  string
	}{ // the first five are scenario 1
		{nil, nothing, nil, "the verifier", "it is nil"},
		{(*webhook.Secret)(nil), nothing, nil, "the verifier", "nil *webhook.Secret"},
		{new(webhook.Secret), nothing, nil, "the verifier", "NewSecret"},
		{new(webhook.Signer), nothing, nil, "the verifier", "NewSigner"},
		{new(webhook.Svix), nothing, nil, "the verifier", "NewSvix"},
		{verifierFunc(nil), nothing, nil, "the verifier", "nil webhook_test.verifierFunc"},
		{secret, nil, nil, "the function", "it is nil"},
		{secret, nothing, []webhook.Option{nil}, "options", "an option is nil"},
		{secret, nothing, []webhook.Option{webhook.ReceiverOption(nil)}, "options", "an option is nil"},
		{secret, nothing, []webhook.Option{webhook.WithClient(nil)}, "options", "WithClient: the client is nil"},
		{secret, nothing, []webhook.Option{webhook.WithLogger(nil)}, "options", "WithLogger: the logger is nil"},
		{secret, nothing, []webhook.Option{webhook.WithMaxBodyBytes(0)}, "options", "WithMaxBodyBytes: 0 is not"},
		{secret, nothing, []webhook.Option{webhook.WithReadTimeout(-1)}, "options", "WithReadTimeout: -1ns is not"},
		{secret, nothing, []webhook.Option{webhook.WithRetryAfter(0)}, "options", "WithRetryAfter: 0s is not"},
		{secret, nothing, []webhook.Option{webhook.WithFuncTimeout(0)}, "options", "WithFuncTimeout: 0s is not"},
		{secret, nothing, []webhook.Option{webhook.WithDuplicateTimeout(-1)}, "options", "WithDuplicateTimeout: -1ns is negative"},
		{secret, nothing, []webhook.Option{webhook.WithDedupWindow(0)}, "options", "WithDedupWindow: 0s is not"},
		{secret, nothing, []webhook.Option{webhook.WithDedupSize(-2)}, "options", "WithDedupSize: -2 is not"},
	} {
		h, err := webhook.NewHandler(tt.v, tt.f, tt.opts...)
		assert.Nil(t, h)
		requireRefused(t, err, "webhook.NewHandler", tt.field, tt.want)
	}
}

func TestNewReceiverRefusesWrongConfiguration(t *testing.T) {
	t.Parallel()
	r, err := webhook.NewReceiver(nil)
	assert.Nil(t, r)
	requireRefused(t, err, "webhook.NewReceiver", "the verifier", "it is nil")
	_, err = webhook.NewReceiver(newSecret(t, testSecret), nil)
	requireRefused(t, err, "webhook.NewReceiver", "options", "an option is nil")
	_, err = webhook.NewReceiver(newSecret(t, testSecret), webhook.WithRequireJSON(), webhook.WithStrictJobIDs(), webhook.WithRetryAfter(time.Second))
	require.NoError(t, err)
}

// A Receiver has no function, and an Inbox no dedup window: the compiler refuses
// these options there.
func TestHandlerOptionsAreNoReceiverOptions(t *testing.T) {
	t.Parallel()
	receiver := reflect.TypeFor[webhook.ReceiverOption]()
	assert.True(t, receiver.Implements(reflect.TypeFor[webhook.Option]()))
	for _, opt := range []webhook.Option{
		webhook.WithClient(nil), webhook.WithoutRefetch(), webhook.WithFuncTimeout(1),
		webhook.WithDuplicateTimeout(1), webhook.WithDedupWindow(1), webhook.WithDedupSize(1),
	} {
		assert.NotEqual(t, receiver, reflect.TypeOf(opt))
	}
}
