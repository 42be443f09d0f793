package reductotest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// storageState holds uploads and links. The mutex of the server guards it.
type storageState struct {
	files     map[string]*file        // by file id
	puts      map[string]*file        // by path of the presigned upload
	objects   map[string]storedObject // by path of the link
	documents map[string][]byte       // by URL; nil cannot be downloaded
	linkEpoch int                     // links with an earlier epoch have expired
}

func newStorageState() storageState {
	return storageState{
		files: map[string]*file{}, puts: map[string]*file{},
		objects: map[string]storedObject{}, documents: map[string][]byte{},
	}
}

// file is an upload.
type file struct {
	id      string // "reducto://…"
	body    []byte
	stored  bool // false until the PUT of a presigned upload
	created time.Time
}

// storedObject is the content of a link.
type storedObject struct {
	contentType string
	job         *job // the object ends with it; nil for files
	file        *file
	body        func() []byte
	value       func() any // a result, instead of body
}

// serveStorage serves the object storage: presigned uploads and links.
func (s *Server) serveStorage(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		s.violation("%s %s%s carried an Authorization header to the object storage", r.Method, r.Host, r.URL.Path)
		writeXML(w, http.StatusBadRequest, "InvalidArgument",
			"Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
		return
	}
	if code, message := s.checkLink(r); code != "" {
		writeXML(w, http.StatusForbidden, code, message)
		return
	}
	switch r.Method {
	case http.MethodPut:
		s.putObject(w, r)
	case http.MethodGet:
		s.getObject(w, r)
	default:
		writeXML(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
	}
}

func (s *Server) putObject(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f := s.puts[r.URL.Path]
	s.mu.Unlock()
	if f == nil {
		writeXML(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	if r.ContentLength < 0 {
		writeXML(w, http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		writeXML(w, http.StatusBadRequest, "IncompleteBody", "The request body terminated unexpectedly")
		return
	}
	s.mu.Lock()
	f.body, f.stored = body, true
	s.mu.Unlock()
	sum := sha256.Sum256(body)
	w.Header().Set("ETag", strconv.Quote(hex.EncodeToString(sum[:16])))
	w.WriteHeader(http.StatusOK)
}

func (s *Server) getObject(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	o, ok := s.objects[r.URL.Path]
	if ok && o.job != nil && (o.job.deleted || s.expired(o.job)) || ok && o.file != nil && s.files[o.file.id] == nil {
		ok = false
	}
	s.mu.Unlock()
	if !ok {
		writeXML(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	if o.value != nil {
		value := o.value()
		if isStream(value) || s.cfg.gzip {
			s.writeResult(w, r, value)
			return
		}
		o.body = func() []byte { return mustMarshal(value) }
	}
	w.Header().Set("Content-Type", o.contentType)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.body()))
}

// ExpireLinks makes all links to results and edited documents expire. They respond 403
// with the XML of the storage. The next GET /job has a new link.
func (s *Server) ExpireLinks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.linkEpoch++
}

// link returns a presigned URL for a method and a path. The caller holds the mutex.
func (s *Server) link(method, path string) string {
	now := time.Now()
	query := url.Values{}
	query.Set("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
	query.Set("X-Amz-Date", now.UTC().Format("20060102T150405Z"))
	query.Set("X-Amz-Expires", strconv.Itoa(int(math.Ceil(s.cfg.linkTTL.Seconds()))))
	// The token holds the exact expiry and the epoch of ExpireLinks.
	query.Set("X-Amz-Security-Token", fmt.Sprintf("%d.%d", now.Add(s.cfg.linkTTL).UnixNano(), s.linkEpoch))
	query.Set("X-Amz-Signature", s.linkSignature(method, path, query))
	return s.storageURL + path + "?" + query.Encode()
}

func (s *Server) linkSignature(method, path string, query url.Values) string {
	mac := hmac.New(sha256.New, s.linkKey)
	fmt.Fprintf(mac, "%s\n%s\n%s", method, path, query.Encode())
	return hex.EncodeToString(mac.Sum(nil))
}

// checkLink returns the error code and message of a request that its query does not
// allow.
func (s *Server) checkLink(r *http.Request) (code, message string) {
	query := r.URL.Query()
	signature := query.Get("X-Amz-Signature")
	if signature == "" {
		return "AccessDenied", "Access Denied"
	}
	query.Del("X-Amz-Signature")
	if !hmac.Equal([]byte(signature), []byte(s.linkSignature(r.Method, r.URL.Path, query))) {
		return "SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided. Check your key and signing method."
	}
	end, epoch, _ := strings.Cut(query.Get("X-Amz-Security-Token"), ".")
	nanos, _ := strconv.ParseInt(end, 10, 64)
	s.mu.Lock()
	old := r.Method == http.MethodGet && epoch != strconv.Itoa(s.linkEpoch)
	s.mu.Unlock()
	if old || time.Now().UnixNano() > nanos {
		return "AccessDenied", "Request has expired"
	}
	return "", ""
}
