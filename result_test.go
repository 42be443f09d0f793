package reducto

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// wire is a sample of what the service sends.
func wire(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "wire", name))
	require.NoError(t, err)
	return raw
}

// wireNames are the samples that a pattern matches.
func wireNames(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "wire", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = filepath.Base(path)
	}
	return names
}

func wireJob(t testing.TB, name string) *Job {
	t.Helper()
	job := new(Job)
	require.NoError(t, json.Unmarshal(wire(t, name), job))
	return job
}

// resultOf is the result of a sample, as its type.
func resultOf[R Result](t testing.TB, name string) R {
	t.Helper()
	r, err := As[R](wireJob(t, name))
	require.NoError(t, err)
	return r
}

// value is the JSON in raw without members that are null, which the service and
// this library both take for absent.
func value(t testing.TB, raw []byte) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(raw, &v), "%s", raw)
	return dropNulls(v)
}

func dropNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
			} else {
				v[name] = dropNulls(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = dropNulls(v[i])
		}
	}
	return v
}

func compact(t testing.TB, raw []byte) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, json.Compact(&b, raw))
	return b.String()
}

// The type of result in each sample of a job, and its response type.
var samples = map[string]struct {
	result       Result
	responseType string
}{
	"job_parse.json":                  {&ParseResult{}, "parse"},
	"job_parse_old.json":              {&ParseResult{}, "parse"},
	"job_parse_url.json":              {&ParseResult{}, "parse"},
	"job_parse_nulls.json":            {&ParseResult{}, "parse"},
	"job_extract_v3_citations.json":   {&ExtractResult{}, "v3_extract"},
	"job_extract_v3_plain.json":       {&ExtractResult{}, "v3_extract"},
	"job_extract_list.json":           {&ExtractResult{}, "extract"},
	"job_extract_v2_citations.json":   {&ExtractResult{}, "extract"},
	"job_extract_url.json":            {&ExtractResult{}, "extract"},
	"job_extract_lookalike.json":      {&ExtractResult{}, "v3_extract"},
	"job_split.json":                  {&SplitResult{}, "split"},
	"job_split_old.json":              {&SplitResult{}, "split"},
	"job_split_deep.json":             {&SplitResult{}, "split"},
	"job_split_url.json":              {&SplitResult{}, "split"},
	"job_pipeline_split_extract.json": {&PipelineResult{}, "pipeline"},
	"job_pipeline_parse_list.json":    {&PipelineResult{}, "pipeline"},
	"job_edit.json":                   {&EditResult{}, "edit"},
	"job_edit_old.json":               {&EditResult{}, "edit"},
	"job_classify.json":               {&ClassifyResult{}, "classify"},
	"job_classify_old.json":           {&ClassifyResult{}, "classify"},
	"job_classify_url.json":           {&ClassifyResult{}, "classify"},
	"job_chart.json":                  {&ChartResult{}, "chart"},
	"job_unknown_type.json":           {&UnknownResult{}, "translate"},
	"job_pending.json":                {},
	"job_pending_nulls.json":          {},
	"job_archiving.json":              {},
	"job_failed.json":                 {},
	"job_failed_reason.json":          {},
	"job_cancelled.json":              {},
	"job_completed_null.json":         {},
}

func TestSamplesSurvive(t *testing.T) {
	t.Parallel()
	names := wireNames(t, "job_*.json")
	assert.Len(t, names, len(samples))
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, samples, name)
			want := samples[name]
			raw := wire(t, name)
			var job Job
			require.NoError(t, json.Unmarshal(raw, &job))
			require.IsType(t, want.result, job.Result)
			if want.result != nil {
				assert.Equal(t, want.responseType, job.Result.ResponseType())
			}

			encoded, err := json.Marshal(job)
			require.NoError(t, err)
			assert.Equal(t, value(t, raw), value(t, encoded))

			var again Job
			require.NoError(t, json.Unmarshal(encoded, &again))
			twice, err := json.Marshal(&again)
			require.NoError(t, err)
			assert.Equal(t, string(encoded), string(twice))
		})
	}
}

// What a result has in the user's or the service's own form is not touched at
// all: no float goes through a float64.
func TestRawPartsAreKeptByteForByte(t *testing.T) {
	t.Parallel()
	encoded, err := json.Marshal(wireJob(t, "job_extract_v3_plain.json"))
	require.NoError(t, err)
	assert.Contains(t, string(encoded), `"serial":12345678901234567890123`)
	encoded, err = json.Marshal(wireJob(t, "job_chart.json"))
	require.NoError(t, err)
	assert.Contains(t, string(encoded), `"y":12345678901234567890`)
	encoded, err = json.Marshal(wireJob(t, "job_parse.json"))
	require.NoError(t, err)
	assert.Contains(t, string(encoded), `"n":12345678901234567890`)

	const unknown = `{"response_type":"translate","n":1.50,"n":2,"big":12345678901234567890.10}`
	var job Job
	require.NoError(t, json.Unmarshal([]byte(`{"status":"Completed","result":`+unknown+`}`), &job))
	encoded, err = json.Marshal(job.Result)
	require.NoError(t, err)
	assert.Equal(t, unknown, string(encoded))
}

// A site is an object of a JSON text: the offset behind its brace and the names
// that lead to it.
type site struct {
	at   int
	path string
}

// objects finds the objects of a compact text.
func objects(text string) (sites []site) {
	var path []string
	name, inString, start := "", false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			if inString = !inString; inString {
				start = i + 1
			} else if i+1 < len(text) && text[i+1] == ':' {
				name = text[start:i]
			}
		case inString:
		case c == '{', c == '[':
			path = append(path, name)
			if c == '{' {
				sites = append(sites, site{i + 1, strings.Join(path, ".")})
			}
			name = ""
		case c == '}', c == ']':
			path, name = path[:len(path)-1], ""
		}
	}
	return sites
}

// Objects that belong to the user, or to nobody yet, have no members that this
// library could know, and are kept as they are.
var openObjects = map[string]*regexp.Regexp{
	"job_":                   regexp.MustCompile(`\.(source|document_properties|merged_tables|custom|usage_breakdown|nested|warnings|review|toc|summary|extra_metadata)\b`),
	"job_unknown":            regexp.MustCompile(`^\.result`),
	"job_chart":              regexp.MustCompile(`^\.result\.result`),
	"job_extract":            regexp.MustCompile(`^\.result\.(result|citations)`),
	"job_pipeline":           regexp.MustCompile(`\.extract(\.\.result)?\.result`),
	"job_parse_url":          regexp.MustCompile(`^\.result\.result`),
	"job_split_url":          regexp.MustCompile(`^\.result\.result`),
	"job_classify_url":       regexp.MustCompile(`^\.result\.result`),
	"job_parse.json":         blockExtra,
	"job_pipeline_split_ext": blockExtra,
}

