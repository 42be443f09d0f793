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
	"github.com/reducto-go/reducto/webhook/inbox"
)

// submitTimeout limits a submission with its retries. The submission goes on if the
// caller disconnects. If it were cancelled, it would be unknown whether there is a job.
const submitTimeout = time.Minute

// metadata goes to Reducto with a submission, and comes back in its webhook.
type metadata struct {
	Name      string `json:"name"`
	Reference string `json:"reference,omitzero"`
}

// postDocument uploads the file of a form and submits it. The query parameter
// reference is the caller's name for the document. The service keeps it.
func (s *service) postDocument(w http.ResponseWriter, r *http.Request) {
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	default:
		w.Header().Set("Retry-After", "5")
		writeError(w, http.StatusServiceUnavailable, "too many uploads at a time: try again")
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
	// A form does not have the file's size, so Upload copies the file to a temporary one.
	// The disk needs room for -max-uploads times -max-upload.
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

var errNoFile = errors.New(`the form has no file: send it as the field "file"`)

// fileOf returns the file in a form. It does not read the file.
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
// A caller with the token can read all documents. If your callers must not see each
// other's documents, record the owner of each.
func (s *service) getDocument(w http.ResponseWriter, r *http.Request) {
	summary, err := s.document(r.Context(), r.PathValue("id"))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, summary)
}

// document returns the summary of a job, or its status if it has not ended. It does
// not call the API, because the Inbox learns how each job ends.
func (s *service) document(ctx context.Context, jobID string) (*summary, error) {
	kept, err := s.archive.get(jobID)
	if !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}
	r, err := s.receiver.inbox.Get(ctx, jobID)
	_, badID := errors.AsType[*reducto.RequestError](err)
	switch {
	case badID:
		return nil, reducto.ErrNotFound
	case err != nil:
		return nil, err
	case r.State == inbox.StateDead:
		return &summary{ID: jobID, Status: reducto.JobStatusFailed, Reason: "its result could not be kept"}, nil
	case r.State == inbox.StateDone:
		return s.archive.get(jobID) // the function has just written it
	}
	return &summary{ID: jobID, Status: reducto.JobStatusPending}, nil
}

// getText answers with the text of a document.
func (s *service) getText(w http.ResponseWriter, r *http.Request) {
	if _, err := s.archive.get(r.PathValue("id")); err != nil {
		writeError(w, http.StatusNotFound, "the document has no text, or is not parsed yet")
		return
	}
	text, err := s.archive.openText(r.PathValue("id"))
	if err != nil {
		writeError(w, http.StatusNotFound, "the document has no text")
		return
	}
	defer text.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	http.ServeContent(w, r, "", time.Time{}, text)
}

// refuse answers a request that failed. It logs the errors of Reducto, and does not
// show them to the caller.
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
		writeError(w, http.StatusNotFound, "no such document")
		return
	case r.Context().Err() != nil:
		return // the caller is gone
	}

	s.log.ErrorContext(r.Context(), "request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	switch {
	case isUnknown:
		// There may be a job. If the caller sent the document again, it could be processed
		// and paid for twice.
		writeJSON(w, http.StatusBadGateway, map[string]string{
			"error":         "it is unknown whether the document was accepted",
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
	_, _ = w.Write(append(body, '\n')) // an error means that the caller is gone
}
