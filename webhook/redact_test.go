package webhook_test

import (
	"context"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// shown returns v as people print and log it.
func shown(v any) string {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%08.3v"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	fmt.Fprintln(&b, v, []any{v}, map[string]any{"v": v}, struct{ V any }{v})
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).With("with", v).Info("record", "value", v, slog.Group("group", "v", v))
	}
	return b.String()
}

// printed returns v in every way that shows it, also those that read its fields.
func printed(v any) string {
	var b strings.Builder
	b.WriteString(shown(v))
	for _, verb := range []string{"%v", "%+v", "%#v", "%p", "%w"} { // %p and %w do not call Format
		fmt.Fprintf(&b, verb+verb+verb+"\n", v, struct{ v any }{v}, &struct{ v any }{v})
	}
	if raw, err := json.Marshal(v); err == nil {
		b.Write(raw)
	} else {
		fmt.Fprintln(&b, err)
	}
	slog.New(slog.NewJSONHandler(&b, nil)).Info("record", "struct", struct{ V any }{v})
	return b.String()
}

// leaks reports whether text contains a secret, also in hex or as a list of numbers.
func leaks(text, secret string) bool {
	numbers := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
	return strings.Contains(text, secret) || strings.Contains(text, numbers) ||
		strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", secret))
}

// Scenario 61.
func TestVerifiersPrintNoSecret(t *testing.T) {
	t.Parallel()
	secret, signer, svix := newSecret(t, testSecret, oldSecret), newSigner(t, "k1"), newSvix(t, svixKey)
	key := webhook.Key{ID: "k1", Secret: keyOf("k1")}
	text := base64.StdEncoding.EncodeToString(svixKey)
	var out strings.Builder
	for _, v := range []any{
		secret, *secret, &secret, []*webhook.Secret{secret}, map[string]webhook.Verifier{"k": secret}, struct{ s *webhook.Secret }{secret}, (*webhook.Secret)(nil),
		signer, *signer, []*webhook.Signer{signer}, struct{ s *webhook.Signer }{signer},
		svix, *svix, []*webhook.Svix{svix}, struct{ s *webhook.Svix }{svix},
	} {
		out.WriteString(printed(v))
	}
	for _, v := range []any{key, &key, []webhook.Key{key}, struct{ K webhook.Key }{key}, map[string]webhook.Key{"k": key}} {
		out.WriteString(shown(v))
		marshalled, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(marshalled)
	}
	for _, v := range []interface {
		encoding.TextMarshaler
		json.Marshaler
		slog.LogValuer
	}{secret, signer, svix} {
		for _, marshal := range []func() ([]byte, error){v.MarshalText, v.MarshalJSON} {
			text, err := marshal()
			require.NoError(t, err)
			assert.Equal(t, "[redacted]", strings.Trim(string(text), `"`))
		}
		assert.Equal(t, slog.StringValue("[redacted]"), v.LogValue())
		assert.Regexp(t, `^webhook\.(Secret|Signer|Svix)\(\[redacted\]\)$`, fmt.Sprintf("%#v", v))
	}
	assert.Equal(t, "webhook.Key(k1 [redacted])", fmt.Sprintf("%+v", key))

	for i, verify := range []func() (webhook.Event, error){
		func() (webhook.Event, error) { return secret.Verify(nil, []byte(`{"`+testSecret+`":1}`)) },
		func() (webhook.Event, error) {
			return secret.Verify(nil, []byte(payload("Completed", jobA, `{"secret":"`+canary+`"}`)))
		},
		func() (webhook.Event, error) { return signer.Verify(nil, withToken(string(keyOf("k1")))) },
		func() (webhook.Event, error) {
			return svix.Verify(http.Header{"Svix-Signature": {text}, "Svix-Id": {text}, "Svix-Timestamp": {text}}, []byte(text))
		},
	} {
		_, err := verify()
		require.Error(t, err, i)
		out.WriteString(printed(err))
	}
	for _, s := range []string{canary, testSecret, oldSecret, string(keyOf("k1")), text} {
		assert.False(t, leaks(out.String(), s), "%q is in the output", s)
	}
	assert.True(t, leaks(printed([]byte(canary)), canary), "the search finds what it is to find")
}

// Scenario 61.
func TestHandlerPrintsNeitherSecretsNorMetadata(t *testing.T) {
	const personal = "Jane Doe, 1 Main Street"
	virtual(t, func(t *testing.T) {
		var out, text strings.Builder
		see := func(values ...any) {
			for _, v := range values {
				out.WriteString(printed(v))
				text.WriteString(shown(v))
			}
		}
		s := newAPISite(t, func(_ context.Context, d *webhook.Delivery) error {
			see(d, *d, d.Event, &d.Event)
			metadata := map[string]any{}
			assert.NoError(t, d.DecodeMetadata(&metadata))
			assert.Equal(t, map[string]any{"name": personal}, metadata)
			see(d.DecodeMetadata(new(int)))
			switch d.Attempt {
			case 1:
				panic(fmt.Sprintf("%+v", d))
			case 2:
				return fmt.Errorf("not now: %+v", d)
			}
			return nil
		})
		s.srv.WebhookFault(reductotest.Combine(
			reductotest.ForgeBefore(reductotest.Forgery{Secret: "wrong-" + canary}),
			reductotest.ForgeBefore(reductotest.Forgery{Body: []byte(testSecret)}),
			reductotest.ForgeBefore(reductotest.Forgery{Body: []byte(`{"status":"` + testSecret + `\n","job_id":"` + testSecret + `/","metadata":1}`)}),
			reductotest.ForgeBefore(reductotest.Forgery{Body: []byte(`{"` + testSecret + `":1,"` + testSecret + `":2}`)}),
			reductotest.AlsoFailed(),
		))
		job := s.submit(reducto.Async{Metadata: map[string]any{"name": personal}})
		time.Sleep(time.Minute)
		assert.Equal(t, 3, s.f.count())
		for _, d := range s.srv.Deliveries(job.JobID) {
			out.Write(d.Answer)
			if !d.Forged {
				assert.Contains(t, string(d.Body), testSecret, "the canary was there")
			}
		}
		s.flush()
		see(s.Stats(), s.Handler, fmt.Sprint(s.Handler))
		require.NotEmpty(t, s.log.records(t, slog.LevelError, "panicked"))
		require.NotEmpty(t, s.log.records(t, slog.LevelWarn, "failed"))
		out.WriteString(s.log.String())
		text.WriteString(s.log.String())
		for _, secret := range []string{canary, testSecret} {
			assert.False(t, leaks(out.String(), secret), "%q is in the output", secret)
		}
		assert.False(t, leaks(text.String(), personal), "the metadata is in the output")
		assert.Contains(t, out.String(), personal, "a user who marshals a delivery keeps its metadata")
	})
}
