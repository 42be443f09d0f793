package reducto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/redact"
)

// Link is a presigned URL. It grants access to its content until it expires, after one
// to twelve hours. Its query is not printed. Convert it to a string to use it.
type Link string

// source is the client and the job that a result came from. They are needed to
// download its content, and to get a fresh link to it.
type source struct {
	client *Client
	jobID  string
	// link returns the link to the same content from a job that was fetched again;
	// empty if there is none.
	link func(*Job) Link
}

// freshLink returns a source.link for a result of type R.
func freshLink[R Result](link func(R) Link) func(*Job) Link {
	return func(j *Job) Link {
		fresh, ok := j.Result.(R)
		if !ok {
			return ""
		}
		return link(fresh)
	}
}

// Format prints the URL without its query, with every verb.
func (l Link) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.URL(string(l))) }

// LogValue logs what Format prints.
func (l Link) LogValue() slog.Value { return slog.StringValue(redact.URL(string(l))) }

// content is the result member of an answer that is not decoded into fields. raw is the
// JSON as it came. link is set if the JSON is a link.
type content struct {
	raw  json.RawMessage
	link Link
}

// missing returns the error for content that is neither inline nor a link.
func (c content) missing() error {
	if members.IsNull(c.raw) {
		return fmt.Errorf("%w: the result has no content", ErrExpired)
	}
	return errors.New("reducto: the result's content has a form that this version of the library does not know: marshal the result to see it")
}

func (c content) id() string {
	if c.link == "" {
		return ""
	}
	id, _ := text(object(c.raw)["result_id"])
	return id
}

// download downloads a link. If storage refuses it before anything was consumed,
// download gets a fresh link and tries once more. started reports whether the consumer
// has received something. After that, no retry is possible.
func (s source) download(ctx context.Context, link Link, started func() bool, read func(io.Reader) error) error {
	if s.client == nil {
		return fmt.Errorf("%w from %s: get the job again", ErrDetached, link)
	}
	err := s.client.download(ctx, link, started, read)
	refused, ok := errors.AsType[*APIError](err)
	if !ok || started() || s.jobID == "" || s.link == nil || refused.StatusCode/100 != 4 {
		return err
	}
	// GetJob would follow the refused link too, and never end.
	r, job, jobErr := s.client.jobCall("GetJob", s.jobID)
	if jobErr == nil {
		jobErr = s.client.do(ctx, r)
	}
	if jobErr != nil {
		return fmt.Errorf("reducto: the result's URL has expired and could not be renewed: %w", jobErr)
	}
	fresh := s.link(job)
	if fresh == "" {
		refused.remedy = "submit the document again"
		return fmt.Errorf("reducto: the result's URL has expired and could not be renewed: %w", err)
	}
	err = s.client.download(ctx, fresh, started, read)
	if refused, ok := errors.AsType[*APIError](err); ok {
		refused.remedy = refusedAnew
	}
	return err
}

// download gets link without the API key. It retries temporary failures unless the
// consumer has received something.
func (c *Client) download(ctx context.Context, link Link, started func() bool, read func(io.Reader) error) error {
	r := storageCall(http.MethodGet, link)
	_, err := c.repeat(ctx, r, func() *failure {
		f := c.fetch(ctx, r, link, started, read)
		if f != nil && started() {
			f.transient = false
		}
		return f
	})
	return err
}

// Download writes the content behind a link to w, such as Block.ImageURL or
// EditResult.DocumentURL. It sends no API key. It tries again after a transient failure,
// unless w has received something. After an error, w may have the beginning of the
// content. WithMaxResultBytes limits the size. For an expired link the error is an
// *APIError. Get the job again for a new link.
func (c *Client) Download(ctx context.Context, link Link, w io.Writer) error {
	if link == "" {
		return &RequestError{Op: "Download", Field: "link", Reason: "it is empty"}
	}
	out := &countingWriter{w: w}
	err := c.download(ctx, link, func() bool { return out.n > 0 || out.err != nil }, func(body io.Reader) error {
		_, err := io.Copy(out, body)
		return err
	})
	if out.err != nil {
		return fmt.Errorf("reducto: Download: the writer failed: %w", out.err)
	}
	return err
}

// countingWriter counts the bytes written to w, and keeps its error.
type countingWriter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	c.err = err
	return n, err
}