var blockExtra = regexp.MustCompile(`\.blocks\.\.extra`)

func isOpen(sample string, s site) bool {
	for prefix, path := range openObjects {
		if strings.HasPrefix(sample, prefix) && path.MatchString(s.path) {
			return true
		}
	}
	return false
}

// Maps have any name; one of two parsed documents is behind a link.
func isMap(s site) bool {
	for _, name := range []string{".credit_breakdown", ".page_billing_breakdown", ".section_mapping", ".parse..result"} {
		if strings.HasSuffix(s.path, name) {
			return true
		}
	}
	return false
}

// firstMember is the first member of the object that text begins with.
func firstMember(t *testing.T, text string) (member string) {
	var raw json.RawMessage
	require.NoError(t, json.NewDecoder(strings.NewReader(text)).Decode(&raw))
	stop := errors.New("stop")
	require.Equal(t, stop, members.Each(raw, func(name string, value []byte) error {
		member = fmt.Sprintf("%q:%s", name, value)
		return stop
	}))
	return member
}

func insert(text string, at int, member string) string {
	if text[at] != '}' {
		member += ","
	}
	return text[:at] + member + text[at:]
}

func TestUnknownMembersAreKeptEverywhere(t *testing.T) {
	t.Parallel()
	for _, name := range wireNames(t, "job_*.json") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := compact(t, wire(t, name))
			for _, s := range objects(text) {
				if isMap(s) {
					continue
				}
				changed := insert(text, s.at, `"not_yet_known":{"list":[1,null,{"n":1.5}],"Status":"x"}`)
				var job Job
				require.NoError(t, json.Unmarshal([]byte(changed), &job), s.path)
				encoded, err := json.Marshal(job)
				require.NoError(t, err)
				assert.Equal(t, value(t, []byte(changed)), value(t, encoded), s.path)
			}
		})
	}
}

// Two members of one name are two readings of one document.
func TestDuplicateMembersAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	refused := 0
	for _, name := range wireNames(t, "job_*.json") {
		text := compact(t, wire(t, name))
		for _, s := range objects(text) {
			var job Job
			changed := insert(text, s.at, `"twice":1,"twice":1`)
			err := json.Unmarshal([]byte(changed), &job)
			if isOpen(name, s) {
				assert.NoError(t, err, "%s: %s", name, s.path)
				continue
			}
			if isMap(s) {
				continue
			}
			var duplicate *members.DuplicateError
			if assert.ErrorAs(t, err, &duplicate, "%s: %s", name, s.path) {
				assert.Equal(t, "twice", duplicate.Name)
			}
			if text[s.at] == '"' { // a known member twice
				assert.ErrorAs(t, json.Unmarshal([]byte(insert(text, s.at, firstMember(t, text[s.at-1:]))), &job), &duplicate, "%s: %s", name, s.path)
			}
			refused++
		}
	}
	assert.Greater(t, refused, 100)
}

// A name of another case is another name, as it is for every other reader.
func TestNamesAreMatchedExactly(t *testing.T) {
	t.Parallel()
	const text = `{"Status":"Failed","status":"Completed","Result":{"a":1},"TYPE":"Parse",
		"result":{"response_type":"parse","Response_Type":"edit","Job_ID":"x","usage":{"Num_Pages":5},
		"result":{"chunks":[{"Content":"x","blocks":[{"TYPE":"Text","bbox":{"Left":1}}]}],"Chunks":[]}}}`
	var job Job
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	assert.Equal(t, StatusCompleted, job.Status)
	assert.Empty(t, job.Type)
	assert.Len(t, job.Extra, 3)
	r, err := As[*ParseResult](&job)
	require.NoError(t, err)
	assert.Empty(t, r.JobID)
	assert.Zero(t, r.Usage.NumPages)
	assert.Equal(t, Extra{"Response_Type": []byte(`"edit"`), "Job_ID": []byte(`"x"`)}, r.Extra)
	chunks, err := r.Load(t.Context())
	require.NoError(t, err)
	assert.Empty(t, chunks[0].Content)
	assert.Equal(t, Extra{"Content": []byte(`"x"`)}, chunks[0].Extra)
	assert.Equal(t, Extra{"TYPE": []byte(`"Text"`)}, chunks[0].Blocks[0].Unknown)
	assert.Equal(t, Extra{"Left": []byte("1")}, chunks[0].Blocks[0].BBox.Extra)
}

