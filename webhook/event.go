package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/wireid"
	"github.com/reducto-go/reducto/webhook/internal/body"
)

// Event is the content of a verified webhook. It has no result, and a direct webhook is
// not signed. So get the job from the API with Delivery.Job.
//
// An Event prints without its metadata, which can be personal data.
type Event struct {
	// JobID is the job that ended, as Reducto spelled it. It has 1 to 128 letters,
	// digits, '-', '_', '.', ':' and '~', and is safe in a URL's path.
	JobID string
	// Status is the job's status: Completed or Failed today. Other values are kept.
	Status reducto.JobStatus
	// Metadata is Async.Metadata of the submission, byte for byte, without the members
	// "secret", "submission_id" and "traceparent" of this library. It is nil if nothing
	// else was sent.
	// DecodeMetadata reads it.
	Metadata json.RawMessage
	// SubmissionID is the submission that made the job, empty if unknown. All jobs of
	// one submission count as one job.
	SubmissionID string
	// Traceparent is the span of the submission, in the form of the W3C header
	// traceparent. It is empty unless reducto.WithTracer was used. See module otelreducto.
	Traceparent string
	// KeyID names the secret that the delivery carried: "current" or "previous-1" for a
	// Secret and a Svix, the key's ID for a Signer. Remove an old secret when no delivery
	// has carried it for a day.
	KeyID string
	// Extra has the members of the body that this version does not know, or nil.
	Extra map[string]json.RawMessage
}

// newEvent copies a verified body into an Event.
func newEvent(m *body.Message, keyID string, submissionID []byte) (Event, error) {
	extra, err := m.Extra()
	if err != nil {
		return Event{}, err
	}
	// One allocation holds both ids.
	ids := string(m.JobID) + " " + string(submissionID)
	return Event{
		JobID:        ids[:len(m.JobID)],
		Status:       m.Status,
		Metadata:     m.Metadata.Stripped(),
		SubmissionID: ids[len(m.JobID)+1:],
		Traceparent:  string(m.Metadata.Traceparent()),
		KeyID:        keyID,
		Extra:        extra,
	}, nil
}

// DecodeMetadata unmarshals the metadata into v, as json.Unmarshal does. If there
// is none, it leaves v unchanged.
func (e Event) DecodeMetadata(v any) error {
	if len(e.Metadata) == 0 {
		return nil
	}
	if err := json.Unmarshal(e.Metadata, v); err != nil {
		return fmt.Errorf("webhook: metadata of job %s: %w", e.JobID, err)
	}
	return nil
}

// Format prints the job, its status and the key's id, with every verb.
func (e Event) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "webhook.Event(job "+e.JobID+", status "+string(e.Status)+", kid "+e.KeyID+")")
}

// LogValue logs what Format prints, and the submission.
func (e Event) LogValue() slog.Value { return slog.GroupValue(e.attrs()...) }

func (e Event) attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 8) // with room for the caller's
	attrs = append(attrs, slog.String("job_id", e.JobID), slog.String("status", string(e.Status)))
	if e.SubmissionID != "" {
		attrs = append(attrs, slog.String("submission_id", e.SubmissionID))
	}
	return append(attrs, slog.String("kid", e.KeyID))
}

// jobKey returns the job's id with all spellings of a UUID made equal.
func (e *Event) jobKey() string { return wireid.Key(e.JobID) }

// isUUID is stricter than uuid.Parse, which accepts other notations too.
func isUUID(id string) bool { return len(id) == 36 && uuid.Validate(id) == nil }
