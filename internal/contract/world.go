package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// world is what the library knows of the API.
type world struct {
	source *source
	sent   []sent              // by all calls
	values map[string]any      // what each method returned
	used   map[string][]string // the methods that call each endpoint
}

// answers are a service's, as small as they can be.
var answers = map[string]answer{
	"POST /parse":              {http.StatusOK, `{"response_type":"parse","job_id":"job-1","duration":1,"usage":{"num_pages":1},"result":{"type":"full","chunks":[]}}`},
	"POST /extract":            {http.StatusOK, `{"response_type":"v3_extract","usage":{"num_pages":1,"num_fields":1},"result":{"a":1}}`},
	"POST /split":              {http.StatusOK, `{"response_type":"split","usage":{"num_pages":1},"result":{"section_mapping":null,"splits":[]}}`},
	"POST /edit":               {http.StatusOK, `{"response_type":"edit","document_url":"https://example.com/a.pdf"}`},
	"POST /pipeline":           {http.StatusOK, `{"response_type":"pipeline","job_id":"job-1","usage":{"num_pages":1},"result":{"parse":null,"extract":null,"split":null}}`},
	"POST /classify":           {http.StatusOK, `{"response_type":"classify","job_id":"job-1","result":{"category":"invoice"}}`},
	"GET /job/{job_id}":        {http.StatusOK, `{"status":"Completed","result":{"response_type":"parse","job_id":"job-1","duration":1,"usage":{"num_pages":1},"result":{"type":"full","chunks":[]}}}`},
	"GET /jobs":                {http.StatusOK, `{"jobs":[{"job_id":"job-1","status":"Completed","type":"Parse","raw_config":"{}","created_at":"2026-09-06T05:17:35","num_pages":1,"total_pages":1,"duration":1}],"next_cursor":null}`},
	"POST /upload":             {http.StatusOK, `{"file_id":"reducto://a.pdf","presigned_url":null}`},
	"POST /configure_webhook":  {http.StatusOK, `"https://app.svix.com/portal"`},
	"GET /version":             {http.StatusOK, `"v1.12.12"`},
	"DELETE /job/{job_id}":     {http.StatusAccepted, `{"job_id":"job-1"}`},
	"DELETE /upload/{file_id}": {http.StatusOK, `{"file_id":"reducto://a.pdf"}`},
}

// observe calls every method and records what it sends. root is the directory of
// package reducto.
func observe(root string) (*world, error) {
	src, err := readSource(root)
	if err != nil {
		return nil, err
	}
	w := &world{source: src, values: map[string]any{}, used: map[string][]string{}}
	calls := w.calls()
	if missing := unlisted(calls); len(missing) > 0 {
		return nil, fmt.Errorf("methods that are in no list of calls.go: %s", strings.Join(missing, ", "))
	}
	for _, c := range calls {
		r := &recorder{answers: answers}
		client, err := r.client()
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		value, err := c.run(ctx, client)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.method, err)
		}
		if len(r.sent) == 0 {
			return nil, fmt.Errorf("%s sends nothing", c.method)
		}
		w.values[c.method] = value
		w.sent = append(w.sent, r.sent...)
		for _, s := range r.sent {
			if !slices.Contains(w.used[s.endpoint], c.method) {
				w.used[s.endpoint] = append(w.used[s.endpoint], c.method)
			}
		}
	}
	return w, nil
}

// endpoints are those that the library calls, in order.
func (w *world) endpoints() []string { return slices.Sorted(maps.Keys(w.used)) }

// bodies are the JSON bodies, or the forms, sent to an endpoint.
func (w *world) bodies(endpoint string) (bodies []node) {
	for _, s := range w.sent {
		if body, ok := s.body.(node); ok && s.endpoint == endpoint {
			bodies = append(bodies, body)
		}
	}
	return bodies
}

// query are the parameters sent to an endpoint, and examples of their values as the
// API reads them: a text, a number or a boolean.
func (w *world) query(endpoint string) memberSet {
	var found memberSet
	for _, s := range w.sent {
		if s.endpoint != endpoint {
			continue
		}
		found.bodies++
		for name, texts := range s.query {
			for _, text := range texts {
				var value any
				if json.Unmarshal([]byte(text), &value) != nil {
					value = text
				}
				found.add(name, value)
			}
		}
	}
	return found
}
