package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/dashboard"
)

//go:embed web
var web embed.FS

var pages = template.Must(template.ParseFS(web, "web/*.html"))

const (
	maxDocument = 100 << 20 // bytes of an upload
	maxText     = 64 << 10  // bytes of a result that a page shows
	listedJobs  = 15
)

// handler serves the app, until stop.
func (a *devApp) handler() (_ http.Handler, stop func(), err error) {
	dash, err := dashboard.New(a.in, dashboard.Options{
		Authorize: dashboard.Public, Metadata: true, Title: "reducto-hooks dev",
		Links: []dashboard.Link{{Name: "Drop a document", URL: a.App}, {Name: "Faults", URL: a.App + "/#faults"}},
	})
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/dashboard/", dash)
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /documents", a.submit)
	mux.HandleFunc("GET /documents/{job}", a.document)
	mux.HandleFunc("POST /faults", a.changeFaults)
	mux.Handle("GET /web/", http.FileServerFS(web))
	mux.HandleFunc("POST /webhook", func(w http.ResponseWriter, r *http.Request) {
		s := &statusWriter{ResponseWriter: w, code: http.StatusOK}
		a.in.ServeHTTP(s, r)
		a.event("webhook", "", fmt.Sprintf("the app answered %d %s", s.code, http.StatusText(s.code)))
	})
	// Other sites cannot post here from the user's browser.
	return secured(http.NewCrossOriginProtection().Handler(mux)), dash.Close, nil
}

// secured forbids pages to load anything that is not the app's. It refuses requests of
// sites whose name resolves to this machine, as the dashboard does.
func secured(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		if dashboard.Public(r) != nil {
			http.Error(w, "use the address that the command prints, or localhost", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// statusWriter notes the status of a response.
type statusWriter struct {
	http.ResponseWriter
	code int
}

func (s *statusWriter) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// show renders a page, or its text for programs such as curl.
func (a *devApp) show(w http.ResponseWriter, r *http.Request, page string, data any, text string) {
	w.Header().Set("Vary", "Accept")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text)
		return
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, page, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = b.WriteTo(w)
}

// homeJob is a job in the list of the first page.
type homeJob struct{ ID, Type, Status, State string }

func (a *devApp) home(w http.ResponseWriter, r *http.Request) {
	all := a.srv.Jobs()
	var jobs []homeJob
	for _, j := range all[max(0, len(all)-listedJobs):] {
		h := homeJob{ID: j.ID, Type: j.Type, Status: j.Status}
		if record, err := a.in.Get(r.Context(), j.ID); err == nil {
			h.State = string(record.State)
		}
		jobs = append(jobs, h)
	}
	slices.Reverse(jobs)
	text := "reducto-hooks dev: a local Reducto, and an app that receives its webhooks.\n\n" +
		strings.Join(a.exports(), "\n") + "\n\n" + programNote + "\n\n" +
		a.parseCommand() + "\n" + a.uploadCommand() + "\n" + a.recordsCommand() + "\n"
	a.show(w, r, "home.html", map[string]any{
		"Place": a.place, "Exports": strings.Join(a.exports(), "\n"), "Note": programNote, "Commands": a.parseCommand() + "\n" + a.uploadCommand(), "Records": a.recordsCommand(),
		"Faults": a.currentFaults(), "DelaySeconds": strconv.FormatFloat(a.currentFaults().Delay.Seconds(), 'f', -1, 64), "Jobs": jobs,
	}, text)
}

func (a *devApp) changeFaults(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form is not valid", http.StatusBadRequest)
		return
	}
	f := faultFlags{Lose: r.PostForm.Has("lose"), Duplicate: r.PostForm.Has("duplicate"), Forge: r.PostForm.Has("forge"), Break: r.PostForm.Has("break")}
	if text := r.PostForm.Get("delay"); text != "" {
		d, err := time.ParseDuration(text + "s")
		if err != nil || d < 0 || d > time.Hour {
			http.Error(w, "the delay is not a number of seconds up to 3600", http.StatusBadRequest)
			return
		}
		f.Delay = d
	}
	a.setFaults(f)
	a.event("faults", "", fmt.Sprintf("lose=%t duplicate=%t forge=%t delay=%v break=%t", f.Lose, f.Duplicate, f.Forge, f.Delay, f.Break))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// submit uploads the document of a form, and submits it. The webhook announces the end.
func (a *devApp) submit(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxDocument)
	form, err := r.MultipartReader()
	if err != nil {
		http.Error(w, "send a form with the file in its field document", http.StatusBadRequest)
		return
	}
	part, err := documentIn(form)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, err := a.parse(r.Context(), part)
	if err != nil {
		code, text := http.StatusBadGateway, err.Error()
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			code, text = http.StatusRequestEntityTooLarge, fmt.Sprintf("the document is larger than %d MiB: choose a smaller one", maxDocument>>20)
		}
		a.event("submit", "", "failed: "+text)
		http.Error(w, text, code)
		return
	}
	http.Redirect(w, r, "/documents/"+id, http.StatusSeeOther)
}

