package reducto

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/redact"
	"github.com/reducto-go/reducto/internal/wireid"
)

// call describes one request. do sends it and retries it by the retry policy. Every
// request that carries the API key is a call.
type call struct {
	op     string // the method that the user called
	job    string // the job's id, for the Tracer; empty if there is none
	method string
	path   string // escaped, below the base URL
	url    string // of storage, without its query; empty for a request to the API
	query  string // encoded

	// raw is a body in memory.
	raw []byte
	// body returns a new reader of the body for every attempt. It is nil if there is no
	// body or if raw has it. size is its length.
	body        func() (io.Reader, error)
	size        int64
	contentType string

	// safe reports that the request may be sent twice.
	safe bool
	// resend asks to retry the request although it is not safe.
	resend bool
	// spent reports that the body cannot be read again; nil means never.
	spent func() bool
	// timeout bounds an attempt, from connecting to the last byte of the answer. Zero
	// marks a transfer, which only the idle timeout bounds.
	timeout time.Duration

	// read consumes a successful answer. Its error makes the answer unusable.
	read func(*answer) error
	// jobID replaces read for submissions, and receives the job's id.
	jobID *string
	// secrets are values, besides the API key, that errors must not repeat.
	secrets []string
}

// answer is a successful answer. Its body is limited in size.
type answer struct {
	header http.Header
	body   io.Reader
	size   int64 // Content-Length; -1 if unknown
}

// json encodes v as the body.
func (r *call) json(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return &RequestError{Op: r.op, Reason: "the request does not marshal to JSON", Err: err}
	}
	r.raw = raw
	r.contentType = mediaJSON
	return nil
}

// failure is a failed attempt, with the facts that decide about a retry.
type failure struct {
	err error
	// nothing reports that the service certainly did not accept the request.
	nothing bool
	// transient reports that another attempt may succeed.
	transient bool
	// after is the Retry-After of the answer; negative if it has none.
	after time.Duration
}

// do sends r until it succeeds, fails for good, or the context ends.
func (c *Client) do(ctx context.Context, r *call) (err error) {
	if c.cfg.tracer != nil {
		var end func(error)
		ctx, end = c.trace(ctx, &Operation{Name: r.op, JobID: r.job})
		defer func() { end(err) }()
	}
	_, err = c.send(ctx, r)
	return err
}

// send is do. It also returns how many attempts the service may have acted on.
func (c *Client) send(ctx context.Context, r *call) (taken int, err error) {
	return c.repeat(ctx, r, func() *failure { return c.attempt(ctx, r) })
}

// repeat makes attempts until one succeeds, one fails for good, or the context ends.
// once makes one attempt. repeat returns how many attempts the service may have acted
// on.
func (c *Client) repeat(ctx context.Context, r *call, once func() *failure) (taken int, err error) {
	for attempt := 1; ; attempt++ {
		started := time.Now()
		f := once()
		if f == nil {
			if log := c.logger(ctx, slog.LevelDebug, r, attempt); log != nil {
				log.DebugContext(ctx, "reducto: request done", slog.Duration("took", time.Since(started)))
			}
			return taken + 1, nil
		}
		if !f.nothing {
			taken++
		}
		if ce, ok := f.err.(*ConnectionError); ok {
			ce.Attempts = attempt
		}
		delay, again := c.again(ctx, r, f, attempt)
		if !again {
			if log := c.logger(ctx, slog.LevelDebug, r, attempt); log != nil {
				log.DebugContext(ctx, "reducto: request failed", slog.Duration("took", time.Since(started)), slog.Any("error", f.err))
			}
			return taken, f.err
		}
		if log := c.logger(ctx, slog.LevelWarn, r, attempt); log != nil {
			log.WarnContext(ctx, "reducto: trying again", slog.Duration("in", delay), slog.Any("error", f.err))
		}
		if err := sleep(ctx, delay); err != nil {
			lost := c.lost(r, fmt.Errorf("%w while waiting to retry after: %w", err, f.err))
			lost.Attempts = attempt
			return taken, lost
		}
	}
}

// storageCall describes a request to a presigned URL. It carries no key and is safe
// to repeat.
func storageCall(method string, link Link) *call {
	return &call{method: method, url: redact.URL(string(link)), safe: true}
}

