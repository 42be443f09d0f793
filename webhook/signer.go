package webhook

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/redact"
	"github.com/reducto-go/reducto/internal/wireid"
	"github.com/reducto-go/reducto/webhook/internal/body"
)

// Key is a key of a Signer. It prints only its ID. Do not put it into an unexported
// field, as fmt prints those without calling Format.
type Key struct {
	// ID names the key in tokens and logs. It has 1 to 32 letters, digits, '-' and '_'.
	ID string
	// Secret is the key. It has at least 16 bytes. Use 32 random ones.
	Secret []byte
}

// Format prints the id, with every verb.
func (k Key) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "webhook.Key("+k.ID+" "+redact.Mark+")")
}

// LogValue logs what Format prints.
func (k Key) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(k)) }

// MarshalJSON writes the id.
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(k)) }

// DefaultTokenLife is the default of WithTokenLife. A job of the batch queue can take
// twelve hours, and its webhook can be late.
const DefaultTokenLife = 48 * time.Hour

// clockSkew is how much the clocks of submitters and receivers may differ.
const clockSkew = 5 * time.Minute

// SignerOption configures a Signer.
type SignerOption func(*signerConfig) error

type signerConfig struct{ life time.Duration }

// WithTokenLife sets how long after a submission the Signer accepts its token. Default:
// DefaultTokenLife.
func WithTokenLife(d time.Duration) SignerOption {
	return func(c *signerConfig) error {
		if d <= 0 {
			return fmt.Errorf("WithTokenLife: %v is not positive", d)
		}
		c.life = d
		return nil
	}
}

// Signer verifies direct webhooks by a token that differs for each submission. Use it
// instead of a Secret, in the same two places. It puts the token into the member
// "secret" of the metadata:
//
//	v1.<key id>.<submission id>.<expiry, Unix seconds>.<HMAC-SHA256, base64url>
//
// Someone who has seen a body can announce only jobs of the same submission, and only
// until the token expires. Package inbox also refuses a job that does not belong to the
// submission.
//
// The first key signs, and all keys verify. To rotate, deploy the new key in second
// place, then in first place. Remove the old key when no delivery has carried it
// (Event.KeyID) for longer than the token's life.
//
// A Signer is safe for concurrent use. It prints, logs and marshals as "[redacted]".
type Signer struct {
	keys map[string]signingKey // by id
	kid  string                // the id of the key that signs
	life time.Duration
}

var (
	_ Verifier           = (*Signer)(nil)
	_ reducto.SubmitHook = (*Signer)(nil)
)

// NewSigner returns a Signer that signs with the first key and accepts all keys. The
// error is a *reducto.RequestError, and does not contain a secret.
func NewSigner(keys []Key, opts ...SignerOption) (*Signer, error) {
	refuse := func(field, reason string) (*Signer, error) {
		return nil, &reducto.RequestError{Op: "webhook.NewSigner", Field: field, Reason: reason}
	}
	if len(keys) == 0 {
		return refuse("keys", "there are none: give at least one")
	}
	cfg := signerConfig{life: DefaultTokenLife}
	for _, opt := range opts {
		if opt == nil {
			return refuse("options", "an option is nil")
		}
		if err := opt(&cfg); err != nil {
			return refuse("options", err.Error())
		}
	}
	s := &Signer{keys: make(map[string]signingKey, len(keys)), kid: keys[0].ID, life: cfg.life}
	for i, k := range keys {
		field := fmt.Sprintf("keys[%d]", i)
		switch {
		case !wireid.IsPart(k.ID) || len(k.ID) > 32:
			return refuse(field, "its ID must have 1 to 32 letters, digits, '-' and '_'")
		case s.keys[k.ID].keyed != nil:
			return refuse(field, "its ID is used by another key")
		case len(k.Secret) < MinSecretLen || len(bytes.TrimSpace(k.Secret)) == 0:
			return refuse(field, fmt.Sprintf("its Secret is shorter than %d bytes and could be guessed: use 32 random bytes", MinSecretLen))
		}
		s.keys[k.ID] = signingKey{id: k.ID, keyed: newKeyed(bytes.Clone(k.Secret))}
	}
	return s, nil
}

// signingKey is a key with its id as a string, which saves an allocation.
type signingKey struct {
	id    string
	keyed keyed
}

// tokenMAC returns the last part of a token. signed is the rest of it.
func (k signingKey) tokenMAC(signed []byte) spelled {
	h := k.keyed()
	_, _ = h.hash.Write(signed)
	return h.spell(base64.RawURLEncoding)
}

