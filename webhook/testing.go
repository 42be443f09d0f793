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

// NewTestRequest makes the request with which the service would deliver a job's
// end, for tests of your own: give it to your handler's ServeHTTP, or send it to
// your server's url. v is the Secret, Signer or Svix that is to believe it; with
// nil, or that of somebody else, it is a forgery. The metadata comes as it is, so a
// "submission_id" in it is the submission's, which a Signer makes a token for; it
// makes an id up where there is none. A Secret's current value is used, and the
// first key.
//
// It panics, as httptest.NewRequest does, if the url does not parse, the metadata
// does not marshal, or v is a verifier that it cannot imitate.
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
			return nil, fmt.Errorf("no %T can be imitated", v)
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

// metadataSigner and bodySigner do for NewTestRequest what a verifier's hook and
// the service do together.
type (
	metadataSigner interface {
		sign(metadata map[string]any) error
	}
	bodySigner interface {
		signBody(h http.Header, body []byte) error
	}
)
