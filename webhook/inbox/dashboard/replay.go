package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	// maxForm is the largest form in bytes, and maxKeys how many records one can name.
	maxForm = 64 << 10
	maxKeys = 100
	// replayTime is how long one request replays records. The page then has a button to go
	// on.
	replayTime = 3 * time.Second
)

// replay queues dead records again: one of a list, those that are checked, or all that
// match a query.
func (h *Handler) replay(w http.ResponseWriter, r *http.Request) {
	h.visit(0)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		h.fail(w, r, http.StatusBadRequest, "The form cannot be read.", nil)
		return
	}
	if r.PostForm.Get("what") == "all" {
		h.replayAll(w, r)
		return
	}
	keys := r.PostForm["key"]
	if one := r.PostForm.Get("one"); one != "" {
		keys = []string{one}
	}
	switch {
	case len(keys) == 0:
		h.back(w, r, "none", 0)
		return
	case len(keys) > maxKeys:
		h.fail(w, r, http.StatusBadRequest, fmt.Sprintf("The form names more than %d records. Nothing was changed.", maxKeys), nil)
		return
	}
	n, err := h.replayKeys(r.Context(), keys)
	if err != nil {
		h.storeFailed(w, r, err)
		return
	}
	h.back(w, r, "replayed", n)
}

// replayKeys replays the records that are dead, and returns how many.
func (h *Handler) replayKeys(ctx context.Context, keys []string) (int, error) {
	if len(keys) == 0 {
		return 0, nil
	}
	dead, err := h.page(ctx, inbox.Filter{Keys: keys, States: []inbox.State{inbox.StateDead}, WithoutMetadata: true, Limit: len(keys)})
	if err != nil || len(dead) == 0 {
		return 0, err
	}
	keys = keys[:0:0]
	for _, r := range dead {
		keys = append(keys, r.Key)
	}
	n := len(keys)
	if err := h.in.Replay(ctx, keys...); err != nil && !errors.Is(err, inbox.ErrNotDead) {
		return 0, err
	} else if many, ok := err.(interface{ Unwrap() []error }); ok {
		n -= len(many.Unwrap()) // another request was faster
	}
	return n, nil
}

// replayAll asks for a confirmation, and then replays all dead records that match the
// query, for a limited time.
func (h *Handler) replayAll(w http.ResponseWriter, r *http.Request) {
	q := parseQuery(r.PostForm)
	q.State = ""
	data := struct {
		Query    query
		Hidden   url.Values
		Replayed int
		More     bool
	}{Query: q, Hidden: q.values()}
	if q.wrong != "" {
		h.fail(w, r, http.StatusBadRequest, q.wrong, nil)
		return
	}
	if r.PostForm.Get("confirmed") != "yes" {
		data.Query.After, data.Hidden = "", (query{ID: q.ID, Outcome: q.Outcome, Type: q.Type, From: q.From, To: q.To}).values()
		h.show(w, r, http.StatusOK, "confirm", view{Page: "dead", Heading: "Replay all that match", Data: data})
		return
	}
	q.State = inbox.StateDead
	for began := time.Now(); time.Since(began) < replayTime; {
		page, err := h.search(r.Context(), q, maxKeys)
		if err != nil {
			h.storeFailed(w, r, err)
			return
		}
		keys := make([]string, 0, len(page.Records))
		for _, record := range page.Records {
			keys = append(keys, record.Key)
		}
		n, err := h.replayKeys(r.Context(), keys)
		if err != nil {
			h.storeFailed(w, r, err)
			return
		}
		data.Replayed += n
		if q.After = page.Next; page.Next == "" {
			h.back(w, r, "replayed", data.Replayed)
			return
		}
	}
	q.State = ""
	data.Query, data.Hidden, data.More = q, q.values(), true
	h.show(w, r, http.StatusOK, "confirm", view{Page: "dead", Heading: "Replay all that match", Data: data})
}

// back sends the browser to a page, so that a reload does not send the form again.
func (h *Handler) back(w http.ResponseWriter, r *http.Request, what string, n int) {
	v := url.Values{what: {strconv.Itoa(n)}}
	to := "./dead?" + v.Encode()
	if key := r.PostForm.Get("record"); key != "" {
		v.Set("key", key)
		to = "./record?" + v.Encode()
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// noticeOf returns what a page says about the form that led to it.
func noticeOf(r *http.Request) string {
	q := r.URL.Query()
	if q.Has("none") {
		return "No record was selected."
	}
	n, err := strconv.Atoi(q.Get("replayed"))
	switch {
	case err != nil || n < 0:
		return ""
	case n == 0:
		return "No record was replayed: none of them is dead any more."
	case n == 1:
		return "1 record was queued again."
	}
	return count(n) + " records were queued again."
}
