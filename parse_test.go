package reducto

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/jsonread"
)

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
	assert.Equal(t, BlockTypeTable, table.Type)
	assert.Equal(t, ConfidenceLow, table.Confidence)
	assert.Equal(t, 0.75, *table.GranularConfidence.ParseConfidence)
	assert.Equal(t, Extra{"layout_confidence": []byte("0.25")}, table.GranularConfidence.Extra)
	assert.Contains(t, string(table.ImageURL), "table.png?X-Amz")
	assert.Len(t, table.ChartData, 1)
	assert.JSONEq(t, "false", string(table.Attributes["is_chart"]))
	assert.Empty(t, table.Extra)
	assert.Equal(t, BoundingBox{Left: 0.125, Top: 0.25, Width: 0.75, Height: 0.375, Page: 1}, table.BBox)
	assert.Equal(t, 7, chunks[0].Blocks[0].BBox.OriginalPage)
	hologram := chunks[1].Blocks[0]
	assert.Equal(t, BlockType("Hologram"), hologram.Type)
	assert.Equal(t, Confidence("certain"), hologram.Confidence)
	assert.JSONEq(t, "[3,1,2]", string(hologram.Extra["reading_order"]))
	assert.Nil(t, hologram.Attributes)

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

// texts returns the texts of all chunks, in three ways that must agree.
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

func TestLoopsEndWhenLeftEarly(t *testing.T) {
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

func TestReadingFailsWithAnEndedContext(t *testing.T) {
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
	// Content in memory needs no context.
	_, err := r.Load(ctx)
	require.NoError(t, err)
}

// everyReader calls every method that reads the content of a parse result.
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

func TestDetachedResultsReturnErrDetached(t *testing.T) {
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
	// A result with all its content has nothing to resolve.
	require.NoError(t, resultOf[*SplitResult](t, "job_split.json").resolve(t.Context()))
	require.NoError(t, resultOf[*ClassifyResult](t, "job_classify.json").resolve(t.Context()))
}

func TestResultsWithoutContentReturnErrors(t *testing.T) {
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
	// Content of an unknown form is not an expired result, and it is kept.
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

// After a download, a result is encoded with its content.
func TestLoadedContentIsMarshaled(t *testing.T) {
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

func TestResultIDIsThatOfTheLink(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"job_parse_url.json": "r-5a1e", "job_parse.json": "", "job_parse_nulls.json": ""} {
		assert.Equal(t, want, resultOf[*ParseResult](t, name).ResultID(), name)
	}
	for name, want := range map[string]string{"job_extract_url.json": "r-6", "job_extract_list.json": "", "job_extract_lookalike.json": ""} {
		assert.Equal(t, want, resultOf[*ExtractResult](t, name).ResultID(), name)
	}
}

func TestUsageIsBrokenDownByFeature(t *testing.T) {
	t.Parallel()
	var u ParseUsage
	require.NoError(t, json.Unmarshal([]byte(`{"num_pages":1,"credit_breakdown":{"page":1,"hologram":2},"page_billing_breakdown":{"1":["page","key_value"]}}`), &u))
	assert.Equal(t, map[BillingFeature]float64{BillingFeaturePage: 1, "hologram": 2}, u.CreditBreakdown)
	assert.Equal(t, []BillingFeature{BillingFeaturePage, BillingFeatureKeyValue}, u.PageBillingBreakdown["1"])
}

// linkedTo returns a parse result with its content at a URL.
func linkedTo(t testing.TB, url string) *ParseResult {
	t.Helper()
	client := newTestClient(t, WithMaxRetries(0))
	t.Cleanup(client.CloseIdleConnections)
	r := &ParseResult{content: content{link: Link(url)}}
	r.bind(source{client: client, jobID: "j1"})
	return r
}

// storage serves the bytes that serve writes.
func storage(t testing.TB, serve http.HandlerFunc) *ParseResult {
	t.Helper()
	srv := httptest.NewServer(serve)
	t.Cleanup(srv.Close)
	return linkedTo(t, srv.URL)
}

// The forms of a document behind a URL.
func formsOf(content []byte) map[string][]byte {
	var full struct{ Chunks json.RawMessage }
	_ = json.Unmarshal(content, &full)
	return map[string][]byte{
		"content": content,
		"answer":  fmt.Appendf(nil, `{"response_type":"parse","usage":{"result":{"chunks":[1]}},"result":%s,"job_id":"j"}`, content),
		"chunks":  full.Chunks,
	}
}

// For every way of arrival, Load, Chunks and Blocks agree with encoding/json.
func TestLoadChunksAndBlocksAgree(t *testing.T) {
	t.Parallel()
	content := sized(150_000).bytes()
	var want fullResult
	require.NoError(t, json.Unmarshal(content, &want))
	var wantBlocks []Block
	for _, c := range want.Chunks {
		wantBlocks = append(wantBlocks, c.Blocks...)
	}
	for form, data := range formsOf(content) {
		for way, r := range arrivals(data) {
			var chunks []Chunk
			require.NoError(t, readChunks(r, nil, func(c *Chunk) bool { chunks = append(chunks, *c); return true }))
			require.Equal(t, want.Chunks, chunks, "%s, %s", form, way)
		}
		for way, r := range arrivals(data) {
			var blocks []Block
			n := 0
			require.NoError(t, readBlocks(r, func() { n++ }, func(b *Block) bool { blocks = append(blocks, *b); return true }))
			require.Equal(t, wantBlocks, blocks, "%s, %s", form, way)
			require.Equal(t, len(want.Chunks), n)
		}
		r := storage(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) })
		var blocks []Block
		for b, err := range r.Blocks(t.Context()) {
			require.NoError(t, err)
			blocks = append(blocks, *b)
		}
		require.Equal(t, wantBlocks, blocks)
		chunks, err := r.Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, want.Chunks, chunks)
	}
}

