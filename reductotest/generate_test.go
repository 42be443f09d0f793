package reductotest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

type generatedFull struct {
	Type   string
	Chunks []generatedChunk
	OCR    *struct{ Words, Lines []m }
	Custom any
}

type generatedChunk struct {
	Content, Embed string
	Blocks         []struct {
		Type       string
		Content    string
		BBox       struct{ Left, Top, Width, Height, Page float64 }
		Confidence string
		Granular   struct {
			Parse float64 `json:"parse_confidence"`
		} `json:"granular_confidence"`
	}
}

func generated(t *testing.T, d reductotest.GeneratedDocument) ([]byte, generatedFull) {
	t.Helper()
	var b bytes.Buffer
	n, err := d.WriteTo(&b)
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), n)
	size, err := d.Size()
	require.NoError(t, err)
	require.Equal(t, n, size)
	var full generatedFull
	require.NoError(t, json.Unmarshal(b.Bytes(), &full))
	return b.Bytes(), full
}

func TestGeneratedDocumentHasItsSizeAndShares(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]reductotest.GeneratedDocument{
		"default":      {},
		"single chunk": {SingleChunk: true},
		"tables":       {Tables: 1},
		"non-ASCII":    {NonASCII: 1},
		"escaped":      {Escaped: 1},
		"mixed":        {Tables: 0.2, NonASCII: 0.3, Escaped: 0.2, DistinctEmbed: true},
		"all shares":   {Tables: 0.3, NonASCII: 0.3, Escaped: 0.4},
		"long blocks":  {BlockText: 20_000},
		"large chunks": {ChunkBytes: 200_000},
		"OCR":          {OCR: 0.5},
		"another seed": {Seed: 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.Bytes = 1_000_000
			raw, full := generated(t, d)
			assert.InEpsilon(t, d.Bytes, len(raw), 0.04)
			again, _ := generated(t, d)
			assert.True(t, bytes.Equal(raw, again), "the same value is the same document")

			text, blocks := 0, 0
			for _, c := range full.Chunks {
				var contents []string
				for _, b := range c.Blocks {
					contents = append(contents, b.Content)
					text += len(b.Content)
					for _, f := range []float64{b.BBox.Left, b.BBox.Top, b.BBox.Width, b.BBox.Height, b.Granular.Parse,
						b.BBox.Left + b.BBox.Width, b.BBox.Top + b.BBox.Height} {
						if f <= 0 || f >= 1 {
							t.Fatalf("%v is no share of a page", f)
						}
					}
					if page := float64(blocks/12 + 1); b.BBox.Page != page {
						t.Fatalf("block %d is on page %v", blocks, b.BBox.Page)
					}
					if d.Tables == 1 && b.Type != "Table" {
						t.Fatalf("a block is a %s", b.Type)
					}
					blocks++
				}
				assert.Equal(t, strings.Join(contents, "\n\n"), c.Content)
				assert.Equal(t, !d.DistinctEmbed, c.Embed == c.Content)
				text += len(c.Content) + len(c.Embed)
			}
			assert.Equal(t, d.SingleChunk, len(full.Chunks) == 1)
			assert.Equal(t, d.OCR > 0, full.OCR != nil)
			if name == "default" {
				assert.InEpsilon(t, 12_500, len(raw)/len(full.Chunks), 0.05)
				assert.InEpsilon(t, 1_050, len(raw)/blocks, 0.05)
				assert.InEpsilon(t, 2.0/3, float64(text)/float64(len(raw)), 0.05)
			}
			if full.OCR != nil {
				assert.Less(t, len(full.OCR.Lines)*2, len(full.OCR.Words))
				assert.NotEmpty(t, full.OCR.Lines)
			}
		})
	}
}

func TestGeneratedDocumentsDiffer(t *testing.T) {
	t.Parallel()
	one, _ := generated(t, reductotest.GeneratedDocument{Seed: 1})
	two, _ := generated(t, reductotest.GeneratedDocument{Seed: 2})
	assert.NotEqual(t, one, two)
	// Benchmarks rely on the same bytes, so a change must be noticed.
	sum := sha256.Sum256(one)
	assert.Equal(t, "41582bb3d27f54cc", fmt.Sprintf("%x", sum[:8]))
}

func TestGeneratedDocumentOfFewBytes(t *testing.T) {
	t.Parallel()
	for n := int64(1); n < 6000; n += 7 {
		var b bytes.Buffer
		_, err := reductotest.GeneratedDocument{Bytes: n, OCR: float64(n%3) / 2}.WriteTo(&b)
		require.NoError(t, err)
		require.True(t, json.Valid(b.Bytes()), "%d: %s", n, b.Bytes())
	}
}

func TestGeneratedDocumentRefusesInvalidFields(t *testing.T) {
	t.Parallel()
	for _, d := range []reductotest.GeneratedDocument{
		{Bytes: -1}, {BlockText: -1}, {ChunkBytes: -1},
		{Tables: -0.1}, {NonASCII: 1.1}, {Escaped: 2}, {OCR: 1.5},
		{Tables: 0.5, NonASCII: 0.4, Escaped: 0.3},
	} {
		_, err := d.WriteTo(io.Discard)
		require.ErrorContains(t, err, "GeneratedDocument: ")
		_, err = d.Size()
		require.Error(t, err)
	}
	tb := &fakeTB{}
	srv := reductotest.NewServer(tb)
	defer srv.Close()
	srv.NextResult(reductotest.GeneratedDocument{Bytes: -1})
	assert.Contains(t, tb.fatal, "NextResult: GeneratedDocument: a size is negative")
}

