package webhook

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/wireid"
	"github.com/reducto-go/reducto/webhook/internal/body"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// Receiver turns requests into verified events. Handler and inbox.Inbox are built on
// it. Use it for your own receiver, for example one that puts events into a queue. It
// is safe for concurrent use.
type Receiver struct {
	verifier   Verifier
	timed      timedVerifier // the verifier, if it is ours and needs the time
	checked    bool          // the verifier is ours: package body has checked the ids
	cfg        *config
	retryAfter string
	log        *safe.Log
	stats      counters
	refusals   safe.Limiter // of log records about refused requests
	faults     safe.Limiter // of log records about the receiver's own faults
	drift      drift
}

// NewReceiver returns a Receiver. It checks the verifier and the options. The error is
// a *reducto.RequestError.
func NewReceiver(v Verifier, opts ...ReceiverOption) (*Receiver, error) {
	cfg, err := configure(opts)
	return newReceiver("webhook.NewReceiver", v, cfg, err)
}

func newReceiver(op string, v Verifier, cfg *config, err error) (*Receiver, error) {
	if err != nil {
		return nil, &reducto.RequestError{Op: op, Field: "options", Err: err}
	}
	if err := checkVerifier(v); err != nil {
		return nil, &reducto.RequestError{Op: op, Field: "the verifier", Err: err}
	}
	r := &Receiver{verifier: v, cfg: cfg, retryAfter: retryAfterSeconds(cfg.retryAfter), log: safe.NewLog(cfg.logger)}
	switch v := v.(type) {
	// By type: a user's type that embeds a Signer has its verifyAt, but may have another
	// Verify.
	case *Secret:
		r.checked = true
	case *Signer:
		r.checked, r.timed = true, v
	case *Svix:
		r.checked, r.timed = true, v
	}
	r.refusals.Every, r.faults.Every, r.drift.alarms.Every = refusalLogEvery, refusalLogEvery, driftEvery
	return r, nil
}

const (
	// refusalLogEvery limits the log records about refused requests, as a flood of
	// forged requests must not become a flood of records.
	refusalLogEvery = time.Second
	// driftStreak is the number of refused deliveries in a row that suggests a wrong
	// secret.
	driftStreak = 20
	// driftEvery limits the log records about a wrong secret.
	driftEvery = time.Minute
)

// Receive reads and verifies a request. If it returns an error, it has answered the
// request, counted it and logged it. Otherwise call Respond to answer it.
func (r *Receiver) Receive(w http.ResponseWriter, req *http.Request) (Event, error) {
	event, status, err := r.receive(w, req, time.Now())
	if err != nil {
		r.Respond(w, status)
	}
	return event, err
}

