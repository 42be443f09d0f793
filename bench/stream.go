package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"
)

// measureStreams compares Blocks with a json.Decoder.
func (r *run) measureStreams(ctx context.Context) error {
	for _, s := range []struct {
		id     string
		shape  shape
		size   int
		rounds int
		sample time.Duration
	}{
		{"10M", chunked, r.size10M, r.rounds, r.sample},
		{"200M", chunked, r.size200M, r.longRounds, once},
		{"one chunk", oneChunk, r.size200M, r.longRounds, once},
	} {
		r.log("decode: streamed, %s", s.id)
		content, err := generate(s.shape, s.size)
		if err != nil {
			return err
		}
		contestants, err := streamers(ctx, content)
		if err != nil {
			return err
		}
		found, err := compare(ctx, s.rounds, s.sample, contestants...)
		if err != nil {
			return err
		}
		r.record("stream "+s.id, ratios(found[1].cpu, found[0].cpu))
	}
	return nil
}

// streamers are the library and a json.Decoder, which have read the same blocks.
func streamers(ctx context.Context, content []byte) ([]contestant, error) {
	client, err := behindLink(content)
	if err != nil {
		return nil, err
	}
	ours := func(take func(*plainBlock)) error {
		result, err := linked(ctx, client)
		if err != nil {
			return err
		}
		for block, err := range result.Blocks(ctx) {
			if err != nil {
				return err
			}
			if take != nil {
				b := plainlyBlock(block)
				take(&b)
			}
		}
		return nil
	}
	decoder := func(take func(*plainBlock)) error {
		return decodeBlocks(bytes.NewReader(content), take)
	}
	var want plainContent
	if err := json.Unmarshal(content, &want); err != nil {
		return nil, err
	}
	var list []contestant
	for _, s := range []struct {
		name   string
		stream func(take func(*plainBlock)) error
	}{{"reducto", ours}, {"json.Decoder", decoder}} {
		expected := nextBlock(&want)
		agrees := true
		if err := s.stream(func(b *plainBlock) {
			w := expected()
			agrees = agrees && w != nil && reflect.DeepEqual(b, w)
		}); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if !agrees || expected() != nil {
			return nil, &mismatchError{s.name, "a document that is streamed"}
		}
		list = append(list, contestant{s.name, func() error { return s.stream(nil) }})
	}
	return list, nil
}

// nextBlock returns a document's blocks one by one, and then nil.
func nextBlock(c *plainContent) func() *plainBlock {
	chunk, block := 0, 0
	return func() *plainBlock {
		for chunk < len(c.Chunks) && block == len(c.Chunks[chunk].Blocks) {
			chunk, block = chunk+1, 0
		}
		if chunk == len(c.Chunks) {
			return nil
		}
		block++
		return &c.Chunks[chunk].Blocks[block-1]
	}
}

var errForm = errors.New("the document has another form")

// decodeBlocks is how a program streams blocks with encoding/json: tokens down to a
// chunk, which is then decoded. Tokens down to a block would cost two thirds more. take
// may be nil.
func decodeBlocks(body io.Reader, take func(*plainBlock)) error {
	d := json.NewDecoder(body)
	return eachMember(d, func(name string) error {
		if name != "chunks" {
			var passed json.RawMessage
			return d.Decode(&passed)
		}
		return eachElement(d, func() error {
			var chunk plainChunk
			if err := d.Decode(&chunk); err != nil {
				return err
			}
			for i := range chunk.Blocks {
				if take != nil {
					take(&chunk.Blocks[i])
				}
			}
			return nil
		})
	})
}

func eachMember(d *json.Decoder, f func(name string) error) error {
	return each(d, '{', func() error {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return errForm
		}
		return f(name)
	})
}

func eachElement(d *json.Decoder, f func() error) error { return each(d, '[', f) }

func each(d *json.Decoder, open json.Delim, f func() error) error {
	if token, err := d.Token(); err != nil {
		return err
	} else if token != open {
		return errForm
	}
	for d.More() {
		if err := f(); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}
