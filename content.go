package reducto

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// content is the result member of an answer where it is not decoded into fields:
// raw as it came, with the link if it is one.
type content struct {
	raw  json.RawMessage
	link Link
}

// missing explains content that is neither inline nor a link.
func (c content) missing() error {
	if members.IsNull(c.raw) {
		return fmt.Errorf("%w: the result has no content", ErrExpired)
	}
	return errors.New("reducto: the result's content is of a form that this version of the library does not know: marshal the result to see it")
}

func quoteOrNone(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	quoted, _ := json.Marshal(s)
	return quoted
}

// errLinkToLink is a link that leads to another link, which would have no end.
var errLinkToLink = errors.New("reducto: what lies behind the result's URL is another URL")

// errStopped unwinds a reader whose consumer has had enough.
var errStopped = errors.New("stopped")

// readChunks reads what lies behind the URL of a parse result and yields each chunk
// as soon as it is read, until yield says that it is enough. rest, unless it is nil,
// receives everything else.
func readChunks(r *jsonread.Reader, rest *fullResult, yield func(*Chunk) bool) error {
	reader := newBlockReader(r)
	return readLinked(r, rest, func() {
		chunk := new(Chunk)
		if reader.chunk(chunk); r.Err() == nil && !yield(chunk) {
			r.Fail(errStopped)
		}
	})
}

// readBlocks is readChunks for the blocks of all chunks, of which it keeps nothing
// else. next is called before each chunk.
func readBlocks(r *jsonread.Reader, next func(), yield func(*Block) bool) error {
	reader := newBlockReader(r)
	return readLinked(r, nil, func() {
		next()
		for o := r.Object(chunkFields, nil); o.Next(); {
			switch o.Name {
			case "content", "embed":
				r.SkipString()
			case "blocks":
				for a := r.Array(); a.Next(); {
					block := new(Block)
					if reader.block(block); r.Err() == nil && !yield(block) {
						r.Fail(errStopped)
					}
				}
			default: // optional, of any form
				r.Skip()
			}
		}
	})
}

// linkedMembers are what a content object has besides its chunks.
type linkedMembers struct {
	Type   string          `json:"type,omitzero"`
	OCR    *OCRResult      `json:"ocr,omitzero"`
	Custom json.RawMessage `json:"custom,omitzero"`
}

var (
	contentFields = jsonread.FieldsOf[linkedMembers]("chunks")
	answerFields  = jsonread.FieldsOf[linkedMembers]("chunks", "result")
)

// linkedReader reads what lies behind a URL in any of its forms: the content object,
// the whole answer around it, or the bare list of chunks.
type linkedReader struct {
	r     *jsonread.Reader
	rest  *fullResult
	chunk func()
	found bool
}

func readLinked(r *jsonread.Reader, rest *fullResult, chunk func()) error {
	l := &linkedReader{r: r, rest: rest, chunk: chunk}
	switch r.Kind() {
	case '[':
		l.chunks()
	case '{':
		l.object(answerFields)
	default:
		if r.Skip(); r.Err() == nil {
			return errors.New("reducto: what lies behind the result's URL is not a parse result")
		}
	}
	switch {
	case errors.Is(r.Err(), errStopped):
		return nil
	case r.Err() != nil:
		return r.Err()
	case !l.found:
		return errors.New("reducto: what lies behind the result's URL has no chunks")
	}
	if r.End(); r.Err() != nil && r.SourceErr() == nil {
		r.Label("reducto: data after the result")
	}
	return r.Err()
}

func (l *linkedReader) chunks() {
	l.found = true
	for a := l.r.Array(); a.Next(); {
		l.chunk()
	}
}

// object reads an answer or a content object.
func (l *linkedReader) object(fields *jsonread.Fields) {
	r := l.r
	var own fullResult
	var extra *map[string]json.RawMessage
	if l.rest != nil {
		extra = own.Extra.members()
	}
	around := false // it is the answer around the content
	for o := r.Object(fields, extra); o.Next(); {
		switch o.Name {
		case "chunks":
			switch {
			case l.found:
				r.Fail(&members.DuplicateError{Name: "chunks"})
			case r.Kind() != '[':
				r.Misfit(errors.New("chunks is not a list"))
			default:
				l.chunks()
			}
		case "result":
			if r.Kind() != '{' {
				r.Misfit(errors.New("result is not an object"))
				continue
			}
			l.object(contentFields)
			around = true
		case "type":
			if own.Type = r.String(); own.Type == "url" {
				r.Reject(errLinkToLink)
			}
		default:
			if l.rest == nil {
				r.Skip()
				continue
			}
			readFullMember(r, &own, o.Name)
		}
	}
	if l.rest == nil || around || r.Err() != nil {
		return
	}
	if own.Type != "" {
		l.rest.Type = own.Type
	}
	l.rest.OCR, l.rest.Custom, l.rest.Extra = own.OCR, own.Custom, own.Extra
}
