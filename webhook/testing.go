package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

	"github.com/reducto-go/reducto"
)

// NewTestRequest returns a delivery as Reducto sends it, for your tests. Give it to
// ServeHTTP of your handler, or send it to the url.
//
// v is the Secret, Signer or Svix that accepts the request. NewTestRequest signs with
// its current secret or first key. If v is nil, or has another secret, the receiver
// refuses the request. A member "submission_id" of the metadata is the submission's id.
// For a Signer, NewTestRequest adds one if there is none.
//
// Like httptest.NewRequest, it panics on mistakes: if the url does not parse, the
// metadata does not marshal, or v is of another type.
func NewTestRequest(url string, v Verifier, jobID string, status reducto.JobStatus, metadata map[string]any) *http.Request {
	r, err := newTestRequest(url, v, jobID, status, metadata)
	if err != nil {
		panic("webhook.NewTestRequest: " + err.Error()) //nolint:forbidigo // a mistake in the caller's test
	}
	return r
}

func newTestRequest(url string, v Verifier, jobID string, status reducto.JobStatus, metadata map[string]any) (*http.Request, error) {
	body := struct {
		Status   reducto.JobStatus `json:"status"`
		JobID    string            `json:"job_id"`
		Metadata map[string]any    `json:"metadata"`
	}{status, jobID, maps.Clone(metadata)}
	if v != nil {
		s, ok := v.(metadataSigner)
		if _, signsBodies := v.(bodySigner); !ok && !signsBodies {
			return nil, fmt.Errorf("the verifier is a %T: use a Secret, Signer or Svix", v)
		}
		if ok {
			if body.Metadata == nil {
				body.Metadata = map[string]any{}
			}
			if err := s.sign(body.Metadata); err != nil {
				return nil, err
			}
		}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if s, ok := v.(bodySigner); ok {
		if err := s.signBody(r.Header, raw); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// metadataSigner and bodySigner are verifiers that can sign for NewTestRequest.
type (
	metadataSigner interface {
		sign(metadata map[string]any) error
	}
	bodySigner interface {
		signBody(h http.Header, body []byte) error
	}
)
