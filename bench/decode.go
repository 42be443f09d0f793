package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	jsonv2 "github.com/go-json-experiment/json"
	goccy "github.com/goccy/go-json"

	"github.com/bytedance/sonic"

	"github.com/reducto-go/reducto"
)

// unmarshaler is another library.
type unmarshaler struct {
	name      string
	unmarshal func([]byte, any) error
}

// The first is what all are compared with.
var unmarshalers = []unmarshaler{
	{"encoding/json", json.Unmarshal},
	{"go-json-experiment/json (v2)", func(data []byte, v any) error { return jsonv2.Unmarshal(data, v) }},
	{"goccy/go-json", func(data []byte, v any) error { return goccy.Unmarshal(data, v) }},
	{"bytedance/sonic", sonic.Unmarshal},
	{"bytedance/sonic, as encoding/json", sonic.ConfigStd.Unmarshal},
}

// reading is a document, and where it lies.
type reading struct {
	shape shape
	size  int
	// inside says that the content comes in the answer to GetJob.
	inside bool
}

// measureDecode measures everything about reading results.
func measureDecode(ctx context.Context, r *run) error {
	kept := []struct {
		id string
		reading
		rounds int
		sample time.Duration
	}{
		{"100K", reading{chunked, r.size100K, true}, r.rounds, r.sample},
		{"1M", reading{chunked, r.size1M, true}, r.rounds, r.sample},
		{"10M", reading{chunked, r.size10M, false}, r.rounds, r.sample},
		{"one chunk", reading{oneChunk, r.size10M, false}, r.rounds, r.sample},
		{"OCR", reading{mostlyOCR, r.size10M, false}, r.rounds, r.sample},
		{"200M", reading{chunked, r.size200M, false}, r.longRounds, once},
	}
	for _, k := range kept {
		r.log("decode: kept, %s", k.id)
		contestants, err := k.contestants(ctx, unmarshalers[:1])
		if err != nil {
			return err
		}
		found, err := compare(ctx, k.rounds, k.sample, contestants...)
		if err != nil {
			return err
		}
		r.record("kept "+k.id, ratios(found[1].cpu, found[0].cpu))
		r.record("allocations "+k.id, ratios(found[0].allocs, found[1].allocs))
	}
	if err := r.measureStreams(ctx); err != nil {
		return err
	}
	if err := r.measureUnion(ctx); err != nil {
		return err
	}
	if err := r.measureEmbed(ctx); err != nil {
		return err
	}
	peaks, err := r.measurePeaks(ctx)
	if err != nil {
		return err
	}
	return r.comparePeers(ctx, peaks)
}

// contestants are the library, first, and the others, which all read the same: that
// is checked here.
func (d reading) contestants(ctx context.Context, others []unmarshaler) ([]contestant, error) {
	content, err := generate(d.shape, d.size)
	if err != nil {
		return nil, err
	}
	body := content
	client, err := behindLink(content)
	if d.inside {
		body = answer(content)
		client, err = inAnswer(content)
	}
	if err != nil {
		return nil, err
	}
	read := func() (*reducto.ParseResult, error) {
		if d.inside {
			return parseResult(ctx, client)
		}
		result, err := linked(ctx, client)
		if err == nil {
			_, err = result.Load(ctx)
		}
		return result, err
	}
	want, err := d.plain(json.Unmarshal, body)
	if err != nil {
		return nil, err
	}
	list := []contestant{{"reducto", func() error {
		_, err := read()
		return err
	}}}
	result, err := read()
	if err != nil {
		return nil, err
	}
	got, err := whole(ctx, result)
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(got, want) {
		return nil, &mismatchError{"reducto", fmt.Sprintf("a document of %d bytes", len(content))}
	}
	for _, other := range others {
		got, err := d.plain(other.unmarshal, body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", other.name, err)
		}
		if !reflect.DeepEqual(got, want) {
			return nil, &mismatchError{other.name, fmt.Sprintf("a document of %d bytes", len(content))}
		}
		list = append(list, contestant{other.name, func() error {
			_, err := d.plain(other.unmarshal, body)
			return err
		}})
	}
	return list, nil
}

// plain decodes a body into plain structs.
func (d reading) plain(unmarshal func([]byte, any) error, body []byte) (*plainContent, error) {
	if d.inside {
		var job plainJob
		err := unmarshal(body, &job)
		return &job.Result.Result, err
	}
	content := new(plainContent)
	err := unmarshal(body, content)
	return content, err
}

// comparePeers makes the table of the other libraries, of 10 MB.
func (r *run) comparePeers(ctx context.Context, peaks map[string]string) error {
	r.log("decode: other libraries")
	contestants, err := reading{chunked, r.size10M, false}.contestants(ctx, unmarshalers)
	if err != nil {
		return err
	}
	found, err := compare(ctx, r.rounds, r.sample, contestants...)
	if err != nil {
		return err
	}
	t := peerTable{
		area:   "decode",
		title:  "decoding 10 MB (1 KB a block, 12.5 KB a chunk, two thirds of it text), kept",
		header: []string{"library", "x encoding/json", "spread", "MB/s", "allocations", "peak over idle at 200 MB"},
	}
	for i, c := range contestants {
		speed := ratios(found[1].cpu, found[i].cpu)
		t.rows = append(t.rows, []string{
			c.name,
			fmt.Sprintf("%.2f", speed.median),
			fmt.Sprintf("%.2f to %.2f", speed.least, speed.most),
			fmt.Sprintf("%.0f", float64(r.size10M)/1e6/spreadOf(found[i].cpu).median),
			fmt.Sprintf("%.0f", spreadOf(found[i].allocs).median),
			peaks[c.name],
		})
	}
	r.peers = append(r.peers, t)
	return nil
}

// measureUnion compares reading a result whose type the answer tells (GetJob) with
// reading the same content where only that can come (Load). The answer around the
// content is some hundred bytes of 10 MB.
func (r *run) measureUnion(ctx context.Context) error {
	r.log("decode: cost of the union")
	var list []contestant
	for _, inside := range []bool{true, false} {
		both, err := reading{chunked, r.size10M, inside}.contestants(ctx, nil)
		if err != nil {
			return err
		}
		list = append(list, both...)
	}
	found, err := compare(ctx, r.rounds, r.sample, list...)
	if err != nil {
		return err
	}
	r.record("union", ratios(found[0].cpu, found[1].cpu))
	return nil
}

// measureEmbed counts the chunks whose embed is equal to their content, and which
// part of them keeps it once.
func (r *run) measureEmbed(ctx context.Context) error {
	content, err := generate(chunked, r.size1M)
	if err != nil {
		return err
	}
	client, err := behindLink(content)
	if err != nil {
		return err
	}
	result, err := linked(ctx, client)
	if err != nil {
		return err
	}
	chunks, err := result.Load(ctx)
	if err != nil {
		return err
	}
	equal, shared := 0, 0
	for _, c := range chunks {
		if c.Content != "" && c.Content == c.Embed {
			equal++
			if unsafe.StringData(c.Content) == unsafe.StringData(c.Embed) {
				shared++
			}
		}
	}
	if equal == 0 {
		return fmt.Errorf("no chunk of the document has an embed that is equal to its content")
	}
	r.record("embed", spreadOf([]float64{float64(shared) / float64(equal)}))
	return nil
}
