package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

var (
	states   = []inbox.State{inbox.StatePending, inbox.StateReceived, inbox.StateClaimed, inbox.StateDone, inbox.StateDead}
	outcomes = []webhook.Outcome{
		webhook.OutcomeCompleted, webhook.OutcomeFailed, webhook.OutcomeCancelled, webhook.OutcomeExpired, webhook.OutcomeUnknown,
	}
	types = []reducto.JobType{
		reducto.JobTypeParse, reducto.JobTypeExtract, reducto.JobTypeSplit, reducto.JobTypePipeline, reducto.JobTypeEdit, reducto.JobTypeClassify,
	}
)

// records shows a list of records, or of the dead ones.
func (h *Handler) records(w http.ResponseWriter, r *http.Request, dead bool) {
	h.visit(sampleWait)
	q := parseQuery(r.URL.Query())
	v := view{Page: "records", Heading: "Records", Notice: noticeOf(r)}
	if dead {
		v.Page, v.Heading, q.State = "dead", "Dead records", inbox.StateDead
	}
	data := struct {
		found
		Query    query
		Dead     bool
		States   []inbox.State
		Outcomes []webhook.Outcome
		Types    []reducto.JobType
		Wrong    string
		Pages    string // the address of the next page
	}{Query: q, Dead: dead, States: states, Outcomes: outcomes, Types: types, Wrong: q.wrong}
	status := http.StatusOK
	if q.wrong != "" {
		status = http.StatusBadRequest
	} else {
		var err error
		if data.found, err = h.search(r.Context(), q, pageSize); err != nil {
			h.storeFailed(w, r, err)
			return
		}
	}
	if dead {
		data.Query.State = "" // the page's own
	}
	if data.Next != "" {
		data.Pages = data.Query.Next(data.Next)
	}
	v.Data = data
	h.show(w, r, status, "records", v)
}

// maxMetadata is how much of the metadata a page shows.
const maxMetadata = 64 << 10

// record shows one record, found by its key, or by a job.
func (h *Handler) record(w http.ResponseWriter, r *http.Request) {
	h.visit(0)
	f := inbox.Filter{Keys: []string{r.URL.Query().Get("key")}, Limit: 1}
	if job := r.URL.Query().Get("job"); job != "" {
		f = inbox.Filter{JobID: job, Limit: 1}
	}
	list, err := h.page(r.Context(), f)
	if err != nil {
		h.storeFailed(w, r, err)
		return
	}
	if len(list) == 0 {
		h.fail(w, r, http.StatusNotFound, "There is no such record. Records are removed some time after they are done or dead: see inbox.WithDoneRetention.", nil)
		return
	}
	record := list[0]
	history, err := h.in.History(r.Context(), record.Key)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		h.storeFailed(w, r, err)
		return
	}
	data := struct {
		Record     inbox.Record
		Events     []event
		HasHistory bool
		Metadata   string
		NoMetadata bool // it is not shown
	}{record, timeline(record, history), len(history) > 0, safe.Head(indented(record.Metadata), maxMetadata), !h.opts.Metadata}
	h.show(w, r, http.StatusOK, "record", view{Page: "record", Heading: "Record", Notice: noticeOf(r), Data: data})
}

func indented(metadata json.RawMessage) string {
	var text bytes.Buffer
	if len(metadata) > maxMetadata || json.Indent(&text, metadata, "", "  ") != nil {
		return string(metadata)
	}
	return text.String()
}

// event is an entry of a timeline.
type event struct {
	At     time.Time
	Since  time.Duration // since the event before
	Kind   string        // as the style has it
	Title  string
	Detail string
	Code   int // of the answer to a delivery
	JobID  string
	Next   bool // it has not happened yet
}

// titles of the kinds of entries. %d is the attempt.
var titles = map[inbox.HistoryKind]string{
	inbox.HistorySubmitted: "Submission recorded",
	inbox.HistoryBound:     "API answered",
	inbox.HistoryDelivered: "Delivery accepted",
	inbox.HistoryDuplicate: "Duplicate delivery",
	inbox.HistoryRefused:   "Delivery refused",
	inbox.HistoryPolled:    "End of the job found by polling",
	inbox.HistoryClaimed:   "Attempt %d began",
	inbox.HistoryReleased:  "Given back without an attempt",
	inbox.HistoryFailed:    "Attempt %d failed",
	inbox.HistoryFenced:    "Attempt %d lost its lease",
	inbox.HistoryDone:      "Done",
	inbox.HistoryDead:      "Dead: the Inbox gave up",
	inbox.HistoryReplayed:  "Replayed",
}

func titleOf(kind inbox.HistoryKind, attempt int) string {
	title := titles[kind]
	switch {
	case title == "":
		return string(kind)
	case !strings.Contains(title, "%d"):
		return title
	case attempt == 0:
		return strings.ReplaceAll(title, " %d", "")
	}
	return fmt.Sprintf(title, attempt)
}

// timeline returns the life of a record. Where the history has no entry, the times of the
// record stand.
func timeline(r inbox.Record, history []inbox.HistoryEntry) []event {
	var list []event
	has := map[inbox.HistoryKind]bool{}
	for _, e := range history {
		has[e.Kind] = true
		list = append(list, event{
			At: e.At, Kind: string(e.Kind), Title: titleOf(e.Kind, e.Attempt), Detail: e.Detail, Code: e.StatusCode, JobID: e.JobID,
		})
	}
	add := func(at time.Time, kind inbox.HistoryKind, detail string, others ...inbox.HistoryKind) {
		if !at.IsZero() && !slices.ContainsFunc(append(others, kind), func(k inbox.HistoryKind) bool { return has[k] }) {
			list = append(list, event{At: at, Kind: string(kind), Title: titleOf(kind, 0), Detail: detail})
		}
	}
	add(r.SubmittedAt, inbox.HistorySubmitted, "")
	heard := inbox.HistoryDelivered
	if r.Source == inbox.SourcePoll {
		heard = inbox.HistoryPolled
	}
	add(r.ReceivedAt, heard, string(r.Status), inbox.HistoryDelivered, inbox.HistoryPolled)
	end := inbox.HistoryDone
	if r.State == inbox.StateDead {
		end = inbox.HistoryDead
	}
	add(r.FinishedAt, end, r.Error)
	slices.SortStableFunc(list, func(a, b event) int { return a.At.Compare(b.At) })
	for i := 1; i < len(list); i++ {
		list[i].Since = list[i].At.Sub(list[i-1].At)
	}
	next := map[inbox.State]string{
		inbox.StatePending:  "The API is polled for the job's end",
		inbox.StateReceived: "The function is called",
		inbox.StateClaimed:  "The lease ends, unless it is renewed",
	}[r.State]
	if next != "" && !r.DueAt.IsZero() {
		list = append(list, event{At: r.DueAt, Kind: "next", Title: next, Next: true})
	}
	return list
}
