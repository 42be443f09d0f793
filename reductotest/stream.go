package reductotest

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// generatedBody is a generated document, or the array of its chunks, inside an
// answer. It is made each time it is written.
type generatedBody struct {
	doc        GeneratedDocument
	chunksOnly bool
	size       int64
	blocks     int
}

func newGeneratedBody(d GeneratedDocument, chunksOnly bool) (*generatedBody, error) {
	size, blocks, err := d.write(io.Discard, chunksOnly)
	return &generatedBody{doc: d, chunksOnly: chunksOnly, size: size, blocks: blocks}, err
}

func (g *generatedBody) writeTo(w io.Writer) error {
	if s, ok := w.(*sizer); ok { // which need not see the bytes
		s.size += g.size
		return nil
	}
	_, _, err := g.doc.write(w, g.chunksOnly)
	return err
}

// sizer is a writer that counts.
type sizer struct{ size int64 }

func (s *sizer) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	return len(p), nil
}

// bodySize is the size of a result in bytes: of raw JSON or a *generatedBody.
func bodySize(v any) int64 {
	var s sizer
	_ = writeValue(&s, v) // it does not fail
	return s.size
}

// isStream tells whether a value has a generated document in it.
func isStream(v any) bool {
	switch v := v.(type) {
	case *generatedBody:
		return true
	case object:
		for _, m := range v {
			if isStream(m.value) {
				return true
			}
		}
	}
	return false
}

// writeResult answers with the result of a job, or with an envelope of one.
func (s *Server) writeResult(w http.ResponseWriter, r *http.Request, v any) {
	zipped := s.cfg.gzip && acceptsGzip(r)
	if !zipped && !isStream(v) {
		writeJSON(w, http.StatusOK, v)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if zipped {
		// How long it will be is not known before it is written.
		w.Header().Set("Content-Encoding", "gzip")
		zip, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is valid
		if writeValue(zip, v) == nil {
			_ = zip.Close() // nobody is left to tell
		}
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(bodySize(v), 10))
	out := bufio.NewWriterSize(w, 32<<10)
	if writeValue(out, v) == nil {
		_ = out.Flush() // as above
	}
}

// acceptsGzip tells whether the client of r takes gzip.
func acceptsGzip(r *http.Request) bool {
	for _, list := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(list, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				_, q, weighted := strings.Cut(weight, "q=")
				f, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
				return !weighted || err == nil && f > 0
			}
		}
	}
	return false
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
