package reductotest

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"
)

// serveUpload serves POST /upload. A multipart body has the file. A request without a
// file gets a presigned URL.
func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	extension := r.URL.Query().Get("extension")
	contentType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && contentType == "multipart/form-data":
		if r.ContentLength > s.cfg.maxDirectUpload+1<<16 { // the parts have headers
			writeHTML(w, http.StatusRequestEntityTooLarge)
			return
		}
		s.uploadDirect(w, multipart.NewReader(r.Body, params["boundary"]), extension)
	case contentType == "" || contentType == "application/json":
		s.uploadPresigned(w, extension)
	default:
		newAPIError("INVALID_CONFIG", "Uploads are multipart/form-data with a part named file, or application/json without one").write(w)
	}
}

func (s *Server) uploadDirect(w http.ResponseWriter, parts *multipart.Reader, extension string) {
	for {
		part, err := parts.NextPart()
		if err != nil {
			message := "No file was provided"
			if !errors.Is(err, io.EOF) {
				message = "There was an error parsing the body"
			}
			newAPIError("INVALID_CONFIG", "%s", message).write(w)
			return
		}
		if part.FormName() != "file" {
			continue
		}
		body, err := io.ReadAll(io.LimitReader(part, s.cfg.maxDirectUpload+1))
		switch {
		case err != nil:
			newAPIError("INVALID_CONFIG", "There was an error parsing the body").write(w)
			return
		case int64(len(body)) > s.cfg.maxDirectUpload:
			writeHTML(w, http.StatusRequestEntityTooLarge)
			return
		}
		if extension == "" {
			extension = path.Ext(part.FileName())
		}
		// The service treats a part without a file name as a form value. It
		// responds with an id and stores nothing.
		f := s.newFile(extension, body, part.FileName() != "")
		writeJSON(w, http.StatusOK, obj("file_id", f.id, "presigned_url", nil))
		return
	}
}

func (s *Server) uploadPresigned(w http.ResponseWriter, extension string) {
	f := s.newFile(extension, nil, false)
	s.mu.Lock()
	at := "/uploads/" + strings.TrimPrefix(f.id, filePrefix)
	s.puts[at] = f
	url := s.link(http.MethodPut, at)
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, obj("file_id", f.id, "presigned_url", url))
}

const filePrefix = "reducto://"

func (s *Server) newFile(extension string, body []byte, stored bool) *file {
	if extension != "" && !strings.HasPrefix(extension, ".") {
		extension = "." + extension
	}
	f := &file{id: filePrefix + uuid.NewString() + extension, body: body, stored: stored, created: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[f.id] = f
	return f
}

// uploaded returns an upload that is stored and not expired.
func (s *Server) uploaded(id string) ([]byte, *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[id]
	if f == nil || !f.stored || time.Since(f.created) >= s.cfg.uploadTTL {
		return nil, nil
	}
	return f.body, f
}

// serveDeleteUpload serves DELETE /upload/{file_id}.
func (s *Server) serveDeleteUpload(w http.ResponseWriter, id string) {
	s.mu.Lock()
	f := s.files[id]
	found := f != nil && time.Since(f.created) < s.cfg.uploadTTL
	delete(s.files, id)
	s.mu.Unlock()
	if !found {
		newAPIError("NOT_FOUND", "File not found").write(w)
		return
	}
	writeJSON(w, http.StatusOK, obj("file_id", id))
}

// PutFile stores a file like an upload and returns its id, "reducto://…". The id has
// the extension of name.
func (s *Server) PutFile(name string, body []byte) (fileID string) {
	return s.newFile(path.Ext(name), append([]byte{}, body...), true).id
}

// PutDocument sets the document at an http or https URL, for jobs with this input.
// Without it the document is a generated text that names the host and the path. A nil
// body makes the download fail.
func (s *Server) PutDocument(url string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.documents[url] = body
}
