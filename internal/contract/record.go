package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/reducto-go/reducto"
)

// recorder is a transport that answers every request by itself and remembers what
// was sent.
type recorder struct {
	answers map[string]answer // by endpoint; what is not there is {"job_id"}

	mu   sync.Mutex
	sent []sent
}

type answer struct {
	status int
	body   string
}

// sent is one request.
type sent struct {
	endpoint string // with the names of path parameters
	query    url.Values
	body     any // JSON; the names of the parts of a form
	raw      []byte
}

// testID is the job in every answer.
const testID = "job-1"

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var raw []byte
	if req.Body != nil {
		defer req.Body.Close()
		var err error
		if raw, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	s := sent{endpoint: req.Method + " " + template(req.URL), query: req.URL.Query(), raw: raw}
	body, err := decodeBody(req.Header.Get("Content-Type"), raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.endpoint, err)
	}
	s.body = body
	r.mu.Lock()
	r.sent = append(r.sent, s)
	r.mu.Unlock()
	a, ok := r.answers[s.endpoint]
	if !ok {
		a = answer{http.StatusOK, `{"job_id":"` + testID + `"}`}
	}
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: req,
	}, nil
}

// template puts the names of parameters where a path has their values.
func template(u *url.URL) string {
	path := u.EscapedPath()
	for _, p := range []struct{ prefix, name string }{{"/job/", "{job_id}"}, {"/cancel/", "{job_id}"}, {"/upload/", "{file_id}"}} {
		if rest, ok := strings.CutPrefix(path, p.prefix); ok && rest != "" && !strings.Contains(rest, "/") {
			return p.prefix + p.name
		}
	}
	return path
}

func decodeBody(contentType string, raw []byte) (any, error) {
	format, params, err := mime.ParseMediaType(contentType)
	switch {
	case len(raw) == 0:
		return nil, nil
	case err != nil:
		return nil, err
	case format == "multipart/form-data":
		parts := node{}
		form := multipart.NewReader(bytes.NewReader(raw), params["boundary"])
		for {
			part, err := form.NextPart()
			if err == io.EOF {
				return parts, nil
			}
			if err != nil {
				return nil, err
			}
			parts[part.FormName()] = part.FileName()
		}
	}
	var v any
	err = json.Unmarshal(raw, &v)
	return v, err
}

// client makes a client of the recorder. It sends nothing twice.
func (r *recorder) client() (*reducto.Client, error) {
	return reducto.NewClient(reducto.WithAPIKey("key"), reducto.WithBaseURL("https://api.example.com"),
		reducto.WithHTTPClient(&http.Client{Transport: r}), reducto.WithMaxRetries(0))
}