func TestResultTypes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		job          JobType
		result       string
		want         Result
		responseType string
	}{
		"response type before all":          {JobExtract, `{"response_type":"parse","usage":{"num_fields":1},"result":[],"citations":[]}`, &ParseResult{}, "parse"},
		"response type after the result":    {"", `{"result":[{"a":1}],"usage":{},"response_type":"v3_extract"}`, &ExtractResult{}, "v3_extract"},
		"response type after its likeness":  {"", `{"result":{"type":"full","chunks":[]},"duration":1,"response_type":"v3_extract"}`, &ExtractResult{}, "v3_extract"},
		"unknown response type":             {JobParse, `{"response_type":"parse_v2","result":{"type":"full","chunks":[]}}`, &UnknownResult{}, "parse_v2"},
		"unknown response type, no job":     {"", `{"response_type":"Parse","result":{"type":"full","chunks":[]}}`, &UnknownResult{}, "Parse"},
		"empty response type":               {JobParse, `{"response_type":"","result":{"type":"full","chunks":[]}}`, &UnknownResult{}, ""},
		"response type null":                {JobSplit, `{"response_type":null,"usage":{},"result":{"splits":[]}}`, &SplitResult{}, "split"},
		"response type of another kind":     {JobSplit, `{"response_type":7,"usage":{},"result":{"splits":[]}}`, &SplitResult{}, "split"},
		"job type parse":                    {JobParse, `{"result":{"chunks":[]}}`, &ParseResult{}, "parse"},
		"job type extract, likeness":        {JobExtract, `{"usage":{},"result":{"type":"full","chunks":[]},"duration":1}`, &ExtractResult{}, "v3_extract"},
		"job type extract, list":            {JobExtract, `{"usage":{},"result":[]}`, &ExtractResult{}, "extract"},
		"job type extract, citations":       {JobExtract, `{"usage":{},"result":{},"citations":null}`, &ExtractResult{}, "extract"},
		"job type edit":                     {JobEdit, `{"document_url":"https://example.com/a"}`, &EditResult{}, "edit"},
		"job type chart":                    {JobChart, `{"result":{}}`, &ChartResult{}, "chart"},
		"job type classify":                 {JobClassify, `{"result":{"category":"a"}}`, &ClassifyResult{}, "classify"},
		"job type pipeline":                 {JobPipeline, `{"result":{}}`, &PipelineResult{}, "pipeline"},
		"unknown job type":                  {"Translate", `{"duration":1,"result":{"type":"full","chunks":[]}}`, &UnknownResult{}, ""},
		"a list":                            {JobExtract, `[{"a":1}]`, &UnknownResult{}, ""},
		"a text":                            {JobParse, `"done"`, &UnknownResult{}, ""},
		"no members":                        {"", `{}`, &UnknownResult{}, ""},
		"members: edit":                     {"", `{"document_url":"https://example.com/a","usage":null}`, &EditResult{}, "edit"},
		"members: a link to a document too": {"", `{"document_url":"https://example.com/a","usage":{},"result":{"a":1}}`, &ExtractResult{}, "v3_extract"},
		"members: parse":                    {"", `{"duration":1,"usage":{},"result":{"type":"full","chunks":[]}}`, &ParseResult{}, "parse"},
		"members: parse without a type":     {"", `{"duration":1,"usage":{},"result":{"chunks":[]}}`, &ParseResult{}, "parse"},
		"members: parse behind a URL":       {"", `{"duration":1,"usage":{"num_pages":1},"result":{"type":"url","url":"https://example.com/a","result_id":"1"}}`, &ParseResult{}, "parse"},
		"members: extract behind a URL":     {"", `{"usage":{"num_pages":1,"num_fields":1},"result":{"type":"url","url":"https://example.com/a","result_id":"1"}}`, &ExtractResult{}, "v3_extract"},
		"members: v2 extract behind a URL":  {"", `{"usage":{},"citations":null,"result":{"type":"url","url":"https://example.com/a","result_id":"1"}}`, &ExtractResult{}, "extract"},
		"members: who knows behind a URL":   {"", `{"usage":{"num_pages":1},"result":{"type":"url","url":"https://example.com/a","result_id":"1"}}`, &UnknownResult{}, ""},
		"members: split":                    {"", `{"usage":{},"result":{"section_mapping":null,"splits":[]}}`, &SplitResult{}, "split"},
		"members: deep split":               {"", `{"usage":{},"result":{"splits":[{"name":"a","pages":[]}]}}`, &SplitResult{}, "split"},
		"members: pipeline":                 {"", `{"usage":{},"result":{"parse":null,"extract":null,"split":null}}`, &PipelineResult{}, "pipeline"},
		"members: half a pipeline":          {"", `{"usage":{},"result":{"parse":1,"extract":2}}`, &ExtractResult{}, "v3_extract"},
		"members: classify":                 {"", `{"job_id":"j","result":{"category":"a"}}`, &ClassifyResult{}, "classify"},
		"members: a category and more":      {"", `{"job_id":"j","result":{"category":"a","b":1}}`, &ClassifyResult{}, "classify"},
		"the user's category":               {"", `{"job_id":"j","usage":{},"result":{"category":"a","b":1}}`, &ExtractResult{}, "v3_extract"},
		"members: chart":                    {"", `{"result":{"chart_data":[]}}`, &ChartResult{}, "chart"},
		"members: extract, a list":          {"", `{"usage":{},"result":[{"chunks":[]}]}`, &ExtractResult{}, "extract"},
		"members: extract, an object":       {"", `{"usage":{},"result":{"a":1}}`, &ExtractResult{}, "v3_extract"},
		"members: extract, citations":       {"", `{"usage":{},"citations":null,"result":{"chunks":[]}}`, &ExtractResult{}, "extract"},
		"the user's url":                    {"", `{"usage":{},"result":{"type":"url","url":"https://example.com/"}}`, &ExtractResult{}, "v3_extract"},
		"the user's url, another type":      {"", `{"usage":{},"result":{"type":"uri","url":"https://example.com/","result_id":"1"}}`, &ExtractResult{}, "v3_extract"},
		"the user's url, not a text":        {"", `{"usage":{},"result":{"type":"url","url":["https://example.com/"],"result_id":"1"}}`, &ExtractResult{}, "v3_extract"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, err := json.Marshal(test.job)
			require.NoError(t, err)
			// Also where the type of the job follows the result.
			for _, text := range []string{
				`{"status":"Completed","type":` + string(kind) + `,"result":` + test.result + `}`,
				`{"result":` + test.result + `,"status":"Completed","type":` + string(kind) + `}`,
			} {
				var job Job
				require.NoError(t, json.Unmarshal([]byte(text), &job))
				require.IsType(t, test.want, job.Result)
				assert.Equal(t, test.responseType, job.Result.ResponseType())
				if u, ok := job.Result.(*UnknownResult); ok {
					assert.Equal(t, test.result, string(u.Raw))
				}
			}
		})
	}
}

// A user's schema can have any names at all. With the number of fields, which only
// an extraction has, or with either name, none of them leads astray.
func TestExtractedDataIsNeverMistaken(t *testing.T) {
	t.Parallel()
	lookalikes := []string{
		`{"type":"full","chunks":[{"content":"a","blocks":[]}]}`,
		`{"chunks":[]}`,
		`{"splits":[],"section_mapping":null}`,
		`{"parse":{},"extract":[],"split":{}}`,
		`{"category":"boat"}`,
		`{"chart_data":[]}`,
		`{"type":"url","url":"https://example.com/"}`,
		`{"document_url":"https://example.com/a.pdf"}`,
		`{"response_type":"parse","result":{"chunks":[]}}`,
		`[{"type":"full","chunks":[]}]`,
	}
	for _, data := range lookalikes {
		for _, text := range []string{
			`{"response_type":"v3_extract","duration":1,"usage":{"num_pages":1},"result":` + data + `}`,
			`{"duration":1,"usage":{"num_pages":1,"num_fields":1},"result":` + data + `}`,
			`{"duration":1,"usage":{"num_pages":1,"num_fields":null},"result":` + data + `}`,
			`{"duration":1,"usage":{"num_pages":1},"citations":null,"result":` + data + `}`,
		} {
			var job Job
			require.NoError(t, json.Unmarshal([]byte(`{"status":"Completed","result":`+text+`}`), &job))
			r, err := As[*ExtractResult](&job)
			require.NoError(t, err, text)
			assert.Empty(t, r.Link())
			raw, err := r.Raw(t.Context())
			require.NoError(t, err)
			assert.Equal(t, data, string(raw))
		}
	}
}

func TestResultsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for text, part := range map[string]string{
		`{"response_type":"parse","usage":[]}`:                                        `result of type "parse": usage: `,
		`{"response_type":"parse","result":{"chunks":[1]}}`:                           "result: chunks: ",
		`{"response_type":"parse","result":{"chunks":[{"blocks":[{"bbox":[]}]}]}}`:    "bbox: ",
		`{"response_type":"split","result":{"splits":{}}}`:                            "no list of splits",
		`{"response_type":"split","result":[]}`:                                       "no list of splits",
		`{"response_type":"split","result":{"splits":[{"pages":["a"]}]}}`:             "pages: ",
		`{"response_type":"classify","result":[]}`:                                    "result: ",
		`{"response_type":"classify","result":{"category":1}}`:                        "category: ",
		`{"response_type":"pipeline","result":[]}`:                                    "not an object",
		`{"response_type":"pipeline","result":{"parse":"a"}}`:                         "result: parse: ",
		`{"response_type":"pipeline","result":{"parse":[{"usage":1}]}}`:               "result: parse: usage: ",
		`{"response_type":"pipeline","result":{"extract":7}}`:                         "result: extract: ",
		`{"response_type":"pipeline","result":{"split":[]}}`:                          "result: split: ",
		`{"response_type":"pipeline","result":{"edit":[]}}`:                           "result: edit: ",
		`{"response_type":"pipeline","result":{"extract":null,"a":1,"extract":null}}`: `duplicate member "extract"`,
		`{"response_type":"edit","document_url":{}}`:                                  "document_url: ",
		`{"response_type":"extract","usage":{"num_pages":"1"}}`:                       "num_pages: ",
	} {
		var job Job
		assert.ErrorContains(t, json.Unmarshal([]byte(`{"status":"Completed","result":`+text+`}`), &job), part, text)
		assert.Empty(t, job.Status, "nothing of it is left behind")
	}
}

// Unset and zero are the same where the service's default is zero.
func TestZeroMembersAreLeftOut(t *testing.T) {
	t.Parallel()
	var c Chunk
	require.NoError(t, json.Unmarshal([]byte(`{"content":"a","embed":"","enrichment_success":false,"blocks":[]}`), &c))
	raw, err := json.Marshal(c)
	require.NoError(t, err)
	assert.JSONEq(t, `{"content":"a","embed":"","blocks":[]}`, string(raw))
	// A pointer keeps what zero means.
	var u ParseUsage
	require.NoError(t, json.Unmarshal([]byte(`{"num_pages":0,"credits":0,"non_empty_cell_count":0}`), &u))
	raw, err = json.Marshal(u)
	require.NoError(t, err)
	assert.JSONEq(t, `{"num_pages":0,"credits":0,"non_empty_cell_count":0}`, string(raw))
}

func TestNilResultsMarshalAsNull(t *testing.T) {
	t.Parallel()
	for _, r := range []any{
		(*ParseResult)(nil), (*ExtractResult)(nil), (*SplitResult)(nil), (*PipelineResult)(nil),
		(*EditResult)(nil), (*ClassifyResult)(nil), (*ChartResult)(nil), &UnknownResult{},
	} {
		raw, err := json.Marshal(r)
		require.NoError(t, err, "%T", r)
		assert.Equal(t, "null", string(raw), "%T", r)
	}
	assert.Empty(t, (*ParseResult)(nil).linkOrNone())
}

// Null changes nothing, as everywhere in encoding/json.
func TestNullIsDecodedIntoNothing(t *testing.T) {
	t.Parallel()
	for text, v := range map[string]any{
		`{"response_type":"parse","job_id":"j","result":{"chunks":[{"content":"a"}]}}`: new(ParseResult),
		`{"response_type":"extract","job_id":"j","result":[1],"citations":[1]}`:        new(ExtractResult),
		`{"response_type":"split","job_id":"j","result":{"splits":[{"name":"a"}]}}`:    new(SplitResult),
		`{"response_type":"pipeline","job_id":"j","result":{}}`:                        new(PipelineResult),
		`{"response_type":"edit","document_url":"https://example.com/"}`:               new(EditResult),
		`{"response_type":"classify","job_id":"j","result":{"category":"a"}}`:          new(ClassifyResult),
		`{"response_type":"chart","job_id":"j","result":{"chart_data":1}}`:             new(ChartResult),
		`{"response_type":"x","a":1}`:                                                  new(UnknownResult),
		`{"num_pages":1,"num_fields":1,"a":1}`:                                         new(ExtractUsage),
		`{"job_id":"j","status":"Pending","a":1}`:                                      new(Job),
		`{"page_number":3,"evidence":"e"}`:                                             new(SplitPage),
	} {
		require.NoError(t, json.Unmarshal([]byte(text), v))
		before, err := json.Marshal(v)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal([]byte(" null "), v))
		require.NoError(t, v.(json.Unmarshaler).UnmarshalJSON([]byte("\tnull")))
		after, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Equal(t, string(before), string(after), "%T", v)
		assert.Greater(t, len(after), len(`{"response_type":""}`), "%T", v)
	}
}

// A result that is decoded into once more has nothing of the first.
func TestResultsAreDecodedAnew(t *testing.T) {
	t.Parallel()
	const parse = `{"response_type":"parse","job_id":"j","duration":1,"usage":{"num_pages":1},"result":{"chunks":[{"content":"a"}]},"new":1}`
	for kind, texts := range map[Result][2]string{
		new(ParseResult):    {parse, `{"usage":{"num_pages":2},"result":{"type":"url","url":"https://example.com/","result_id":"1"}}`},
		new(ExtractResult):  {`{"response_type":"extract","job_id":"j","confidence":"high","usage":{"num_fields":1},"result":[1],"citations":[1],"new":1}`, `{"result":{"a":1}}`},
		new(SplitResult):    {`{"response_type":"split","result":{"splits":[{"name":"a"}],"new":1},"new":1}`, `{"result":null}`},
		new(PipelineResult): {`{"response_type":"pipeline","result":{"parse":[` + parse + `],"new":1},"new":1}`, `{"result":{}}`},
		new(EditResult):     {`{"response_type":"edit","document_url":"https://example.com/","new":1}`, `{"document_url":"https://example.com/b"}`},
		new(ClassifyResult): {`{"response_type":"classify","result":{"category":"a","new":1},"new":1}`, `{"result":null}`},
		new(ChartResult):    {`{"response_type":"chart","result":{"chart_data":1},"new":1}`, `{}`},
		new(UnknownResult):  {`{"response_type":"x"}`, `[]`},
	} {
		require.NoError(t, json.Unmarshal([]byte(texts[0]), kind))
		require.NoError(t, json.Unmarshal([]byte(texts[1]), kind))
		encoded, err := json.Marshal(kind)
		require.NoError(t, err)
		fresh := reflect.New(reflect.TypeOf(kind).Elem()).Interface()
		require.NoError(t, json.Unmarshal([]byte(texts[1]), fresh))
		want, err := json.Marshal(fresh)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(encoded), "%T", kind)
	}
}

