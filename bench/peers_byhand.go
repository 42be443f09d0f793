package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// secretMetadata is the metadata of a submission by hand.
type secretMetadata struct {
	documentMetadata
	Secret string `json:"secret"`
}

// handDelivery is a delivery as a handler by hand reads it.
type handDelivery struct {
	Status   reducto.JobStatus `json:"status"`
	JobID    string            `json:"job_id"`
	Metadata secretMetadata    `json:"metadata"`
}

// handlerByHand verifies a delivery in constant time, and gives it to accept, which has
// to keep it.
func handlerByHand(accept func(context.Context, *handDelivery) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.DefaultMaxBodyBytes))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var d handDelivery
		switch err := json.Unmarshal(raw, &d); {
		case err != nil || d.JobID == "":
			w.WriteHeader(http.StatusBadRequest)
		case subtle.ConstantTimeCompare([]byte(d.Metadata.Secret), []byte(benchSecret)) != 1:
			w.WriteHeader(http.StatusUnauthorized)
		case accept(r.Context(), &d) != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.WriteHeader(http.StatusOK)
		}
	})
}

// submitByHand posts submissions over connections that it keeps.
func submitByHand(w *workplace) submitter {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = connections
	return postByHand("net/http by hand", w.api, &http.Client{Transport: transport},
		secretMetadata{submittedMetadata, benchSecret}, w.webhook)
}
