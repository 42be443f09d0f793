package reductotest

import (
	"fmt"
	"net/http"
	"strconv"
)

// errorName is a name that the API gives to failures of a status.
func errorName(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "INVALID_CONFIG"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "AUTH_ERROR"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusConflict:
		return "JOB_NOT_COMPLETE"
	case http.StatusGone:
		return "JOB_DELETED"
	case http.StatusRequestEntityTooLarge:
		return "DOCUMENT_TOO_LARGE"
	case http.StatusUnsupportedMediaType:
		return "DOCUMENT_UNSUPPORTED"
	case 442:
		return "DOCUMENT_PASSWORD_PROTECTED"
	case http.StatusBadGateway:
		return "LLM_PROVIDER_ERROR"
	case http.StatusServiceUnavailable:
		return "SERVICE_UNAVAILABLE"
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return "TIMEOUT"
	}
	return "INTERNAL_ERROR"
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