func TestAs(t *testing.T) {
	t.Parallel()
	job := wireJob(t, "job_parse.json")
	job.ID = "j1"
	r, err := As[*ParseResult](job)
	require.NoError(t, err)
	assert.Same(t, job.Result, r)
	any, err := As[Result](job)
	require.NoError(t, err)
	assert.Same(t, job.Result, any)

	var wrong *ResultTypeError
	_, err = As[*ExtractResult](job)
	require.ErrorAs(t, err, &wrong)
	assert.Equal(t, ResultTypeError{JobID: "j1", Want: "*reducto.ExtractResult", Got: "*reducto.ParseResult"}, *wrong)
	assert.NotErrorIs(t, err, ErrExpired)

	unknown := wireJob(t, "job_unknown_type.json")
	_, err = As[*ParseResult](unknown)
	require.ErrorAs(t, err, &wrong)
	assert.Equal(t, `*reducto.UnknownResult ("translate")`, wrong.Got)

	_, err = As[*ParseResult](wireJob(t, "job_completed_null.json"))
	require.ErrorAs(t, err, &wrong)
	require.ErrorIs(t, err, ErrExpired)
	_, err = As[Result](wireJob(t, "job_completed_null.json"))
	require.ErrorIs(t, err, ErrExpired)

	for _, name := range []string{"job_failed.json", "job_cancelled.json"} {
		var failed *JobError
		_, err = As[Result](wireJob(t, name))
		require.ErrorAs(t, err, &failed, name)
	}
	var running *WaitError
	_, err = As[Result](wireJob(t, "job_archiving.json"))
	require.ErrorAs(t, err, &running)
	assert.Equal(t, JobStatus("Archiving"), running.Last.Status)

	var refused *RequestError
	_, err = As[Result](nil)
	require.ErrorAs(t, err, &refused)
}

// texts are the texts of all chunks, by three ways that have to agree.
func texts(t *testing.T, r *ParseResult) []string {
	t.Helper()
	var fromChunks, fromBlocks, blocksOfChunks []string
	for chunk, err := range r.Chunks(t.Context()) {
		require.NoError(t, err)
		fromChunks = append(fromChunks, chunk.Content)
		for _, b := range chunk.Blocks {
			blocksOfChunks = append(blocksOfChunks, b.Content)
		}
	}
	for block, err := range r.Blocks(t.Context()) {
		require.NoError(t, err)
		fromBlocks = append(fromBlocks, block.Content)
	}
	assert.Equal(t, blocksOfChunks, fromBlocks)
	chunks, err := r.Load(t.Context())
	require.NoError(t, err)
	require.Len(t, chunks, len(fromChunks))
	for i, c := range chunks {
		assert.Equal(t, c.Content, fromChunks[i])
	}
	return fromChunks
}

func TestParseResultInline(t *testing.T) {
	t.Parallel()
	r := resultOf[*ParseResult](t, "job_parse.json")
	assert.Empty(t, r.Link())
	want := []string{"Harbour dues, spring\nB 4 1,250.00", ""}
	assert.Equal(t, want, texts(t, r))
	assert.Equal(t, want, texts(t, r), "a second time")

	chunks, err := r.Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "Dues for one berth", *chunks[0].Enriched)
	assert.True(t, chunks[0].EnrichmentSuccess)
	assert.Nil(t, chunks[1].Enriched)
	table := chunks[0].Blocks[1]
	assert.Equal(t, BlockTable, table.Type)
	assert.Equal(t, ConfidenceLow, table.Confidence)
	assert.Equal(t, 0.75, *table.GranularConfidence.ParseConfidence)
	assert.Equal(t, Extra{"layout_confidence": []byte("0.25")}, table.GranularConfidence.Extra)
	assert.Contains(t, string(table.ImageURL), "table.png?X-Amz")
	assert.Len(t, table.ChartData, 1)
	assert.JSONEq(t, "false", string(table.Extra["is_chart"]))
	assert.Empty(t, table.Unknown)
	assert.Equal(t, BoundingBox{Left: 0.125, Top: 0.25, Width: 0.75, Height: 0.375, Page: 1}, table.BBox)
	assert.Equal(t, 7, chunks[0].Blocks[0].BBox.OriginalPage)
	hologram := chunks[1].Blocks[0]
	assert.Equal(t, BlockType("Hologram"), hologram.Type)
	assert.Equal(t, Confidence("certain"), hologram.Confidence)
	assert.JSONEq(t, "[3,1,2]", string(hologram.Unknown["reading_order"]))
	assert.Nil(t, hologram.Extra)

	ocr, err := r.OCR(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "dues", ocr.Words[0].Text)
	assert.Zero(t, *ocr.Words[0].ChunkIndex)
	assert.Nil(t, ocr.Words[1].Confidence)
	assert.Equal(t, 360, *ocr.Lines[0].Rotation)
	custom, err := r.Custom(t.Context())
	require.NoError(t, err)
	assert.JSONEq(t, `{"tags":["harbour",null,2.5]}`, string(custom))
	assert.Equal(t, []BillingFeature{"parse", "table_agentic"}, r.Usage.PageBillingBreakdown["1"])

	old := resultOf[*ParseResult](t, "job_parse_old.json")
	assert.Equal(t, []string{"Berth B 4"}, texts(t, old))
	assert.Equal(t, 3.0, old.Duration)
	chunks, err = old.Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Confidence("High"), chunks[0].Blocks[0].Confidence)
	ocr, err = old.OCR(t.Context())
	require.NoError(t, err)
	assert.Nil(t, ocr)
	custom, err = old.Custom(t.Context())
	require.NoError(t, err)
	assert.Nil(t, custom)
}

