package reductotest

import (
	"encoding/json"
	"slices"

	"github.com/google/uuid"
)

// outcome is the result of a job before it is written.
type outcome struct {
	verbatim json.RawMessage // replaces everything else

	responseType string
	head         object // the members before "result"
	result       any    // nil if there is no such member
	tail         object // the members after "result"

	canBeURL  bool
	forceURL  bool
	behind    any    // the content at the URL of the result
	resultID  string // not empty if the result is a URL
	document  []byte // an edited document
	mediaType string // of document
}

// newOutcome returns an outcome whose result can be a URL.
func newOutcome(responseType string, head object, result any, tail object, forceURL bool) *outcome {
	raw := mustMarshal(result)
	return &outcome{
		responseType: responseType, head: head, result: raw, tail: tail,
		canBeURL: true, forceURL: forceURL, behind: raw,
	}
}

// These values in an outcome are replaced each time it is written.
type (
	linkTo      string   // a path in the storage becomes a new link
	jobDuration struct{} // becomes the duration of the job in seconds
	studioLink  struct{} // becomes the page of the job in the studio
)

func resultPath(id string) string { return "/results/" + id + ".json" }
func editedPath(j *job) string    { return "/edited/" + j.id }

// compute makes the result of a job. If it fails it may still return the document.
func (s *Server) compute(j *job) (*document, *outcome, *apiError) {
	d, err := s.documentFor(j)
	if err != nil {
		return nil, nil, err
	}
	k := parseKind
	for _, other := range kinds {
		if other.jobType == j.jobType {
			k = other
		}
	}
	o, err := k.result(s, j, d)
	return d, o, err
}

// plannedOutcome returns the outcome of a job whose result the test set.
func plannedOutcome(j *job, result any) *outcome {
	g, ok := result.(*generatedResult)
	if !ok {
		raw, _ := result.(json.RawMessage)
		return &outcome{verbatim: raw}
	}
	count := (g.full.blocks + blocksOnPage - 1) / blocksOnPage
	usage := obj("num_pages", count, "credits", float64(count))
	return newParseOutcome(usage, g.full, g.behind, lookupBool(j.request, "settings", "force_url_result"))
}

// generatedResult is a GeneratedDocument that the test set as the result of a job.
type generatedResult struct {
	full   *generatedBody
	behind *generatedBody // the content at the URL of the result
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

// storeOutcome decides whether a result is a URL. It stores the content of the links in
// the storage. The caller holds the mutex.
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

// renderOutcome returns an outcome as JSON with new links. The caller holds the mutex.
func (s *Server) renderOutcome(j *job, o *outcome) any {
	if o.verbatim != nil {
		return o.verbatim
	}
	var envelope object
	if s.cfg.responseType == responseTypeFirst {
		envelope = obj("response_type", o.responseType)
	}
	envelope = append(append(envelope, member{"job_id", j.id}), o.head...)
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
	case []object:
		v = slices.Clone(v)
		for i := range v {
			v[i] = s.renderValue(j, v[i]).(object)
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
	}
	return v
}
