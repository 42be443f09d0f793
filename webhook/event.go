package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/wireid"
)

// Event is what a verified webhook says. It says it of itself: a webhook brings
// no result, and a direct one is not signed, so the API has the last word about
// everything but the fact that the job is worth looking at.
//
// An Event prints without its metadata, which can be personal data.
type Event struct {
	// JobID is the job that ended, as the service spelled it. It is a legal path
	// segment: 1 to 128 letters, digits, '-', '_', '.', ':' and '~'.
	JobID string
	// Status is what the service says of the job: Completed or Failed today. A
	// status that this version of the library does not know is kept as it came.
	Status reducto.JobStatus
	// Metadata is what the submission gave as Async.Metadata: the bytes that the
	// service sent, without the members that belong to this library ("secret" and
	// "submission_id"). It is nil where the service sent none or null, and where
	// those members were all there was. DecodeMetadata reads it.
	Metadata json.RawMessage
	// SubmissionID is the submission that made the job, if the metadata carries a
	// usable one; empty otherwise. Jobs that share it are one piece of work that was
	// sent more than once.
	SubmissionID string
	// KeyID says which of the verifier's secrets the delivery carried, never the
	// secret: "current", "previous-1" and so on for a Secret. When no delivery has
	// shown an earlier one for a day, it can be dropped.
	KeyID string
	// Extra has the members of the body that this version of the library does not
	// know; nil if there are none.
	Extra map[string]json.RawMessage
}

// DecodeMetadata unmarshals the metadata into v as json.Unmarshal does. Without
// metadata it leaves v as it is and returns nil.
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

// LogValue logs what Format prints.
func (e Event) LogValue() slog.Value { return slog.GroupValue(e.attrs()...) }

func (e Event) attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 8) // room for what callers append
	attrs = append(attrs, slog.String("job_id", e.JobID), slog.String("status", string(e.Status)))
	if e.SubmissionID != "" {
		attrs = append(attrs, slog.String("submission_id", e.SubmissionID))
	}
	return append(attrs, slog.String("kid", e.KeyID))
}

// jobKey is the job's id in the form under which its spellings are equal.
func (e *Event) jobKey() string { return wireid.Key(e.JobID) }

// workKey identifies the piece of work, which is to be done once: the submission
// if it is known, the job otherwise.
func (e *Event) workKey() workKey {
	if e.SubmissionID != "" {
		return workKey{submission: true, id: wireid.Key(e.SubmissionID)}
	}
	return workKey{id: e.jobKey()}
}

type workKey struct {
	submission bool
	id         string
}

// isUUID is stricter than uuid.Parse, which takes other notations too.
func isUUID(id string) bool { return len(id) == 36 && uuid.Validate(id) == nil }