// receive returns an event, or the status that answers the request.
func (r *Receiver) receive(w http.ResponseWriter, req *http.Request, received time.Time) (Event, int, error) {
	// Even a request that is answered early has a body, which net/http reads.
	limited := r.limitReading(w, req, received)
	if req.Method != http.MethodPost {
		return r.invalid(http.StatusMethodNotAllowed, errNotPost)
	}
	if r.cfg.requireJSON && !isJSON(req.Header.Get("Content-Type")) {
		return r.invalid(http.StatusUnsupportedMediaType, errNotJSON)
	}
	buf := buffers.Get().(*[]byte)
	text, status, err := r.readBody(w, req, (*buf)[:0])
	defer func() {
		if cap(text) <= maxPooled {
			*buf = text
			buffers.Put(buf)
		}
	}()
	if err != nil {
		return Event{}, status, err
	}
	if limited {
		// Otherwise the connection seems lost after the timeout, and ends the request.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	event, err := r.verify(req, text, received)
	if err != nil {
		return Event{}, r.refuse(req, err), err
	}
	r.drift.passed()
	illegal := !r.checked && (wireid.Check(event.JobID) != "" || event.SubmissionID != "" && wireid.Check(event.SubmissionID) != "")
	if illegal || r.cfg.strictIDs && !isUUID(event.JobID) {
		r.logRefused(req, "delivery refused: its ids are not accepted")
		return r.invalid(http.StatusBadRequest, ErrMalformed)
	}
	if f, ok := req.Context().Value(verifiedKey{}).(func(Event)); ok {
		f(event)
	}
	return event, 0, nil
}

type verifiedKey struct{}

// OnVerified returns a context for a request to a Handler, a Receiver or an Inbox. The
// receiver calls f with the event when it has verified the request, on the request's
// goroutine. Use it in a middleware that traces deliveries, as module otelreducto does.
func OnVerified(ctx context.Context, f func(Event)) context.Context {
	return context.WithValue(ctx, verifiedKey{}, f)
}

var (
	errNotPost  = errors.New("webhook: not a POST")
	errNotJSON  = errors.New("webhook: the Content-Type is not JSON")
	errEncoding = errors.New("webhook: the Content-Encoding is not gzip")
	errRead     = errors.New("webhook: the body could not be read")
	errConsumed = errors.New("webhook: a middleware consumed the body")
)

func (r *Receiver) invalid(status int, err error) (Event, int, error) {
	r.stats.invalid.Add(1)
	return Event{}, status, err
}

// limitReading limits how long the request may take to arrive, if the server allows
// it. It reports whether it did. A shorter limit of the server stays.
func (r *Receiver) limitReading(w http.ResponseWriter, req *http.Request, received time.Time) bool {
	if s, ok := req.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ReadTimeout > 0 && s.ReadTimeout <= r.cfg.readTimeout {
		return false
	}
	return http.NewResponseController(w).SetReadDeadline(received.Add(r.cfg.readTimeout)) == nil
}

// buffers hold bodies. Buffers above maxPooled are not kept, so one large body does not
// keep its memory forever.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4<<10)) }}

const maxPooled = 64 << 10

// readBody reads the whole body into buf, which it may replace. With an error it
// returns the status that answers the request.
func (r *Receiver) readBody(w http.ResponseWriter, req *http.Request, buf []byte) ([]byte, int, error) {
	if req.ContentLength > r.cfg.maxBody {
		return buf, r.tooLarge(w), ErrTooLarge
	}
	var err error
	consumed := false // the sender announced a body, but there is none
	switch encoding := req.Header.Get("Content-Encoding"); {
	case req.Body == nil:
		consumed = req.ContentLength > 0
	case encoding == "" || strings.EqualFold(encoding, "identity"):
		buf, err = readAll(req.Body, buf, r.cfg.maxBody)
		consumed = err == nil && len(buf) == 0 && req.ContentLength > 0
	case strings.EqualFold(encoding, "gzip"):
		// The sender is not verified yet. The first limit is for gzip that contains
		// nothing, the second for gzip that contains too much.
		unzip, zipErr := gzip.NewReader(http.MaxBytesReader(w, req.Body, r.cfg.maxBody))
		if err = zipErr; err == nil {
			buf, err = readAll(unzip, buf, r.cfg.maxBody)
		}
		consumed = zipErr == io.EOF && req.ContentLength > 0
	default:
		r.stats.invalid.Add(1)
		r.logRefused(req, "delivery refused: its Content-Encoding is not gzip")
		return buf, http.StatusUnsupportedMediaType, errEncoding
	}
	_, limited := errors.AsType[*http.MaxBytesError](err) // ours, or a middleware's
	switch {
	case consumed:
		r.stats.invalid.Add(1)
		if suppressed, ok := r.faults.Allow(time.Now()); ok {
			r.log.Log(req.Context(), slog.LevelError, "webhook: a middleware consumed the body: "+
				"put the handler before everything that reads request bodies, or have that restore them",
				slog.Int64("content_length", req.ContentLength), slog.Int("suppressed", suppressed))
		}
		return buf, http.StatusInternalServerError, errConsumed
	case limited || errors.Is(err, ErrTooLarge):
		return buf, r.tooLarge(w), ErrTooLarge
	case err != nil:
		w.Header().Set("Connection", "close") // do not wait for the rest
		r.stats.invalid.Add(1)
		r.logRefused(req, "delivery refused: its body could not be read to the end")
		return buf, http.StatusBadRequest, errRead
	}
	return buf, 0, nil
}

func (r *Receiver) tooLarge(w http.ResponseWriter) int {
	w.Header().Set("Connection", "close")
	r.stats.tooLarge.Add(1)
	return http.StatusRequestEntityTooLarge
}

// readAll appends all of src to buf. It returns ErrTooLarge after limit bytes.
func readAll(src io.Reader, buf []byte, limit int64) ([]byte, error) {
	for empty := 0; empty < 100; empty++ {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		room := buf[len(buf):cap(buf)]
		if left := limit - int64(len(buf)); int64(len(room))-1 > left {
			room = room[:left+1] // one more byte shows that the body is larger
		}
		n, err := src.Read(room)
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return buf, ErrTooLarge
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, err
		case n > 0:
			empty = -1
		}
	}
	return buf, io.ErrNoProgress
}

// isJSON reports whether a media type is application/json or ends in +json.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

// timedVerifier is a Verifier of ours that needs the time. The receiver knows it,
// and reading the clock again would cost a tenth of a delivery.
type timedVerifier interface {
	verifyAt(now time.Time, h http.Header, body []byte) (Event, error)
}

