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

// object is a JSON object whose members keep their order, so that what goes
// over the wire is written down in one place and shares no type with a client.
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

// MarshalJSON is for an object inside of other values.
func (o object) MarshalJSON() ([]byte, error) { return marshal(o) }

// marshal is json.Marshal that knows objects, takes raw JSON as it is and does
// not escape HTML, which would change text.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	err := writeValue(&b, v)
	return b.Bytes(), err
}

// writeValue is marshal for a writer, and makes generated documents as they are
// written. The error is the writer's, or that of a value which is no JSON.
func writeValue(w io.Writer, v any) error {
	switch v := v.(type) {
	case object:
		separator := "{"
		for _, m := range v {
			if _, err := io.WriteString(w, separator); err != nil {
				return err
			}
			separator = ","
			if err := writeValue(w, m.key); err != nil {
				return err
			}
			if _, err := io.WriteString(w, ":"); err != nil {
				return err
			}
			if err := writeValue(w, m.value); err != nil {
				return err
			}
		}
		return writeEnd(w, len(v) == 0, "{", "}")
	case []object:
		return writeList(w, v)
	case []any:
		return writeList(w, v)
	case *generatedBody:
		return v.writeTo(w)
	case json.RawMessage:
		if v == nil {
			v = json.RawMessage("null")
		}
		_, err := w.Write(v)
		return err
	default:
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1) // the encoder's newline
		_, err := w.Write(b.Bytes())
		return err
	}
}

func writeList[T any](w io.Writer, list []T) error {
	separator := "["
	for _, item := range list {
		if _, err := io.WriteString(w, separator); err != nil {
			return err
		}
		separator = ","
		if err := writeValue(w, item); err != nil {
			return err
		}
	}
	return writeEnd(w, len(list) == 0, "[", "]")
}

func writeEnd(w io.Writer, empty bool, open, end string) error {
	if empty {
		end = open + end
	}
	_, err := io.WriteString(w, end)
	return err
}

// mustMarshal is marshal for values made in this package.
func mustMarshal(v any) json.RawMessage {
	raw, err := marshal(v)
	if err != nil {
		panic(fmt.Sprintf("reductotest: %v", err)) // a mistake in this package
	}
	return raw
}

// rawJSON makes raw JSON of what a user of this package passes as JSON: text
// and bytes are JSON already, other values are marshalled.
func rawJSON(v any) (json.RawMessage, error) {
	var raw json.RawMessage
	switch v := v.(type) {
	case nil:
		return json.RawMessage("null"), nil
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

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body := mustMarshal(v)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// timestamp is t as the API writes it: UTC, microseconds, no zone.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }

// seconds is d as the API writes durations.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e6 }

// writeResult answers with the result of a job, or with an envelope of one.
func (s *Server) writeResult(w http.ResponseWriter, r *http.Request, v any) {
	zipped := s.cfg.gzip && acceptsGzip(r)
	if !zipped && !isStream(v) {
		writeJSON(w, http.StatusOK, v)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if zipped {
		// How long it will be is not known before it is written.
		w.Header().Set("Content-Encoding", "gzip")
		zip, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is valid
		if writeValue(zip, v) == nil {
			_ = zip.Close() // nobody is left to tell
		}
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(bodySize(v), 10))
	out := bufio.NewWriterSize(w, 32<<10)
	if writeValue(out, v) == nil {
		_ = out.Flush() // as above
	}
}

// acceptsGzip tells whether the client of r takes gzip.
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
