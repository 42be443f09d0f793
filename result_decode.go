package reducto

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// decodeResult decodes a result. The type comes from response_type. Without it, the
// type comes from the job, or else from the members of the result. decodeResult never
// tries types.
func decodeResult(raw json.RawMessage, job JobType) (Result, error) {
	if members.IsNull(raw) {
		return nil, nil
	}
	name := ""
	top := object(raw)
	switch {
	case top == nil:
	case members.Kind(top["response_type"]) == '"':
		name, _ = text(top["response_type"])
	case typeOfJob(job) != "":
		name = typeOfJob(job)
	case job == "":
		name = impliedType(top)
	}
	result := newResult(name)
	r := jsonread.FromBytes(raw)
	result.read(r)
	r.Label(typeLabel(name))
	return result, r.Err()
}

// impliedType returns the response type of a result without one, by members that only
// this type has.
func impliedType(top map[string]json.RawMessage) string {
	inner, hasResult := top["result"]
	if _, edited := top["document_url"]; edited && !hasResult {
		return responseEdit
	}
	if !hasResult {
		return ""
	}
	in := object(inner)
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := in[name]; !ok {
				return false
			}
		}
		return true
	}
	kind, _ := text(in["type"])
	_, used := top["usage"]
	_, fields := object(top["usage"])["num_fields"]
	_, citations := top["citations"]
	switch {
	case fields, citations, members.Kind(inner) == '[':
		return responseExtract // for any members of the user's schema
	case isLink(in):
		// Every result can lie behind a URL. Without a response type, only a parse result
		// has a duration.
		if top["duration"] != nil {
			return responseParse
		}
		return ""
	case kind == "full" && has("chunks"), members.Kind(in["chunks"]) == '[':
		return responseParse
	case members.Kind(in["splits"]) == '[':
		return responseSplit
	case has("parse", "extract", "split"):
		return responsePipeline
	case members.Kind(in["category"]) == '"' && (len(in) == 1 || !used):
		return responseClassify // every extraction has a usage
	case has("chart_data"):
		return responseChart
	}
	return responseExtract
}

// isLink reports whether the object is a link to a result. A user's data may have a
// member type too.
func isLink(in map[string]json.RawMessage) bool {
	kind, _ := text(in["type"])
	_, hasID := in["result_id"]
	return kind == "url" && members.Kind(in["url"]) == '"' && hasID
}

// resultReader reads the result of a job. The members that name its type may come
// after it: read keeps such a result as it is, and finish decodes it.
type resultReader struct {
	result Result
	late   json.RawMessage
}

// finish returns the result once the whole job was read, and its type is known.
func (x *resultReader) finish(r *jsonread.Reader, job JobType) Result {
	if x.late != nil && r.Err() == nil {
		var err error
		x.result, err = decodeResult(x.late, job)
		r.Reject(err)
	}
	return x.result
}

// read reads a result of the type that response_type names or, without one, of the
// type that the job implies.
func (x *resultReader) read(r *jsonread.Reader, job JobType) {
	if r.Kind() != '{' {
		x.late = r.Raw()
		return
	}
	m := r.Mark()
	name, named := findResponseType(r, false)
	if !r.Rewind(m) {
		return
	}
	if named {
		x.result = newResult(name)
		x.result.read(r)
		r.Label(typeLabel(name))
		return
	}
	if name = typeOfJob(job); name == "" {
		x.late = r.Raw()
		return
	}
	m = r.Mark()
	result := newResult(name)
	result.read(r)
	if got, _ := result.describe(); r.Err() == nil && got == "" {
		// It has no response type, or one that is not a string.
		if r.Rewind(m); r.Err() == nil {
			m = r.Mark()
			_, named = findResponseType(r, true)
		}
	} else {
		named = got != "" && reflect.TypeOf(newResult(got)) != reflect.TypeOf(result)
	}
	switch {
	case r.Broken():
		r.Label(typeLabel(name))
	case !named && r.Err() == nil:
		r.Release(m)
		x.result = result
	case r.Rewind(m): // a result of another type, or one that did not fit
		x.late = r.Raw()
	}
}

func typeLabel(name string) string { return fmt.Sprintf("result of type %q", name) }

