package main

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

// servedAPI is where a child serves an API that takes every submission.
type servedAPI struct {
	// Plain and TLS are its addresses, the second with HTTP/1.1 and the certificate
	// below.
	Plain, TLS  string
	Certificate []byte // PEM
}

// Its paths, besides those of submissions.
const (
	connectionsPath = "/bench/connections" // how many connections there have been
	lastBodyPath    = "/bench/last"        // the body of the last submission
)

// serveAPI serves until in ends. It tells out where.
func serveAPI(in io.Reader, out io.Writer) error {
	var api submissions
	plain, encrypted := httptest.NewUnstartedServer(&api), httptest.NewUnstartedServer(&api)
	for _, s := range []*httptest.Server{plain, encrypted} {
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				api.connections.Add(1)
			}
		}
		defer s.Close()
	}
	plain.Start()
	encrypted.StartTLS()
	err := json.NewEncoder(out).Encode(servedAPI{
		Plain: plain.URL, TLS: encrypted.URL,
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encrypted.Certificate().Raw}),
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// submissions answers every submission with a job.
type submissions struct {
	connections atomic.Int64
	last        atomic.Value // []byte
}

var acceptedBody = []byte(`{"job_id":"` + benchJob + `"}`)

func (s *submissions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case connectionsPath:
		_ = json.NewEncoder(w).Encode(s.connections.Load())
	case lastBodyPath:
		body, _ := s.last.Load().([]byte)
		_, _ = w.Write(body)
	default:
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+benchKey {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.last.Store(body)
		_, _ = w.Write(acceptedBody)
	}
}