func TestLeavingALoopEarly(t *testing.T) {
	t.Parallel()
	r := resultOf[*ParseResult](t, "job_parse.json")
	n := 0
	for range r.Chunks(t.Context()) {
		n++
		break
	}
	for range r.Blocks(t.Context()) {
		n++
		break
	}
	assert.Equal(t, 2, n)
}

func TestReadingWithAnEndedContext(t *testing.T) {
	t.Parallel()
	r := resultOf[*ParseResult](t, "job_parse.json")
	cause := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var got []error
	for chunk, err := range r.Chunks(ctx) {
		got = append(got, err)
		assert.Equal(t, err == nil, chunk != nil)
		cancel(cause)
	}
	require.Len(t, got, 2, "one chunk, and then the error")
	require.NoError(t, got[0])
	require.ErrorIs(t, got[1], context.Canceled)
	require.ErrorIs(t, got[1], cause)

	for block, err := range r.Blocks(ctx) {
		assert.Nil(t, block)
		require.ErrorIs(t, err, cause)
	}
	// What is at hand needs no context.
	_, err := r.Load(ctx)
	require.NoError(t, err)
}

// everyReader calls all that reads the content of a parse result.
func everyReader(ctx context.Context, r *ParseResult) map[string]error {
	errs := map[string]error{}
	for _, err := range r.Chunks(ctx) {
		errs["Chunks"] = err
	}
	for _, err := range r.Blocks(ctx) {
		errs["Blocks"] = err
	}
	_, errs["Load"] = r.Load(ctx)
	_, errs["OCR"] = r.OCR(ctx)
	_, errs["Custom"] = r.Custom(ctx)
	return errs
}

func TestDetachedResults(t *testing.T) {
	t.Parallel()
	r := resultOf[*ParseResult](t, "job_parse_url.json")
	assert.Contains(t, string(r.Link()), "https://bucket.example.com/result.json?X-Amz")
	errs := everyReader(t.Context(), r)
	require.Len(t, errs, 5)
	for name, err := range errs {
		require.ErrorIs(t, err, ErrDetached, name)
		assert.NotContains(t, err.Error(), "5a1e", name)
	}
	e := resultOf[*ExtractResult](t, "job_extract_url.json")
	assert.NotEmpty(t, e.Link())
	_, err := e.Raw(t.Context())
	require.ErrorIs(t, err, ErrDetached)
	_, err = e.Citations(t.Context())
	require.ErrorIs(t, err, ErrDetached)
	var v struct{ Number string }
	require.ErrorIs(t, e.Decode(t.Context(), &v), ErrDetached)

	s := resultOf[*SplitResult](t, "job_split_url.json")
	require.ErrorIs(t, s.resolve(t.Context()), ErrDetached)
	c := resultOf[*ClassifyResult](t, "job_classify_url.json")
	require.ErrorIs(t, c.resolve(t.Context()), ErrDetached)
	// There is nothing to resolve where everything is there.
	require.NoError(t, resultOf[*SplitResult](t, "job_split.json").resolve(t.Context()))
	require.NoError(t, resultOf[*ClassifyResult](t, "job_classify.json").resolve(t.Context()))
}

func TestResultsWithoutContent(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, `{"result":null}`} {
		var r ParseResult
		require.NoError(t, json.Unmarshal([]byte(text), &r))
		for name, err := range everyReader(t.Context(), &r) {
			require.ErrorIs(t, err, ErrExpired, name)
		}
		var e ExtractResult
		require.NoError(t, json.Unmarshal([]byte(text), &e))
		_, err := e.Raw(t.Context())
		require.ErrorIs(t, err, ErrExpired)
		var v any
		require.ErrorIs(t, e.Decode(t.Context(), &v), ErrExpired)
	}
	// A form of the future is not an expired result, and it is not lost.
	for _, inner := range []string{
		`{"type":"paged","pages":[]}`, `{}`, `[]`, `"x"`, `{"type":"full","chunks":null}`, `{"type":"url","url":"https://example.com/"}`,
	} {
		var r ParseResult
		require.NoError(t, json.Unmarshal([]byte(`{"result":`+inner+`}`), &r))
		for name, err := range everyReader(t.Context(), &r) {
			require.ErrorContains(t, err, "does not know", name)
			require.NotErrorIs(t, err, ErrExpired, name)
		}
		encoded, err := json.Marshal(&r)
		require.NoError(t, err)
		assert.Contains(t, string(encoded), `"result":`+inner)
	}
}

// read collects what readChunks yields.
func read(text string, rest *fullResult) (contents []string, err error) {
	err = readChunks(jsonread.New(strings.NewReader(text), -1), rest, func(c *Chunk) bool {
		contents = append(contents, c.Content)
		return true
	})
	return contents, err
}

func TestReadChunks(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"body_full.json", "body_chunks.json", "body_answer.json"} {
		var rest fullResult
		contents, err := read(string(wire(t, name)), &rest)
		require.NoError(t, err, name)
		assert.Equal(t, []string{"Harbour dues, spring\nB 4 1,250.00", ""}, contents, name)
		if name == "body_chunks.json" {
			assert.Zero(t, rest)
			continue
		}
		assert.Equal(t, "full", rest.Type, name)
		assert.Len(t, rest.OCR.Words, 2, name)
		assert.JSONEq(t, `{"tags":["harbour",null,2.5]}`, string(rest.Custom), name)
		assert.Equal(t, Extra{"page_count_estimate": []byte("3")}, rest.Extra, name)
		_, err = read(string(wire(t, name)), nil)
		require.NoError(t, err, name)
	}
	for text, want := range map[string][]string{
		`[]`:                                nil,
		` [ {} , null ] ` + "\n":            {"", ""},
		`{"chunks":[],"type":"full"}`:       nil,
		`{"chunks":[{"content":"a"}]}`:      {"a"},
		`{"c\u0068unks":[{"content":"a"}]}`: {"a"},
		`{"usage":{"result":1,"chunks":2},"result":{"custom":{"type":"url"},"chunks":[{"content":"a"},{"content":"b"}],"result":3},"job_id":"j"}`: {"a", "b"},
		`{"result":{},"chunks":[{"content":"a"}]}`: {"a"},
	} {
		contents, err := read(text, nil)
		require.NoError(t, err, text)
		assert.Equal(t, want, contents, text)
	}
}