// logger returns the logger for an attempt. It returns nil if the level is disabled,
// which then costs nothing.
func (c *Client) logger(ctx context.Context, level slog.Level, r *call, attempt int) *slog.Logger {
	if !c.cfg.logger.Enabled(ctx, level) {
		return nil
	}
	return c.cfg.logger.With(
		slog.String("method", r.method), slog.String("path", cmp.Or(r.path, r.url)), slog.Int("attempt", attempt))
}

// exchange holds everything that an attempt needs, in one allocation.
type exchange struct {
	reach  reach
	trace  httptrace.ClientTrace
	idle   idleWatch
	url    url.URL
	raw    bytes.Reader
	body   limitedBody
	answer answer
}

// attempt sends r once. It returns nil after a success.
func (c *Client) attempt(ctx context.Context, r *call) *failure {
	if err := contextError(ctx); err != nil {
		return &failure{err: c.lost(r, err), nothing: true}
	}
	auth, err := c.cfg.key(ctx)
	if err != nil {
		return &failure{err: &RequestError{Op: r.op, Field: "API key", Err: err}, nothing: true}
	}
	x := new(exchange)
	ctx, idle := c.limit(ctx, r, &x.idle)
	defer idle.stop()
	x.reach.trace(&x.trace, c.guard)
	req, err := c.request(httptrace.WithClientTrace(ctx, &x.trace), r, x, auth, idle)
	if err != nil {
		return &failure{err: err, nothing: true}
	}
	resp, err := c.api.Do(req)
	if err != nil {
		return c.failedExchange(ctx, r, err, &x.reach)
	}
	defer resp.Body.Close()
	body, err := decoded(resp, idle.reader(resp.Body))
	if err != nil {
		return c.unusable(ctx, r, resp, err, append(r.secrets, auth.key))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		head, _ := io.ReadAll(io.LimitReader(body, maxErrorBody))
		apiErr := decodeAPIError(r.method, r.path, resp, head, append(r.secrets, auth.key)...)
		return apiFailure(apiErr, resp.Header)
	}
	x.body = limitedBody{r: body, left: c.cfg.maxResponse, limit: c.cfg.maxResponse}
	x.answer = answer{header: resp.Header, body: &x.body, size: resp.ContentLength}
	if r.jobID != nil {
		*r.jobID, err = readJobID(&x.answer)
	} else {
		err = r.read(&x.answer)
	}
	if err != nil {
		return c.unusable(ctx, r, resp, err, append(r.secrets, auth.key))
	}
	if !x.body.ended {
		// The connection is reused only if the body was read to its end.
		_, _ = io.Copy(io.Discard, io.LimitReader(body, 4<<10))
	}
	return nil
}

// maxErrorBody bounds how much of an error body is read, in bytes.
const maxErrorBody = 64 << 10

func (c *Client) request(ctx context.Context, r *call, x *exchange, auth credential, idle *idleWatch) (*http.Request, error) {
	u := &x.url
	*u = *c.base
	u.RawPath = u.EscapedPath() + r.path
	path, err := url.PathUnescape(u.RawPath)
	if err != nil {
		return nil, &RequestError{Op: r.op, Field: "path", Reason: "it cannot be unescaped", Err: err}
	}
	u.Path, u.RawQuery = path, r.query
	header := http.Header{
		"Accept":        c.headers.accept,
		"Authorization": auth.header,
		"User-Agent":    c.headers.agent,
	}
	switch r.contentType {
	case "":
	case mediaJSON:
		header["Content-Type"] = c.headers.json
	default:
		header["Content-Type"] = []string{r.contentType}
	}
	// http.NewRequest would parse the URL again.
	req := (&http.Request{
		Method: r.method, URL: u, Host: u.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	switch {
	case r.raw != nil:
		x.raw.Reset(r.raw)
		req.ContentLength = int64(len(r.raw))
		req.Body = io.NopCloser(&x.raw) // net/http knows that this body is in memory
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.raw)), nil }
	case r.body != nil:
		body, err := r.body()
		if err != nil {
			return nil, &RequestError{Op: r.op, Reason: "the body cannot be read again from its beginning", Err: err}
		}
		req.Body = io.NopCloser(idle.reader(body))
		req.ContentLength = r.size
		if r.size == 0 {
			req.Body = http.NoBody
		}
		req.GetBody = func() (io.ReadCloser, error) {
			again, err := r.body()
			if err != nil {
				return nil, err
			}
			return io.NopCloser(idle.reader(again)), nil
		}
	}
	return req, nil
}

