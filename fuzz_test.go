package reducto

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/jsonread"
)

// addWire adds samples as the seeds of a target.
func addWire(f *testing.F, pattern string, add func(data []byte)) {
	for _, name := range wireNames(f, pattern) {
		raw, err := os.ReadFile(filepath.Join("testdata", "wire", name))
		require.NoError(f, err)
		add(raw)
	}
}

// meaning returns the JSON in data as this library understands it. Unset and zero are
// equal, numbers are float64, and a response type that is no string is absent.
func meaning(t testing.TB, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	return meant(v)
}

func meant(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			text, isText := member.(string)
			switch m := meant(member); {
			case m == nil,
				name == "response_type" && !isText,
				name == "created_at" && strings.HasPrefix(text, "0001-01-01"): // no time at all
				delete(v, name)
			default:
				v[name] = m
			}
		}
		if len(v) > 0 {
			return v
		}
	case []any:
		for i := range v {
			v[i] = meant(v[i])
		}
		if len(v) > 0 {
			return v
		}
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		switch {
		case err != nil:
			return string(v)
		case f != 0:
			return f
		}
	case string:
		if v != "" {
			return v
		}
	case bool:
		if v {
			return v
		}
	}
	return nil
}

func FuzzResult(f *testing.F) {
	addWire(f, "job_*.json", func(data []byte) { f.Add(data) })
	for _, text := range []string{
		`{"status":"Completed","type":"Pipeline","result":{"result":{"parse":[null,{"result":null}],"extract":[{"result":null}],"split":{"result":{"splits":[{"pages":[1,null,{"page_number":2}]}]}}}}}`,
		`{"status":"Completed","result":{"usage":{"num_fields":null},"result":{"chunks":[]}}}`,
		`{"status":"Completed","result":{"document_url":null}}`,
		`{"status":"Completed","result":{"document_url":"a","result":null}}`,
		`{"status":"Completed","result":{"result":{"category":"a"}}}`,
		`{"status":"Completed","result":{"result":{"chart_data":1e400}}}`,
		`{"status":"Completed","result":{"result":{"parse":null,"extract":null,"split":null}}}`,
		`{"status":"Completed","result":{"duration":null,"result":{"type":"url","url":"https://example.com/","result_id":null}}}`,
		`{"status":"Completed","result":[]}`, `{"status":"Completed","result":7}`, `{"created_at":"0001-01-01T00:00:00"}`,
		`{"status":"Completed","type":"Split","result":{"response_type":7}}`, "{\"\xff\":1,\"status\":\"\\ud800\"}", `null`, `{}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var job Job
		if json.Unmarshal(data, &job) != nil {
			return
		}
		encoded, err := json.Marshal(job)
		require.NoError(t, err)
		require.Equal(t, meaning(t, data), meaning(t, encoded))

		var again Job
		require.NoError(t, json.Unmarshal(encoded, &again))
		require.IsType(t, job.Result, again.Result)
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(encoded), string(twice))

		_ = fmt.Sprint(job, job.FailureReason())
		if job.Result == nil {
			return
		}
		require.Equal(t, job.Result.ResponseType(), again.Result.ResponseType())
		job.Result.bind(source{jobID: "j1"})
		readAll(t, job.Result, &again)
	})
}

// readAll calls every method that reads a result. Without a client, only a link or the
// data can make it fail.
func readAll(t *testing.T, r Result, fresh *Job) {
	switch r := r.(type) {
	case *ParseResult:
		linked := r.Link() != ""
		if linked {
			_ = r.src.link(fresh)
		}
		for _, err := range everyReader(t.Context(), r) {
			require.Equal(t, linked, errors.Is(err, ErrDetached))
		}
	case *ExtractResult:
		_, err := r.Raw(t.Context())
		require.Equal(t, r.Link() != "", errors.Is(err, ErrDetached))
		var v citedDues
		_ = r.Decode(t.Context(), &v)
	case *SplitResult:
		require.Equal(t, r.content.link != "", errors.Is(r.resolve(t.Context()), ErrDetached))
		for _, s := range r.Splits {
			require.Len(t, s.PageNumbers(), len(s.Pages))
		}
	case *ClassifyResult:
		require.Equal(t, r.content.link != "" && r.Category == "", errors.Is(r.resolve(t.Context()), ErrDetached))
	case *PipelineResult:
		for _, p := range r.Parse {
			if p != nil {
				readAll(t, p, &Job{Type: JobTypePipeline})
			}
		}
		for _, e := range r.SplitExtracts {
			if e.Result != nil {
				readAll(t, e.Result, fresh)
			}
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"", "0", "300", "1.5", "99999999999999999999999", "Fri, 02 Oct 2026 08:16:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "-1", "1e9", "..", "0x1p4", "soon"} {
		f.Add(value, int64(1790928930))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		d, ok := parseRetryAfter(value, time.Unix(now%(1<<40), 0))
		require.GreaterOrEqual(t, d, time.Duration(0))
		if !ok {
			require.Zero(t, d)
		}
		if seconds, err := strconv.ParseUint(strings.TrimSpace(value), 10, 20); err == nil && value[0] != '+' {
			require.True(t, ok)
			require.Equal(t, time.Duration(seconds)*time.Second, d)
		}
		c := waiting(nil)
		if ok {
			require.Positive(t, c.pause(1, d))
		}
	})
}

func FuzzReadChunks(f *testing.F) {
	addWire(f, "body_*.json", func(data []byte) { f.Add(data) })
	for _, text := range []string{
		`[]`, `[null,{}]`, `{"chunks":[]}`, `{"result":{"chunks":[{"content":"a"}]},"job_id":"j"}`, `{"result":{},"chunks":[],"ocr":{"words":[]}}`,
		`{"chunks":[{"content":"a","content":"b"}]}`, `{"chunks":[]}]`, `[{},]`, `{"chunks":[],}`, `{"type":"url"}`, "{\"chunks\":[],\"\xff\":1,\"\xfe\":2}", `{"chunks":[{"blocks":[{"extra":{"a":1e400}}]}],"custom":null}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := fullResult{}
		err := readChunks(jsonread.New(bytes.NewReader(data), -1), &got, func(c *Chunk) bool {
			got.Chunks = append(got.Chunks, *c)
			return true
		})
		n := 0
		stopped := readChunks(jsonread.New(bytes.NewReader(data), -1), nil, func(*Chunk) bool { n++; return n < 2 })
		if err != nil {
			return
		}
		require.True(t, json.Valid(data), "it takes nothing that is no JSON")
		require.NoError(t, stopped)
		var blocks, wantBlocks []Block
		for _, c := range got.Chunks {
			wantBlocks = append(wantBlocks, c.Blocks...)
		}
		require.NoError(t, readBlocks(jsonread.New(&oddReader{data: data}, 0), func() {}, func(b *Block) bool {
			blocks = append(blocks, *b)
			return true
		}))
		require.Equal(t, wantBlocks, blocks)
		require.Equal(t, min(2, len(got.Chunks)), n)

		var want fullResult
		if data = bytes.TrimSpace(data); data[0] == '[' {
			require.NoError(t, json.Unmarshal(data, &want.Chunks))
		} else {
			if inner, around := object(data)["result"]; around {
				if _, here := object(data)["chunks"]; here {
					return // both at once, which is no valid form
				}
				data = inner
			}
			require.NoError(t, json.Unmarshal(data, &want))
		}
		if len(want.Chunks) == 0 {
			want.Chunks = nil
		}
		require.Equal(t, want, got)
	})
}

