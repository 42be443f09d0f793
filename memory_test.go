package reducto

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A separate process measures the memory of a download. With memoryEnv the test binary
// reads the content of a URL, in one of the ways.
const memoryEnv = "REDUCTO_TEST_MEMORY"

type memoryReport struct {
	Idle, Peak int64 // bytes
	Blocks     int
	Text       int
}

func TestMemoryChild(t *testing.T) {
	way, url, ok := strings.Cut(os.Getenv(memoryEnv), " ")
	if !ok {
		return // it is the child that does the work
	}
	use := func(url string) (report memoryReport) {
		r := linkedTo(t, url)
		if way == "load" {
			chunks, err := r.Load(t.Context())
			require.NoError(t, err)
			for _, c := range chunks {
				report.Blocks += len(c.Blocks)
			}
			return report
		}
		if way == "chunks" {
			for c, err := range r.Chunks(t.Context()) {
				require.NoError(t, err)
				report.Blocks += len(c.Blocks)
			}
			return report
		}
		switch way {
		case "markdown":
			require.NoError(t, r.WriteMarkdown(t.Context(), writerFunc(func(p []byte) (int, error) {
				report.Text += len(p)
				return len(p), nil
			})))
			return report
		case "passages":
			for p, err := range r.Passages(t.Context(), PassageOptions{MaxTokens: 500}) {
				require.NoError(t, err)
				report.Text += len(p.Text)
			}
			return report
		}
		for b, err := range r.Blocks(t.Context()) {
			require.NoError(t, err)
			report.Blocks++
			report.Text += len(b.Content)
		}
		return report
	}
	use(url + "?small")
	peak := watchMemory()
	idle := residentMemory(t, "VmRSS")
	report := use(url)
	report.Idle, report.Peak = idle, max(peak(), residentMemory(t, "VmHWM"))
	require.NoError(t, json.NewEncoder(os.Stderr).Encode(report))
}

// residentMemory returns the memory that the kernel reports; 0 if it does not.
func residentMemory(t *testing.T, field string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, m)
	kb, err := strconv.ParseInt(string(m[1]), 10, 64)
	require.NoError(t, err)
	return kb << 10
}

// watchMemory samples the memory that the runtime has from the system, if the kernel
// does not record the peak. Its result returns the peak above the first value.
func watchMemory() (peak func() int64) {
	if _, err := os.Stat("/proc/self/status"); err == nil {
		return func() int64 { return 0 }
	}
	sample := func() int64 {
		s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		metrics.Read(s)
		return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
	}
	var most atomic.Int64
	idle, done, ended := sample(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			most.Store(max(most.Load(), sample()-idle))
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() int64 {
		close(done)
		<-ended
		return most.Load()
	}
}

// measure lets a child read what serve writes.
func measure(t *testing.T, way string, serve func(w io.Writer)) memoryReport {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "small" {
			_, _ = sized(100_000).WriteTo(w)
			return
		}
		serve(w)
	}))
	defer srv.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryChild$")
	cmd.Env = append(os.Environ(), memoryEnv+"="+way+" "+srv.URL+"/", "GOGC=100", "GOMEMLIMIT=off")
	var stderr, stdout bytes.Buffer
	cmd.Stderr, cmd.Stdout = &stderr, &stdout
	require.NoError(t, cmd.Run(), "%s%s", &stdout, &stderr)
	var report memoryReport
	require.NoError(t, json.NewDecoder(&stderr).Decode(&report))
	return report
}

// oneChunk writes a document of about size bytes with a single chunk, as without
// chunking. Two thirds are texts, and they come first.
func oneChunk(w io.Writer, size int) (blocks int) {
	d := document{seed: 5}
	rnd := rand.New(rand.NewPCG(5, 1))
	var text, block bytes.Buffer
	d.text(rnd, &text, 64<<10)
	for block.Len() < 64<<10 {
		if blocks++; block.Len() > 0 {
			block.WriteByte(',')
		}
		d.block(rnd, &block, text.Bytes()[:230])
	}
	part := size / 3
	for _, begin := range []string{`{"type":"full","chunks":[{"content":"`, `","embed":"`} {
		_, _ = io.WriteString(w, begin)
		for n := 0; n < part; n += text.Len() {
			_, _ = w.Write(text.Bytes())
		}
	}
	_, _ = io.WriteString(w, `","enriched":null,"blocks":[`)
	times := part/block.Len() + 1
	for i := range times {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		_, _ = w.Write(block.Bytes())
	}
	_, _ = io.WriteString(w, `]}],"ocr":null}`)
	return blocks * times
}