// Blocks accepts every document that Load accepts, with the same blocks. Every document
// that it accepts is JSON.
func TestBlocksAgreesWithChunksOnGeneratedDocuments(t *testing.T) {
	t.Parallel()
	taken := 0
	for seed := uint64(0); seed < 1500; seed += 3 { // the content objects
		data := made(seed)
		var want []Block
		err := readChunks(jsonread.FromBytes(data), new(fullResult), func(c *Chunk) bool { want = append(want, c.Blocks...); return true })
		for way, r := range arrivals(data) {
			var got []Block
			gotErr := readBlocks(r, func() {}, func(b *Block) bool { got = append(got, *b); return true })
			if err == nil {
				taken++
				require.NoError(t, gotErr, "%s: %q", way, data)
				require.Equal(t, want, got, "%s: %q", way, data)
			}
			if gotErr == nil {
				require.True(t, json.Valid(data), "%s: %q", way, data)
			}
		}
	}
	assert.Greater(t, taken, 500)
}

// The members of a chunk come in any order. Members other than blocks may have any form
// that Load allows.
func TestBlocksOfChunksInAnyOrder(t *testing.T) {
	t.Parallel()
	read := func(text string) (contents []string, err error) {
		err = readBlocks(jsonread.New(strings.NewReader(text), -1), func() {}, func(b *Block) bool {
			contents = append(contents, b.Content)
			return true
		})
		return contents, err
	}
	for _, chunk := range []string{
		`{"blocks":[{"content":"a"},null],"embed":"x","content":"\u00e4\ud800\n"}`,
		`{"content":null,"new":{"blocks":[{"content":"no"}]},"blocks":[{"content":"a"},{}],"enriched":[],"enrichment_success":7}`,
	} {
		contents, err := read(`[{},` + chunk + `,{"blocks":null},null]`)
		require.NoError(t, err)
		assert.Equal(t, []string{"a", ""}, contents)
	}
	for text, part := range map[string]string{
		`[{"content":7}]`:                                "content: a number where a string is expected",
		`[{"embed":{}}]`:                                 "embed: an object where a string is expected",
		`[{"blocks":{}}]`:                                "blocks: an object where an array is expected",
		`[{"blocks":[{"type":[]}]}]`:                     "blocks: type: an array where a string is expected",
		`[{"content":"a","content":"b"}]`:                `duplicate member "content"`,
		`[{"new":1,"new":2}]`:                            `duplicate member "new"`,
		`[{"blocks":[],"blocks":[]}]`:                    `duplicate member "blocks"`,
		`[{"blocks":[{"new":1,"new":1}]}]`:               `duplicate member "new"`,
		`{"chunks":[],"a":1,"a":1}`:                      `duplicate member "a"`,
		`{"result":{"chunks":[]},"result":{"chunks":1}}`: `duplicate member "result"`,
		"[{\"content\":\"a\nb\"}]":                       "invalid character '\\n'",
		`[{"content":"\x"}]`:                             "invalid character 'x'",
		`[{"content":"a`:                                 "unexpected EOF",
		`[1]`:                                            "not a JSON object",
	} {
		_, err := read(text)
		require.ErrorContains(t, err, part, text)
	}
}

func TestGzippedContent(t *testing.T) {
	t.Parallel()
	content := sized(300_000).bytes()
	asked := ""
	r := storage(t, func(w http.ResponseWriter, req *http.Request) {
		asked = req.Header.Get("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(content)
		_ = z.Close()
	})
	n := 0
	for _, err := range r.Blocks(t.Context()) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, "gzip", asked)
	assert.Equal(t, bytes.Count(content, []byte(`"bbox"`)), n)
}