func FuzzDecodeInto(f *testing.F) {
	addWire(f, "job_extract*.json", func(data []byte) {
		var job struct {
			Result struct{ Result, Citations json.RawMessage }
		}
		require.NoError(f, json.Unmarshal(data, &job))
		f.Add([]byte(job.Result.Result), []byte(job.Result.Citations))
	})
	for value, cites := range map[string]string{
		`[{"tags":["a","b"]}]`:       `[{"tags":` + oneCitation + `}]`,
		`[{"berth":{"bbox":1}}]`:     `[{"berth":{"bbox":[]}}]`,
		`{"value":1,"citations":[]}`: `[]`,
		`[[],{},null,"a",1.0]`:       `[[[]],{},7]`,
		`{"number":{"value":{"value":"a","citations":null},"citations":[{"bbox":{"left":1}}]}}`: `null`,
		`[{"n\u0075mber":1,"number":"2"}]`:                              `[{"number":[],"number":{}}]`,
		"{\"\xff\":1,\"tags\":[{\"value\":\"\xfe\",\"citations\":[]}]}": `{}`,
	} {
		f.Add([]byte(value), []byte(cites))
	}
	f.Fuzz(func(t *testing.T, value, cites []byte) {
		if !json.Valid(value) || len(cites) > 0 && !json.Valid(cites) {
			return
		}
		for _, name := range []string{"", "extract", "v3_extract"} {
			r := &ExtractResult{resultBase: resultBase{responseType: name}, value: readContent(jsonread.FromBytes(value)), cites: readContent(jsonread.FromBytes(cites))}
			if len(cites) == 0 {
				r.cites = content{}
			}
			for _, target := range []any{new(dues), new(citedDues), new([]citedDues), new(map[string]Cited[json.RawMessage]), new(*[]*dues), new([2]Cited[any]), new(tree)} {
				_ = r.Decode(t.Context(), target)
			}
			if r.Link() != "" {
				continue
			}
			var want, got any
			wrong := json.Unmarshal(value, &want)
			if err := r.Decode(t.Context(), &got); string(bytes.TrimSpace(value)) != "null" {
				require.Equal(t, wrong == nil, err == nil)
				require.Equal(t, want, got)
			}
			require.True(t, json.Valid(join(value, cites)) || len(cites) == 0)
		}
	})
}

// tree is as deep as the data.
type tree struct {
	Value     *tree
	Citations []tree
	Name      Cited[string]
	ByName    map[string]tree
}
