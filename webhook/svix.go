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

// svixTolerance is by how much a delivery's time may differ from ours, both ways.
const svixTolerance = 5 * time.Minute

// maxSignatures bounds how many signatures of one delivery are looked at.
const maxSignatures = 32

// Svix verifies deliveries of the signed mode (reducto.SvixWebhook): headers
// svix-id, svix-timestamp and svix-signature, or the same of Standard Webhooks
// with webhook- in front. A delivery is accepted if one of its version 1 signatures
// fits one of the secrets, and its time is within five minutes of ours.
//
// As a reducto.SubmitHook it adds nothing. It prints, logs and marshals as
// "[redacted]".
// See https://docs.reducto.ai/workflows/svix-webhooks.
type Svix struct {
	kids []string
	keys []keyed
}

var (
	_ Verifier           = (*Svix)(nil)
	_ reducto.SubmitHook = (*Svix)(nil)
)

// NewSvix makes a Svix from the endpoint's secret, as the portal shows it
// ("whsec_" and base64), and those that it had before, while it is rotated. The
// error is a *reducto.RequestError and does not repeat them.
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
			return refuse("it is empty: is the variable set that it comes from?")
		}
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return refuse("it is not base64: copy the whole signing secret of the endpoint, whsec_…")
		}
		if len(key) < MinSecretLen {
			return refuse(fmt.Sprintf("it is shorter than %d bytes", MinSecretLen))
		}
		s.kids = append(s.kids, kid)
		s.keys = append(s.keys, newKeyed(key))
	}
	return s, nil
}

// Verify accepts a signed body.
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

// match looks for a signature that fits one of the secrets. It compares all with
// all, so that the time says nothing about which.
func (s *Svix) match(id, stamp, signatures string, body []byte) (kid string, ok bool) {
	for i, key := range s.keys {
		want := sign(key, id, stamp, body)
		if fits(&want, signatures) && !ok {
			kid, ok = s.kids[i], true
		}
	}
	return kid, ok
}

// fits reports whether one of the signatures, in the form of the header, is want.
// Texts are compared, so that there is no second spelling of the same bytes.
func fits(want *spelled, signatures string) bool {
	const version = "v1,"
	if len(signatures) == len(version)+len(want) && strings.HasPrefix(signatures, version) {
		return isSpelled(want, signatures[len(version):]) // one, as ever but while a secret is rotated
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

// isSpelled compares in a time that does not depend on the texts, which have the
// same length.
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

// svixHeaders takes one of the two spellings, never a mixture.
func svixHeaders(h http.Header) (id, stamp, signatures string) {
	if signatures = first(h["Svix-Signature"]); signatures != "" {
		return first(h["Svix-Id"]), first(h["Svix-Timestamp"]), signatures
	}
	return first(h["Webhook-Id"]), first(h["Webhook-Timestamp"]), first(h["Webhook-Signature"])
}

// first is the value of a header, of whose values there should be one.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func (s *Svix) check() error {
	if s == nil || len(s.keys) == 0 {
		return errors.New("the Svix holds nothing: make it with NewSvix")
	}
	return nil
}

// BeforeSubmit does nothing: the service signs. It implements reducto.SubmitHook.
func (s *Svix) BeforeSubmit(context.Context, *reducto.Submission) error { return nil }

// signBody does for NewTestRequest what the service does.
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
