package reducto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// ParseResult is a parsed document. Read it with Blocks or Chunks, which stream,
// or with Load, which keeps everything: whether the service sent the content
// inline or, from about 6 MB, behind a URL makes no difference to them.
type ParseResult struct {
	// JobID is the job that made it.
	JobID string `json:"job_id"`
	// Duration is the processing time in seconds.
	Duration float64 `json:"duration"`
	// PDFURL is the document converted to PDF; empty if there is none.
	PDFURL Link `json:"pdf_url,omitzero"`
	// StudioLink leads to the document in Reducto's studio.
	StudioLink string `json:"studio_link,omitzero"`
	// Usage is what the job consumed.
	Usage ParseUsage `json:"usage"`
	// ParseMode is what parsed the document; empty means ParseModeBase. Not all
	// servers send it.
	ParseMode ParseMode `json:"parse_mode,omitzero"`
	// DocumentProperties has the properties of the document, if they were asked for;
	// their form is not documented. Newer servers only.
	DocumentProperties json.RawMessage `json:"document_properties,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	responseType string
	content      content
	src          source

	mu   sync.Mutex
	full *fullResult // inline, or kept by Load; nil for a link
}

// fullResult is the content of a parse result.
type fullResult struct {
	// Type is "full"; old stored results lack it.
	Type   string          `json:"type,omitzero"`
	Chunks []Chunk         `json:"chunks"`
	OCR    *OCRResult      `json:"ocr,omitzero"`
	Custom json.RawMessage `json:"custom,omitzero"`
	Extra  Extra           `json:"-"`
}

func (f *fullResult) UnmarshalJSON(data []byte) error { return decodeBytes(data, f, readFull) }
func (f fullResult) MarshalJSON() ([]byte, error)     { return members.Encode(f) }

// ResponseType is "parse".
func (r *ParseResult) ResponseType() string { return responseParse }

// Link is where the content lies if the service did not send it inline; empty
// otherwise. Blocks, Chunks and Load follow it by themselves, and renew it when it
// has expired.
func (r *ParseResult) Link() Link { return r.content.link }

// Chunks yields the document's chunks in order. Content behind a URL is
// downloaded while the loop runs: one chunk is in memory at a time, a second loop
// downloads again, and leaving the loop closes the connection. An error ends the
// loop; it says how far the download came.
func (r *ParseResult) Chunks(ctx context.Context) iter.Seq2[*Chunk, error] {
	return func(yield func(*Chunk, error) bool) {
		if full := r.kept(); full != nil {
			for i := range full.Chunks {
				if err := contextError(ctx); err != nil {
					yield(nil, err)
					return
				}
				if !yield(&full.Chunks[i], nil) {
					return
				}
			}
			return
		}
		n, stopped := 0, false
		var reader *jsonread.Reader
		err := r.download(ctx, func() bool { return n > 0 }, func(body io.Reader) error {
			reader = jsonread.New(body, -1)
			defer reader.Close()
			return readChunks(reader, nil, func(c *Chunk) bool {
				if reader.Fail(contextError(ctx)); reader.Err() != nil {
					return true
				}
				n++
				stopped = !yield(c, nil)
				return !stopped
			})
		})
		if err != nil && !stopped {
			if n > 0 {
				err = fmt.Errorf("reducto: result of job %s, after %d chunks, %d bytes: %w", r.jobID(), n, reader.Offset(), err)
			}
			yield(nil, err)
		}
	}
}

// Blocks yields the blocks of all chunks in order, as Chunks does. Of what is
// downloaded, one block is in memory at a time, and its text once, however large it and its chunk
// are; on Windows, a text of many MB for a moment twice.
func (r *ParseResult) Blocks(ctx context.Context) iter.Seq2[*Block, error] {
	return func(yield func(*Block, error) bool) {
		if r.kept() != nil {
			for chunk, err := range r.Chunks(ctx) {
				if err != nil {
					yield(nil, err)
					return
				}
				for i := range chunk.Blocks {
					if err := contextError(ctx); err != nil {
						yield(nil, err)
						return
					}
					if !yield(&chunk.Blocks[i], nil) {
						return
					}
				}
			}
			return
		}
		n, chunks, stopped := 0, 0, false
		var reader *jsonread.Reader
		err := r.download(ctx, func() bool { return n > 0 }, func(body io.Reader) error {
			reader, chunks = jsonread.New(body, -1), 0
			defer reader.Close()
			return readBlocks(reader, func() { chunks++ }, func(b *Block) bool {
				if reader.Fail(contextError(ctx)); reader.Err() != nil {
					return true
				}
				n++
				stopped = !yield(b, nil)
				return !stopped
			})
		})
		if err != nil && !stopped {
			if n > 0 {
				err = fmt.Errorf("reducto: result of job %s, after %d blocks of %d chunks, %d bytes: %w",
					r.jobID(), n, chunks, reader.Offset(), err)
			}
			yield(nil, err)
		}
	}
}

// Load returns all chunks and keeps them, so that later calls of Load, Chunks,
// Blocks, OCR and Custom download nothing. It is safe for concurrent use.
func (r *ParseResult) Load(ctx context.Context) ([]Chunk, error) {
	full, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	return full.Chunks, nil
}

// OCR returns the raw recognition, nil unless Settings.ReturnOCRData asked for it.
// It loads content that lies behind a URL, and keeps it.
func (r *ParseResult) OCR(ctx context.Context) (*OCRResult, error) {
	full, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	return full.OCR, nil
}

// Custom returns the output of custom processing, nil if there is none. It loads
// content that lies behind a URL, and keeps it.
func (r *ParseResult) Custom(ctx context.Context) (json.RawMessage, error) {
	full, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	return full.Custom, nil
}

func (r *ParseResult) kept() *fullResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.full
}

func (r *ParseResult) load(ctx context.Context) (*fullResult, error) {
	if full := r.kept(); full != nil {
		return full, nil
	}
	full, err := r.loadOnce(ctx, true)
	if errors.Is(err, jsonread.ErrForgotten) {
		// A large member is of another form than today's. It is kept as it is, for which
		// it must be read once more, and all of it be in memory twice.
		full, err = r.loadOnce(ctx, false)
	}
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.full = full
	return full, nil
}

func (r *ParseResult) loadOnce(ctx context.Context, forgetful bool) (full *fullResult, err error) {
	err = r.download(ctx, func() bool { return false }, func(body io.Reader) error {
		full = &fullResult{Type: "full", Chunks: []Chunk{}} // anew when tried again
		reader := jsonread.New(body, -1)
		defer reader.Close()
		if forgetful {
			reader.Forgetful()
		}
		return readChunks(reader, full, func(c *Chunk) bool {
			full.Chunks = append(full.Chunks, *c)
			return true
		})
	})
	return full, err
}

func (r *ParseResult) download(ctx context.Context, started func() bool, read func(io.Reader) error) error {
	if r.content.link == "" {
		return r.content.missing()
	}
	return r.src.download(ctx, r.content.link, started, read)
}

func (r *ParseResult) jobID() string {
	if r.src.jobID != "" {
		return r.src.jobID
	}
	return r.JobID
}

func (r *ParseResult) bind(s source) {
	if s.link == nil {
		s.link = func(j *Job) (Link, bool) {
			fresh, ok := j.Result.(*ParseResult)
			return fresh.linkOrNone(), ok
		}
	}
	r.src = s
}

func (r *ParseResult) linkOrNone() Link {
	if r == nil {
		return ""
	}
	return r.content.link
}

// UnmarshalJSON reads a result with its content, or with the link to it.
func (r *ParseResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r, readParse)
}

var parseFields = jsonread.FieldsOf[ParseResult]("response_type", "result")

func readParse(r *jsonread.Reader, v *ParseResult) {
	for o := r.Object(parseFields, v.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			v.responseType = readName(r)
		case "job_id":
			v.JobID = r.String()
		case "duration":
			v.Duration = r.Float()
		case "pdf_url":
			v.PDFURL = Link(r.String())
		case "studio_link":
			v.StudioLink = r.String()
		case "usage":
			readUsage(r, &v.Usage)
		case "parse_mode":
			v.ParseMode = ParseMode(r.String())
		case "document_properties":
			v.DocumentProperties = r.Raw()
		case "result":
			readParseContent(r, v)
		}
	}
}

// readParseContent reads chunks if there is a list of them, and keeps everything else
// as it is.
func readParseContent(r *jsonread.Reader, v *ParseResult) {
	if r.Kind() != '{' {
		v.content = readContent(r)
		return
	}
	m := r.Mark()
	var chunks byte
	r.Walk(func(member []byte) bool {
		if string(member) == "chunks" {
			chunks = r.Kind()
		}
		return chunks == 0 // the first of two counts
	})
	switch {
	case r.Err() != nil || !r.Rewind(m):
	case chunks == '[':
		v.full = new(fullResult)
		readFull(r, v.full)
	default:
		v.content = readContent(r)
	}
}

// MarshalJSON writes the result as it came; after Load, with its content.
func (r *ParseResult) MarshalJSON() ([]byte, error) {
	if r == nil {
		return []byte("null"), nil
	}
	var result json.RawMessage
	if full := r.kept(); full != nil {
		raw, err := full.MarshalJSON()
		if err != nil {
			return nil, err
		}
		result = raw
	} else {
		result = r.content.raw
	}
	return members.Encode(r, members.Member{Name: "response_type", Value: quoteOrNone(r.responseType)},
		members.Member{Name: "result", Value: result})
}
