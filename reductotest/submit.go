package reductotest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// endpoint is one of the calls that process a document.
type endpoint struct {
	jobType string
	model   string // of the request, as the API names it in its complaints
	async   bool   // answers a job id at once
	either  bool   // is asynchronous if the request has an "async" object
	edit    bool   // has the older shape: document_url, and webhook at the top
	fields  fields
}

// endpoints by path.
var endpoints = func() map[string]*endpoint {
	parse := fields{
		"input!": input, "enhance": enhance, "retrieval": retrieval, "formatting": formatting,
		"spreadsheet": spreadsheet, "settings": parseSettings,
	}
	extract := fields{
		"input!": input, "parsing": parsing, "settings": extractSettings,
		"instructions": fields{"schema": anything, "system_prompt": text}.check,
	}
	split := fields{
		"input!": input, "parsing": parsing, "split_rules": text, "settings": splitSettings,
		"split_description!": list(fields{"name!": text, "description!": text, "partition_key": nullable(text)}.check),
	}
	pipeline := fields{
		"input!": input, "pipeline_id!": text,
		"settings": fields{"document_password": nullable(text)}.check,
	}
	edit := fields{
		"document_url!": documentURL, "edit_instructions!": text, "form_schema": nullable(formSchema), "priority": boolean,
		"edit_options": fields{
			"color": text, "font_size": nullable(between(1, 72, number)),
			"llm_provider_preference": nullable(enum("openai", "anthropic", "google")),
			"enable_overflow_pages":   boolean, "flatten": boolean,
		}.check,
	}
	classify := fields{
		"input!": input, "persist_results": boolean, "document_metadata": nullable(text),
		"classification_schema": list(fields{"category!": text, "criteria!": list(text)}.check),
		"page_range":            nullable(oneOf(pageRange, list(pageRange), list(integer))),
		"model":                 enum("default", "accurate"), "priority": boolean, "force_url_result": boolean,
		"category_groups": anything,
	}
	return map[string]*endpoint{
		"/parse": {jobType: "Parse", model: "SyncParseConfig", either: true,
			fields: parse.with("async", asyncSettings, "queue_priority", queuePriority)},
		"/parse_async": {jobType: "Parse", model: "AsyncParseConfig", async: true,
			fields: parse.with("async", asyncSettings, "queue_priority", queuePriority)},
		"/extract": {jobType: "Extract", model: "SyncExtractConfig", either: true,
			fields: extract.with("async", asyncSettings, "queue_priority", queuePriority)},
		"/extract_async": {jobType: "Extract", model: "AsyncExtractConfig", async: true,
			fields: extract.with("async", asyncSettings, "queue_priority", queuePriority)},
		"/split":          {jobType: "Split", model: "SyncSplitConfig", fields: split},
		"/split_async":    {jobType: "Split", model: "AsyncSplitConfig", async: true, fields: split.with("async", asyncSettings)},
		"/pipeline":       {jobType: "Pipeline", model: "V3PipelineConfig", fields: pipeline},
		"/pipeline_async": {jobType: "Pipeline", model: "V3AsyncPipelineConfig", async: true, fields: pipeline.with("async", asyncSettings)},
		"/edit":           {jobType: "Edit", model: "EditConfig", edit: true, fields: edit},
		"/edit_async":     {jobType: "Edit", model: "AsyncEditConfig", edit: true, async: true, fields: edit.with("webhook", topLevelWebhook)},
		"/classify":       {jobType: "Classify", model: "ClassifyConfig", fields: classify},
	}
}()

// serveSubmission is the calls that process a document.
func (s *Server) serveSubmission(w http.ResponseWriter, r *http.Request, path string, ep *endpoint) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		newAPIError("INVALID_CONFIG", "There was an error reading the body").write(w)
		return
	}
	body, apiErr := decodeObject(raw)
	if apiErr != nil {
		apiErr.write(w)
		return
	}
	request, problems, apiErr := s.validate(path, ep, body)
	switch {
	case apiErr != nil:
		apiErr.write(w)
		return
	case len(problems) > 0:
		writeProblems(w, problems)
		return
	}
	j := newJob(ep, raw, body, request)
	if err := checkReferences(j.refs); err != nil {
		err.write(w)
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
	case <-r.Context().Done(): // the client has gone, or the server closes; the job goes on
		panic(http.ErrAbortHandler)
	}
}

