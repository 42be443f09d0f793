package reductotest

import (
	"cmp"
	"fmt"
	"net/http"
)

// failure is a response that refuses a request.
type failure interface{ write(http.ResponseWriter) }

// apiError is a failure with a name of the API.
type apiError struct {
	status  int
	name    string
	message string
}

func newAPIError(name, format string, args ...any) *apiError {
	return &apiError{status: statusOf(name), name: name, message: fmt.Sprintf(format, args...)}
}

// write responds with the error. The API sends the message twice.
func (e *apiError) write(w http.ResponseWriter) {
	writeJSON(w, e.status, obj(
		"error", obj("code", e.status, "name", e.name, "message", e.message),
		"detail", e.message,
	))
}

// statusOf returns the HTTP status of a synchronous call that fails with name. It is
// also the "code" of a failed job. The service does not publish this table. It follows
// the descriptions of the status codes.
func statusOf(name string) int {
	return cmp.Or(map[string]int{
		"INVALID_CONFIG":              http.StatusBadRequest,
		"INVALID_SCHEMA":              http.StatusBadRequest,
		"URL_NOT_ALLOWED":             http.StatusBadRequest,
		"AUTH_ERROR":                  http.StatusUnauthorized,
		"NOT_FOUND":                   http.StatusNotFound,
		"JOB_DELETION_IN_PROGRESS":    http.StatusConflict,
		"JOB_NOT_COMPLETE":            http.StatusConflict,
		"JOB_CANCELLED":               http.StatusConflict,
		"JOB_DELETED":                 http.StatusGone,
		"IMAGE_TOO_LARGE":             http.StatusRequestEntityTooLarge,
		"DOCUMENT_TOO_LARGE":          http.StatusRequestEntityTooLarge,
		"DOCUMENT_UNSUPPORTED":        http.StatusUnsupportedMediaType,
		"DOCUMENT_CORRUPT":            http.StatusUnsupportedMediaType,
		"DOCUMENT_EMPTY":              http.StatusUnprocessableEntity,
		"CELL_COUNT_EXCEEDED":         http.StatusUnprocessableEntity,
		"DOCUMENT_PASSWORD_PROTECTED": 442, // the API's own status code
		"RATE_LIMIT":                  http.StatusTooManyRequests,
		"LLM_PROVIDER_ERROR":          http.StatusBadGateway,
		"SERVICE_UNAVAILABLE":         http.StatusServiceUnavailable,
		"BATCH_QUEUE_FULL":            http.StatusServiceUnavailable,
		"QUEUE_FULL":                  http.StatusServiceUnavailable,
		"GPU_UNAVAILABLE":             http.StatusServiceUnavailable,
		"GPU_POOL_SATURATED":          http.StatusServiceUnavailable,
		"TIMEOUT":                     http.StatusGatewayTimeout,
		"CAPACITY_TIMEOUT":            http.StatusGatewayTimeout,
		"CUSTOMER_TIMEOUT":            http.StatusGatewayTimeout,
	}[name], http.StatusInternalServerError)
}

// errorName returns an error name that the API sends with status.
func errorName(status int) string {
	return cmp.Or(map[int]string{
		http.StatusBadRequest:            "INVALID_CONFIG",
		http.StatusUnauthorized:          "AUTH_ERROR",
		http.StatusForbidden:             "AUTH_ERROR",
		http.StatusNotFound:              "NOT_FOUND",
		http.StatusConflict:              "JOB_NOT_COMPLETE",
		http.StatusGone:                  "JOB_DELETED",
		http.StatusRequestEntityTooLarge: "DOCUMENT_TOO_LARGE",
		http.StatusUnsupportedMediaType:  "DOCUMENT_UNSUPPORTED",
		442:                              "DOCUMENT_PASSWORD_PROTECTED",
		http.StatusBadGateway:            "LLM_PROVIDER_ERROR",
		http.StatusServiceUnavailable:    "SERVICE_UNAVAILABLE",
		http.StatusGatewayTimeout:        "TIMEOUT",
		http.StatusRequestTimeout:        "TIMEOUT",
	}[status], "INTERNAL_ERROR")
}

// problems is a failure of the API's web framework: a request that does not match the schema.
type problems []object

func (p problems) write(w http.ResponseWriter) {
	writeJSON(w, http.StatusUnprocessableEntity, obj("detail", []object(p)))
}

// writeDetail responds with another error of the web framework.
func writeDetail(w http.ResponseWriter, status int, detail string) {
	writeJSON(w, status, obj("detail", detail))
}

// writeHTML responds with the page of the proxy in front of the API.
func writeHTML(w http.ResponseWriter, status int) {
	respond(w, status, "text/html", htmlPage(status))
}

func htmlPage(status int) []byte {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return fmt.Appendf(nil, "<html>\r\n<head><title>%[1]s</title></head>\r\n<body>\r\n"+
		"<center><h1>%[1]s</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n", title)
}

// writeXML responds with an error of the object storage.
func writeXML(w http.ResponseWriter, status int, code, message string) {
	respond(w, status, "application/xml", fmt.Appendf(nil,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>", code, message))
}
