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

// The types below are decoded by encoding/json and package members, one member at a
// time. What the reader makes of a document must be what they make of it.

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

// A block has two maps, of which the one that is tagged "-" has the unknown ones.
func (v *refBlock) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }
func (v refBlock) MarshalJSON() ([]byte, error)     { return members.Encode(v) }

type refChunk struct {
	Content           string     `json:"content"`
	Embed             string     `json:"embed"`
	Enriched          *string    `json:"enriched,omitzero"`
	EnrichmentSuccess bool       `json:"enrichment_success,omitzero"`
	Blocks            []refBlock `json:"blocks"`
	Extra             Extra      `json:"-"`
}

func (v *refChunk) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }
func (v refChunk) MarshalJSON() ([]byte, error)     { return members.Encode(v) }

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
	name, _ := text(v.Extra.take("response_type"))
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

// refJob reads a job in the way that needs no order: all of the result first.
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
	*j = Job{ID: w.Job.ID, Status: w.Job.Status, Result: result, Progress: w.Job.Progress, Reason: w.Job.Reason,
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

// arrivals are the ways in which a document can arrive.
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

// requireReference compares what every arrival makes of a content object, of an answer
// with it and of a job with that, with the reference.
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
		readParse(r, v)
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

// A maker makes documents of the service's members, in the wrong places and of the
// wrong forms more often than the service would.
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

// or writes what element writes, or something odd.
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
	var parts []string // of a chunk's content, which its blocks mostly consist of
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

// made is a document, and, where it is changed, what makes it no JSON or another one.
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