// failedExchange classifies an attempt without an answer. reached tells how far the
// attempt came; nil means unknown.
func (c *Client) failedExchange(ctx context.Context, r *call, err error, reached *reach) *failure {
	f := &failure{transient: true, after: -1}
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err // the text of urlErr repeats the URL with its query
	}
	f.nothing = reached.neverConnected(err)
	var refused *RequestError
	if errors.As(err, &refused) {
		return &failure{err: refused, nothing: f.nothing || reached != nil && !reached.connected.Load(), after: -1}
	}
	if ended := contextError(ctx); ended != nil {
		err = ended
		f.transient = errors.Is(err, errAttemptTimeout) || errors.Is(err, errIdle)
	} else if isTLSRefusal(err) {
		f.nothing, f.transient = reached != nil && !reached.connected.Load(), false
	} else if proxy := proxyErrorOf(err); proxy != nil && f.nothing {
		err, f.transient = proxy, proxy.transient()
	} else if errors.Is(err, errLinkRefused) {
		f.transient = false
	}
	f.err = c.lost(r, err)
	return f
}

// unusable classifies a successful status with a body that could not be used.
func (c *Client) unusable(ctx context.Context, r *call, resp *http.Response, err error, secrets []string) *failure {
	f := &failure{transient: true, after: -1}
	lost := c.lost(r, err)
	lost.StatusCode = resp.StatusCode
	if bad, ok := errors.AsType[*badAnswer](err); ok {
		f.transient = !bad.whole
		if !bad.whole && !startsJSON(bad.body) {
			// JSON may hold results, presigned URLs and metadata, even if it is truncated. A
			// page helps to find the proxy that sent it.
			lost.Body = redact.Head(bad.shown(secrets), maxShownBody)
		}
	}
	if ended := contextError(ctx); ended != nil {
		lost.Err = ended
		f.transient = errors.Is(ended, errAttemptTimeout) || errors.Is(ended, errIdle)
	} else if errors.Is(err, ErrTooLarge) {
		f.transient = false
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		lost.Err = fmt.Errorf("the answer ended early: %w", io.ErrUnexpectedEOF)
	}
	f.err = lost
	return f
}

func (c *Client) lost(r *call, err error) *ConnectionError {
	return &ConnectionError{Method: r.method, URL: c.shownURL(r), Err: err}
}

// shownURL returns the URL of the request without its query, for errors.
func (c *Client) shownURL(r *call) string {
	return cmp.Or(r.url, redact.URL(c.base.String()+r.path))
}

// limitedBody returns an error, not an end, if the body is larger than allowed.
type limitedBody struct {
	r           io.Reader
	left, limit int64
	ended       bool // the body was read to its end
}

func (l *limitedBody) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, l.err()
	}
	if int64(len(p))-1 > l.left { // not left+1, which may overflow
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, l.err()
	}
	l.ended = l.ended || err == io.EOF
	return n, err
}

func (l *limitedBody) err() error {
	return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, l.limit)
}

// readJSON decodes a small answer into out. If out is nil, it ignores the answer. See
// readAnswer for large answers.
func readJSON(out any) func(*answer) error {
	return func(a *answer) error {
		if out == nil {
			_, err := io.Copy(io.Discard, a.body)
			return err
		}
		raw, err := a.all()
		if err != nil {
			return err
		}
		return decodeJSON(raw, out)
	}
}

// all reads the whole body. If the announced size is below 512 bytes, it allocates a
// buffer of this size. Most answers have about fifty bytes.
func (a *answer) all() ([]byte, error) {
	if a.size < 0 || a.size >= 512 {
		return io.ReadAll(a.body)
	}
	raw := make([]byte, 0, a.size+1) // one byte more, to see the end
	for len(raw) < cap(raw) {
		n, err := a.body.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if err == io.EOF {
			return raw, nil
		}
		if err != nil {
			return nil, err
		}
	}
	more, err := io.ReadAll(a.body)
	return append(raw, more...), err
}

// readJobID reads the answer to a submission.
func readJobID(a *answer) (string, error) {
	raw, err := a.all()
	if err != nil {
		return "", err
	}
	if id := onlyJobID(raw); id != "" {
		return id, nil
	}
	var accepted struct {
		JobID string `json:"job_id"`
	}
	if err := decodeJSON(raw, &accepted); err != nil {
		return "", err
	}
	if wireid.Check(accepted.JobID) != "" {
		return "", &badAnswer{reason: "the body has no usable job_id"}
	}
	return accepted.JobID, nil
}