// When the loop is left, the connection is closed and the server cannot continue.
func TestLeavingTheLoopClosesTheConnection(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(ctx context.Context, r *ParseResult){
		"blocks": func(ctx context.Context, r *ParseResult) {
			for _, err := range r.Blocks(ctx) {
				require.NoError(t, err)
				break
			}
		},
		"chunks": func(ctx context.Context, r *ParseResult) {
			for _, err := range r.Chunks(ctx) {
				require.NoError(t, err)
				break
			}
		},
	} {
		closed := make(chan error, 1)
		r := storage(t, func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.WriteString(w, `[`)
			for {
				if _, err := io.WriteString(w, `{"blocks":[{"content":"a"}]},`); err != nil {
					closed <- err
					return
				}
			}
		})
		leave(t.Context(), r)
		select {
		case err := <-closed:
			require.Error(t, err, name)
		case <-time.After(10 * time.Second):
			t.Fatal("the connection stays open: " + name)
		}
	}
}

// For downloaded and for inline documents, the end of the context ends the loop over
// the blocks at once.
func TestBlocksInMemoryEndWithTheContext(t *testing.T) {
	t.Parallel()
	var r ParseResult
	require.NoError(t, json.Unmarshal([]byte(`{"response_type":"parse","result":{"type":"full","chunks":[{"content":"x","blocks":[{"content":"a"},{"content":"b"}]}]}}`), &r))
	cause := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var got []string
	for b, err := range r.Blocks(ctx) {
		if err != nil {
			require.ErrorIs(t, err, cause)
			got = append(got, "over")
			continue
		}
		got = append(got, b.Content)
		cancel(cause)
	}
	assert.Equal(t, []string{"a", "over"}, got)
}

// A page instead of a document is an error of the download, with its URL.
func TestPageInsteadOfResultIsAConnectionError(t *testing.T) {
	t.Parallel()
	page := storage(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	readers := everyReader(t.Context(), page)
	extracted := &ExtractResult{value: content{link: page.Link()}}
	extracted.bind(source{client: page.src.client})
	_, readers["Raw"] = extracted.Raw(t.Context())
	for name, err := range readers {
		lost, ok := errors.AsType[*ConnectionError](err)
		require.True(t, ok, name)
		assert.Equal(t, string(page.Link()), lost.URL, name)
	}
}

// A body that ends early is downloaded again, for every type of result, even if the
// connection reports no error.
func TestTruncatedDownloadIsRetried(t *testing.T) {
	t.Parallel()
	var downloads atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		downloads.Add(1)
		_, _ = io.WriteString(w, `{"a":`)
	}))
	defer srv.Close()
	s := source{client: newTestClient(t, WithMaxRetries(1))}
	parsed := &ParseResult{content: content{link: Link(srv.URL)}}
	parsed.bind(s)
	extracted := &ExtractResult{value: content{link: Link(srv.URL)}}
	extracted.bind(s)
	for name, read := range map[string]func() error{
		"parse":   func() error { _, err := parsed.Load(t.Context()); return err },
		"extract": func() error { _, err := extracted.Raw(t.Context()); return err },
	} {
		downloads.Store(0)
		require.ErrorIs(t, read(), io.ErrUnexpectedEOF, name)
		assert.EqualValues(t, 2, downloads.Load(), name)
	}
}