// Blocks needs 8 MB for a document of 200 MB, with many chunks or with one.
func TestBlocksNeedLittleMemory(t *testing.T) {
	t.Parallel()
	size := 200_000_000
	if raceEnabled { // the race detector needs memory too
		size /= 10
	}
	// The needed memory is needed every time. The delay of the collector depends on the
	// load of the machine.
	var above int64
	for range 3 {
		var blocks atomic.Int64
		report := measure(t, "blocks", func(w io.Writer) { blocks.Store(int64(oneChunk(w, size))) })
		require.Equal(t, int(blocks.Load()), report.Blocks)
		above = report.Peak - report.Idle
		t.Logf("idle %.1f MB, peak %.1f MB above it", float64(report.Idle)/1e6, float64(above)/1e6)
		if raceEnabled || above <= 8_000_000 {
			return
		}
	}
	assert.LessOrEqual(t, above, int64(8_000_000))
}

// As Markdown and as passages, a document of 200 MB needs as little, and the largest
// block once.
func TestMarkdownAndPassagesNeedLittleMemory(t *testing.T) {
	t.Parallel()
	size, large := 200_000_000, 20_000_000
	if raceEnabled { // which has a memory of its own
		size, large = size/10, large/10
	}
	row := `["Möwe","1,250.00 EUR","it pays the dues of a day"],`
	for name, block := range map[string]func(w io.Writer){
		"a long text": func(w io.Writer) {
			_, _ = io.WriteString(w, `"Text","content":"`+strings.Repeat("It was read once. ", large/18)+`"`)
		},
		"a long table": func(w io.Writer) {
			rows, _ := json.Marshal("[" + strings.Repeat(row, large/len(row)) + `["end"]]`)
			_, _ = fmt.Fprintf(w, `"Table","content":%s`, rows)
		},
	} {
		for _, way := range []string{"markdown", "passages"} {
			t.Run(name+" as "+way, func(t *testing.T) {
				most := int64(large) + 8_000_000
				if name == "a long table" && way == "passages" {
					most += int64(large) * 3 / 2 // the text of its passages, which the collector frees late
				}
				var above int64
				for range 3 { // as above
					report := measure(t, way, func(w io.Writer) {
						_, _ = io.WriteString(w, `{"result":`)
						_, _ = sized(size).WriteTo(&beforeEnd{w: w, add: func(w io.Writer) {
							_, _ = io.WriteString(w, `,{"content":"","blocks":[{"bbox":{"page":1},"type":`)
							block(w)
							_, _ = io.WriteString(w, `}]}`)
						}})
						_, _ = io.WriteString(w, `}`)
					})
					require.Greater(t, report.Text, size/4)
					above = report.Peak - report.Idle
					t.Logf("idle %.1f MB, peak %.1f MB above it", float64(report.Idle)/1e6, float64(above)/1e6)
					if raceEnabled || above <= most {
						return
					}
				}
				assert.LessOrEqual(t, above, most)
			})
		}
	}
}

// beforeEnd adds a chunk to those of a document, before the OCR.
type beforeEnd struct {
	w   io.Writer
	add func(io.Writer)
}

func (b *beforeEnd) Write(p []byte) (int, error) {
	if i := bytes.LastIndex(p, []byte(`],"ocr":`)); i >= 0 {
		_, _ = b.w.Write(p[:i])
		b.add(b.w)
		_, err := b.w.Write(p[i:])
		return len(p), err
	}
	return b.w.Write(p)
}

// Streamed by chunk, a document needs 8 MB, or no more than a larger chunk of it has.
func TestChunksHoldAChunkOnce(t *testing.T) {
	t.Parallel()
	const size = 30_000_000
	var one bytes.Buffer
	oneChunk(&one, size)
	for name, c := range map[string]struct {
		data []byte
		most int64
	}{"one chunk": {one.Bytes(), size}, "many chunks": {sized(size).bytes(), 8_000_000}} {
		t.Run(name, func(t *testing.T) {
			var above int64
			for range 3 { // as above
				report := measure(t, "chunks", func(w io.Writer) { _, _ = w.Write(c.data) })
				require.Equal(t, bytes.Count(c.data, []byte(`"bbox"`)), report.Blocks)
				above = report.Peak - report.Idle
				t.Logf("idle %.1f MB, peak %.1f MB above it", float64(report.Idle)/1e6, float64(above)/1e6)
				if raceEnabled || above <= c.most {
					return
				}
			}
			assert.LessOrEqual(t, above, c.most)
		})
	}
}

