package reductotest

import (
	"encoding/json"
	"slices"

	"github.com/google/uuid"
)

// outcome is the result of a job before it is written: the members around
// "result", and what "result" holds, inline or behind a link.
type outcome struct {
	verbatim json.RawMessage // instead of everything else

	responseType string
	head         object // after job_id, before result
	result       any    // nil if the answer has no such member
	tail         object // after result

	forceURL  bool
	canBeURL  bool
	behind    any    // what lies behind the link: raw JSON or a *generatedBody
	resultID  string // set if the result is answered as a link
	document  []byte // an edited document, stored as documentPath
	mediaType string
}

// Values in the members of an outcome that are known when it is written.
type (
	linkTo      string   // a path in the storage: becomes a fresh link
	jobDuration struct{} // becomes the job's duration in seconds
	studioLink  struct{} // becomes the job's page in the studio
)

func resultPath(id string) string { return "/results/" + id + ".json" }

func editedPath(j *job) string { return "/edited/" + j.id }

// storeLocked puts what a job's links lead to into the storage, and decides
// whether its result is large. The caller holds the mutex.
func (s *Server) storeLocked(j *job) {
	if j.outcome != nil {
		s.storeOutcome(j, j.outcome)
	}
}

func (s *Server) storeOutcome(j *job, o *outcome) {
	if o.document != nil {
		s.objects[editedPath(j)] = storedObject{
			contentType: o.mediaType, job: j, body: func() []byte { return o.document },
		}
	}
	if result, ok := o.result.(object); ok {
		for _, m := range result {
			if nested, ok := m.value.(*outcome); ok {
				s.storeOutcome(j, nested)
			}
		}
	}
	if !o.canBeURL || !o.forceURL && (s.cfg.urlThreshold < 0 || bodySize(o.behind) <= int64(s.cfg.urlThreshold)) {
		return
	}
	o.resultID = uuid.NewString()
	value := func() any { return o.behind }
	if s.cfg.urlBody == URLBodyEnvelope {
		inline := *o
		inline.resultID = ""
		value = func() any {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.renderOutcome(j, &inline)
		}
	}
	s.objects[resultPath(o.resultID)] = storedObject{contentType: "application/json", job: j, value: value}
}

// renderOutcome writes an outcome with links that are valid from now. The
// caller holds the mutex.
func (s *Server) renderOutcome(j *job, o *outcome) any {
	if o.verbatim != nil {
		return o.verbatim
	}
	var envelope object
	if s.cfg.responseType == responseTypeFirst {
		envelope = append(envelope, member{"response_type", o.responseType})
	}
	envelope = append(envelope, member{"job_id", j.id})
	envelope = append(envelope, o.head...)
	switch {
	case o.resultID != "":
		envelope = append(envelope, member{"result", obj(
			"type", "url", "url", linkTo(resultPath(o.resultID)), "result_id", o.resultID)})
	case o.result != nil:
		envelope = append(envelope, member{"result", o.result})
	}
	envelope = append(envelope, o.tail...)
	if s.cfg.responseType == responseTypeLast {
		envelope = append(envelope, member{"response_type", o.responseType})
	}
	return s.renderValue(j, envelope)
}

func (s *Server) renderValue(j *job, v any) any {
	switch v := v.(type) {
	case object:
		v = slices.Clone(v)
		for i := range v {
			v[i].value = s.renderValue(j, v[i].value)
		}
		return v
	case linkTo:
		return s.link("GET", string(v))
	case jobDuration:
		return seconds(j.finished.Sub(j.started))
	case studioLink:
		return "https://studio.reducto.test/job/" + j.id
	case *outcome:
		return s.renderOutcome(j, v)
	case splitExtract:
		list := []any{}
		for _, item := range v {
			list = append(list, s.renderValue(j, item))
		}
		return list
	}
	return v
}

// compute makes the result of a job. It may fail with the document known.
func (s *Server) compute(j *job) (*document, *outcome, *apiError) {
	d, err := s.documentFor(j)
	if err != nil {
		return nil, nil, err
	}
	var o *outcome
	switch j.jobType {
	case "Extract":
		o, err = extractOutcome(d, j.request)
	case "Split":
		o = splitOutcome(d, j.request)
	case "Pipeline":
		id := lookupString(j.request, "pipeline_id")
		s.mu.Lock()
		p, known := s.pipelines[id]
		s.mu.Unlock()
		o, err = pipelineOutcome(d, p, known)
	case "Edit":
		o = editOutcome(d, j)
	case "Classify":
		o, err = classifyOutcome(d, j.request)
	default:
		o = parseOutcome(d, j.request, lookupBool(j.request, "settings", "force_url_result"), s.cfg.urlBody)
		if d.file != nil && d.contentType == "application/pdf" {
			s.addPDFLink(o, d)
		}
	}
	return d, o, err
}

// addPDFLink gives a parse result the link to its PDF.
func (s *Server) addPDFLink(o *outcome, d *document) {
	path := "/files/" + d.file.id[len(filePrefix):]
	s.mu.Lock()
	s.objects[path] = storedObject{contentType: d.contentType, file: d.file, body: func() []byte { return d.raw }}
	s.mu.Unlock()
	for i := range o.head {
		if o.head[i].key == "pdf_url" {
			o.head[i].value = linkTo(path)
		}
	}
}

// resultOutcome is the common form of the other results.
func resultOutcome(responseType string, head object, result any, tail object, forceURL bool) *outcome {
	raw := mustMarshal(result)
	return &outcome{
		responseType: responseType, head: head, result: raw, tail: tail,
		canBeURL: true, forceURL: forceURL, behind: raw,
	}
}

// generatedResult is what a test gave as the result of a job, where it is a
// GeneratedDocument.
type generatedResult struct {
	full   *generatedBody
	behind *generatedBody // what its URL leads to
}

func newGeneratedResult(d GeneratedDocument, form URLBody) (*generatedResult, error) {
	full, err := newGeneratedBody(d, false)
	if err != nil {
		return nil, err
	}
	behind := full
	if form == URLBodyChunks {
		behind, err = newGeneratedBody(d, true)
	}
	return &generatedResult{full: full, behind: behind}, err
}

// plannedOutcome is the outcome of a job whose result a test gave.
func plannedOutcome(j *job, result any) *outcome {
	g, ok := result.(*generatedResult)
	if !ok {
		raw, _ := result.(json.RawMessage)
		return &outcome{verbatim: raw}
	}
	pages := (g.full.blocks + blocksOnPage - 1) / blocksOnPage
	return &outcome{
		responseType: "parse",
		head: obj(
			"duration", jobDuration{},
			"pdf_url", nil,
			"studio_link", studioLink{},
			"usage", obj("num_pages", pages, "credits", float64(pages)),
		),
		result:   g.full,
		tail:     obj("document_properties", nil, "parse_mode", nil),
		canBeURL: true, forceURL: lookupBool(j.request, "settings", "force_url_result"), behind: g.behind,
	}
}