// An error says how far the download came. The end of the context is noticed at once,
// not at the end of the window.
func TestDownloadErrorSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	var head strings.Builder
	head.WriteString(`[`)
	for range 5 {
		head.WriteString(`{"content":"x","blocks":[{"content":"a"},{"content":"b"}]},`)
	}
	cut := storage(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		_, _ = io.WriteString(w, head.String()+`{"blocks":[{"content":"c"},{"con`)
	})
	last := func(r *ParseResult, ctx context.Context, each func(n int)) (n int, err error) {
		for _, e := range r.Blocks(ctx) {
			if e != nil {
				return n, e
			}
			n++
			each(n)
		}
		return n, nil
	}
	n, err := last(cut, t.Context(), func(int) {})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, 11, n)
	assert.ErrorContains(t, err, "reducto: result of job j1, after 11 blocks of 6 chunks, 328 bytes: ")
	n = 0
	for _, e := range cut.Chunks(t.Context()) {
		if err = e; e == nil {
			n++
		}
	}
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.ErrorContains(t, err, "reducto: result of job j1, after 5 chunks, 328 bytes: ")

	early := storage(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		_, _ = io.WriteString(w, `{"chunks":[{"content":"`+strings.Repeat("a", 1000))
	})
	for name, e := range everyReader(t.Context(), early) {
		require.ErrorIs(t, e, io.ErrUnexpectedEOF, name)
		assert.ErrorContains(t, e, ": after 1023 bytes: ", name)
	}

	wrong := storage(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, head.String()+`]`) })
	_, err = last(wrong, t.Context(), func(int) {})
	assert.ErrorContains(t, err, "after 10 blocks of 5 chunks, 296 bytes: invalid character ']' at byte 296")

	hang := storage(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, head.String())
		w.(http.Flusher).Flush()
		<-req.Context().Done()
	})
	cause := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	n, err = last(hang, ctx, func(n int) {
		if n == 3 {
			cancel(cause)
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
	assert.Equal(t, 3, n, "what was read ahead is not yielded")
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	n, err = last(hang, ctx, func(int) {})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, 10, n)
}

func TestBlocksRefusesALinkToALink(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"type":"url","url":"https://x.example/y","result_id":"r"}`, `{"result":{"type":"url","url":"https://x.example/y","result_id":"r"}}`,
	} {
		r := storage(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
		for name, err := range everyReader(t.Context(), r) {
			require.ErrorIs(t, err, errLinkToLink, name)
		}
	}
}

// One word of an unexpected form makes all OCR data an unknown member, as it came. Its
// beginning is no longer in memory then, so the document is downloaded again.
func TestLargeMembersOfAnyFormAreKept(t *testing.T) {
	t.Parallel()
	d := ocrHeavy(400_000)
	content := string(d.bytes())
	cut := strings.LastIndex(content, `"text":"`)
	content = content[:cut] + `"text":7,"was":"` + content[cut+len(`"text":"`):]
	var want struct{ OCR json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(content), &want))
	require.Greater(t, len(want.OCR), 200_000)

	downloads := 0
	r := storage(t, func(w http.ResponseWriter, _ *http.Request) {
		downloads++
		_, _ = io.WriteString(w, content)
	})
	chunks, err := r.Load(t.Context())
	require.NoError(t, err)
	assert.Len(t, chunks, d.chunks)
	assert.Equal(t, 2, downloads)
	assert.Nil(t, r.full.OCR)
	require.True(t, string(want.OCR) == string(r.full.Extra["ocr"]), "byte for byte")

	// Inline content is completely in memory.
	var job Job
	require.NoError(t, readAnswer(&answer{body: strings.NewReader(`{"status":"Completed","result":{"response_type":"parse","result":` + content + `}}`), size: -1},
		notExpected, func(r *jsonread.Reader) { readJob(r, &job) }))
	parse, err := As[*ParseResult](&job)
	require.NoError(t, err)
	require.True(t, string(want.OCR) == string(parse.full.Extra["ocr"]), "byte for byte")
}

// Equal texts of a chunk share memory.
func TestEmbedSharesContent(t *testing.T) {
	body := strings.Repeat(`A line of text, as long as lines are.\n`, 30_000)
	read := func(text string) (c Chunk) {
		r := jsonread.New(strings.NewReader(text), -1)
		defer r.Close()
		readChunk(r, &c)
		require.NoError(t, r.Err())
		return c
	}
	for _, text := range []string{
		`{"content":"` + body + `","embed":"` + body + `"}`,
		`{"embed":"` + body + `","blocks":[{"content":"between them"}],"content":"` + body + `"}`,
	} {
		c := read(text)
		require.Equal(t, c.Content, c.Embed)
		assert.Same(t, unsafe.StringData(c.Content), unsafe.StringData(c.Embed))
	}
	c := read(`{"content":"` + body + `","embed":"` + body + `."}`)
	assert.Equal(t, c.Content+".", c.Embed)
	assert.NotSame(t, unsafe.StringData(c.Content), unsafe.StringData(c.Embed), "one that differs has its own")
}

// read collects what readChunks yields.
func read(text string, rest *fullResult) (contents []string, err error) {
	err = readChunks(jsonread.New(strings.NewReader(text), -1), rest, func(c *Chunk) bool {
		contents = append(contents, c.Content)
		return true
	})
	return contents, err
}

func TestReadChunksReadsEveryForm(t *testing.T) {
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

func TestReadChunksRefusesOtherForms(t *testing.T) {
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

// A truncated body and an invalid one give different errors. Only a truncated one is
// worth a retry.
func TestReadChunksDistinguishesTruncatedFromInvalid(t *testing.T) {
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

func TestReadChunksStopsWhenYieldReturnsFalse(t *testing.T) {
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
