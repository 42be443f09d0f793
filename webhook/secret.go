package webhook

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/redact"
	"github.com/reducto-go/reducto/webhook/internal/body"
)

// Bounds of a webhook secret's length, in bytes.
const (
	// MinSecretLen is the shortest secret that NewSecret accepts. Use 32 random bytes
	// in hex, as openssl rand -hex 32 prints them.
	MinSecretLen = 16
	// MaxSecretLen is the longest secret that NewSecret accepts.
	MaxSecretLen = 1024
)

// Secret verifies direct webhooks by a secret in their metadata. Reducto documents this
// method. Give the same Secret to reducto.WithSubmitHook, which adds the secret to
// every submission with a webhook, and to NewHandler, which expects it in every
// delivery.
//
// A Secret proves only that the sender knows the secret. The body is not signed, so
// anyone who has seen one body can make others. Use https and WithClient.
//
// # Rotation
//
// Every process must accept a new secret before any process sends it. It must accept
// the old secret as long as jobs that carry it can end:
//
//  1. Deploy NewSecret(old, new): it sends old and accepts both.
//  2. Deploy NewSecret(new, old): it sends new and accepts both.
//  3. Wait until no delivery has carried old (Event.KeyID) for a day. A job of the
//     batch queue can take twelve hours.
//  4. Deploy NewSecret(new).
//
// A single process can begin with step 2.
//
// A Secret is safe for concurrent use. It prints, logs and marshals as "[redacted]".
type Secret struct {
	// These are closures because fmt does not call Format on unexported fields.
	match  func(candidate []byte) (kid string, ok bool)
	reveal func() string // returns the current secret
}

var (
	_ Verifier           = (*Secret)(nil)
	_ reducto.SubmitHook = (*Secret)(nil)
)

// NewSecret returns a Secret that sends current, and accepts current and previous. Each
// secret has 16 to 1024 bytes of valid UTF-8 without white space at its ends. No two
// may be equal. The error is a *reducto.RequestError, and does not contain a secret.
func NewSecret(current string, previous ...string) (*Secret, error) {
	kids := make([]string, 0, 1+len(previous))
	sums := make([][sha256.Size]byte, 0, 1+len(previous))
	seen := map[string]string{}
	for i, s := range append([]string{current}, previous...) {
		kid := "current"
		if i > 0 {
			kid = fmt.Sprintf("previous-%d", i)
		}
		reason := checkSecret(s)
		if first, twice := seen[s]; twice && reason == "" {
			reason = "it is the same as " + first
		}
		if reason != "" {
			return nil, &reducto.RequestError{Op: "webhook.NewSecret", Field: kid, Reason: reason}
		}
		seen[s] = kid
		kids = append(kids, kid)
		sums = append(sums, sha256.Sum256([]byte(s)))
	}
	return &Secret{
		match: func(candidate []byte) (string, bool) {
			// Comparing hashes hides the length, and comparing with every secret hides
			// which one matched.
			sum := sha256.Sum256(candidate)
			found, index := 0, 0
			for i := range sums {
				equal := subtle.ConstantTimeCompare(sum[:], sums[i][:])
				found |= equal
				index = subtle.ConstantTimeSelect(equal, i, index)
			}
			return kids[index], found == 1
		},
		reveal: func() string { return current },
	}, nil
}

// checkSecret returns what is wrong with a secret, or "".
func checkSecret(s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "it is empty or only white space: set the environment variable that holds it"
	case strings.TrimSpace(s) != s:
		return "it begins or ends with white space, such as the line end of a file: trim it"
	case !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError):
		return "it is not valid UTF-8, which JSON needs: encode it in hex or base64"
	case len(s) < MinSecretLen:
		return fmt.Sprintf("it is shorter than %d bytes and could be guessed: make one with openssl rand -hex 32", MinSecretLen)
	case len(s) > MaxSecretLen:
		return fmt.Sprintf("it is longer than %d bytes", MaxSecretLen)
	}
	return ""
}

// Verify accepts a body whose metadata has one of the secrets in its member "secret".
// The name must match exactly, occur once, and have a string. Verify ignores the
// headers.
func (s *Secret) Verify(_ http.Header, text []byte) (Event, error) {
	if err := s.check(); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrNoSecret, err)
	}
	var m body.Message
	if err := m.Parse(text); err != nil {
		return Event{}, err
	}
	candidate, ok := m.Metadata.Secret()
	if !ok {
		return Event{}, ErrNoSecret
	}
	kid, ok := s.match(candidate)
	if !ok {
		return Event{}, ErrWrongSecret
	}
	return newEvent(&m, kid, m.Metadata.SubmissionID())
}

// check returns an error for a Secret that NewSecret did not make.
func (s *Secret) check() error {
	if s == nil || s.match == nil {
		return errors.New("the Secret is empty: make it with NewSecret")
	}
	return nil
}

// BeforeSubmit adds the current secret and the submission's id to the metadata of a
// submission with a webhook. It implements reducto.SubmitHook.
func (s *Secret) BeforeSubmit(_ context.Context, sub *reducto.Submission) error {
	if err := s.check(); err != nil {
		return err
	}
	if !sub.Webhook.Enabled() {
		return nil
	}
	if err := sub.AddMetadata(reducto.MetadataSecret, s.reveal()); err != nil {
		return err
	}
	return sub.AddMetadata(reducto.MetadataSubmissionID, sub.ID)
}

// AfterSubmit does nothing. It implements reducto.SubmitHook.
func (s *Secret) AfterSubmit(context.Context, *reducto.Submission, reducto.SubmitResult) {}

// sign adds for NewTestRequest what BeforeSubmit adds.
func (s *Secret) sign(metadata map[string]any) error {
	if err := s.check(); err != nil {
		return err
	}
	metadata[reducto.MetadataSecret] = s.reveal()
	return nil
}

// Format prints "webhook.Secret([redacted])" with every verb.
func (s *Secret) Format(f fmt.State, _ rune) { redact.Print(f, "webhook.Secret") }

// LogValue logs "[redacted]".
func (s *Secret) LogValue() slog.Value { return slog.StringValue(redact.Mark) }

// MarshalJSON writes "[redacted]".
func (s *Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redact.Mark) }

// MarshalText writes "[redacted]".
func (s *Secret) MarshalText() ([]byte, error) { return []byte(redact.Mark), nil }
