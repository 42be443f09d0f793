package reducto

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

func TestResultTypeIsDecidedByNameJobAndMembers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		job          JobType
		result       string
		want         Result
		responseType string
	}{
		"response type before all":          {JobTypeExtract, `{"response_type":"parse","usage":{"num_fields":1},"result":[],"citations":[]}`, &ParseResult{}, "parse"},
		"response type after the result":    {"", `{"result":[{"a":1}],"usage":{},"response_type":"v3_extract"}`, &ExtractResult{}, "v3_extract"},
		"response type after its likeness":  {"", `{"result":{"type":"full","chunks":[]},"duration":1,"response_type":"v3_extract"}`, &ExtractResult{}, "v3_extract"},
		"unknown response type":             {JobTypeParse, `{"response_type":"parse_v2","result":{"type":"full","chunks":[]}}`, &UnknownResult{}, "parse_v2"},
		"unknown response type, no job":     {"", `{"response_type":"Parse","result":{"type":"full","chunks":[]}}`, &UnknownResult{}, "Parse"},
		"empty response type":               {JobTypeParse, `{"response_type":"","result":{"type":"full","chunks":[]}}`, &UnknownResult{}, ""},
		"response type null":                {JobTypeSplit, `{"response_type":null,"usage":{},"result":{"splits":[]}}`, &SplitResult{}, "split"},
		"response type of another kind":     {JobTypeSplit, `{"response_type":7,"usage":{},"result":{"splits":[]}}`, &SplitResult{}, "split"},
		"job type parse":                    {JobTypeParse, `{"result":{"chunks":[]}}`, &ParseResult{}, "parse"},
		"job type extract, likeness":        {JobTypeExtract, `{"usage":{},"result":{"type":"full","chunks":[]},"duration":1}`, &ExtractResult{}, "v3_extract"},
		"job type extract, list":            {JobTypeExtract, `{"usage":{},"result":[]}`, &ExtractResult{}, "extract"},
		"job type extract, citations":       {JobTypeExtract, `{"usage":{},"result":{},"citations":null}`, &ExtractResult{}, "extract"},
		"job type edit":                     {JobTypeEdit, `{"document_url":"https://example.com/a"}`, &EditResult{}, "edit"},
		"job type chart":                    {JobTypeChart, `{"result":{}}`, &ChartResult{}, "chart"},
		"job type classify":                 {JobTypeClassify, `{"result":{"category":"a"}}`, &ClassifyResult{}, "classify"},
		"job type pipeline":                 {JobTypePipeline, `{"result":{}}`, &PipelineResult{}, "pipeline"},
		"unknown job type":                  {"Translate", `{"duration":1,"result":{"type":"full","chunks":[]}}`, &UnknownResult{}, ""},
		"a list":                            {JobTypeExtract, `[{"a":1}]`, &UnknownResult{}, ""},
		"a text":                            {JobTypeParse, `"done"`, &UnknownResult{}, ""},
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
			// The type of the job may come after the result.
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

// A user's schema can have any names. With the number of fields, which only an
// extraction has, or with a name of the type, none of them misleads the decoder.
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

func TestInvalidResultsAreErrors(t *testing.T) {
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
		`{"response_type":"pipeline","result":{"extract":null,"a":1,"extract":null}}`: `duplicate member "extract"`,
		`{"response_type":"edit","document_url":{}}`:                                  "document_url: ",
		`{"response_type":"extract","usage":{"num_pages":"1"}}`:                       "num_pages: ",
	} {
		var job Job
		assert.ErrorContains(t, json.Unmarshal([]byte(`{"status":"Completed","result":`+text+`}`), &job), part, text)
		assert.Empty(t, job.Status, "nothing of it is left behind")
	}
}

