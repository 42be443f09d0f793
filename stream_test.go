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

// linkedTo is a parse result whose content lies at a URL.
func linkedTo(t testing.TB, url string) *ParseResult {
	t.Helper()
	client, err := NewClient(WithAPIKey("sk-test"), WithMaxRetries(0))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	r := &ParseResult{content: content{link: Link(url)}}
	r.bind(source{client: client, jobID: "j1"})
	return r
}

// storage serves what serve writes.
func storage(t testing.TB, serve http.HandlerFunc) *ParseResult {
	t.Helper()
	srv := httptest.NewServer(serve)
	t.Cleanup(srv.Close)
	return linkedTo(t, srv.URL)
}

// The forms in which a document lies behind a URL.
func formsOf(content []byte) map[string][]byte {
	var full struct{ Chunks json.RawMessage }
	_ = json.Unmarshal(content, &full)
	return map[string][]byte{
		"content": content,
		"answer":  fmt.Appendf(nil, `{"response_type":"parse","usage":{"result":{"chunks":[1]}},"result":%s,"job_id":"j"}`, content),
		"chunks":  full.Chunks,
	}
}

// However a document arrives, Load, Chunks and Blocks give what encoding/json gives.
func TestStreamsAgree(t *testing.T) {
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

// Streamed by block, a document that Load takes is taken, with the same blocks; and
// one that it takes is JSON.
func TestBlocksOfOddDocuments(t *testing.T) {
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

// The members of a chunk come in any order, and what a chunk has besides blocks may
// have any form that Load allows.
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

// Leaving the loop closes the connection: the server cannot go on.
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

// Whether a document was downloaded or inline, the end of the context ends the loop
// over its blocks at once.
func TestBlocksOfAKeptChunkEndWithTheContext(t *testing.T) {
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

// What is no document at all is an error of the download, with its URL.
func TestWhatIsNoDocument(t *testing.T) {
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

// A body that ends early is tried again, whichever result it is, also where the
// connection says nothing of it.
func TestBodyThatEndsEarlyIsTriedAgain(t *testing.T) {
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

// An error says how far the download came; the context's end is one, and is noticed
// at once, not where the window ends.
func TestHowFarItCame(t *testing.T) {
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

func TestBlocksBehindALinkToALink(t *testing.T) {
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

// One word of another form makes all of the recognition an unknown member, as it came.
// That is found out when it is no longer at hand: it is downloaded once more.
func TestLargeMembersOfAnotherForm(t *testing.T) {
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

	// Inline, all of it is at hand.
	var job Job
	require.NoError(t, readAnswer(&answer{body: strings.NewReader(`{"status":"Completed","result":{"response_type":"parse","result":` + content + `}}`), size: -1},
		notExpected, func(r *jsonread.Reader) { readJob(r, &job) }))
	parse, err := As[*ParseResult](&job)
	require.NoError(t, err)
	require.True(t, string(want.OCR) == string(parse.full.Extra["ocr"]), "byte for byte")
}

// The texts of a chunk are one, where they are equal.
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