func TestReadChunksRefuses(t *testing.T) {
	t.Parallel()
	_, err := read(string(wire(t, "body_link.json")), nil)
	require.ErrorIs(t, err, errLinkToLink)
	_, err = read(`{"result":`+string(wire(t, "body_link.json"))+`}`, nil)
	require.ErrorIs(t, err, errLinkToLink)

	for text, part := range map[string]string{
		`"chunks"`:                             "not a parse result",
		`7`:                                    "not a parse result",
		`null`:                                 "not a parse result",
		`true`:                                 "not a parse result",
		`{}`:                                   "no chunks",
		`{"pages":[]}`:                         "no chunks",
		`{"result":{"pages":[]}}`:              "no chunks",
		`{"chunks":{}}`:                        "chunks is not a list",
		`{"chunks":null}`:                      "chunks is not a list",
		`{"result":[]}`:                        "result is not an object",
		`{"result":null}`:                      "result is not an object",
		`{"chunks":[],"chunks":[]}`:            `duplicate member "chunks"`,
		`{"result":{"chunks":[]},"chunks":[]}`: `duplicate member "chunks"`,
		`{"chunks":[{"content":"a","content":"b"}]}`: `duplicate member "content"`,
		`{"chunks":["a"]}`:                           "not a JSON object",
		`{"chunks":[]}{}`:                            "data after the result",
		`[] 1`:                                       "data after the result",
		`[]]`:                                        "]",
		`<html></html>`:                              "<",
		`{"chunks":[]]`:                              "]",
		`{"chunks":[],}`:                             "}",
		`{"chunks":[{},]}`:                           "]",
		`{chunks:[]}`:                                "c",
	} {
		_, err := read(text, nil)
		require.ErrorContains(t, err, part, text)
		assert.NotErrorIs(t, err, errStopped)
	}
	var rest fullResult
	for _, text := range []string{
		`{"chunks":[],"custom":1,"custom":2}`, `{"result":{"chunks":[],"a":1,"a":1}}`,
	} {
		_, err := read(text, &rest)
		require.Error(t, err, text)
	}
}

// A body that ends too early is told from one that is wrong: only the former is
// worth another attempt.
func TestReadChunksOfAnEarlyEnd(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"body_full.json", "body_chunks.json", "body_answer.json"} {
		text := compact(t, wire(t, name))
		for cut := 0; cut < len(text); cut += 3 {
			_, err := read(text[:cut], nil)
			require.Error(t, err, "%s to %d", name, cut)
			if !strings.HasPrefix(text[cut:], "}") || !errors.As(err, new(*json.SyntaxError)) {
				require.ErrorContains(t, err, "EOF", "%s to %d: %v", name, cut, text[max(0, cut-20):cut])
			}
		}
	}
	broken := errors.New("connection reset")
	for cut := range 60 {
		text := compact(t, wire(t, "body_full.json"))[:cut]
		err := readChunks(jsonread.New(&failing{strings.NewReader(text), broken}, -1), nil, func(*Chunk) bool { return true })
		require.ErrorIs(t, err, broken, text)
	}
}

type failing struct {
	r   *strings.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.r.Len() == 0 {
		return 0, f.err
	}
	return f.r.Read(p)
}

func TestReadChunksStops(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`[{"content":"a"},{"content":"b"} what follows is not read`,
		`{"result":{"chunks":[{"content":"a"} what follows is not read`,
	} {
		n := 0
		err := readChunks(jsonread.New(strings.NewReader(text), -1), nil, func(*Chunk) bool { n++; return false })
		require.NoError(t, err)
		assert.Equal(t, 1, n)
	}
}

