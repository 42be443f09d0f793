// Package dashboard shows an inbox.Inbox in a browser: what happens now, all records, the
// life of each record, and the dead records with Replay.
//
//	dash, err := dashboard.New(in, dashboard.Options{Authorize: mayOperate})
//	mux.Handle("/admin/inbox/", dash)
//
// It can be mounted below any prefix, with or without http.StripPrefix, because all of its
// links are relative. Your middleware stands before it as before any handler. It works
// without script, loads nothing from other hosts, and asks search engines to stay away.
//
// The dashboard never shows secrets or the content of documents. It shows metadata only
// with Options.Metadata. It shows the errors that your function returned, so do not put
// secrets into them. URLs in errors stand without their passwords and queries.
//
// The records are those of all processes on the store. Counters and rates are those of
// the process that serves the dashboard. Give the Inbox the option inbox.WithHistory:
// otherwise the page of a record shows only the times that the store keeps anyway.
package dashboard

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/loopback"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// Options configure a Handler.
type Options struct {
	// Authorize decides who may see the dashboard and replay records. It is called for
	// each request. If it returns an error, the request is answered 403, without the text
	// of the error. It is required. If your middleware decides, let it mark the context of
	// the request, and check the mark here. For programs on your own machine there is
	// Public.
	//
	// A user who may see records but not replay them may send GET and HEAD only. Check the
	// method and not the path: only its last segment names the page.
	Authorize func(*http.Request) error
	// Metadata shows the metadata of records, as text. Default: metadata is not shown,
	// because it is your users' data.
	Metadata bool
	// Title is the heading of all pages. Default: "Inbox".
	Title string
	// Links are further entries of the navigation.
	Links []Link
}

// Link is an entry of the navigation.
type Link struct {
	// Name is what the user reads, and URL where it leads.
	Name, URL string
}

// Public is an Options.Authorize that lets everyone see the dashboard and replay
// records. Use it only if the server listens on the loopback interface. It refuses
// requests to a host that is neither localhost nor an IP address, because a web page can
// let its own name resolve to 127.0.0.1 (DNS rebinding).
func Public(r *http.Request) error {
	if !loopback.Allowed(r) {
		return errors.New("dashboard: Public lets only requests to localhost or an IP address in: use a function of your own")
	}
	return nil
}

// Handler is the dashboard of an Inbox. It implements http.Handler. Call Close when you no
// longer serve it.
type Handler struct {
	in     *inbox.Inbox
	opts   Options
	pages  *pages
	origin *http.CrossOriginProtection

	ctx   context.Context // ended by Close
	close context.CancelFunc
	work  sync.WaitGroup // the goroutine that samples

	samples samples
	streams streams
}

// New returns the dashboard of an Inbox. The error is a *reducto.RequestError. It starts
// no goroutine: one counts the records while pages are open, and ends 15 minutes after
// the last request.
func New(in *inbox.Inbox, o Options) (*Handler, error) {
	const op = "dashboard.New"
	if in == nil {
		return nil, &reducto.RequestError{Op: op, Field: "the inbox", Reason: "it is nil"}
	}
	if o.Authorize == nil {
		return nil, &reducto.RequestError{Op: op, Field: "Options.Authorize", Reason: "it is nil: give a function that decides who may see the dashboard, or dashboard.Public for a program on your own machine"}
	}
	if o.Title == "" {
		o.Title = "Inbox"
	}
	p, err := parsePages()
	if err != nil {
		return nil, &reducto.RequestError{Op: op, Err: err}
	}
	h := &Handler{in: in, opts: o, pages: p, origin: http.NewCrossOriginProtection()}
	h.ctx, h.close = context.WithCancel(context.Background())
	return h, nil
}

// Close ends all streams and the goroutine that counts records. Later requests are
// answered 503. Streams also end when their http.Server shuts down.
func (h *Handler) Close() {
	h.samples.mu.Lock()
	h.close()
	h.samples.mu.Unlock()
	h.work.Wait()
}

// pageTimeout is how long a page may take.
const pageTimeout = 10 * time.Second

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Robots-Tag", "noindex, nofollow")
	header.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	name, known := pageName(r)
	if name != "live" {
		ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
		defer cancel()
		r = r.WithContext(ctx)
	}
	switch {
	case h.opts.Authorize(r) != nil:
		h.fail(w, r, http.StatusForbidden, "You may not see this page.", nil)
	case h.ctx.Err() != nil:
		h.fail(w, r, http.StatusServiceUnavailable, "The dashboard is closed.", nil)
	case !known:
		h.fail(w, r, http.StatusNotFound, "There is no such page.", nil)
	case r.Method == http.MethodPost && name == "replay":
		if err := h.origin.Check(r); err != nil {
			h.fail(w, r, http.StatusForbidden, "The request came from another site. Nothing was changed.", nil)
			return
		}
		h.replay(w, r)
	case name == "replay":
		header.Set("Allow", http.MethodPost)
		h.fail(w, r, http.StatusMethodNotAllowed, "This address takes only forms.", nil)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		h.fail(w, r, http.StatusMethodNotAllowed, "This page can only be read.", nil)
	case name == slash:
		redirectToSlash(w, r)
	default:
		h.get(w, r, name)
	}
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request, name string) {
	switch name {
	case "":
		h.overview(w, r)
	case "records":
		h.records(w, r, false)
	case "dead":
		h.records(w, r, true)
	case "record":
		h.record(w, r)
	case "live":
		h.live(w, r)
	default:
		h.pages.asset(w, r, name)
	}
}

// storeFailed answers a request whose call of the store failed.
func (h *Handler) storeFailed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return // the browser has gone away
	}
	w.Header().Set("Retry-After", "5")
	h.fail(w, r, http.StatusServiceUnavailable, "The store does not answer. Deliveries are answered 503 while it fails, and Reducto sends them again.", err)
}