// onlyJobID returns the id in {"job_id":"…"}, the usual answer, without encoding/json.
// It returns "" for any other answer.
func onlyJobID(raw []byte) string {
	for _, token := range [...]string{"{", `"job_id"`, ":", `"`} {
		var found bool
		if raw, found = bytes.CutPrefix(trimSpace(raw), []byte(token)); !found {
			return ""
		}
	}
	id, rest, _ := bytes.Cut(raw, []byte{'"'})
	if wireid.Check(id) != "" { // no id contains an escape
		return ""
	}
	if rest = trimSpace(rest); len(rest) == 0 || rest[0] != '}' || len(trimSpace(rest[1:])) > 0 {
		return ""
	}
	return string(id)
}

// trimSpace removes leading white space as JSON defines it.
func trimSpace(raw []byte) []byte { return bytes.TrimLeft(raw, " \t\r\n") }

// decodeJSON decodes an answer. Its error is a *badAnswer.
func decodeJSON(raw []byte, out any) error {
	if bad := noJSON(members.Kind(raw), raw); bad != nil {
		return bad
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return &badAnswer{reason: notExpected, err: err, body: raw, whole: json.Valid(raw)}
	}
	return nil
}

const notExpected = "the body is not the JSON expected"

// startsJSON reports whether a body starts like a JSON object, array or string.
func startsJSON(body []byte) bool {
	switch members.Kind(body) {
	case '{', '[', '"':
		return true
	}
	return false
}

// noJSON returns the error for an answer that is empty or a page. It returns nil for an
// answer that may be JSON.
func noJSON(kind byte, body []byte) *badAnswer {
	switch kind {
	case 0:
		return &badAnswer{reason: "the body is empty"}
	case '<':
		return &badAnswer{reason: "the body is a page, not JSON: check the base URL, and whether a proxy sent it", body: body}
	}
	return nil
}

// readAnswer calls read to decode an answer while it arrives. Its error is a
// *badAnswer, like that of decodeJSON. misfit is the reason for valid JSON of another
// form.
func readAnswer(a *answer, misfit string, read func(*jsonread.Reader)) error {
	r := jsonread.New(a.body, a.size)
	defer r.Close()
	r.KeepHead()
	kind := r.Kind()
	if kind != 0 && kind != '<' {
		read(r)
		if r.End(); r.Err() == nil {
			return nil
		}
	}
	err, whole := r.Err(), false
	if err != nil {
		whole = r.Rest() == nil
	}
	// A lost connection explains more than the error of the truncated body.
	var unread int64
	if r.SourceErr() == nil && !whole {
		var lost error
		if unread, lost = io.Copy(io.Discard, a.body); lost != nil {
			return lost
		}
	}
	if r.SourceErr() != nil {
		return r.SourceErr()
	}
	head, all := r.Head()
	body, cut := bytes.Clone(head), !all || unread > 0
	if bad := noJSON(kind, body); bad != nil {
		bad.cut = cut
		return bad
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errEndsEarly
	}
	if !whole {
		misfit = notExpected
	}
	return &badAnswer{reason: misfit, err: err, body: body, cut: cut, whole: whole}
}

// errEndsEarly is the error for an answer that arrived completely but ends within a
// JSON value.
var errEndsEarly = errors.New("unexpected end of JSON input")

// badAnswer is the error for a successful answer that cannot be used.
type badAnswer struct {
	reason string
	err    error
	body   []byte
	cut    bool // there is more of the body
	whole  bool // the body is complete, so a retry would get the same
}

func (e *badAnswer) Error() string {
	if e.err == nil {
		return e.reason
	}
	return e.reason + ": " + e.err.Error()
}

func (e *badAnswer) Unwrap() error { return e.err }

// shown returns the body without secrets.
func (e *badAnswer) shown(secrets []string) []byte {
	text := hider(secrets)(string(e.body))
	if !e.cut {
		return []byte(text)
	}
	// The end may contain a part of a secret.
	longest := 0
	for _, s := range secrets {
		longest = max(longest, len(s))
	}
	return []byte(text[:max(0, len(text)-longest)])
}