// tokenMACLen is the length of tokenMAC, which is base64 without padding.
const tokenMACLen = len(spelled{}) - 1

// token returns the token of a submission.
func (s *Signer) token(submissionID string, now time.Time) string {
	signed := "v1." + s.kid + "." + submissionID + "." + strconv.FormatInt(now.Add(s.life).Unix(), 10)
	mac := s.keys[s.kid].tokenMAC([]byte(signed))
	return signed + "." + string(mac[:tokenMACLen])
}

// Verify accepts a body whose metadata has a token of one of the keys in its member
// "secret". The SubmissionID of the event comes from the token.
func (s *Signer) Verify(h http.Header, text []byte) (Event, error) {
	return s.verifyAt(time.Now(), h, text)
}

func (s *Signer) verifyAt(now time.Time, _ http.Header, text []byte) (Event, error) {
	if err := s.check(); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrNoSecret, err)
	}
	var m body.Message
	if err := m.Parse(text); err != nil {
		return Event{}, err
	}
	token, ok := m.Metadata.Secret()
	if !ok {
		return Event{}, ErrNoSecret
	}
	kid, submission, err := s.read(token, now)
	if err != nil {
		return Event{}, err
	}
	return newEvent(&m, kid, submission)
}

// read checks a token and returns its parts.
func (s *Signer) read(token []byte, now time.Time) (kid string, submission []byte, err error) {
	last := bytes.LastIndexByte(token, '.')
	if last < 0 {
		return "", nil, ErrWrongSecret
	}
	signed, mac := token[:last], token[last+1:]
	version, rest, _ := bytes.Cut(signed, []byte("."))
	id, rest, _ := bytes.Cut(rest, []byte("."))
	submission, until, ok := bytes.Cut(rest, []byte("."))
	if !ok || string(version) != "v1" || bytes.IndexByte(until, '.') >= 0 {
		return "", nil, ErrWrongSecret
	}
	key, known := s.keys[string(id)]
	if !known {
		key = s.keys[s.kid] // takes as long as a known key
	}
	// Comparing the text, and not decoded bytes, allows one spelling only.
	want := key.tokenMAC(signed)
	equal := subtle.ConstantTimeCompare(want[:tokenMACLen], mac) == 1
	switch {
	case !known:
		return "", nil, ErrUnknownKey
	case !equal, wireid.Check(submission) != "":
		return "", nil, ErrWrongSecret
	}
	expiry, err := strconv.ParseInt(string(until), 10, 64)
	if err != nil {
		return "", nil, ErrWrongSecret
	}
	if now.Add(-clockSkew).Unix() > expiry {
		return "", nil, ErrExpiredToken
	}
	return key.id, submission, nil
}

func (s *Signer) check() error {
	if s == nil || len(s.keys) == 0 {
		return errors.New("the Signer is empty: make it with NewSigner")
	}
	return nil
}

// BeforeSubmit adds a token and the submission's id to the metadata of a submission
// with a webhook. It implements reducto.SubmitHook.
func (s *Signer) BeforeSubmit(_ context.Context, sub *reducto.Submission) error {
	if err := s.check(); err != nil {
		return err
	}
	if !sub.Webhook.Enabled() {
		return nil
	}
	if err := sub.AddMetadata(reducto.MetadataSecret, s.token(sub.ID, time.Now())); err != nil {
		return err
	}
	return sub.AddMetadata(reducto.MetadataSubmissionID, sub.ID)
}

// sign adds for NewTestRequest what BeforeSubmit adds.
func (s *Signer) sign(metadata map[string]any) error {
	if err := s.check(); err != nil {
		return err
	}
	id, ok := metadata[reducto.MetadataSubmissionID].(string)
	if !ok {
		id = uuid.NewString()
		metadata[reducto.MetadataSubmissionID] = id
	}
	metadata[reducto.MetadataSecret] = s.token(id, time.Now())
	return nil
}

// AfterSubmit does nothing. It implements reducto.SubmitHook.
func (s *Signer) AfterSubmit(context.Context, *reducto.Submission, reducto.SubmitResult) {}

// Format prints "webhook.Signer([redacted])" with every verb.
func (s *Signer) Format(f fmt.State, _ rune) { redact.Print(f, "webhook.Signer") }

// LogValue logs "[redacted]".
func (s *Signer) LogValue() slog.Value { return slog.StringValue(redact.Mark) }

// MarshalJSON writes "[redacted]".
func (s *Signer) MarshalJSON() ([]byte, error) { return json.Marshal(redact.Mark) }

// MarshalText writes "[redacted]".
func (s *Signer) MarshalText() ([]byte, error) { return []byte(redact.Mark), nil }
