package reducto

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/reducto-go/reducto/internal/members"
)

// content is the result member of an answer where it is not decoded into fields:
// raw as it came, with the link if it is one.
type content struct {
	raw  json.RawMessage
	link Link
}

func contentOf(raw json.RawMessage) content {
	c := content{raw: raw}
	if in := object(raw); in != nil && isLink(in) {
		u, _ := text(in["url"])
		c.link = Link(u)
	}
	return c
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

// readChunks reads what lies behind the URL of a parse result, in any of its
// forms: the content object, the whole answer around it, or the bare list of
// chunks. It yields each chunk as soon as it is read and stops when yield says so;
// rest, unless it is nil, receives everything else.
func readChunks(body io.Reader, rest *fullResult, yield func(*Chunk) bool) error {
	d := &chunkReader{dec: json.NewDecoder(body), rest: rest, yield: yield}
	tok, err := d.dec.Token()
	if err != nil {
		return broken(err)
	}
	switch tok {
	case json.Delim('['):
		err = d.chunks()
	case json.Delim('{'):
		err = d.object(true)
	default:
		return errors.New("reducto: what lies behind the result's URL is not a parse result")
	}
	switch {
	case errors.Is(err, errStopped):
		return nil
	case err != nil:
		return broken(err)
	case !d.found:
		return errors.New("reducto: what lies behind the result's URL has no chunks")
	}
	if _, err := d.dec.Token(); err != io.EOF {
		if err == nil {
			err = errors.New("reducto: data after the result")
		}
		return err
	}
	return nil
}

// broken names the end of a body that came too early.
func broken(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// errStopped unwinds a reader whose consumer has had enough.
var errStopped = errors.New("stopped")

type chunkReader struct {
	dec   *json.Decoder
	rest  *fullResult
	yield func(*Chunk) bool
	found bool
}

// object reads members up to the closing brace. Only the outermost object may be
// the whole answer.
func (d *chunkReader) object(outermost bool) error {
	around := false // it is the answer around the content
	others := []byte{'{'}
	for d.dec.More() {
		name, err := d.dec.Token()
		if err != nil {
			return err
		}
		switch name {
		case "chunks":
			if d.found {
				return &members.DuplicateError{Name: "chunks"}
			}
			if tok, err := d.dec.Token(); err != nil {
				return err
			} else if tok != json.Delim('[') {
				return errors.New("chunks is not a list")
			}
			if err := d.chunks(); err != nil {
				return err
			}
			continue
		case "result":
			if !outermost {
				break
			}
			if tok, err := d.dec.Token(); err != nil {
				return err
			} else if tok != json.Delim('{') {
				return errors.New("result is not an object")
			}
			if err := d.object(false); err != nil {
				return err
			}
			around = true
			continue
		}
		var value json.RawMessage
		if err := d.dec.Decode(&value); err != nil {
			return err
		}
		if name == "type" && bytes.Equal(value, []byte(`"url"`)) {
			return errLinkToLink
		}
		if d.rest != nil {
			if len(others) > 1 {
				others = append(others, ',')
			}
			quoted, _ := json.Marshal(name)
			others = append(append(append(others, quoted...), ':'), value...)
		}
	}
	if _, err := d.dec.Token(); err != nil || d.rest == nil || around {
		return err
	}
	return members.Decode(append(others, '}'), d.rest)
}

func (d *chunkReader) chunks() error {
	d.found = true
	for d.dec.More() {
		chunk := new(Chunk)
		if err := d.dec.Decode(chunk); err != nil {
			return err
		}
		if !d.yield(chunk) {
			return errStopped
		}
	}
	_, err := d.dec.Token()
	return err
}