// After a download, a result is written with its content.
func TestLoadedContentIsWritten(t *testing.T) {
	t.Parallel()
	r := resultOf[*ParseResult](t, "job_parse_url.json")
	r.full = &fullResult{Type: "full", Chunks: []Chunk{{Content: "a"}}}
	raw, err := json.Marshal(r)
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"result":{"type":"full","chunks":[{"content":"a"`)

	e := resultOf[*ExtractResult](t, "job_extract_url.json")
	e.loaded = []byte(`[{"a":1}]`)
	raw, err = json.Marshal(e)
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"result":[{"a":1}]`)
	raw, err = e.Raw(t.Context())
	require.NoError(t, err)
	assert.Equal(t, `[{"a":1}]`, string(raw))

	s := resultOf[*SplitResult](t, "job_split_url.json")
	require.NoError(t, s.set([]byte(`{"splits":[{"name":"a","pages":[1]}],"new":1}`)))
	require.NoError(t, s.resolve(t.Context()), "there is nothing left to download")
	raw, err = json.Marshal(s)
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"result":{"splits":[{"name":"a","pages":[1]}],"new":1}`)

	c := resultOf[*ClassifyResult](t, "job_classify_url.json")
	require.NoError(t, c.set([]byte(`{"category":"dues","new":1}`)))
	require.NoError(t, c.resolve(t.Context()))
	raw, err = json.Marshal(c)
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"result":{"category":"dues","new":1}`)
}

func TestSplitResult(t *testing.T) {
	t.Parallel()
	r := resultOf[*SplitResult](t, "job_split.json")
	assert.Equal(t, map[string][]int{"Berths": {1, 2}, "Prices": {2, 3}}, r.SectionMapping)
	assert.Equal(t, []int{1, 2}, r.Splits[0].PageNumbers())
	assert.Empty(t, r.Splits[0].Partitions)
	assert.Equal(t, []int{2}, r.Splits[1].Partitions[0].PageNumbers())
	assert.Equal(t, Confidence("unsure"), r.Splits[1].Partitions[1].Confidence)

	deep := resultOf[*SplitResult](t, "job_split_deep.json")
	assert.Nil(t, deep.SectionMapping)
	page := deep.Splits[0].Pages[0]
	assert.Equal(t, "lists the berths", page.Evidence)
	assert.Equal(t, ConfidenceHigh, page.Confidence)
	assert.Equal(t, []int{1, 2}, deep.Splits[0].PageNumbers())
	assert.Equal(t, ConfidenceMedium, deep.Splits[0].Partitions[0].Pages[0].Confidence)

	// A page that is built has the form that it needs.
	for want, p := range map[string]SplitPage{
		`3`:                                {Number: 3},
		`{"page_number":3,"evidence":"e"}`: {Number: 3, Evidence: "e"},
		`{"page_number":3,"evidence":"","confidence":"low"}`: {Number: 3, Confidence: ConfidenceLow},
	} {
		raw, err := json.Marshal(p)
		require.NoError(t, err)
		assert.Equal(t, want, string(raw))
	}
	raw, err := json.Marshal(&SplitResult{})
	require.NoError(t, err)
	assert.JSONEq(t, `{"usage":{"num_pages":0},"result":{"splits":[]}}`, string(raw))
}

func TestPipelineResult(t *testing.T) {
	t.Parallel()
	r := resultOf[*PipelineResult](t, "job_pipeline_split_extract.json")
	require.Len(t, r.Parse, 1)
	assert.NotEmpty(t, texts(t, r.Parse[0]))
	assert.Nil(t, r.Extract)
	require.Len(t, r.SplitExtracts, 2)
	assert.Equal(t, []int{2, 3}, r.SplitExtracts[1].PageRange)
	assert.Equal(t, "Summer", *r.SplitExtracts[1].Partition)
	assert.Nil(t, r.SplitExtracts[0].Partition)
	var v struct{ Number Cited[string] }
	require.NoError(t, r.SplitExtracts[0].Result.Decode(t.Context(), &v))
	assert.Equal(t, "HD-77", v.Number.Value)
	assert.Len(t, v.Number.Citations, 1)
	assert.Equal(t, "Berths", r.Split.Splits[0].Name)
	assert.Contains(t, string(r.Edit.DocumentURL), "filled.pdf")

	list := resultOf[*PipelineResult](t, "job_pipeline_parse_list.json")
	require.Len(t, list.Parse, 2)
	assert.Equal(t, "p2", list.Parse[1].JobID)
	require.NotNil(t, list.Extract)
	assert.Nil(t, list.Split)

	// One that is built has the forms that it needs.
	raw, err := json.Marshal(&PipelineResult{Parse: []*ParseResult{{}, {}}})
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"parse":[{`)
	raw, err = json.Marshal(&PipelineResult{})
	require.NoError(t, err)
	assert.Equal(t, value(t, []byte(`{"job_id":"","usage":{"num_pages":0},"result":{}}`)), value(t, raw))
}

// A result finds its fresh link in a job that was fetched again, at its own place.
func TestFreshLinks(t *testing.T) {
	t.Parallel()
	fresh := func(name string) *Job {
		text := strings.ReplaceAll(string(wire(t, name)), "5a1e", "f2e5")
		job := new(Job)
		require.NoError(t, json.Unmarshal([]byte(text), job))
		return job
	}
	assertFresh := func(s source, name, path string) {
		t.Helper()
		link, ok := s.link(fresh(name))
		assert.True(t, ok)
		assert.Contains(t, string(link), path)
		assert.Contains(t, string(link), "f2e5")
		for _, other := range []string{"job_edit.json", "job_completed_null.json", "job_failed.json", "job_unknown_type.json"} {
			link, ok = s.link(fresh(other))
			assert.False(t, ok)
			assert.Empty(t, link)
		}
	}
	p := resultOf[*ParseResult](t, "job_parse_url.json")
	p.bind(source{jobID: "j"})
	assertFresh(p.src, "job_parse_url.json", "/result.json")
	assert.Equal(t, "j", p.jobID())
	e := resultOf[*ExtractResult](t, "job_extract_url.json")
	e.bind(source{})
	assertFresh(e.src, "job_extract_url.json", "/value.json")

	pipeline := resultOf[*PipelineResult](t, "job_pipeline_parse_list.json")
	pipeline.bind(source{})
	assertFresh(pipeline.Parse[1].src, "job_pipeline_parse_list.json", "/p2.json")
	link, ok := pipeline.Parse[0].src.link(fresh("job_pipeline_parse_list.json"))
	assert.True(t, ok)
	assert.Empty(t, link, "it has its content now")
	_, ok = pipeline.Parse[1].src.link(fresh("job_pipeline_split_extract.json"))
	assert.False(t, ok, "there is no second one any more")
	_, ok = pipeline.Extract.src.link(fresh("job_pipeline_parse_list.json"))
	assert.True(t, ok)
	_, ok = pipeline.Extract.src.link(fresh("job_pipeline_split_extract.json"))
	assert.False(t, ok)
	split := resultOf[*PipelineResult](t, "job_pipeline_split_extract.json")
	split.bind(source{})
	_, ok = split.SplitExtracts[1].Result.src.link(fresh("job_pipeline_split_extract.json"))
	assert.True(t, ok)
	_, ok = split.SplitExtracts[1].Result.src.link(fresh("job_pipeline_parse_list.json"))
	assert.False(t, ok)

	// Nothing is where a step is null.
	nulls := `{"status":"Completed","type":"Pipeline","result":{"result":{"parse":[null,null],"extract":[{"result":null},{"result":null}]}}}`
	job := new(Job)
	require.NoError(t, json.Unmarshal([]byte(nulls), job))
	job.Result.bind(source{})
	_, ok = pipeline.Parse[1].src.link(job)
	assert.False(t, ok)
	_, ok = split.SplitExtracts[1].Result.src.link(job)
	assert.False(t, ok)
}

func TestEditClassifyAndChartResults(t *testing.T) {
	t.Parallel()
	edit := resultOf[*EditResult](t, "job_edit.json")
	require.Len(t, edit.FormSchema, 2)
	assert.Equal(t, "Möwe", *edit.FormSchema[0].Value)
	assert.Equal(t, WidgetType("hologram"), edit.FormSchema[1].Type)
	assert.False(t, *edit.FormSchema[1].Fill)
	assert.Equal(t, 1.0, *edit.Usage.Credits)

	class := resultOf[*ClassifyResult](t, "job_classify.json")
	assert.Equal(t, "dues", class.Category)
	assert.Equal(t, 1.0, class.Confidence.Categories[0].Confidence)
	assert.Equal(t, Confidence("unsure"), class.Confidence.Categories[0].Criteria[1].Confidence)
	assert.Equal(t, 2, class.Usage.NumCategories)
	old := resultOf[*ClassifyResult](t, "job_classify_old.json")
	assert.Equal(t, "dues", old.Category)
	assert.Nil(t, old.Confidence)
	assert.Equal(t, 1.0, *old.Duration)

	chart := resultOf[*ChartResult](t, "job_chart.json")
	assert.JSONEq(t, `{"chart_data":[{"x":1,"y":12345678901234567890}]}`, string(chart.Result))
	for _, r := range []Result{edit, class, chart, &UnknownResult{}} {
		r.bind(source{}) // none of them minds
	}
}

func TestUploadJSON(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]string{"upload_direct.json": "", "upload_presigned.json": "https://bucket.example.com/put?[redacted]"} {
		var u Upload
		raw := wire(t, name)
		require.NoError(t, json.Unmarshal(raw, &u))
		assert.Equal(t, link, fmt.Sprint(u.PresignedURL))
		encoded, err := json.Marshal(u)
		require.NoError(t, err)
		assert.Equal(t, value(t, raw), value(t, encoded))
	}
}