// Load needs little more memory than the document, with many chunks or with one.
func TestLoadNeedsTheDocumentsMemory(t *testing.T) {
	t.Parallel()
	const size = 30_000_000
	many := sized(size).bytes()
	var one bytes.Buffer
	oneChunk(&one, size)
	for name, data := range map[string][]byte{"many chunks": many, "one chunk": one.Bytes()} {
		t.Run(name, func(t *testing.T) {
			report := measure(t, "load", func(w io.Writer) { _, _ = w.Write(data) })
			ratio := float64(report.Peak-report.Idle) / float64(len(data))
			t.Logf("idle %.1f MB, peak %.2f of the document above it", float64(report.Idle)/1e6, ratio)
			assert.Equal(t, bytes.Count(data, []byte(`"bbox"`)), report.Blocks)
			if !raceEnabled {
				assert.LessOrEqual(t, ratio, 1.1)
			}
		})
	}
}

// A block of any size is in memory once: as ASCII, as other text, and as text full of
// escapes.
func TestBlocksHoldALargeBlockOnce(t *testing.T) {
	t.Parallel()
	size := 50_000_000
	if raceEnabled { // the race detector needs memory too
		size /= 10
	}
	for name, piece := range map[string]string{"text": "It was read once. ", "beyond ASCII": "Größe: 17 м² ", "escapes": `\n\"\u00e4\ud83d\ude00`} {
		t.Run(name, func(t *testing.T) {
			var text string
			require.NoError(t, json.Unmarshal([]byte(`"`+piece+`"`), &text))
			times := size / len(text)
			block := func(w io.Writer, times int) {
				_, _ = io.WriteString(w, `{"type":"Text","bbox":{"left":0.1,"top":0.1,"width":0.5,"height":0.1,"page":1},"content":"`)
				many := []byte(strings.Repeat(piece, 1000))
				for range times / 1000 {
					_, _ = w.Write(many)
				}
				_, _ = io.WriteString(w, strings.Repeat(piece, times%1000)+`"}`)
			}
			var above int64
			for range 3 { // as above
				report := measure(t, "blocks", func(w io.Writer) {
					_, _ = io.WriteString(w, `{"type":"full","chunks":[{"content":"","blocks":[`)
					for range 100_000 { // garbage
						block(w, 20)
						_, _ = io.WriteString(w, ",")
					}
					block(w, times)
					for range 1000 {
						_, _ = io.WriteString(w, ",")
						block(w, 20)
					}
					_, _ = io.WriteString(w, `]}]}`)
				})
				require.Equal(t, 101_001, report.Blocks)
				require.Equal(t, (times+101_000*20)*len(text), report.Text)
				above = report.Peak - report.Idle
				t.Logf("idle %.1f MB, peak %.1f MB above it", float64(report.Idle)/1e6, float64(above)/1e6)
				if raceEnabled || above <= int64(size)+8_000_000 {
					return
				}
			}
			assert.LessOrEqual(t, above, int64(size+8_000_000))
		})
	}
}

// document describes a content object that is generated while it is read.
type document struct {
	chunks int
	blocks int // of each chunk
	words  int // in the OCR, and a line to every eight
	seed   uint64
}

// sized returns a document of about size bytes: 1 KB for each block, 12.5 KB for each
// chunk, and two thirds of it text.
func sized(size int) document { return document{chunks: max(1, size/12_500), blocks: 12, seed: 7} }

// ocrHeavy returns a document of about size bytes that are mostly OCR words.
func ocrHeavy(size int) document {
	return document{chunks: max(1, size/125_000), blocks: 12, words: size / 215, seed: 7}
}

var vocabulary = strings.Fields(`the harbour dues for berths of visiting yachts are paid at the office before
	noon each master shall show papers on demand and keep clear fairway no vessel may anchor within two cables
	pier lights between sunset sunrise pilotage is compulsory above forty metres über Möwe 1,250.00 B-4 EUR`)

