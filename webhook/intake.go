package webhook

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/reducto-go/reducto/internal/wireid"
)

// buffers are for bodies. Larger ones than maxPooled are not kept, so that a
// large body now and then does not cost its memory for good.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4<<10)) }}

const maxPooled = 64 << 10

// intake makes a verified event of a request, or the answer that refuses it.
// Until it returns, nothing of the request has touched the handler's memory.
func (h *receiver) intake(w http.ResponseWriter, r *http.Request, received time.Time) (Event, *answer) {
	// What is answered early has a body too, which net/http reads on for a while.
	limited := h.limitReading(w, r, received)
	if r.Method != http.MethodPost {
		h.stats.invalid.Add(1)
		return Event{}, &answerMethod
	}
	if h.cfg.requireJSON && !isJSON(r.Header.Get("Content-Type")) {
		h.stats.invalid.Add(1)
		return Event{}, &answerNotJSON
	}
	buf := buffers.Get().(*[]byte)
	body, refused := h.readBody(w, r, (*buf)[:0])
	defer func() {
		if cap(body) <= maxPooled {
			*buf = body
			buffers.Put(buf)
		}
	}()
	if refused != nil {
		return Event{}, refused
	}
	if limited {
		// Otherwise the connection looks lost when the time is over, and the request
		// with it.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	event, err := h.verify(r, body, received)
	if err != nil {
		return Event{}, h.refuse(r, err)
	}
	h.drift.passed()
	illegal := !h.checked && (wireid.Check(event.JobID) != "" || event.SubmissionID != "" && wireid.Check(event.SubmissionID) != "")
	if illegal || h.cfg.strictIDs && !isUUID(event.JobID) {
		h.stats.invalid.Add(1)
		h.logRefused(r, "delivery refused: its ids are not ones that are accepted")
		return Event{}, &answerMalformed
	}
	return event, nil
}

// limitReading bounds how long the request may take to arrive, where the server
// lets it. It leaves a stricter limit of the server's alone.
func (h *receiver) limitReading(w http.ResponseWriter, r *http.Request, received time.Time) bool {
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ReadTimeout > 0 && s.ReadTimeout <= h.cfg.readTimeout {
		return false
	}
	return http.NewResponseController(w).SetReadDeadline(received.Add(h.cfg.readTimeout)) == nil
}

// readBody reads the whole body into buf, which it may replace.
func (h *receiver) readBody(w http.ResponseWriter, r *http.Request, buf []byte) ([]byte, *answer) {
	if r.ContentLength > h.cfg.maxBody {
		return buf, h.tooLarge(w)
	}
	var err error
	if r.Body != nil {
		buf, err = readAll(r.Body, buf, h.cfg.maxBody)
	}
	if err == nil && (len(buf) > 0 || r.ContentLength <= 0) {
		return buf, nil
	}
	_, limited := errors.AsType[*http.MaxBytesError](err) // of a middleware
	switch {
	case limited || errors.Is(err, errTooLarge):
		return buf, h.tooLarge(w)
	case err != nil:
		// The rest is not waited for.
		w.Header().Set("Connection", "close")
		h.stats.invalid.Add(1)
		h.logRefused(r, "delivery not read to its end")
		return buf, &answerMalformed
	default:
		h.stats.invalid.Add(1)
		if suppressed, ok := h.consumed.allow(time.Now()); ok {
			h.log.log(r.Context(), slog.LevelError, "a middleware consumed the body: it was announced with some bytes, "+
				"and none was left; put the handler before whatever reads request bodies, or have that restore them",
				slog.Int64("content_length", r.ContentLength), slog.Int("suppressed", suppressed))
		}
		return buf, &answerFailed
	}
}

func (h *receiver) tooLarge(w http.ResponseWriter) *answer {
	w.Header().Set("Connection", "close")
	h.stats.tooLarge.Add(1)
	return &answerTooLarge
}

var errTooLarge = errors.New("the body is too large")

// readAll appends all of r to buf, at most limit bytes.
func readAll(r io.Reader, buf []byte, limit int64) ([]byte, error) {
	for empty := 0; empty < 100; empty++ {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		room := buf[len(buf):cap(buf)]
		if left := limit - int64(len(buf)); int64(len(room))-1 > left {
			room = room[:left+1] // one byte more shows that there is more
		}
		n, err := r.Read(room)
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return buf, errTooLarge
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

// isJSON reports whether a media type is application/json, or ends in +json.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}