// The type of a result is found anywhere and never guessed. All orders of members give
// the same value as reading all members first.
func TestResultTypeDoesNotDependOnMemberOrder(t *testing.T) {
	t.Parallel()
	parts := []string{
		`"usage":{"num_pages":1}`,
		`"result":{"type":"full","chunks":[{"content":"a","blocks":[{"content":"b","new":1}]}]}`,
		`"duration":1.5`,
	}
	for _, name := range []string{"", `"parse"`, `"v3_extract"`, `"edit"`, `"new"`, `""`, `null`, `7`} {
		members := parts
		if name != "" {
			members = append([]string{`"response_type":` + name}, parts...)
		}
		for _, result := range orders(members) {
			for _, kind := range []string{"", "Parse", "Extract", "Chart", "New"} {
				for _, job := range orders([]string{`"status":"Completed"`, `"result":{` + result + `}`, `"type":"` + kind + `"`}) {
					data := []byte(`{` + job + `}`)
					var want Job
					wantErr := refJob(data, &want)
					for way, r := range arrivals(data) {
						var got Job
						readJob(r, &got)
						r.End()
						if wantErr != nil {
							require.Error(t, r.Err(), "%s: %s", way, data)
							require.Equal(t, wantErr.Error(), r.Err().Error(), "%s: %s", way, data)
							continue
						}
						require.NoError(t, r.Err(), "%s: %s", way, data)
						require.IsType(t, want.Result, got.Result, "%s: %s", way, data)
						require.Equal(t, encoded(t, want), encoded(t, got), "%s: %s", way, data)
					}
				}
			}
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// orders joins the parts in every order.
func orders(parts []string) (joined []string) {
	if len(parts) == 1 {
		return parts
	}
	for i, first := range parts {
		rest := append(append([]string(nil), parts[:i]...), parts[i+1:]...)
		for _, others := range orders(rest) {
			joined = append(joined, first+","+others)
		}
	}
	return joined
}

// A synchronous answer is a result, or only the id of a job.
func TestReadSyncReturnsResultOrJobID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		result Result
		id     string
	}{
		`{"job_id":"j1"}`:                        {nil, "j1"},
		`{ "job_id" : "j1" } `:                   {nil, "j1"},
		`{"job_id":""}`:                          {&ParseResult{}, ""},
		`{"job_id":null}`:                        {&ParseResult{}, ""},
		`{}`:                                     {&ParseResult{}, ""},
		`null`:                                   {nil, ""},
		`{"job_id":"j1","result":{}}`:            {&ParseResult{}, "j1"},
		`{"result":{"chunks":[]},"job_id":"j1"}`: {&ParseResult{}, "j1"},
		`{"response_type":"edit","job_id":"j1"}`: {&EditResult{}, "j1"},
		`{"result":[],"response_type":"v3_extract","job_id":"j1"}`: {&ExtractResult{}, "j1"},
		`{"job_id":"j1","response_type":"new"}`:                    {&UnknownResult{}, "j1"},
		`[]`:                                                       {&UnknownResult{}, ""},
	} {
		for way, r := range arrivals([]byte(text)) {
			result, id := readSync(r, JobTypeParse)
			r.End()
			require.NoError(t, r.Err(), "%s: %s", way, text)
			assert.IsType(t, want.result, result, "%s: %s", way, text)
			assert.Equal(t, want.id, id, "%s: %s", way, text)
		}
	}
	for _, text := range []string{`{"job_id":"j1"`, `{"job_id":"j1"}x`, `{"job_id"}`, `{"usage":7}`, `{"job_id":1}`} {
		r := jsonread.New(bytes.NewReader([]byte(text)), -1)
		result, id := readSync(r, JobTypeParse)
		r.End()
		require.Error(t, r.Err(), text)
		if text != `{"job_id":"j1"}x` {
			assert.Nil(t, result)
			assert.Empty(t, id)
		}
	}
}

// encoding/json and package members decode the types below, one member at a time. The
// streaming reader must agree with them.

type refBox BoundingBox

type refGranular GranularConfidence

func (v *refBox) UnmarshalJSON(data []byte) error      { return members.Decode(data, v) }
func (v refBox) MarshalJSON() ([]byte, error)          { return members.Encode(v) }
func (v *refGranular) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }
func (v refGranular) MarshalJSON() ([]byte, error)     { return members.Encode(v) }

type refBlock struct {
	Type               BlockType       `json:"type"`
	BBox               refBox          `json:"bbox"`
	Content            string          `json:"content"`
	ImageURL           Link            `json:"image_url,omitzero"`
	ChartData          []Link          `json:"chart_data,omitzero"`
	Confidence         Confidence      `json:"confidence,omitzero"`
	GranularConfidence *refGranular    `json:"granular_confidence,omitzero"`
	MergedTables       json.RawMessage `json:"merged_tables,omitzero"`
	Extra              Extra           `json:"extra,omitzero"`
	Unknown            Extra           `json:"-"`
}

// A block has two maps. The one with the tag "-" has the unknown members.
func (v *refBlock) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }

func (v refBlock) MarshalJSON() ([]byte, error) { return members.Encode(v) }

type refChunk struct {
	Content           string     `json:"content"`
	Embed             string     `json:"embed"`
	Enriched          *string    `json:"enriched,omitzero"`
	EnrichmentSuccess bool       `json:"enrichment_success,omitzero"`
	Blocks            []refBlock `json:"blocks"`
	Extra             Extra      `json:"-"`
}

func (v *refChunk) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }

func (v refChunk) MarshalJSON() ([]byte, error) {
	success := members.Member{Name: "enrichment_success"}
	if string(v.Extra["enrichment_success"]) == "false" {
		success.Value = v.Extra["enrichment_success"]
	}
	return members.Encode(v, success)
}

type refWord struct {
	Text       string   `json:"text"`
	BBox       refBox   `json:"bbox"`
	Confidence *float64 `json:"confidence,omitzero"`
	ChunkIndex *int     `json:"chunk_index,omitzero"`
	Rotation   *int     `json:"rotation,omitzero"`
	Extra      Extra    `json:"-"`
}

func (v *refWord) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }
func (v refWord) MarshalJSON() ([]byte, error)     { return members.Encode(v) }

type refOCR struct {
	Words []refWord `json:"words"`
	Lines []refWord `json:"lines"`
	Extra Extra     `json:"-"`
}

func (v *refOCR) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }
func (v refOCR) MarshalJSON() ([]byte, error)     { return members.Encode(v) }

type refFull struct {
	Type   string          `json:"type,omitzero"`
	Chunks []refChunk      `json:"chunks"`
	OCR    *refOCR         `json:"ocr,omitzero"`
	Custom json.RawMessage `json:"custom,omitzero"`
	Extra  Extra           `json:"-"`
}

func (v *refFull) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }
func (v refFull) MarshalJSON() ([]byte, error)     { return members.Encode(v) }

type refUsage ParseUsage

func (v *refUsage) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }
func (v refUsage) MarshalJSON() ([]byte, error)     { return members.Encode(v) }

type refParse struct {
	JobID              string          `json:"job_id"`
	Duration           float64         `json:"duration"`
	PDFURL             Link            `json:"pdf_url,omitzero"`
	StudioLink         string          `json:"studio_link,omitzero"`
	Usage              refUsage        `json:"usage"`
	ParseMode          string          `json:"parse_mode,omitzero"`
	DocumentProperties json.RawMessage `json:"document_properties,omitzero"`
	Extra              Extra           `json:"-"`

	first []members.Member
}

func (v *refParse) UnmarshalJSON(data []byte) error {
	if err := members.Decode(data, v); err != nil {
		return err
	}
	name, _ := text(v.Extra["response_type"])
	if name != "" || members.IsNull(v.Extra["response_type"]) {
		v.Extra.take("response_type")
	}
	raw := v.Extra.take("result")
	if in := object(raw); in != nil && members.Kind(in["chunks"]) == '[' {
		var full refFull
		if err := json.Unmarshal(raw, &full); err != nil {
			return err
		}
		raw, _ = json.Marshal(full)
	}
	v.first = []members.Member{{Name: "response_type", Value: quoteOrNone(name)}, {Name: "result", Value: raw}}
	return nil
}

func (v refParse) MarshalJSON() ([]byte, error) { return members.Encode(v, v.first...) }

// take removes a member and returns it; nil if it is absent.
func (x *Extra) take(name string) json.RawMessage {
	raw, ok := (*x)[name]
	if !ok {
		return nil
	}
	delete(*x, name)
	if len(*x) == 0 {
		*x = nil
	}
	return raw
}

// refJob reads a job with all of the result first, so that the order does not matter.
func refJob(data []byte, j *Job) error {
	var w struct {
		Job    refPlainJob
		Result json.RawMessage
	}
	err := json.Unmarshal(data, &w.Job)
	if err != nil {
		return err
	}
	w.Result = w.Job.Result
	result, err := decodeResult(w.Result, w.Job.Type)
	if err != nil {
		return err
	}
	*j = Job{JobID: w.Job.ID, Status: w.Job.Status, Result: result, Progress: w.Job.Progress, Reason: w.Job.Reason,
		Error: w.Job.Error, Type: w.Job.Type, NumPages: w.Job.NumPages, TotalPages: w.Job.TotalPages, Source: w.Job.Source,
		Duration: w.Job.Duration, CreatedAt: w.Job.CreatedAt, RawConfig: w.Job.RawConfig, Bucket: w.Job.Bucket, Extra: w.Job.Extra}
	return nil
}

