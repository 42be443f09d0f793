package webhook

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/redact"
	"github.com/reducto-go/reducto/webhook/internal/body"
)

// svixTolerance is how much the timestamp of a delivery may differ from our clock.
const svixTolerance = 5 * time.Minute

// maxSignatures is how many signatures of a delivery are compared.
const maxSignatures = 32

// Svix verifies the signatures of reducto.SvixWebhook. They are in the headers svix-id,
// svix-timestamp and svix-signature. Svix also accepts the names of Standard Webhooks,
// which begin with webhook-. See https://docs.reducto.ai/workflows/svix-webhooks.
//
// Svix accepts a delivery if a version 1 signature matches one of the secrets, and the
// timestamp is within five minutes of our clock. The signature covers the body as it
// was sent, including a byte order mark.
//
// Svix is a reducto.SubmitHook that adds nothing, so you can use it instead of a
// Signer. It is safe for concurrent use. It prints, logs and marshals as "[redacted]".
type Svix struct {
	kids []string
	keys []keyed
}

var (
	_ Verifier           = (*Svix)(nil)
	_ reducto.SubmitHook = (*Svix)(nil)
)

// NewSvix returns a Svix for the signing secret of the endpoint, as the portal shows it:
// "whsec_" and base64. During a rotation, give the old secrets as previous. The error
// is a *reducto.RequestError, and does not contain a secret.
func NewSvix(current string, previous ...string) (*Svix, error) {
	s := &Svix{}
	for i, text := range append([]string{current}, previous...) {
		kid := "current"
		if i > 0 {
			kid = fmt.Sprintf("previous-%d", i)
		}
		refuse := func(reason string) (*Svix, error) {
			return nil, &reducto.RequestError{Op: "webhook.NewSvix", Field: kid, Reason: reason}
		}
		encoded := strings.TrimPrefix(text, "whsec_")
		if strings.TrimSpace(encoded) == "" {
			return refuse("it is empty: set the environment variable that holds it")
		}
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return refuse("it is not base64: copy the endpoint's whole signing secret, whsec_…")
		}
		if len(key) < MinSecretLen {
			return refuse(fmt.Sprintf("it is shorter than %d bytes", MinSecretLen))
		}
		s.kids = append(s.kids, kid)
		s.keys = append(s.keys, newKeyed(key))
	}
	return s, nil
}

// Verify accepts a body that the headers sign.
func (s *Svix) Verify(h http.Header, text []byte) (Event, error) {
	return s.verifyAt(time.Now(), h, text)
}

func (s *Svix) verifyAt(now time.Time, h http.Header, text []byte) (Event, error) {
	if err := s.check(); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrNoSignature, err)
	}
	id, stamp, signatures := svixHeaders(h)
	if id == "" || stamp == "" || signatures == "" {
		return Event{}, ErrNoSignature
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return Event{}, ErrTimestamp
	}
	kid, ok := s.match(id, stamp, signatures, text)
	if !ok {
		return Event{}, ErrBadSignature
	}
	if at := time.Unix(seconds, 0); at.Before(now.Add(-svixTolerance)) || at.After(now.Add(svixTolerance)) {
		return Event{}, ErrTimestamp
	}
	var m body.Message
	if err := m.Parse(text); err != nil {
		return Event{}, err
	}
	return newEvent(&m, kid, m.Metadata.SubmissionID())
}

// match returns the id of the secret that a signature matches. It compares all secrets
// with all signatures, which hides which one matched.
func (s *Svix) match(id, stamp, signatures string, body []byte) (kid string, ok bool) {
	for i, key := range s.keys {
		want := sign(key, id, stamp, body)
		if fits(&want, signatures) && !ok {
			kid, ok = s.kids[i], true
		}
	}
	return kid, ok
}

// fits reports whether one of the signatures of the header is want. Comparing the
// text, and not decoded bytes, allows one spelling only.
func fits(want *spelled, signatures string) bool {
	const version = "v1,"
	if len(signatures) == len(version)+len(want) && strings.HasPrefix(signatures, version) {
		return isSpelled(want, signatures[len(version):]) // the usual case: one signature
	}
	found, looked := false, 0
	for signature := range strings.FieldsSeq(signatures) {
		given, isV1 := strings.CutPrefix(signature, version)
		if !isV1 || len(given) != len(want) {
			continue
		}
		if looked++; looked > maxSignatures {
			break
		}
		equal := isSpelled(want, given)
		found = found || equal
	}
	return found
}

// isSpelled compares two texts of the same length in constant time.
func isSpelled(want *spelled, given string) bool {
	var text spelled
	copy(text[:], given)
	return subtle.ConstantTimeCompare(text[:], want[:]) == 1
}

func sign(key keyed, id, stamp string, body []byte) spelled {
	k := key()
	k.scratch = append(append(append(append(k.scratch[:0], id...), '.'), stamp...), '.')
	_, _ = k.hash.Write(k.scratch)
	_, _ = k.hash.Write(body)
	return k.spell(base64.StdEncoding)
}

// svixHeaders returns the headers of one of the two spellings, never a mixture.
func svixHeaders(h http.Header) (id, stamp, signatures string) {
	if signatures = first(h["Svix-Signature"]); signatures != "" {
		return first(h["Svix-Id"]), first(h["Svix-Timestamp"]), signatures
	}
	return first(h["Webhook-Id"]), first(h["Webhook-Timestamp"]), first(h["Webhook-Signature"])
}

// first returns the first value, or "".
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func (s *Svix) check() error {
	if s == nil || len(s.keys) == 0 {
		return errors.New("the Svix is empty: make it with NewSvix")
	}
	return nil
}

// BeforeSubmit does nothing, as Reducto signs. It implements reducto.SubmitHook.
func (s *Svix) BeforeSubmit(context.Context, *reducto.Submission) error { return nil }

// signBody signs for NewTestRequest as Reducto does.
func (s *Svix) signBody(h http.Header, body []byte) error {
	if err := s.check(); err != nil {
		return err
	}
	id, stamp := "msg_"+rand.Text(), strconv.FormatInt(time.Now().Unix(), 10)
	h.Set("Svix-Id", id)
	h.Set("Svix-Timestamp", stamp)
	signature := sign(s.keys[0], id, stamp, body)
	h.Set("Svix-Signature", "v1,"+string(signature[:]))
	return nil
}

// AfterSubmit does nothing. It implements reducto.SubmitHook.
func (s *Svix) AfterSubmit(context.Context, *reducto.Submission, reducto.SubmitResult) {}

// Format prints "webhook.Svix([redacted])" with every verb.
func (s *Svix) Format(f fmt.State, _ rune) { redact.Print(f, "webhook.Svix") }

// LogValue logs "[redacted]".
func (s *Svix) LogValue() slog.Value { return slog.StringValue(redact.Mark) }

// MarshalJSON writes "[redacted]".
func (s *Svix) MarshalJSON() ([]byte, error) { return json.Marshal(redact.Mark) }

// MarshalText writes "[redacted]".
func (s *Svix) MarshalText() ([]byte, error) { return []byte(redact.Mark), nil }