func (a *devApp) parse(ctx context.Context, part *multipart.Part) (jobID string, err error) {
	upload, err := a.client.Upload(ctx, part.FileName(), part, reducto.UploadOptions{})
	if err != nil {
		return "", err
	}
	h, err := a.client.ParseAsync(ctx, reducto.ParseRequest{
		Input: reducto.FromUpload(upload),
		Async: reducto.Async{Metadata: map[string]string{"file": part.FileName()}},
	})
	if err != nil {
		return "", err
	}
	return h.JobID, nil
}

// documentIn returns the field document of a form.
func documentIn(form *multipart.Reader) (*multipart.Part, error) {
	for {
		part, err := form.NextPart()
		if err != nil {
			return nil, errors.New("the form has no file in its field document")
		}
		if part.FormName() == "document" && part.FileName() != "" {
			return part, nil
		}
	}
}

// document shows a job, its record and its text.
func (a *devApp) document(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("job")
	job, err := a.client.GetJob(r.Context(), id)
	if err != nil {
		code := http.StatusBadGateway
		if errors.Is(err, reducto.ErrNotFound) {
			code = http.StatusNotFound
		}
		http.Error(w, err.Error(), code)
		return
	}
	record, err := a.in.Get(r.Context(), id)
	if err != nil && !errors.Is(err, reducto.ErrNotFound) {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	ended := job.Status.Terminal() && (record.Key == "" || record.State == inbox.StateDone || record.State == inbox.StateDead)
	text := ""
	if ended {
		text = resultText(r.Context(), job)
	}
	data := struct {
		Place  place
		Job    *reducto.Job
		Reason string
		Record inbox.Record
		Text   string
		Ended  bool
	}{a.place, job, job.FailureReason(), record, text, ended}
	a.show(w, r, "document.html", data,
		fmt.Sprintf("job: %s\nstatus: %s\nrecord: %s\npage: %s/documents/%s\n\n%s\n", job.JobID, job.Status, record.State, a.App, job.JobID, text))
}

// resultText returns the beginning of a result as text.
func resultText(ctx context.Context, job *reducto.Job) string {
	var b strings.Builder
	switch result := job.Result.(type) {
	case nil:
	case *reducto.ParseResult:
		for block, err := range result.Blocks(ctx) {
			if err != nil {
				return b.String() + "\n" + err.Error()
			}
			if b.WriteString(block.Content + "\n\n"); b.Len() > maxText {
				break
			}
		}
	default:
		raw, err := json.MarshalIndent(result, "", "  ")
		if err != nil {
			return err.Error()
		}
		b.Write(raw)
	}
	if text := b.String(); len(text) > maxText {
		return strings.ToValidUTF8(text[:maxText], "") + " …"
	}
	return b.String()
}
