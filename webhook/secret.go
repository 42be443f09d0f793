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
	// MinSecretLen is the shortest secret that NewSecret takes. 32 random bytes in
	// hex or base64 (openssl rand -hex 32) are a good one.
	MinSecretLen = 16
	// MaxSecretLen is the longest.
	MaxSecretLen = 1024
)

// Secret is the protection that Reducto documents for direct webhooks: a secret
// that every submission puts into its metadata, and that comes back in the
// webhook's body. It is both ends of it: given to reducto.WithSubmitHook it adds
// the secret to every submission that has a webhook, and as a Verifier it
// recognises the deliveries.
//
// It proves that the sender knows the secret, nothing more: the body is not
// signed, and whoever has seen one body can make others. Use https, and let the
// API confirm what a delivery says (WithClient).
//
// # Rotation
//
// Every process must accept a secret before any process sends it, and accept it
// until the last job that carries it has been announced:
//
//  1. NewSecret(old, new) everywhere: old is still sent, both are accepted.
//  2. NewSecret(new, old) everywhere: new is sent, both are accepted.
//  3. Wait until no delivery shows the old one any more (Event.KeyID): a job of
//     the batch lane can take twelve hours, so wait a day.
//  4. NewSecret(new) everywhere.
//
// A single process can begin with step 2.
//
// A Secret is safe for concurrent use. It prints, logs and marshals as
// "[redacted]".
type Secret struct {
	// fmt prints unexported fields without asking their Format method. It cannot
	// look into closures.
	match  func(candidate []byte) (kid string, ok bool)
	reveal func() string // the current secret
}

var (
	_ Verifier           = (*Secret)(nil)
	_ reducto.SubmitHook = (*Secret)(nil)
)

// NewSecret makes a Secret that sends current and accepts it and all previous
// ones, of which there may be none. Each must have 16 to 1024 bytes of valid UTF-8
// without leading or trailing white space, and none may be given twice. The error
// is a *reducto.RequestError and does not repeat them.
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
			// Hashes make the comparison independent of lengths, and every secret is
			// compared, so that the time says nothing about which one was near.
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

// checkSecret says what is wrong with a secret, or "".
func checkSecret(s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "it is empty, or nothing but white space: is the variable set that it comes from?"
	case strings.TrimSpace(s) != s:
		return "it begins or ends with white space (a line end from a file?): trim it"
	case !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError):
		return "it is not valid UTF-8, and would not survive JSON: encode it in hex or base64"
	case len(s) < MinSecretLen:
		return fmt.Sprintf("it is shorter than %d bytes, and could be guessed: make one with openssl rand -hex 32", MinSecretLen)
	case len(s) > MaxSecretLen:
		return fmt.Sprintf("it is longer than %d bytes", MaxSecretLen)
	}
	return ""
}

// Verify accepts a body whose metadata has one of the secrets as its member
// "secret": exactly this name, exactly once, and a string. The headers do not
// matter.
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

// check finds a Secret that NewSecret did not make.
func (s *Secret) check() error {
	if s == nil || s.match == nil {
		return errors.New("the Secret holds nothing: make it with NewSecret")
	}
	return nil
}

// BeforeSubmit adds the current secret and the submission's id to the metadata of
// a submission that has a webhook. It implements reducto.SubmitHook.
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

// sign does for NewTestRequest what BeforeSubmit and the service do together.
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
