package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// submitTimeout bounds a submission, retries included. It goes on when the caller
// has gone: given up half-way, nobody could tell whether there is a job.
const submitTimeout = time.Minute

// metadata travels with a submission and comes back in its webhook.
type metadata struct {
	Name      string `json:"name"`
	Reference string `json:"reference,omitzero"`
}

// postDocument uploads the file of a form and submits it. The query's reference is
// the caller's own name for the document, and is kept with the result.
func (s *service) postDocument(w http.ResponseWriter, r *http.Request) {
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	default:
		w.Header().Set("Retry-After", "5")
		writeError(w, http.StatusServiceUnavailable, "too many documents are on their way: try again")
		return
	}
	reference := r.URL.Query().Get("reference")
	if len(reference) > 200 {
		writeError(w, http.StatusBadRequest, "the reference is longer than 200 bytes")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, s.cfg.maxUpload)
	file, err := fileOf(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	// The form does not say how large the file is, so it is copied to a temporary file
	// on its way: the disk needs room for -max-uploads of -max-upload.
	upload, err := s.client.Upload(r.Context(), file.FileName(), file, reducto.UploadOptions{})
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), submitTimeout)
	defer cancel()
	job, err := s.client.ParseAsync(ctx, reducto.ParseRequest{
		Input: reducto.FromUpload(upload),
		Async: reducto.Async{Metadata: metadata{Name: file.FileName(), Reference: reference}},
	})
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.log.InfoContext(ctx, "submitted", slog.String("job_id", job.JobID),
		slog.String("submission_id", job.SubmissionID), slog.Int64("bytes", upload.Size))
	location := "/documents/" + url.PathEscape(job.JobID)
	w.Header().Set("Location", location)
	writeJSON(w, http.StatusAccepted, map[string]string{"id": job.JobID, "location": location})
}

var errNoFile = errors.New(`the form has no file: send one as the field "file"`)

// fileOf finds the file in a form, without reading it.
func fileOf(r *http.Request) (*multipart.Part, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	for {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil, errNoFile
		case err != nil:
			return nil, err
		case part.FormName() == "file" && part.FileName() != "":
			return part, nil
		}
	}
}

// getDocument answers with the summary of a job.
//
// Whoever has the token may ask for any document: a service with callers that must
// not see each other's has to remember whose they are.
func (s *service) getDocument(w http.ResponseWriter, r *http.Request) {
	summary, err := s.document(r.Context(), r.PathValue("id"))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, summary)
}

// document is what is kept of a job, or, until there is that, how it stands. Nobody
// is asked but the disk: the inbox hears of every job by itself.
func (s *service) document(ctx context.Context, jobID string) (*summary, error) {
	kept, err := s.archive.get(jobID)
	if !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}
	for r, err := range s.receiver.inbox.List(ctx, webhook.Filter{JobID: jobID, Limit: 1}) {
		switch {
		case err != nil:
			return nil, err
		case r.State == webhook.StateDead:
			return &summary{ID: jobID, Status: reducto.JobStatusFailed, Reason: "its result could not be kept"}, nil
		case r.State == webhook.StateDone:
			return s.archive.get(jobID) // since just now
		}
		return &summary{ID: jobID, Status: reducto.JobStatusPending}, nil
	}
	return nil, reducto.ErrNotFound
}

// getText answers with the text of a document that was parsed.
func (s *service) getText(w http.ResponseWriter, r *http.Request) {
	if _, err := s.archive.get(r.PathValue("id")); err != nil {
		writeError(w, http.StatusNotFound, "there is no text, or not yet")
		return
	}
	text, err := s.archive.openText(r.PathValue("id"))
	if err != nil {
		writeError(w, http.StatusNotFound, "there is no text")
		return
	}
	defer text.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	http.ServeContent(w, r, "", time.Time{}, text)
}

// refuse answers an error. What went wrong between this service and Reducto is
// logged; the caller is told what is his to know.
func (s *service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	tooLarge, isTooLarge := errors.AsType[*http.MaxBytesError](err)
	unknown, isUnknown := errors.AsType[*reducto.UnknownOutcomeError](err)
	switch {
	case isTooLarge:
		writeError(w, http.StatusRequestEntityTooLarge, "the document is larger than "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes")
		return
	case errors.Is(err, http.ErrNotMultipart), errors.Is(err, http.ErrMissingBoundary):
		writeError(w, http.StatusUnsupportedMediaType, "send a form: multipart/form-data")
		return
	case errors.Is(err, errNoFile):
		writeError(w, http.StatusBadRequest, err.Error())
		return
	case errors.Is(err, reducto.ErrEmptyUpload):
		writeError(w, http.StatusBadRequest, "the document is empty")
		return
	case errors.Is(err, reducto.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		writeError(w, http.StatusNotFound, "there is no such document, or no longer")
		return
	case r.Context().Err() != nil:
		return // nobody listens
	}

	s.log.ErrorContext(r.Context(), "request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	switch {
	case isUnknown:
		// The caller must not simply try again: there may be a job, which would be
		// processed and paid twice.
		writeJSON(w, http.StatusBadGateway, map[string]string{
			"error":         "nobody can tell whether the document was accepted",
			"submission_id": unknown.SubmissionID,
		})
	case errors.Is(err, reducto.ErrRateLimited), errors.Is(err, reducto.ErrUnavailable):
		after := time.Minute
		if api, ok := errors.AsType[*reducto.APIError](err); ok && api.RetryAfter > 0 {
			after = api.RetryAfter
		}
		w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
		writeError(w, http.StatusServiceUnavailable, "documents cannot be processed now: try again later")
	case errors.Is(err, reducto.ErrInvalidRequest):
		writeError(w, http.StatusUnprocessableEntity, "the document cannot be processed")
	default:
		writeError(w, http.StatusBadGateway, "the document could not be submitted")
	}
}

func writeError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]string{"error": text})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a caller that is gone
}
