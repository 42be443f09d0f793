package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/reducto-go/reducto"
)

// The ways in which a child reads a document, besides the names of the other
// libraries.
const (
	readKept     = "kept"
	readBlocks   = "blocks"
	readMarkdown = "markdown"
	readPassages = "passages"
)

// peak is a child's answer.
type peak struct {
	// Idle and Peak are the most memory that the process had, before it read the
	// document and after, in bytes.
	Idle, Peak int64
	// Digest is that of the blocks that it read.
	Digest digest
}

// digest tells whether two processes read the same blocks.
type digest struct {
	Blocks int
	Sum    uint64
}

func (d *digest) add(kind, content string, left float64, page int) {
	const prime = 1099511628211 // as in FNV
	d.Blocks++
	for _, s := range []string{kind, content} {
		for i := range len(s) {
			d.Sum = (d.Sum ^ uint64(s[i])) * prime
		}
	}
	d.Sum = (d.Sum ^ math.Float64bits(left)) * prime
	d.Sum = (d.Sum ^ uint64(page)) * prime
}

// Write adds written text.
func (d *digest) Write(p []byte) (int, error) {
	d.add("", string(p), 0, 0)
	return len(p), nil
}

func (d *digest) addPlain(c *plainContent) {
	for _, chunk := range c.Chunks {
		for i := range chunk.Blocks {
			b := &chunk.Blocks[i]
			d.add(b.Type, b.Content, b.BBox.Left, b.BBox.Page)
		}
	}
}

func (d *digest) addBlock(b *reducto.Block) {
	d.add(string(b.Type), b.Content, b.BBox.Left, b.BBox.Page)
}

// errNoPeak: the system does not tell the peak of a process's memory.
var errNoPeak = errors.New("this system does not tell a process's peak memory")