// findResponseType looks for response_type, anywhere or only before the content. The
// first of two counts, and only a string counts.
func findResponseType(r *jsonread.Reader, anywhere bool) (name string, named bool) {
	seen := false
	r.Walk(func(member []byte) bool {
		switch string(member) {
		case "response_type":
			if !seen && r.Kind() == '"' {
				name, named = r.String(), true
			}
			seen = true
			return anywhere
		case "result":
			return anywhere
		}
		return true
	})
	return name, named
}

// readContent keeps a value as it is and detects a link.
func readContent(r *jsonread.Reader) content {
	raw, in := readWith(r, "type", "url", "result_id")
	c := content{raw: raw}
	if isLink(in) {
		u, _ := text(in["url"])
		c.link = Link(u)
	}
	return c
}

// readWith reads a value as it is. If it is an object, readWith also returns its
// members with the given names. The first of two counts.
func readWith(r *jsonread.Reader, names ...string) (raw json.RawMessage, in map[string]json.RawMessage) {
	if r.Kind() != '{' {
		return r.Raw(), nil
	}
	m, start := r.Mark(), r.Offset()
	defer r.Release(m)
	type span struct{ from, to int64 }
	found := map[string]span{}
	r.Walk(func(member []byte) bool {
		for _, name := range names {
			if _, twice := found[name]; name == string(member) && !twice {
				from := r.Offset()
				r.Skip()
				found[name] = span{from - start, r.Offset() - start}
				break
			}
		}
		return true
	})
	raw = r.Since(m)
	if r.Err() != nil {
		return nil, nil
	}
	in = map[string]json.RawMessage{}
	for name, at := range found {
		in[name] = raw[at.from:at.to]
	}
	return raw, in
}

// decodeBytes implements UnmarshalJSON by a read function.
func decodeBytes[T any](data []byte, v *T, read func(*jsonread.Reader, *T)) error {
	if members.IsNull(data) {
		return nil
	}
	r := jsonread.FromBytes(data)
	read(r, v)
	r.End()
	return r.Err()
}

// decodeAnew implements UnmarshalJSON of a result. It replaces everything in v.
func decodeAnew[T any, R interface {
	*T
	Result
}](data []byte, v R) error {
	if !members.IsNull(data) {
		*v = *new(T)
	}
	return decodeBytes(data, (*T)(v), func(r *jsonread.Reader, v *T) { R(v).read(r) })
}

// readList reads a list. It returns nil after an error.
func readList[T any](r *jsonread.Reader, pool *sync.Pool, read func(*jsonread.Reader, *T)) []T {
	l := list[T]{pool: pool}
	for a := r.Array(); a.Next(); {
		read(r, l.next())
	}
	return l.take(r)
}

// list collects elements of unknown number in pooled pieces. take copies them once into
// memory of the right size.
type list[T any] struct {
	pool   *sync.Pool
	pieces [][]T // all but the last are full
}

// pieceLen makes pieces of at most 32 KB, which are cheap to allocate.
const pieceLen = 128

// Pools of pieces for the types with many elements.
var blockPieces, wordPieces, linePieces, chunkPieces sync.Pool

// next returns a new zero element.
func (l *list[T]) next() *T {
	last := len(l.pieces) - 1
	if last < 0 || len(l.pieces[last]) == pieceLen {
		piece, ok := l.pool.Get().(*[pieceLen]T)
		if !ok {
			piece = new([pieceLen]T)
		}
		l.pieces = append(l.pieces, piece[:0])
		last++
	}
	n := len(l.pieces[last])
	l.pieces[last] = l.pieces[last][:n+1]
	return &l.pieces[last][n]
}

// take returns the elements and empties the list. It returns nil after an error.
func (l *list[T]) take(r *jsonread.Reader) (all []T) {
	if r.Err() == nil {
		all = slices.Concat(l.pieces...)
		if all == nil {
			all = []T{}
		}
	}
	for i, piece := range l.pieces {
		clear(piece) // a pooled piece must not keep memory alive
		l.pool.Put((*[pieceLen]T)(piece[:pieceLen]))
		l.pieces[i] = nil
	}
	l.pieces = l.pieces[:0]
	return all
}
