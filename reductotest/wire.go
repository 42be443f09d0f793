package reductotest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object whose members keep their order. The package writes the wire
// format with it, so that it shares no type with a client.
type object []member

type member struct {
	key   string
	value any
}

// obj makes an object of alternating keys and values.
func obj(kv ...any) object {
	o := make(object, 0, len(kv)/2)
	for i := 0; i < len(kv); i += 2 {
		o = append(o, member{kv[i].(string), kv[i+1]})
	}
	return o
}

// MarshalJSON implements json.Marshaler, for an object inside other values.
func (o object) MarshalJSON() ([]byte, error) { return marshal(o) }

// marshal encodes v as JSON without escaping HTML. It copies raw JSON as it is.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := encoder{w: &b}
	e.value(v)
	return b.Bytes(), e.err
}

// mustMarshal is marshal for values that this package makes.
func mustMarshal(v any) json.RawMessage {
	raw, err := marshal(v)
	if err != nil {
		panic(fmt.Sprintf("reductotest: %v", err)) // a mistake in this package
	}
	return raw
}

// encoder writes JSON. It stops at the first error.
type encoder struct {
	w       io.Writer
	size    int64 // bytes so far
	measure bool  // count generated documents instead of making them
	err     error
}

// bodySize returns the size of v as JSON.
func bodySize(v any) int64 {
	e := encoder{w: io.Discard, measure: true}
	e.value(v)
	return e.size
}

func (e *encoder) raw(p []byte) {
	if e.err == nil {
		var n int
		n, e.err = e.w.Write(p)
		e.size += int64(n)
	}
}

func (e *encoder) value(v any) {
	switch v := v.(type) {
	case object:
		e.raw([]byte("{"))
		for i, m := range v {
			if i > 0 {
				e.raw([]byte(","))
			}
			e.value(m.key)
			e.raw([]byte(":"))
			e.value(m.value)
		}
		e.raw([]byte("}"))
	case []object:
		encodeList(e, v)
	case []any:
		encodeList(e, v)
	case *generatedBody:
		switch {
		case e.measure:
			e.size += v.size
		case e.err == nil:
			_, _, e.err = v.doc.write(e.w, v.chunksOnly)
		}
	case json.RawMessage:
		if v == nil {
			v = json.RawMessage("null")
		}
		e.raw(v)
	default:
		var b bytes.Buffer
		j := json.NewEncoder(&b)
		j.SetEscapeHTML(false)
		if err := j.Encode(v); err != nil && e.err == nil {
			e.err = err
		}
		e.raw(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	}
}

func encodeList[T any](e *encoder, list []T) {
	e.raw([]byte("["))
	for i, item := range list {
		if i > 0 {
			e.raw([]byte(","))
		}
		e.value(item)
	}
	e.raw([]byte("]"))
}

// rawJSON returns the JSON that a test passes: a string or bytes that are JSON, or any
// other value to marshal.
func rawJSON(v any) (json.RawMessage, error) {
	var raw json.RawMessage
	switch v := v.(type) {
	case string:
		raw = json.RawMessage(v)
	case []byte:
		raw = bytes.Clone(v)
	case json.RawMessage:
		raw = bytes.Clone(v)
	default:
		return marshal(v)
	}
	if !json.Valid(raw) {
		return nil, fmt.Errorf("not JSON: %.80q", raw)
	}
	return raw, nil
}

// respond writes a whole response.
func respond(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	respond(w, status, "application/json", mustMarshal(v))
}

// writeResult responds with a job's result, or with an object that contains one.
func (s *Server) writeResult(w http.ResponseWriter, r *http.Request, v any) {
	zipped := s.cfg.gzip && acceptsGzip(r)
	if !zipped && !isStream(v) {
		writeJSON(w, http.StatusOK, v)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if zipped { // the length is unknown until the end
		w.Header().Set("Content-Encoding", "gzip")
		zip, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is valid
		e := encoder{w: zip}
		if e.value(v); e.err == nil {
			_ = zip.Close() // the client may be gone
		}
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(bodySize(v), 10))
	out := bufio.NewWriterSize(w, 32<<10)
	e := encoder{w: out}
	if e.value(v); e.err == nil {
		_ = out.Flush() // the client may be gone
	}
}

// acceptsGzip reports whether the client accepts a gzip response.
func acceptsGzip(r *http.Request) bool {
	for _, list := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(list, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				_, q, weighted := strings.Cut(weight, "q=")
				f, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
				return !weighted || err == nil && f > 0
			}
		}
	}
	return false
}

// timestamp formats t as the API does: UTC with microseconds, without a zone.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }

// seconds returns d as the API writes durations.
func seconds(d time.Duration) float64 { return round(d.Seconds()) }

// round rounds f to six digits after the point.
func round(f float64) float64 { return math.Round(f*1e6) / 1e6 }
