package reducto

import (
	"bytes"
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

	"github.com/reducto-go/reducto/internal/members"
)

// wire returns a sample of what the service sends.
func wire(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "wire", name))
	require.NoError(t, err)
	return raw
}

// wireNames returns the names of the samples that a pattern matches.
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

// resultOf returns the result of a sample, as its type.
func resultOf[R Result](t testing.TB, name string) R {
	t.Helper()
	r, err := As[R](wireJob(t, name))
	require.NoError(t, err)
	return r
}

// value decodes the JSON in raw without null members, because the service and this
// library treat them as absent.
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

func TestSamplesSurviveDecodingAndEncoding(t *testing.T) {
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

// Values with a form of the user or of the service are unchanged. For example, no
// number is converted to float64.
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

// Objects that belong to the user, or that are unknown, have no members that this
// library could know. They are kept unchanged.
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

// Maps have any name. One of two parsed documents is behind a link.
func isMap(s site) bool {
	for _, name := range []string{".credit_breakdown", ".page_billing_breakdown", ".section_mapping", ".parse..result"} {
		if strings.HasSuffix(s.path, name) {
			return true
		}
	}
	return false
}

// firstMember returns the first member of the object at the start of text.
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

// A document with a duplicate member has two meanings.
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

// A name in another case is another name, as for other readers.
func TestNamesAreMatchedExactly(t *testing.T) {
	t.Parallel()
	const text = `{"Status":"Failed","status":"Completed","Result":{"a":1},"TYPE":"Parse",
		"result":{"response_type":"parse","Response_Type":"edit","Job_ID":"x","usage":{"Num_Pages":5},
		"result":{"chunks":[{"Content":"x","blocks":[{"TYPE":"Text","bbox":{"Left":1}}]}],"Chunks":[]}}}`
	var job Job
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	assert.Equal(t, JobStatusCompleted, job.Status)
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
	assert.Equal(t, Extra{"TYPE": []byte(`"Text"`)}, chunks[0].Blocks[0].Extra)
	assert.Equal(t, Extra{"Left": []byte("1")}, chunks[0].Blocks[0].BBox.Extra)
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
}

// Null changes nothing, as in encoding/json.
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

// Decoding into a result again replaces all of its content.
func TestDecodingReplacesTheResult(t *testing.T) {
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

func TestAsReturnsTheResultOrAnError(t *testing.T) {
	t.Parallel()
	job := wireJob(t, "job_parse.json")
	job.JobID = "j1"
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

func TestEditClassifyAndChartResultsAreDecoded(t *testing.T) {
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
		r.bind(source{}) // no result needs a source
	}
}

func TestUploadSurvivesJSON(t *testing.T) {
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
