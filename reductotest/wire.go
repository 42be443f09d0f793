package reductotest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
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

// apiError is a failure as the API names it.
type apiError struct {
	status  int
	name    string
	message string
}

func (e *apiError) Error() string { return e.name + ": " + e.message }

// write answers with the error in the form of today's API: the message is
// there twice.
func (e *apiError) write(w http.ResponseWriter) {
	writeJSON(w, e.status, obj(
		"error", obj("code", e.status, "name", e.name, "message", e.message),
		"detail", e.message,
	))
}

// writeDetail answers in the form of the web framework's own errors.
func writeDetail(w http.ResponseWriter, status int, detail string) {
	writeJSON(w, status, obj("detail", detail))
}

// writeHTML answers with the page of the proxy in front of the API.
func writeHTML(w http.ResponseWriter, status int) {
	body := htmlPage(status)
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func htmlPage(status int) []byte {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return fmt.Appendf(nil, "<html>\r\n<head><title>%[1]s</title></head>\r\n<body>\r\n"+
		"<center><h1>%[1]s</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n", title)
}

// writeXML answers with an error of the object storage.
func writeXML(w http.ResponseWriter, status int, code, message string) {
	body := xmlError(code, message)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func xmlError(code, message string) []byte {
	return fmt.Appendf(nil, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>",
		code, message)
}

// statusOf is the HTTP status that a synchronous call answers for a failure,
// and the "code" of a failed job. The service has such a table and does not
// publish it; this one follows the descriptions of its status codes.
func statusOf(name string) int {
	switch name {
	case "INVALID_CONFIG", "INVALID_SCHEMA", "URL_NOT_ALLOWED":
		return http.StatusBadRequest
	case "AUTH_ERROR":
		return http.StatusUnauthorized
	case "NOT_FOUND":
		return http.StatusNotFound
	case "JOB_DELETION_IN_PROGRESS", "JOB_NOT_COMPLETE", "JOB_CANCELLED":
		return http.StatusConflict
	case "JOB_DELETED":
		return http.StatusGone
	case "IMAGE_TOO_LARGE", "DOCUMENT_TOO_LARGE":
		return http.StatusRequestEntityTooLarge
	case "DOCUMENT_UNSUPPORTED", "DOCUMENT_CORRUPT":
		return http.StatusUnsupportedMediaType
	case "DOCUMENT_EMPTY", "CELL_COUNT_EXCEEDED":
		return http.StatusUnprocessableEntity
	case "DOCUMENT_PASSWORD_PROTECTED":
		return 442 // not in the registry of status codes, and meant
	case "RATE_LIMIT":
		return http.StatusTooManyRequests
	case "LLM_PROVIDER_ERROR":
		return http.StatusBadGateway
	case "SERVICE_UNAVAILABLE", "BATCH_QUEUE_FULL", "QUEUE_FULL", "GPU_UNAVAILABLE", "GPU_POOL_SATURATED":
		return http.StatusServiceUnavailable
	case "TIMEOUT", "CAPACITY_TIMEOUT", "CUSTOMER_TIMEOUT":
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

func newAPIError(name, format string, args ...any) *apiError {
	return &apiError{status: statusOf(name), name: name, message: fmt.Sprintf(format, args...)}
}

// timestamp is t as the API writes it: UTC, microseconds, no zone.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }

// seconds is d as the API writes durations.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e6 }