// failingWriter fails after some bytes.
type failingWriter struct{ room int }

var errFull = errors.New("full")

func (w *failingWriter) Write(p []byte) (int, error) {
	n := min(w.room, len(p))
	w.room -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestGeneratedDocumentStopsWhenItsWriterFails(t *testing.T) {
	t.Parallel()
	for _, d := range []reductotest.GeneratedDocument{{}, {SingleChunk: true}, {OCR: 1}} {
		d.Bytes = 1 << 33 // all of it would take many seconds
		n, err := d.WriteTo(&failingWriter{room: 100_000})
		require.ErrorIs(t, err, errFull)
		assert.EqualValues(t, 100_000, n)
	}
}

func TestGeneratedResultInlineAndBehindALink(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		d := reductotest.GeneratedDocument{Seed: 3, Bytes: 300_000}
		raw, want := generated(t, d)

		srv.NextResult(d)
		answer := ok(t, srv, "POST", "/parse", m{"input": "https://example.com/a.pdf"})
		assert.Equal(t, "parse", answer["response_type"])
		inline := at(t, answer, "result")
		var whole any
		require.NoError(t, json.Unmarshal(raw, &whole))
		assert.Equal(t, whole, inline)
		last := want.Chunks[len(want.Chunks)-1]
		assert.EqualValues(t, last.Blocks[len(last.Blocks)-1].BBox.Page, at(t, answer, "usage", "num_pages"))

		// Forced to be a URL.
		srv.NextResult(&d)
		id := submit(t, srv, "/parse_async", m{"input": "https://example.com/a.pdf", "settings": m{"force_url_result": true}})
		pass(time.Second)
		job := getJob(t, srv, id)
		assert.Equal(t, "url", at(t, job, "result", "result", "type"))
		r := get(t, srv, at(t, job, "result", "result", "url").(string))
		assert.Equal(t, raw, r.body)
		assert.EqualValues(t, len(raw), r.ContentLength)

		// Above the threshold, and set after the end of the job.
		id = srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		srv.SetResult(id, reductotest.GeneratedDocument{Bytes: 7_000_000})
		job = getJob(t, srv, id)
		assert.Equal(t, "url", at(t, job, "result", "result", "type"))
		id = srv.SeedJob(reductotest.SeedJob{Status: "Completed", Result: d})
		inlineJob := call(t, srv, "GET", "/job/"+id, nil)
		assert.EqualValues(t, len(inlineJob.body), inlineJob.ContentLength)
		assert.Equal(t, whole, at(t, inlineJob.object(t), "result", "result"))
	})
}

func TestGeneratedResultObeysURLBody(t *testing.T) {
	d := reductotest.GeneratedDocument{Bytes: 100_000}
	raw, want := generated(t, d)
	for form, check := range map[reductotest.URLBody]func(*testing.T, []byte){
		reductotest.URLBodyResult: func(t *testing.T, body []byte) { assert.Equal(t, raw, body) },
		reductotest.URLBodyChunks: func(t *testing.T, body []byte) {
			var chunks []generatedChunk
			require.NoError(t, json.Unmarshal(body, &chunks))
			assert.Equal(t, want.Chunks[:len(want.Chunks)-1], chunks[:len(want.Chunks)-1])
		},
		reductotest.URLBodyEnvelope: func(t *testing.T, body []byte) {
			var envelope struct {
				ResponseType string `json:"response_type"`
				Result       generatedFull
			}
			require.NoError(t, json.Unmarshal(body, &envelope))
			assert.Equal(t, "parse", envelope.ResponseType)
			assert.Equal(t, want, envelope.Result)
		},
	} {
		t.Run(fmt.Sprint(form), func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *reductotest.Server) {
				link := seededURL(t, srv, d)
				r := get(t, srv, link)
				assert.EqualValues(t, len(r.body), r.ContentLength)
				check(t, r.body)
			}, reductotest.WithURLBody(form), reductotest.WithURLResultThreshold(0))
		})
	}
}

// The test fails if one side of the download holds it in memory.
func TestGeneratedResultIsNotHeldInMemory(t *testing.T) {
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	d := reductotest.GeneratedDocument{Bytes: 60_000_000, SingleChunk: true}
	link := seededURL(t, srv, d)
	resp, err := srv.HTTPClient().Get(link)
	require.NoError(t, err)
	defer resp.Body.Close()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	for n := int64(0); ; {
		more, err := io.CopyN(io.Discard, resp.Body, 6_000_000)
		n += more
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapAlloc)
		if err == io.EOF {
			assert.Equal(t, resp.ContentLength, n)
			break
		}
		require.NoError(t, err)
	}
	assert.Less(t, int64(peak)-int64(before.HeapAlloc), int64(10<<20))
}

func ExampleGeneratedDocument() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	ctx := context.Background()
	// 20 MB with tables in a tenth of the blocks. The API responds with a link.
	srv.NextResult(reductotest.GeneratedDocument{Bytes: 20_000_000, Tables: 0.1})
	job, err := srv.Client().ParseAsync(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := job.Wait(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	chunks, blocks := 0, 0
	for chunk, err := range result.Chunks(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		chunks++
		blocks += len(chunk.Blocks)
	}
	fmt.Println(chunks, "chunks,", blocks, "blocks")
	// Output:
	// 1590 chunks, 18443 blocks
}
