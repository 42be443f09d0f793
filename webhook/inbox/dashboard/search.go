package dashboard

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/internal/fetch"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

const (
	// pageSize is how many records a page shows.
	pageSize = 50
	// scanBatch is how many records the store is asked for at a time if it cannot filter
	// them. scanMax and scanTime end a search. The page then has a link to go on, so that
	// no request is slow, however many records there are.
	scanBatch = 250
	scanMax   = 5000
	scanTime  = 60 * time.Millisecond
	// fewRecords is the number of records in a state up to which the store finds them
	// without reading all others.
	fewRecords = 2000
	// clockSlack is how much the clock of the process that made a submission's id can
	// differ from the store's.
	clockSlack = 5 * time.Minute
	// maxField is the longest value of a field in a form.
	maxField = 200
)

// query is what the form of a list asks for.
type query struct {
	ID      string
	State   inbox.State
	Outcome webhook.Outcome
	Type    reducto.JobType
	From    string
	To      string
	After   string

	from, to time.Time
	wrong    string // what cannot be understood
}

// timeForm is the form of an input of type datetime-local. Times are UTC.
const timeForm = "2006-01-02T15:04"

func parseQuery(v url.Values) query {
	get := func(name string) string { return safe.Head(strings.TrimSpace(v.Get(name)), maxField) }
	q := query{
		ID: get("id"), State: inbox.State(get("state")), Outcome: webhook.Outcome(get("outcome")), Type: reducto.JobType(get("type")),
		From: get("from"), To: get("to"), After: get("after"),
	}
	read := func(name, text string) (t time.Time) {
		if text == "" {
			return t
		}
		for _, form := range []string{timeForm, timeForm + ":05", time.RFC3339} {
			if t, err := time.Parse(form, text); err == nil {
				return t.UTC()
			}
		}
		q.wrong = fmt.Sprintf("%s is no time: use the form %s.", name, timeForm)
		return t
	}
	q.from, q.to = read("From", q.From), read("To", q.To)
	return q
}

// Values returns the query as it stands in an address.
func (q query) values() url.Values {
	v := url.Values{}
	for name, text := range map[string]string{
		"id": q.ID, "state": string(q.State), "outcome": string(q.Outcome), "type": string(q.Type), "from": q.From, "to": q.To, "after": q.After,
	} {
		if text != "" {
			v.Set(name, text)
		}
	}
	return v
}

// Next returns the address of the page after a key.
func (q query) Next(key string) string {
	q.After = key
	return "?" + q.values().Encode()
}

// Filtered reports whether the query selects.
func (q query) Filtered() bool {
	q.After = ""
	return q != query{}
}

// matches reports whether a record is selected.
func (q query) matches(r *inbox.Record) bool {
	began := r.SubmittedAt
	if began.IsZero() {
		began = r.ReceivedAt
	}
	return (q.State == "" || r.State == q.State) && (q.Outcome == "" || r.Outcome == q.Outcome) && (q.Type == "" || r.Type == q.Type) &&
		(q.from.IsZero() || !began.Before(q.from)) && (q.to.IsZero() || !began.After(q.to))
}

// found is a page of records.
type found struct {
	Records []inbox.Record
	Next    string // the key after which the next page begins, empty if there is none
	Cut     bool   // the search was ended before the page was full
	Scanned int
}

// page reads one page of the store.
func (h *Handler) page(ctx context.Context, f inbox.Filter) ([]inbox.Record, error) {
	f.WithoutMetadata = f.WithoutMetadata || !h.opts.Metadata
	list := make([]inbox.Record, 0, f.Limit)
	for r, err := range h.in.List(ctx, f) {
		if err != nil {
			return nil, err
		}
		if list = append(list, r); len(list) == f.Limit {
			break
		}
	}
	return list, nil
}

// search returns the records that a query selects, the newest first.
func (h *Handler) search(ctx context.Context, q query, size int) (found, error) {
	if q.ID != "" {
		return h.find(ctx, q)
	}
	f := inbox.Filter{After: q.After, Newest: true, WithoutMetadata: true, Limit: scanBatch}
	rest := q // what the store does not filter
	if q.State != "" && h.fewIn(q.State) {
		f.States, rest.State = []inbox.State{q.State}, ""
	}
	if rest.After = ""; rest == (query{}) {
		f.Limit = size + 1
	}
	// The ids of submissions have their time, so the search begins there.
	if start := keyAt(q.to.Add(clockSlack)); !q.to.IsZero() && (f.After == "" || f.After > start) {
		f.After = start
	}
	var page found
	began := time.Now()
	for {
		batch, err := h.page(ctx, f)
		if err != nil {
			return found{}, err
		}
		for i := range batch {
			r := &batch[i]
			if at, ok := fetch.MadeAt(r.Key); ok && !q.from.IsZero() && at.Before(q.from.Add(-clockSlack)) {
				return page, nil // all others are older
			}
			if len(page.Records) == size {
				if !rest.matches(r) {
					continue
				}
				page.Next = page.Records[size-1].Key
				return page, nil
			}
			page.Scanned++
			if rest.matches(r) {
				page.Records = append(page.Records, *r)
			}
		}
		if len(batch) < f.Limit {
			return page, nil
		}
		f.After = batch[len(batch)-1].Key
		if page.Scanned >= scanMax || time.Since(began) >= scanTime || len(page.Records) == size {
			page.Next, page.Cut = f.After, len(page.Records) < size
			return page, nil
		}
	}
}

// find returns the record that has an id, as its key or as one of its jobs.
func (h *Handler) find(ctx context.Context, q query) (found, error) {
	var page found
	for _, f := range []inbox.Filter{{Keys: []string{q.ID}, WithoutMetadata: true, Limit: 1}, {JobID: q.ID, WithoutMetadata: true, Limit: 1}} {
		list, err := h.page(ctx, f)
		if err != nil {
			return found{}, err
		}
		page.Records = append(page.Records, list...)
	}
	page.Records = slices.CompactFunc(page.Records, func(a, b inbox.Record) bool { return a.Key == b.Key })
	page.Records = slices.DeleteFunc(page.Records, func(r inbox.Record) bool { return !q.matches(&r) })
	return page, nil
}

// fewIn reports whether the store finds the records in a state fast: there are few, or it
// has an index of them. Otherwise there are so many that a search soon comes upon some.
func (h *Handler) fewIn(state inbox.State) bool {
	if state == inbox.StateDead || state == inbox.StateClaimed {
		return true
	}
	v, ok := h.samples.last() // it does not count done records
	return ok && state != inbox.StateDone && v.err == nil && v.stats.Store.Count[state] <= fewRecords
}

// keyAt returns a key after those of all submissions that were made before a time. Their
// ids are UUIDs of version 7, which begin with the milliseconds since 1970.
func keyAt(t time.Time) string {
	ms := fmt.Sprintf("%012x", max(t.UnixMilli(), 0))
	return ms[:8] + "-" + ms[8:12]
}
