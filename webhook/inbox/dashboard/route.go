package dashboard

import (
	"net/http"
	"slices"
	"strings"
)

// slash is the page of an address that lacks the slash at its end.
const slash = "/"

var names = []string{"", "records", "dead", "record", "replay", "live", "dashboard.css", "dashboard.js", "icon.svg"}

// pageName returns the page that a request is for, and whether there is one. All pages
// are siblings, so the last segment of the path names the page, whatever stands before it.
func pageName(r *http.Request) (name string, known bool) {
	dir, name := r.URL.Path, ""
	if i := strings.LastIndex(dir, "/"); i >= 0 {
		dir, name = dir[:i+1], dir[i+1:]
	} else {
		dir, name = "", dir
	}
	if name == "" && lacksSlash(r) {
		return slash, true
	}
	if slices.Contains(names, name) {
		return name, true
	}
	// Either the address lacks the slash, or the name is wrong. If a ServeMux has the
	// directory as its pattern, the name is wrong.
	_, pattern, _ := strings.Cut(r.Pattern, "/")
	return slash, !strings.Contains(name, ".") && (dir != "/"+pattern || pattern == "")
}

// lacksSlash reports whether http.StripPrefix has removed all of an address that has no
// slash at its end. Relative links would then lead to the wrong directory.
func lacksSlash(r *http.Request) bool {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return path != "" && !strings.HasSuffix(path, "/")
}

// redirectToSlash adds the slash. The address is relative, as a proxy may have removed a
// part of the path.
func redirectToSlash(w http.ResponseWriter, r *http.Request) {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if path == "" || strings.HasSuffix(path, "/") {
		path = r.URL.EscapedPath()
	}
	to := "./" + path[strings.LastIndex(path, "/")+1:] + "/"
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusTemporaryRedirect)
}
