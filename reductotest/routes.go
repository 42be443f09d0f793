package reductotest

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/reducto-go/reducto/internal/loopback"
)

// version is the response of GET /version.
const version = "v1.12.12-reductotest"

// serveAPI serves the API: it authorizes, then routes.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	// Ids are escaped in paths: "reducto://" has slashes.
	path := r.URL.EscapedPath()
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && at.IP.IsLoopback() && !loopback.Allowed(r) {
		writeHTML(w, http.StatusForbidden) // a web page whose name resolves to this machine
		return
	}
	if path == "/version" {
		s.only(http.MethodGet, w, r, func() { writeJSON(w, http.StatusOK, version) })
		return
	}
	switch {
	case r.Header.Get("Authorization") == "":
		writeHTML(w, http.StatusForbidden)
		return
	case !s.authorized(r):
		newAPIError("AUTH_ERROR", "Invalid access token").write(w)
		return
	}
	if ep := endpoints[path]; ep != nil {
		s.only(http.MethodPost, w, r, func() { s.serveSubmission(w, r, path, ep) })
		return
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	id, err := url.PathUnescape(rest)
	switch {
	case path == "/jobs":
		s.only(http.MethodGet, w, r, func() { s.serveJobs(w, r) })
	case path == "/upload":
		s.only(http.MethodPost, w, r, func() { s.serveUpload(w, r) })
	case path == "/configure_webhook":
		s.only(http.MethodPost, w, r, func() {
			writeJSON(w, http.StatusOK, "https://app.svix.test/app-portal?token=reductotest")
		})
	case err != nil || rest == "":
		writeDetail(w, http.StatusNotFound, "Not Found")
	case name == "job" && r.Method == http.MethodDelete:
		s.serveDeleteJob(w, id)
	case name == "job":
		s.only(http.MethodGet, w, r, func() { s.serveJob(w, r, id) })
	case name == "cancel":
		s.only(http.MethodPost, w, r, func() { s.serveCancel(w, id) })
	case name == "upload":
		s.only(http.MethodDelete, w, r, func() { s.serveDeleteUpload(w, id) })
	default:
		writeDetail(w, http.StatusNotFound, "Not Found")
	}
}

func (s *Server) only(method string, w http.ResponseWriter, r *http.Request, f func()) {
	if r.Method != method {
		w.Header().Set("Allow", method)
		writeDetail(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	f()
}