// writeOutcome answers a synchronous call.
func (s *Server) writeOutcome(w http.ResponseWriter, r *http.Request, j *job) {
	s.mu.Lock()
	failure := j.failure
	var answer any
	if j.outcome != nil {
		answer = s.renderOutcome(j, j.outcome)
	}
	s.mu.Unlock()
	switch {
	case failure != nil:
		failure.write(w)
	case answer == nil:
		newAPIError("JOB_CANCELLED", "The job was cancelled").write(w)
	default:
		s.writeResult(w, r, answer)
	}
}

func decodeObject(raw []byte) (map[string]any, *apiError) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = fmt.Errorf("there is something behind the value")
		}
	}
	if err != nil {
		return nil, newAPIError("INVALID_CONFIG", "JSON decode error: %v", err)
	}
	body, ok := v.(map[string]any)
	if !ok {
		return nil, newAPIError("INVALID_CONFIG", "The body is not a JSON object")
	}
	return body, nil
}

// validate checks a request and returns it in the current form.
func (s *Server) validate(path string, ep *endpoint, body map[string]any) (map[string]any, []object, *apiError) {
	if !ep.edit {
		if key, mixed := mixes(ep, body); mixed {
			return nil, nil, newAPIError("INVALID_CONFIG", "document_url cannot be combined with %s", key)
		}
		if _, legacy := body["document_url"]; legacy {
			return fromLegacy(ep, body)
		}
	}
	var c checker
	loc := []any{"body", ep.model}
	ep.fields.check(&c, loc, body)
	if len(c.problems) > 0 {
		if !ep.edit {
			// The API tries the older form of the request too, and complains
			// about both.
			c.problem("missing", "Field required", []any{"body", ep.model + "New", "document_url"}, body, nil)
		}
		return nil, c.problems, nil
	}
	s.noteUnknown(path, c.unknown)
	return body, nil, nil
}

// UnknownFields lists members of requests that this package does not know, as
// in "POST /parse_async: settings.forceUrl": the API would ignore
// them in silence, so that they are likely to be mistakes, unless the API has
// learnt them after this package was written. Each is listed once.
func (s *Server) UnknownFields() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.unknownFields)
}

func (s *Server) noteUnknown(path string, names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		text := "POST " + path + ": " + name
		if !slices.Contains(s.unknownFields, text) {
			s.unknownFields = append(s.unknownFields, text)
		}
	}
}

func newJob(ep *endpoint, raw []byte, body, request map[string]any) *job {
	j := &job{
		jobType: ep.jobType, config: string(raw), request: request,
		sync: !ep.async, persist: lookupBool(request, "settings", "persist_results") || lookupBool(request, "persist_results"),
	}
	if ep.edit {
		j.refs = inputs(request["document_url"])
	} else {
		j.refs = inputs(request["input"])
	}
	switch _, hasAsync := body["async"]; {
	case !ep.edit && hasAsync && (ep.async || ep.either):
		j.sync = false
		j.hook = hookOf(lookup(body, "async", "webhook"))
		j.metadata = rawMember(raw, "async", "metadata")
	case ep.async && body["webhook"] != nil: // edit_async, and the older form of the others
		j.hook = hookOf(body["webhook"])
		j.metadata = rawMember(raw, "webhook", "metadata")
	}
	return j
}

func hookOf(v any) webhook {
	h := webhook{mode: lookupString(v, "mode"), url: lookupString(v, "url")}
	if channels, ok := lookup(v, "channels").([]any); ok {
		for _, c := range channels {
			if c, ok := c.(string); ok {
				h.channels = append(h.channels, c)
			}
		}
	}
	if h.mode == "disabled" {
		return webhook{}
	}
	return h
}

// rawMember is a member of JSON objects within each other with its numbers and
// strings as they are spelled, which decoding would change; only white space is
// gone. It is nil if there is none.
func rawMember(raw json.RawMessage, path ...string) json.RawMessage {
	for _, key := range path {
		var o map[string]json.RawMessage
		if json.Unmarshal(raw, &o) != nil {
			return nil
		}
		raw = o[key]
	}
	if raw == nil {
		return nil
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return nil
	}
	return b.Bytes()
}