// measurePeaks measures children that read 200 MB from this process over HTTP. It
// returns what each library needed.
func (r *run) measurePeaks(ctx context.Context) (map[string]string, error) {
	peaks := map[string]string{}
	if _, err := peakMemory(); err != nil {
		r.leaveOut(err.Error(), "peak kept", "peak stream", "peak one chunk", "peak markdown", "peak passages")
		return peaks, nil
	}
	err := r.readByChildren(chunked, func(document served) error {
		kept, err := r.overIdle(ctx, r.longRounds, readKept, document)
		if err != nil {
			return err
		}
		r.record("peak kept", scaled(kept, float64(document.size)))
		peaks["reducto"] = fmt.Sprintf("%.0f MB", scaled(kept, megabyte).median)
		streamed, err := r.overIdle(ctx, r.longRounds, readBlocks, document)
		if err != nil {
			return err
		}
		r.record("peak stream", scaled(streamed, megabyte))
		for _, read := range []string{readMarkdown, readPassages} {
			written := document
			written.want = digest{}
			client, err := behindLink(document.content)
			if err == nil {
				err = order{Read: read}.read(ctx, client, &written.want)
			}
			if err != nil {
				return err
			}
			over, err := r.overIdle(ctx, r.longRounds, read, written)
			if err != nil {
				return err
			}
			r.record("peak "+read, scaled(over, megabyte))
		}
		for _, peer := range unmarshalers {
			over, err := r.overIdle(ctx, 1, peer.name, document)
			if err != nil {
				return err
			}
			peaks[peer.name] = fmt.Sprintf("%.0f MB", scaled(over, megabyte).median)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = r.readByChildren(oneChunk, func(document served) error {
		streamed, err := r.overIdle(ctx, r.longRounds, readBlocks, document)
		if err == nil {
			r.record("peak one chunk", scaled(streamed, megabyte))
		}
		return err
	})
	return peaks, err
}

const megabyte = 1e6

// scaled is the spread of numbers of bytes in a unit.
func scaled(bytes []float64, unit float64) spread {
	values := make([]float64, len(bytes))
	for i, n := range bytes {
		values[i] = n / unit
	}
	return spreadOf(values)
}

// served is a document that is served to children.
type served struct {
	url     string
	content []byte
	size    int
	want    digest
}

// readByChildren serves a document of 200 MB while f has it read.
func (r *run) readByChildren(s shape, f func(served) error) error {
	content, err := generate(s, r.size200M)
	if err != nil {
		return err
	}
	document := served{content: content, size: len(content)}
	var plain plainContent
	if err := json.Unmarshal(content, &plain); err != nil {
		return err
	}
	document.want.addPlain(&plain)
	url, stop, err := serveDocument(content)
	if err != nil {
		return err
	}
	defer stop()
	document.url = url
	return f(document)
}

// overIdle is by how much the peaks of children that read a document were over what
// they had before, in bytes, a child for each round.
func (r *run) overIdle(ctx context.Context, rounds int, read string, document served) ([]float64, error) {
	r.log("decode: peak memory, %s", read)
	var over []float64
	for range rounds {
		var p peak
		c, err := startChild(ctx, order{Read: read, URL: document.url}, &p)
		if err == nil {
			err = c.end()
		}
		if err != nil {
			return nil, fmt.Errorf("peak memory, %s: %w", read, err)
		}
		if p.Digest != document.want {
			return nil, &mismatchError{read, "what a child read"}
		}
		over = append(over, float64(p.Peak-p.Idle))
	}
	return over, nil
}

// readWithPeak is what a child does.
func readWithPeak(ctx context.Context, o order) (peak, error) {
	client, err := reducto.NewClient(reducto.WithAPIKey("bench"), reducto.WithBaseURL(o.URL))
	if err != nil {
		return peak{}, err
	}
	// A small result first, so that what every program has is not counted.
	if _, err := parseResult(ctx, client); err != nil {
		return peak{}, err
	}
	runtime.GC()
	var p peak
	if p.Idle, err = peakMemory(); err != nil {
		return peak{}, err
	}
	if err := o.read(ctx, client, &p.Digest); err != nil {
		return peak{}, err
	}
	p.Peak, err = peakMemory()
	return p, err
}

func (o order) read(ctx context.Context, client *reducto.Client, d *digest) error {
	switch o.Read {
	case readKept, readBlocks:
		result, err := linked(ctx, client)
		if err != nil {
			return err
		}
		if o.Read == readKept {
			if _, err := result.Load(ctx); err != nil {
				return err
			}
		}
		for block, err := range result.Blocks(ctx) {
			if err != nil {
				return err
			}
			d.addBlock(block)
		}
		return nil
	case readMarkdown:
		result, err := linked(ctx, client)
		if err != nil {
			return err
		}
		return result.WriteMarkdown(ctx, d)
	case readPassages:
		result, err := linked(ctx, client)
		if err != nil {
			return err
		}
		for p, err := range result.Passages(ctx, reducto.PassageOptions{MaxTokens: 500}) {
			if err != nil {
				return err
			}
			d.add(p.ID, p.Text, 0, p.FirstPage)
		}
		return nil
	}
	for _, u := range unmarshalers {
		if u.name == o.Read {
			content, err := getAndUnmarshal(ctx, o.URL+contentPath, u)
			if err == nil {
				d.addPlain(content)
			}
			return err
		}
	}
	return fmt.Errorf("there is no way to read that is called %q", o.Read)
}

// getAndUnmarshal is how a program reads a document with another library. It takes no
// more than the announced length for the bytes: io.ReadAll would need twice that, which
// is not the library's doing.
func getAndUnmarshal(ctx context.Context, url string, u unmarshaler) (*plainContent, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw := make([]byte, resp.ContentLength)
	if _, err := io.ReadFull(resp.Body, raw); err != nil {
		return nil, err
	}
	content := new(plainContent)
	return content, u.unmarshal(raw, content)
}

const contentPath = "/content"

// serveDocument serves a job whose result lies behind a link, on loopback, until stop
// is called.
func serveDocument(content []byte) (url string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	url = "http://" + listener.Addr().String()
	job := answer(link(url + contentPath))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := job
		if r.URL.Path == contentPath {
			body = content
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // the child notices what is missing
	})
	return url, serveOn(listener, &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}), nil
}
