package reductotest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzDocument checks that every upload can be read and that text is not changed.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{
		"# Title\n\nKey: value\r\n\r\n\r\n| a | b |\n|---|---|\n| 1 | 2 |\f- item", "\n\n\f\f \n", "no\x00text", "\xff\xfe",
		"%PDF-1.4\n1 0 obj << >> stream\nBT (a\\(b\\)\\101) Tj [(x) -9 <4142>] TJ ' \" T* ET\nendstream endobj",
		"%PDF-1.4 /FlateDecode stream\nx\nendstream", "%PDF- stream (", "%PDF-1.4 stream\n%\nBT <", "%PDF-1.7 /Encrypt 1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, failure := readDocument(body)
		if failure != nil {
			require.Empty(t, body)
			return
		}
		require.NotEmpty(t, d.pages)
		_, numbers := selectPages(d.pages, nil)
		for _, mode := range []string{"", "page", "block", "section", "page_sections", "variable"} {
			for _, c := range chunksOf(d.pages, numbers, d.figure, chunkConfig{mode: mode, size: 10}) {
				for _, b := range c.Blocks {
					assert.Contains(t, d.pages[b.BBox.Page-1], b.Content)
					assert.NotEmpty(t, strings.TrimSpace(b.Content))
				}
			}
		}
		if !d.figure && !bytes.HasPrefix(body, []byte("%PDF-")) {
			whole := chunksOf(d.pages, numbers, false, chunkConfig{})
			require.Len(t, whole, 1)
			require.Equal(t, string(body), whole[0].Content)
		}
		factsOf(d.pages, numbers)
		require.True(t, json.Valid(mustMarshal(chunksOf(d.pages, numbers, d.figure, chunkConfig{}))))
	})
}

// FuzzSubmission checks that every request is refused with a message or has a JSON result.
func FuzzSubmission(f *testing.F) {
	for path, seeds := range map[string][]string{
		"/parse_async": {`{"input":["https://a.example/b",""],"async":{"webhook":{"mode":"svix","channels":["x"]},"metadata":[1]},` +
			`"retrieval":{"chunking":{"chunk_mode":"block"}},"settings":{"page_range":[{"start":1}]}}`, `{"document_url":{"file_id":"reducto://x"}}`, `null`},
		"/extract": {`{"input":"https://a.example/Total:%201","instructions":{"schema":{"$ref":"#/a","a":{"properties":{"host":{"type":["null","string"]},` +
			`"x":{"items":{"properties":{"path":{"type":"integer"}}}}}}}},"settings":{"citations":{"enabled":true}}}`},
		"/split": {`{"input":"https://a.example/b","split_description":[{"name":"document","description":"","partition_key":"Host"}],` +
			`"settings":{"deep_split":true}}`},
		"/pipeline":   {`{"input":"https://a.example/b","pipeline_id":"p"}`},
		"/edit_async": {`{"document_url":"https://a.example/b","edit_instructions":"x","form_schema":null,"webhook":{"mode":"direct","metadata":1}}`},
		"/classify":   {`{"input":"https://a.example/b","classification_schema":[{"category":"document","criteria":["text"]}],"page_range":[1,2]}`},
	} {
		for _, seed := range seeds {
			f.Add(path, []byte(seed))
		}
	}
	s, err := Start()
	require.NoError(f, err)
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, path string, raw []byte) {
		ep := endpoints[path]
		if ep == nil {
			return
		}
		j, refused := s.readSubmission(path, ep, raw)
		switch refused := refused.(type) {
		case problems:
			require.True(t, json.Valid(mustMarshal([]object(refused))))
			return
		case *apiError:
			require.NotEmpty(t, refused.message)
			return
		}
		require.True(t, json.Valid(payload("Completed", "x", j.metadata)))
		_, o, failure := s.compute(j)
		if failure != nil {
			require.NotEmpty(t, failure.name)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		require.True(t, json.Valid(mustMarshal(s.renderOutcome(j, o))))
	})
}