type refPlainJob struct {
	ID         string          `json:"job_id,omitzero"`
	Status     JobStatus       `json:"status"`
	Result     json.RawMessage `json:"result"`
	Progress   *float64        `json:"progress,omitzero"`
	Reason     string          `json:"reason,omitzero"`
	Error      *ErrorDetail    `json:"error,omitzero"`
	Type       JobType         `json:"type,omitzero"`
	NumPages   *int            `json:"num_pages,omitzero"`
	TotalPages *int            `json:"total_pages,omitzero"`
	Source     json.RawMessage `json:"source,omitzero"`
	Duration   *float64        `json:"duration,omitzero"`
	CreatedAt  Time            `json:"created_at,omitzero"`
	RawConfig  RawConfig       `json:"raw_config,omitzero"`
	Bucket     json.RawMessage `json:"bucket,omitzero"`
	Extra      Extra           `json:"-"`
}

func (v *refPlainJob) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }

// arrivals returns the ways in which a document can arrive.
func arrivals(data []byte) map[string]*jsonread.Reader {
	return map[string]*jsonread.Reader{
		"bytes":        jsonread.FromBytes(data),
		"whole":        jsonread.New(bytes.NewReader(data), int64(len(data))),
		"byte by byte": jsonread.New(iotest.OneByteReader(bytes.NewReader(data)), -1),
		"odd sizes":    jsonread.New(&oddReader{data: data}, 100),
	}
}

// oddReader delivers pieces of odd sizes.
type oddReader struct {
	data []byte
	n    int
}

func (o *oddReader) Read(p []byte) (int, error) {
	if len(o.data) == 0 {
		return 0, io.EOF
	}
	o.n++
	size := min([]int{1, 13, 4099, 3, 977}[o.n%5], len(p), len(o.data))
	copy(p, o.data[:size])
	o.data = o.data[size:]
	return size, nil
}

// requireReference compares every arrival with the reference, for a content object, an
// answer with it, and a job with that answer.
func requireReference(t *testing.T, data []byte) {
	t.Helper()
	same := func(what string, wantErr error, want any, read func(r *jsonread.Reader) any) {
		t.Helper()
		expected, err := json.Marshal(want)
		require.NoError(t, err)
		for way, r := range arrivals(data) {
			got := read(r)
			r.End()
			if wantErr != nil {
				require.Error(t, r.Err(), "%s, %s: %.300q: %v", what, way, data, wantErr)
				if json.Valid(data) {
					require.False(t, r.Broken(), "%s, %s: %.300q: %v", what, way, data, r.Err())
				}
				rest := r.Rest()
				require.Equal(t, json.Valid(data), rest == nil, "%s, %s: %.300q: %v, %v", what, way, data, r.Err(), rest)
				continue
			}
			require.NoError(t, r.Err(), "%s, %s: %.300q", what, way, data)
			encoded, err := json.Marshal(got)
			require.NoError(t, err)
			require.Equal(t, string(expected), string(encoded), "%s, %s: %.300q", what, way, data)
			r.Close()
		}
	}
	var full refFull
	same("content", json.Unmarshal(data, &full), &full, func(r *jsonread.Reader) any {
		v := new(fullResult)
		readFull(r, v)
		return v
	})
	var parse refParse
	same("parse", json.Unmarshal(data, &parse), &parse, func(r *jsonread.Reader) any {
		v := new(ParseResult)
		v.read(r)
		return v
	})
	var job Job
	err := syntaxOr(data, func() error { return refJob(data, &job) })
	same("job", err, job, func(r *jsonread.Reader) any {
		v := new(Job)
		readJob(r, v)
		return *v
	})
}

func syntaxOr(data []byte, read func() error) error {
	if !json.Valid(data) {
		return fmt.Errorf("no JSON")
	}
	return read()
}

// A maker generates documents with the service's members. They are in wrong places and
// of wrong forms more often than from the service.
type maker struct {
	rnd *rand.Rand
	b   bytes.Buffer
	odd int // one in how many choices is odd
}

func (m *maker) one(in int) bool { return m.rnd.IntN(in) == 0 }