func (c *Client) fetch(ctx context.Context, r *call, link Link, started func() bool, read func(io.Reader) error) *failure {
	fail := func(err error) *failure {
		var urlErr *url.Error
		if errors.As(err, &urlErr) {
			err = urlErr.Err
			if strings.Contains(err.Error(), "Location") {
				err = errors.New("storage answered with a redirect that cannot be followed") // the text of err contains the URL
			}
		}
		return &failure{
			err:       c.lost(r, err),
			nothing:   true,
			transient: true,
			after:     -1,
		}
	}
	ctx, idle := c.watch(ctx)
	defer idle.stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, string(link), nil)
	if err != nil || req.URL.Host == "" {
		f := fail(errors.New("the result's URL cannot be used"))
		f.transient = false
		return f
	}
	if err := c.guard.check(req.URL); err != nil {
		f := fail(err)
		f.transient = false
		return f
	}
	req.Header.Set("User-Agent", c.agent)
	resp, err := c.storage.Do(req)
	got := int64(0)
	if err == nil {
		defer resp.Body.Close()
		body, unreadable := decoded(resp, idle.consumed(resp.Body))
		if unreadable != nil {
			f := fail(unreadable)
			f.transient = false
			return f
		}
		if resp.StatusCode != http.StatusOK {
			head, _ := io.ReadAll(io.LimitReader(body, maxErrorBody))
			return apiFailure(decodeStorageError(http.MethodGet, r.url, resp, head, link), resp.Header)
		}
		limited := &limitedBody{r: body, left: c.cfg.maxResult, limit: c.cfg.maxResult}
		tracked := &errorKeeper{r: limited}
		if err = read(tracked); err == nil {
			return nil
		}
		if got = c.cfg.maxResult - limited.left; started() {
			got = 0 // the consumer's error says how far the download came
		}
		if tracked.err == nil && contextError(ctx) == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			if started() { // the document is invalid, and the consumer says where
				return &failure{err: err, nothing: true, after: -1}
			}
			f := fail(err)
			f.transient = false
			return f
		}
		if tracked.err != nil {
			err = tracked.err
		}
	}
	ended := contextError(ctx)
	if ended != nil {
		err = ended
	}
	f := fail(after(got, err))
	f.transient = !errors.Is(err, ErrTooLarge) && !errors.Is(err, errLinkRefused) &&
		(ended == nil || errors.Is(ended, errIdle))
	return f
}

// after adds to an error how much of the body was received.
func after(got int64, err error) error {
	if got <= 0 {
		return err
	}
	return fmt.Errorf("after %d bytes: %w", got, err)
}

// errorKeeper keeps the error of a reader, which the consumer may hide.
type errorKeeper struct {
	r   io.Reader
	err error
}

func (k *errorKeeper) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && err != io.EOF {
		k.err = err
	}
	return n, err
}

// errLinkToLink is the error for a link that leads to another link. Following it might
// never end.
var errLinkToLink = errors.New("reducto: the result's URL leads to another URL")

// errStopped ends a reader whose consumer has stopped.
var errStopped = errors.New("stopped")

// readChunks reads the downloaded content of a parse result. It yields each chunk as
// soon as it is read, until yield returns false. If rest is not nil, it receives
// everything else.
func readChunks(r *jsonread.Reader, rest *fullResult, yield func(*Chunk) bool) error {
	reader := newBlockReader(r)
	return readLinked(r, rest, func() {
		chunk := new(Chunk)
		if reader.chunk(chunk); r.Err() == nil && !yield(chunk) {
			r.Fail(errStopped)
		}
	})
}

// readBlocks reads downloaded content like readChunks, but yields the blocks of all
// chunks. It skips everything else. It calls next before each chunk.
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
			default: // optional members, of any form
				r.Skip()
			}
		}
	})
}

// linkedMembers are the members of a content object other than its chunks.
type linkedMembers struct {
	Type   string          `json:"type,omitzero"`
	OCR    *OCRResult      `json:"ocr,omitzero"`
	Custom json.RawMessage `json:"custom,omitzero"`
}

var (
	contentFields = jsonread.FieldsOf[linkedMembers]("chunks")
	answerFields  = jsonread.FieldsOf[linkedMembers]("chunks", "result")
)

// linkedReader reads downloaded content in all its forms: the content object, the whole
// answer with it, or only the list of chunks.
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
			return errors.New("reducto: the content at the result's URL is not a parse result")
		}
	}
	switch {
	case errors.Is(r.Err(), errStopped):
		return nil
	case r.Err() != nil:
		return r.Err()
	case !l.found:
		return errors.New("reducto: the content at the result's URL has no chunks")
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
	around := false // the answer that contains the content
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

func quoteOrNone(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	quoted, _ := json.Marshal(s)
	return quoted
}

// readInner downloads a result object, or the answer around it.
func readInner(ctx context.Context, src source, link Link) (json.RawMessage, error) {
	raw, err := readValue(ctx, src, link)
	if inner := object(raw)["result"]; inner != nil {
		raw = inner
	}
	return raw, err
}

// readValue downloads a bare JSON value.
func readValue(ctx context.Context, src source, link Link) (json.RawMessage, error) {
	var value json.RawMessage
	err := src.download(ctx, link, func() bool { return false }, func(body io.Reader) error {
		r := jsonread.New(body, -1)
		defer r.Close()
		raw, top := readWith(r, "type", "url", "result_id", "response_type", "result", "usage")
		r.End()
		switch {
		case r.SourceErr() != nil:
			return r.SourceErr()
		case errors.Is(r.Err(), io.ErrUnexpectedEOF):
			return r.Err() // like a lost connection, so it is retried
		case r.Err() != nil:
			return &badAnswer{reason: "the content at the result's URL is not JSON"}
		case isLink(top):
			return errLinkToLink
		}
		// We have not seen the service send the whole answer here, but this check costs
		// nothing. No schema of a user has this response_type together with a usage.
		if name, _ := text(top["response_type"]); (name == responseExtract || name == responseV3Extract) &&
			top["result"] != nil && members.Kind(top["usage"]) == '{' {
			raw = top["result"]
			if isLink(object(raw)) {
				return errLinkToLink
			}
		}
		value = raw
		return nil
	})
	return value, err
}