var errVerifierPanicked = errors.New("webhook: the verifier panicked")

// verify calls the verifier. It recovers from panics, because the verifier can be the
// user's.
func (r *Receiver) verify(req *http.Request, text []byte, received time.Time) (e Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.stats.panics.Add(1)
			e, err = Event{}, errVerifierPanicked
			r.log.Log(req.Context(), slog.LevelError, "webhook: the verifier panicked", slog.String("panic", safe.Panic(p)))
		}
	}()
	if r.timed != nil {
		e, err = r.timed.verifyAt(received, req.Header, text)
	} else {
		e, err = r.verifier.Verify(req.Header, text)
	}
	if err != nil {
		return Event{}, known(err)
	}
	return e, nil
}

// reasons are the errors of verifiers, as logs and metrics name them.
var reasons = [...]struct {
	err  error
	name string
}{
	{ErrNoSecret, "no_secret"},
	{ErrWrongSecret, "wrong_secret"},
	{ErrExpiredToken, "expired_token"},
	{ErrUnknownKey, "unknown_key"},
	{ErrNoSignature, "no_signature"},
	{ErrBadSignature, "bad_signature"},
	{ErrTimestamp, "timestamp"},
	{ErrUnauthorized, "other"},
}

// known returns the error of this package that err matches. The user's own errors could
// contain parts of the request.
func known(err error) error {
	if reason, ok := errors.AsType[body.Malformed](err); ok {
		return reason
	}
	if errors.Is(err, ErrMalformed) {
		return ErrMalformed
	}
	for _, reason := range reasons {
		if errors.Is(err, reason.err) {
			return reason.err
		}
	}
	return ErrUnauthorized
}

// refuse counts and logs a request that was not verified. It returns the status
// that answers it.
func (r *Receiver) refuse(req *http.Request, err error) int {
	switch {
	case errors.Is(err, errVerifierPanicked):
		return http.StatusInternalServerError
	case errors.Is(err, ErrMalformed):
		r.stats.invalid.Add(1)
		reason, _ := errors.AsType[body.Malformed](err)
		r.logRefused(req, "delivery refused: malformed "+string(reason))
		return http.StatusBadRequest
	}
	r.stats.unauthorized.Add(1)
	if r.log.On() { // forged requests should be cheap
		reason := RefusalReason(err)
		r.logRefused(req, "delivery refused: "+strings.ReplaceAll(reason, "_", " "), slog.String("reason", reason))
	}
	if r.drift.failed(time.Now()) {
		r.log.Log(req.Context(), slog.LevelError, fmt.Sprintf("webhook: the last %d deliveries were refused: "+
			"either they are forged, or the secret of the submissions is not configured here: check the rotation (see Secret)",
			driftStreak), slog.Uint64("unauthorized", r.stats.unauthorized.Load()))
	}
	return http.StatusUnauthorized
}

// RefusalReason returns the reason of an ErrUnauthorized as a label for metrics:
// no_secret, wrong_secret, expired_token, unknown_key, no_signature, bad_signature,
// timestamp or other.
func RefusalReason(err error) string {
	for _, reason := range reasons {
		if errors.Is(err, reason.err) {
			return reason.name
		}
	}
	return "other"
}

// logRefused logs a refused request, without its content.
func (r *Receiver) logRefused(req *http.Request, msg string, attrs ...slog.Attr) {
	if !r.log.On() {
		return
	}
	if suppressed, ok := r.refusals.Allow(time.Now()); ok {
		r.log.Log(req.Context(), slog.LevelWarn, "webhook: "+msg, append(attrs, slog.Int("suppressed", suppressed))...)
	}
}

// drift detects that all deliveries are refused.
type drift struct {
	streak atomic.Int64
	alarms safe.Limiter
}

func (d *drift) passed() {
	if d.streak.Load() != 0 { // a load is cheap for all cores, a store is not
		d.streak.Store(0)
	}
}

// failed reports whether to log the error.
func (d *drift) failed(now time.Time) bool {
	if d.streak.Add(1) != driftStreak {
		return false
	}
	_, ok := d.alarms.Allow(now)
	return ok
}

// Stats returns the counts of refused requests. The others are zero.
func (r *Receiver) Stats() Stats {
	s := r.stats.read()
	s.LogLost = r.log.Lost.Load()
	return s
}

// Flush waits until all log records are written, or returns ctx's error.
func (r *Receiver) Flush(ctx context.Context) error { return r.log.Wait(ctx) }

// Format prints the type alone, with every verb.
func (r *Receiver) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "webhook.Receiver") }