func (m *maker) space() {
	if m.one(m.odd) {
		m.b.WriteString([]string{" ", "\n", "\t ", "\r\n"}[m.rnd.IntN(4)])
	}
}

func (m *maker) list(most int, element func()) {
	m.b.WriteByte('[')
	for i := range m.rnd.IntN(most + 1) {
		if i > 0 {
			m.b.WriteByte(',')
		}
		m.space()
		m.or(element)
	}
	m.b.WriteByte(']')
}

// or writes an odd value, or calls element.
func (m *maker) or(element func()) {
	if !m.one(m.odd) {
		element()
		return
	}
	m.b.WriteString([]string{
		`null`, `null`, `"text"`, `7`, `-0.5`, `1e400`, `true`, `[]`, `{}`, `[1,"a",null]`, `{"a":{"b":[]},"a":1}`, `{"twice":1,"twice":2}`, `{"type":"url","url":"https://example.com/","result_id":"r"}`,
		`3.5`, `9223372036854775808`, `"\ud800"`, "\"\xff\"", `{"new":1.50}`, `false`, `[{}]`, `{"words":[{"text":5}]}`, `[[]]`, `""`,
	}[m.rnd.IntN(23)])
}

func (m *maker) object(writers map[string]func(), order []string) {
	m.b.WriteByte('{')
	first := true
	put := func(name string, value func()) {
		if !first {
			m.b.WriteByte(',')
		}
		first = false
		m.space()
		switch {
		case m.one(4 * m.odd):
			fmt.Fprintf(&m.b, `"\u%04x%s"`, name[0], name[1:])
		case m.one(8 * m.odd):
			fmt.Fprintf(&m.b, `%q`, strings.ToUpper(name[:1])+name[1:])
		default:
			fmt.Fprintf(&m.b, `%q`, name)
		}
		m.space()
		m.b.WriteByte(':')
		m.space()
		m.or(value)
		m.space()
	}
	names := order
	if m.one(m.odd) {
		names = append([]string(nil), order...)
		m.rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	}
	for _, name := range names {
		if m.one(m.odd) {
			continue
		}
		put(name, writers[name])
		if m.one(8 * m.odd) {
			put([]string{"new", "other", name}[m.rnd.IntN(3)], m.number)
		}
	}
	m.b.WriteByte('}')
}

func (m *maker) number() {
	switch m.rnd.IntN(4) {
	case 0:
		fmt.Fprint(&m.b, m.rnd.IntN(1000))
	case 1:
		fmt.Fprint(&m.b, m.rnd.Float64())
	case 2:
		fmt.Fprintf(&m.b, "%e", m.rnd.NormFloat64())
	default:
		fmt.Fprintf(&m.b, "%d.%d", m.rnd.IntN(1000), m.rnd.Uint64())
	}
}

func (m *maker) integer() { fmt.Fprint(&m.b, m.rnd.IntN(2000)-3) }

func (m *maker) text() {
	m.b.WriteByte('"')
	for range m.rnd.IntN(8) {
		m.b.WriteString([]string{"plain words ", `\n`, "ä€😀", `\u00e4`, `\ud83d\ude00`, `\"`, "12345678", `\\`, "\u2028", "x"}[m.rnd.IntN(10)])
	}
	if m.one(4 * m.odd) {
		m.b.WriteString([]string{"\xff", `\ud800`, "\xe2\x82", `\udc00\ud800`, strings.Repeat("long ", 15_000)}[m.rnd.IntN(5)])
	}
	m.b.WriteByte('"')
}

func (m *maker) oneOf(texts ...string) func() {
	return func() { fmt.Fprintf(&m.b, "%q", texts[m.rnd.IntN(len(texts))]) }
}

func (m *maker) fields(pairs ...any) func() {
	writers, order := map[string]func(){}, []string{}
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		writers[name] = pairs[i+1].(func())
		order = append(order, name)
	}
	return func() { m.object(writers, order) }
}

func (m *maker) null() { m.b.WriteString("null") }

