package reductotest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
)

// kind is a kind of job. Each has a file result_*.go with its request and its result.
type kind struct {
	jobType string
	request fields // without members for asynchronous calls
	legacy  fields // members of the request's older form, besides document_url
	result  func(*Server, *job, *document) (*outcome, *apiError)
}

var kinds = []*kind{parseKind, extractKind, splitKind, pipelineKind, editKind, classifyKind}

// mode says whether an endpoint waits for the end of its job.
type mode int

const (
	syncMode   mode = iota // responds with the result
	asyncMode              // responds with the job id
	eitherMode             // asynchronous if the request has an "async" object
)

// endpoints are the calls that process a document, by path.
var endpoints = map[string]*endpoint{
	"/parse":          newEndpoint(parseKind, "SyncParseConfig", eitherMode),
	"/parse_async":    newEndpoint(parseKind, "AsyncParseConfig", asyncMode),
	"/extract":        newEndpoint(extractKind, "SyncExtractConfig", eitherMode),
	"/extract_async":  newEndpoint(extractKind, "AsyncExtractConfig", asyncMode),
	"/split":          newEndpoint(splitKind, "SyncSplitConfig", syncMode),
	"/split_async":    newEndpoint(splitKind, "AsyncSplitConfig", asyncMode),
	"/pipeline":       newEndpoint(pipelineKind, "V3PipelineConfig", syncMode),
	"/pipeline_async": newEndpoint(pipelineKind, "V3AsyncPipelineConfig", asyncMode),
	"/edit":           newEndpoint(editKind, "EditConfig", syncMode),
	"/edit_async":     newEndpoint(editKind, "AsyncEditConfig", asyncMode),
	"/classify":       newEndpoint(classifyKind, "ClassifyConfig", syncMode),
}

type endpoint struct {
	*kind
	model  string // the name of the request in the API's error messages
	mode   mode
	fields fields
}

func newEndpoint(k *kind, model string, m mode) *endpoint {
	f := k.request
	switch {
	case m == syncMode:
	case k == editKind:
		f = f.with("webhook", topLevelWebhook)
	default:
		f = f.with("async", asyncSettings)
	}
	return &endpoint{kind: k, model: model, mode: m, fields: f}
}

// serveSubmission serves a call that processes a document.
func (s *Server) serveSubmission(w http.ResponseWriter, r *http.Request, path string, ep *endpoint) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		newAPIError("INVALID_CONFIG", "There was an error reading the body").write(w)
		return
	}
	j, refused := s.readSubmission(path, ep, raw)
	if refused != nil {
		refused.write(w)
		return
	}
	s.submit(j)
	if !j.sync {
		writeJSON(w, http.StatusOK, obj("job_id", j.id))
		return
	}
	select {
	case <-j.done:
		s.writeOutcome(w, r, j)
	case <-r.Context().Done(): // the client or the server is gone; the job continues
		panic(http.ErrAbortHandler)
	}
}

// writeOutcome responds to a synchronous call.
func (s *Server) writeOutcome(w http.ResponseWriter, r *http.Request, j *job) {
	s.mu.Lock()
	failure := j.failure
	var result any
	if j.outcome != nil {
		result = s.renderOutcome(j, j.outcome)
	}
	s.mu.Unlock()
	switch {
	case failure != nil:
		failure.write(w)
	case result == nil:
		newAPIError("JOB_CANCELLED", "The job was cancelled").write(w)
	default:
		s.writeResult(w, r, result)
	}
}

// readSubmission checks a request and makes its job.
func (s *Server) readSubmission(path string, ep *endpoint, raw []byte) (*job, failure) {
	body, err := decodeObject(raw)
	if err != nil {
		return nil, err
	}
	request, refused := s.validate(path, ep, body)
	if refused != nil {
		return nil, refused
	}
	j := newJob(ep, raw, body, request)
	if err := checkReferences(j.refs); err != nil {
		return nil, err
	}
	return j, nil
}

func decodeObject(raw []byte) (map[string]any, *apiError) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, newAPIError("INVALID_CONFIG", "JSON decode error: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, newAPIError("INVALID_CONFIG", "JSON decode error: there is data after the value")
	}
	body, ok := v.(map[string]any)
	if !ok {
		return nil, newAPIError("INVALID_CONFIG", "The body is not a JSON object")
	}
	return body, nil
}

// validate checks a request and returns it in the current form.
func (s *Server) validate(path string, ep *endpoint, body map[string]any) (map[string]any, failure) {
	if _, legacy := body["document_url"]; legacy && ep.kind != editKind {
		return fromLegacy(ep, body)
	}
	var c checker
	ep.fields.check(&c, []any{"body", ep.model}, body)
	if len(c.problems) > 0 {
		if ep.kind != editKind {
			// The API also tries the older form, and reports the problems of both.
			c.problem("missing", "Field required", []any{"body", ep.model + "New", "document_url"}, body, nil)
		}
		return nil, c.problems
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range c.unknown {
		if text := "POST " + path + ": " + name; !slices.Contains(s.unknownFields, text) {
			s.unknownFields = append(s.unknownFields, text)
		}
	}
	return body, nil
}

// UnknownFields returns the members of requests that this package does not know, such
// as "POST /parse_async: settings.forceUrl". The API ignores unknown members, so each
// is likely a typing mistake, or newer than this package. Each is listed once.
func (s *Server) UnknownFields() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.unknownFields)
}

func newJob(ep *endpoint, raw []byte, body, request map[string]any) *job {
	j := &job{
		jobType: ep.jobType, config: string(raw), request: request, sync: ep.mode != asyncMode,
		persist: lookupBool(request, "settings", "persist_results") || lookupBool(request, "persist_results"),
	}
	document := "input"
	if ep.kind == editKind {
		document = "document_url"
	}
	j.refs = inputs(request[document])
	switch _, hasAsync := body["async"]; {
	case hasAsync && ep.kind != editKind && ep.mode != syncMode:
		j.sync = false
		j.hook = hookOf(lookup(body, "async", "webhook"))
		j.metadata = rawMember(raw, "async", "metadata")
	case ep.mode == asyncMode && body["webhook"] != nil: // edit_async, and older requests
		j.hook = hookOf(body["webhook"])
		j.metadata = rawMember(raw, "webhook", "metadata")
	}
	return j
}

func hookOf(v any) webhook {
	h := webhook{mode: lookupString(v, "mode"), url: lookupString(v, "url"), channels: lookupStrings(v, "channels")}
	if h.mode == "disabled" {
		return webhook{}
	}
	return h
}

// rawMember returns a member of nested JSON objects without white space. Unlike
// decoding, it keeps the spelling of numbers and strings. It returns nil if there is no
// such member.
func rawMember(raw json.RawMessage, path ...string) json.RawMessage {
	for _, key := range path {
		var o map[string]json.RawMessage
		if json.Unmarshal(raw, &o) != nil {
			return nil
		}
		raw = o[key]
	}
	var b bytes.Buffer
	if raw == nil || json.Compact(&b, raw) != nil {
		return nil
	}
	return b.Bytes()
}