// text returns about size bytes of text as it is in JSON.
func (d *document) text(rnd *rand.Rand, b *bytes.Buffer, size int) {
	line := 0
	for from := b.Len(); b.Len()-from < size; {
		word := vocabulary[rnd.IntN(len(vocabulary))]
		b.WriteString(word)
		if line += len(word) + 1; line > 75 {
			b.WriteString(`\n`)
			line = 0
		} else {
			b.WriteByte(' ')
		}
	}
}

var blockTypes = []string{"Text", "Text", "Text", "Title", "Section Header", "List Item", "Table", "Key Value"}

func (d *document) block(rnd *rand.Rand, b *bytes.Buffer, content []byte) {
	fmt.Fprintf(b, `{"type":%q,`, blockTypes[rnd.IntN(len(blockTypes))])
	d.box(rnd, b)
	fmt.Fprintf(b, `,"content":"%s","image_url":null,"chart_data":null,"confidence":%q,`,
		content, []string{"high", "high", "low"}[rnd.IntN(3)])
	fmt.Fprintf(b, `"granular_confidence":{"extract_confidence":null,"parse_confidence":%v},"extra":null}`, rnd.Float64())
}

func (d *document) box(rnd *rand.Rand, b *bytes.Buffer) {
	fmt.Fprintf(b, `"bbox":{"left":%v,"top":%v,"width":%v,"height":%v,"page":%d,"original_page":%d}`,
		rnd.Float64(), rnd.Float64(), float64(rnd.IntN(1000))/1000, float64(rnd.IntN(10000))/10000, rnd.IntN(900), rnd.IntN(900))
}

func (d *document) word(rnd *rand.Rand, b *bytes.Buffer, words int) {
	b.WriteString(`{"text":"`)
	for i := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(vocabulary[rnd.IntN(len(vocabulary))])
	}
	b.WriteString(`",`)
	d.box(rnd, b)
	fmt.Fprintf(b, `,"confidence":%v,"chunk_index":%d,"rotation":0}`, float64(rnd.IntN(1000))/1000, rnd.IntN(5000))
}

// WriteTo writes the document. It keeps one block in memory, and the contents of one
// chunk's blocks.
func (d document) WriteTo(w io.Writer) (int64, error) {
	rnd := rand.New(rand.NewPCG(d.seed, 1))
	var b bytes.Buffer
	var n int64
	var failed error
	flush := func() {
		if b.Len() > 64<<10 && failed == nil {
			var m int64
			m, failed = b.WriteTo(w)
			n += m
		}
	}
	b.WriteString(`{"type":"full","chunks":[`)
	for c := range d.chunks {
		if c > 0 {
			b.WriteByte(',')
		}
		// The same texts come three times. They are generated again instead of kept.
		texts := rnd.Uint64()
		for _, name := range []string{"content", "embed"} {
			fmt.Fprintf(&b, `%s%q:"`, map[string]string{"content": "{", "embed": ","}[name], name)
			again := rand.New(rand.NewPCG(texts, 1))
			for range d.blocks {
				d.text(again, &b, 230)
				flush()
			}
			b.WriteByte('"')
		}
		b.WriteString(`,"enriched":null,"enrichment_success":false,"blocks":[`)
		again := rand.New(rand.NewPCG(texts, 1))
		var content bytes.Buffer
		for i := range d.blocks {
			if i > 0 {
				b.WriteByte(',')
			}
			content.Reset()
			d.text(again, &content, 230)
			d.block(rnd, &b, content.Bytes())
			flush()
			if failed != nil {
				return n, failed
			}
		}
		b.WriteString(`]}`)
	}
	b.WriteString(`],"ocr":`)
	if d.words == 0 {
		b.WriteString(`null`)
	} else {
		b.WriteString(`{"words":[`)
		for i := range d.words {
			if i > 0 {
				b.WriteByte(',')
			}
			d.word(rnd, &b, 1)
			flush()
		}
		b.WriteString(`],"lines":[`)
		for i := range d.words / 8 {
			if i > 0 {
				b.WriteByte(',')
			}
			d.word(rnd, &b, 8)
			flush()
		}
		b.WriteString(`]}`)
	}
	b.WriteString(`,"custom":null}`)
	if failed == nil {
		var m int64
		m, failed = b.WriteTo(w)
		n += m
	}
	return n, failed
}

func (d document) bytes() []byte {
	var b bytes.Buffer
	_, _ = d.WriteTo(&b)
	return b.Bytes()
}
