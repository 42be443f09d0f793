package reductotest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// document is the text of an input.
type document struct {
	pages       []string
	contentType string
	raw         []byte // the first file; nil for generated text
	file        *file  // the first file, if it was uploaded
	figure      bool   // not text; its only block is a Figure
	encrypted   bool
}

func (d *document) text() string { return strings.Join(d.pages, "\f") }

// inputs returns the references in the checked value of "input" or "document_url".
func inputs(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, item := range v {
			list = append(list, item.(string))
		}
		return list
	case map[string]any:
		id, _ := v["file_id"].(string)
		return []string{id}
	}
	return nil
}

// checkReferences refuses the references that the API refuses before it makes a job.
// Like the API, it always speaks of document_url.
func checkReferences(refs []string) *apiError {
	if len(refs) == 0 {
		return newAPIError("INVALID_CONFIG", "Invalid document_url: there is none")
	}
	for _, ref := range refs {
		if !isReference(ref) {
			return newAPIError("INVALID_CONFIG",
				"Invalid document_url: %q is not a URL, reducto:// or jobid:// reference", withoutQuery(ref))
		}
	}
	return nil
}

func isReference(ref string) bool {
	scheme, rest, ok := strings.Cut(ref, "://")
	if !ok || rest == "" {
		return false
	}
	switch scheme {
	case "http", "https":
		u, err := url.Parse(ref)
		return err == nil && u.Host != ""
	case "s3", "reducto", "jobid":
		return true
	}
	return false
}

// withoutQuery removes the query, which makes a presigned URL a secret.
func withoutQuery(ref string) string {
	before, _, _ := strings.Cut(ref, "?")
	return before
}

// resolve reads the documents of refs as one document. There is at least one reference.
func (s *Server) resolve(refs []string) (*document, *apiError) {
	var all *document
	for _, ref := range refs {
		d, err := s.resolveOne(ref)
		if err != nil {
			return nil, err
		}
		if all == nil {
			c := *d
			all = &c
			continue
		}
		all.pages = append(append([]string{}, all.pages...), d.pages...)
		all.figure = all.figure && d.figure
		all.encrypted = all.encrypted || d.encrypted
	}
	return all, nil
}

func (s *Server) resolveOne(ref string) (*document, *apiError) {
	if id, ok := strings.CutPrefix(ref, "jobid://"); ok {
		return s.documentOfJob(id)
	}
	if strings.HasPrefix(ref, filePrefix) {
		body, f := s.uploaded(ref)
		if f == nil {
			return nil, newAPIError("NOT_FOUND", "File not found for document_url: %s", ref)
		}
		d, err := readDocument(body)
		if d != nil {
			d.file = f
		}
		return d, err
	}
	s.mu.Lock()
	body, known := s.documents[ref]
	s.mu.Unlock()
	switch {
	case known && body == nil:
		return nil, newAPIError("INVALID_CONFIG", "Failed to download the file from document_url: %s", withoutQuery(ref))
	case known:
		return readDocument(body)
	}
	return generatedDocument(ref), nil
}

// documentOfJob returns the document of an earlier job.
func (s *Server) documentOfJob(id string) (*document, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	switch {
	case j == nil || j.deleted || s.expired(j):
		return nil, newAPIError("NOT_FOUND", "Job not found for document_url: jobid://%s", id)
	case j.document != nil:
		return j.document, nil
	case j.ended():
		return nil, newAPIError("INVALID_CONFIG", "The job of document_url has no document: jobid://%s", id)
	}
	return nil, newAPIError("JOB_NOT_COMPLETE", "The job of document_url is not complete: jobid://%s", id)
}

// readDocument reads the text of a file.
func readDocument(body []byte) (*document, *apiError) {
	contentType := http.DetectContentType(body)
	switch {
	case len(body) == 0:
		return nil, newAPIError("DOCUMENT_EMPTY", "The document of document_url is empty")
	case bytes.HasPrefix(body, []byte("%PDF-")):
		return readPDF(body), nil
	case utf8.Valid(body) && bytes.IndexByte(body, 0) < 0:
		return &document{pages: strings.Split(string(body), "\f"), contentType: contentType, raw: body}, nil
	}
	return figureDocument(body, contentType), nil
}

// figureDocument returns the document of a file without readable text.
func figureDocument(body []byte, contentType string) *document {
	return &document{
		pages:       []string{fmt.Sprintf("%s, %d bytes", contentType, len(body))},
		contentType: contentType, raw: body, figure: true,
	}
}

// generatedDocument returns the document for a URL, which this package does not
// download.
func generatedDocument(ref string) *document {
	host, path := "", ""
	if u, err := url.Parse(ref); err == nil {
		host, path = u.Hostname(), u.Path
	}
	text := fmt.Sprintf("# Document from %[1]s\n\nThis text stands in for a document that the test server did not download.\n\nHost: %[1]s\nPath: %[2]s",
		host, path)
	return &document{pages: []string{text}, contentType: "text/plain; charset=utf-8"}
}

// selectPages returns the pages of a page_range and their numbers. A page_range is an
// object with start and end, a list of these, or a list of page numbers. Names of
// sheets select all pages.
func selectPages(pages []string, pageRange any) (kept []string, numbers []int) {
	wanted := make([]bool, len(pages)+1)
	mark := func(from, to int) {
		for n := max(from, 1); n <= min(to, len(pages)); n++ {
			wanted[n] = true
		}
	}
	switch v := pageRange.(type) {
	case map[string]any:
		mark(intOr(v["start"], 1), intOr(v["end"], len(pages)))
	case []any:
		for _, item := range v {
			switch item := item.(type) {
			case map[string]any:
				mark(intOr(item["start"], 1), intOr(item["end"], len(pages)))
			case string:
				mark(1, len(pages))
			default:
				n := intOr(item, 0)
				mark(n, n)
			}
		}
		if len(v) == 0 {
			mark(1, len(pages))
		}
	default:
		mark(1, len(pages))
	}
	for i, page := range pages {
		if wanted[i+1] {
			kept, numbers = append(kept, page), append(numbers, i+1)
		}
	}
	return kept, numbers
}
