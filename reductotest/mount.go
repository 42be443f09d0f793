package reductotest

import (
	"net/http"
	"strings"
)

// Mount serves h on the host app.test, where webhooks can be sent, and returns
// the URL of path there. A path that ends in a slash serves everything below it
// too; the longest path that fits is taken. The handler sees the whole path.
// Mounting a path again replaces its handler, as a new version of a service
// does; a nil handler removes it, and the path answers 404.
//
// With [OnTCP] the URL is on a loopback port and any program can post to it.
func (s *Server) Mount(path string, h http.Handler) (url string) {
	if !strings.HasPrefix(path, "/") {
		s.fatalf("Mount: the path %q does not begin with a slash", path)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h == nil {
		delete(s.mounts, path)
	} else {
		s.mounts[path] = h
	}
	return s.appURL + path
}

func (s *Server) serveMounted(w http.ResponseWriter, r *http.Request) {
	if h := s.mounted(r.URL.Path); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

func (s *Server) mounted(path string) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h, ok := s.mounts[path]; ok {
		return h
	}
	for prefix := path; prefix != ""; {
		prefix = prefix[:strings.LastIndexByte(prefix, '/')+1]
		if h, ok := s.mounts[prefix]; ok {
			return h
		}
		prefix = strings.TrimSuffix(prefix, "/")
	}
	return nil
}