// content writes a content object.
func (m *maker) content() {
	box := m.fields("left", m.number, "top", m.number, "width", m.number, "height", m.number, "page", m.integer, "original_page", m.integer)
	granular := m.fields("extract_confidence", m.null, "parse_confidence", m.number)
	var parts []string // of a chunk's content, mostly the contents of its blocks
	block := m.fields("type", m.oneOf("Text", "Table", "Key Value", "Hologram", "Section Header"), "bbox", box, "content", func() {
		if len(parts) == 0 || m.one(5) {
			m.text()
			return
		}
		m.b.WriteString(parts[0])
		parts = parts[1:]
	},
		"image_url", m.null, "chart_data", func() { m.list(2, m.text) }, "confidence", m.oneOf("high", "low", "High"),
		"granular_confidence", granular, "merged_tables", m.null, "extra", m.fields("is_chart", m.integer))
	content := ""
	chunk := m.fields("content", func() {
		from := m.b.Len()
		for parts = nil; !m.one(3); m.b.Truncate(from) {
			m.text()
			parts = append(parts, m.b.String()[from:])
		}
		content = strings.ReplaceAll(strings.Join(parts, " "), `" "`, `\n\n`)
		if parts == nil {
			content = `""`
		}
		m.b.WriteString(content)
	}, "embed", func() { m.b.WriteString(content + `""`[len(content)*2/max(1, len(content)):]) },
		"enriched", m.text, "enrichment_success", func() { m.b.WriteString("true") }, "blocks", func() { m.list(4, block) })
	word := m.fields("text", m.text, "bbox", box, "confidence", m.number, "chunk_index", m.integer, "rotation", m.integer)
	ocr := m.fields("words", func() { m.list(5, word) }, "lines", func() { m.list(3, word) })
	m.fields("type", m.oneOf("full"), "chunks", func() { m.list(4, chunk) }, "ocr", ocr, "custom", m.fields("a", m.text))()
}

func (m *maker) answer() {
	usage := m.fields("num_pages", m.integer, "credits", m.number, "credit_breakdown", m.fields("parse", m.number),
		"page_billing_breakdown", m.fields("1", func() { m.list(2, m.text) }), "non_empty_cell_count", m.integer, "usage_breakdown", m.null)
	m.fields("response_type", m.oneOf("parse", "parse", "parse", "edit", "v3_extract", "new", ""), "job_id", m.text, "duration", m.number, "pdf_url", m.text,
		"studio_link", m.text, "parse_mode", m.oneOf("base"), "document_properties", m.null, "usage", usage, "result", m.content)()
}

func (m *maker) job() {
	m.fields("job_id", m.oneOf("j1"), "status", m.oneOf("Completed"), "type", m.oneOf("Parse", "Parse", "Extract", "Split", "New"), "progress", m.number, "reason", m.text,
		"num_pages", m.integer, "source", m.text, "duration", m.number, "created_at", m.oneOf("2026-10-02T08:15:30"), "raw_config", m.text, "result", m.answer, "bucket", m.null)()
}

// made returns a document. Some are changed, so that they are invalid or another
// document.
func made(seed uint64) []byte {
	m := &maker{rnd: rand.New(rand.NewPCG(seed, 3)), odd: 10 + int(seed%40)}
	[]func(){m.content, m.answer, m.job}[seed%3]()
	data := bytes.Clone(m.b.Bytes())
	if seed%5 == 0 && len(data) > 0 {
		switch i := m.rnd.IntN(len(data)); m.rnd.IntN(4) {
		case 0:
			data = data[:i]
		case 1:
			data[i] = "\x00\"\\{}[],:0-.eu\xff x"[m.rnd.IntN(17)]
		case 2:
			data = append(data[:i], data[min(len(data), i+1+m.rnd.IntN(5)):]...)
		case 3:
			data = append(data, []byte(" {} ")[m.rnd.IntN(4):]...)
		}
	}
	return data
}

func TestReadersAgreeWithTheReference(t *testing.T) {
	t.Parallel()
	valid, taken, times := 0, 0, 400
	if raceEnabled {
		times = 100
	}
	for seed := range uint64(times) {
		data := made(seed)
		requireReference(t, data)
		if json.Valid(data) {
			valid++
		}
		if json.Unmarshal(data, new(fullResult)) == nil {
			taken++
		}
	}
	assert.Greater(t, valid, times*3/4)
	assert.Greater(t, taken, times/2, "most of them can be read")
	for _, name := range wireNames(t, "*.json") {
		requireReference(t, wire(t, name))
	}
}

func FuzzDocument(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(made(seed))
	}
	addWire(f, "job_*.json", func(data []byte) { f.Add(data) })
	addWire(f, "body_*.json", func(data []byte) { f.Add(data) })
	f.Fuzz(requireReference)
}
