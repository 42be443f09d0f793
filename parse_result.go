package reducto

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"sync"

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

func (f *fullResult) UnmarshalJSON(data []byte) error { return members.Decode(data, f) }
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
		err := r.download(ctx, func() bool { return n > 0 }, func(body io.Reader) error {
			return readChunks(body, nil, func(c *Chunk) bool {
				n++
				stopped = !yield(c, nil)
				return !stopped
			})
		})
		if err != nil && !stopped {
			if n > 0 {
				err = fmt.Errorf("reducto: result of job %s, after %d chunks: %w", r.jobID(), n, err)
			}
			yield(nil, err)
		}
	}
}

// Blocks yields the blocks of all chunks in order, as Chunks does.
func (r *ParseResult) Blocks(ctx context.Context) iter.Seq2[*Block, error] {
	return func(yield func(*Block, error) bool) {
		for chunk, err := range r.Chunks(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range chunk.Blocks {
				if !yield(&chunk.Blocks[i], nil) {
					return
				}
			}
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
	var full *fullResult
	err := r.download(ctx, func() bool { return false }, func(body io.Reader) error {
		full = &fullResult{Type: "full", Chunks: []Chunk{}} // anew when tried again
		return readChunks(body, full, func(c *Chunk) bool {
			full.Chunks = append(full.Chunks, *c)
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.full = full
	return full, nil
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
	*r = ParseResult{}
	if err := members.Decode(data, r); err != nil {
		return err
	}
	r.responseType, _ = text(r.Extra.take("response_type"))
	raw := r.Extra.take("result")
	r.content = contentOf(raw)
	if in := object(raw); in != nil && members.Kind(in["chunks"]) == '[' {
		r.content = content{}
		if err := json.Unmarshal(raw, &r.full); err != nil {
			return fmt.Errorf("result: %w", err)
		}
	}
	return nil
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
