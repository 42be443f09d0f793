package dashboard

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	// maxStreams is how many pages can be live at a time. The others show the state at
	// which they were loaded.
	maxStreams = 32
	// heartbeatEvery keeps proxies from closing a stream without events.
	heartbeatEvery = 15 * time.Second
	// streamLife is how long a stream lasts. The page opens another one, which is
	// authorized again.
	streamLife = 10 * time.Minute
	// streamTimeout is how long a browser may take to receive an event.
	streamTimeout = 10 * time.Second
)

// streams are the open streams of events.
type streams struct {
	open atomic.Int64

	mu      sync.Mutex
	servers map[*http.Server]chan struct{} // closed when the server shuts down
}

// shutdown returns a channel that is closed when the request's server shuts down. The
// server waits for all requests then, so a stream must end.
func (s *streams) shutdown(r *http.Request) <-chan struct{} {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.servers[server]; ch != nil {
		return ch
	}
	if s.servers == nil {
		s.servers = map[*http.Server]chan struct{}{}
	}
	ch := make(chan struct{})
	s.servers[server] = ch
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(ch) }))
	return ch
}

// liveData is the part of the overview that changes.
type liveData struct {
	Stats    inbox.Stats
	States   []inbox.State
	Charts   []chart
	Problems []string
	Expiring bool // a job expires soon
	Unknown  bool // there is no count yet
	At       time.Time
	Window   string        // the time that the charts show
	Counting time.Duration // how long the count took
}

// expiresSoon is the time before the next expiry from which on the page warns.
const expiresSoon = 2 * time.Hour

func liveOf(v sample, list []sample) liveData {
	d := liveData{Stats: v.stats, States: states, At: v.at, Charts: charts(list, v.at), Counting: v.took}
	d.Window = fmt.Sprintf("Last %d minutes", int(window(list, v.at).Minutes()))
	d.Expiring = v.stats.Store.OldestUnfinished > 0 && v.stats.NextExpiry < expiresSoon
	d.Unknown = v.at.IsZero()
	if v.health != nil {
		d.Problems = strings.Split(v.health.Error(), "\n")
	}
	return d
}

// overview shows what happens now.
func (h *Handler) overview(w http.ResponseWriter, r *http.Request) {
	v := h.visit(sampleWait)
	if v.err != nil {
		h.storeFailed(w, r, v.err)
		return
	}
	dead, err := h.page(r.Context(), inbox.Filter{States: []inbox.State{inbox.StateDead}, Newest: true, WithoutMetadata: true, Limit: 5})
	if err != nil {
		h.storeFailed(w, r, err)
		return
	}
	list, _ := h.samples.all()
	h.show(w, r, http.StatusOK, "overview", view{Page: "overview", Heading: "Overview", Data: struct {
		Live liveData
		Dead []inbox.Record
	}{liveOf(v, list), dead}})
}

// live sends the changing part of the overview as server-sent events.
func (h *Handler) live(w http.ResponseWriter, r *http.Request) {
	if h.streams.open.Add(1) > maxStreams {
		h.streams.open.Add(-1)
		w.Header().Set("Retry-After", "60")
		http.Error(w, fmt.Sprintf("%d pages are live already: close some", maxStreams), http.StatusServiceUnavailable)
		return
	}
	defer h.streams.open.Add(-1)
	h.visit(0)
	shutdown := h.streams.shutdown(r)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep events back
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	out := http.NewResponseController(w)
	send := func(text []byte) bool {
		_ = out.SetWriteDeadline(time.Now().Add(streamTimeout)) // some writers have none
		if _, err := w.Write(text); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	life := time.NewTimer(streamLife)
	defer life.Stop()
	beat := time.NewTicker(heartbeatEvery)
	defer beat.Stop()
	before := sample{}
	for {
		list, changed := h.samples.all()
		event := []byte(": alive\n\n")
		if n := len(list); n > 0 && !list[n-1].at.Equal(before.at) {
			event = h.event(list, before)
			before = list[n-1]
		}
		if !send(event) {
			return
		}
		select {
		case <-changed:
		case <-beat.C:
		case <-life.C:
			return
		case <-r.Context().Done():
			return
		case <-h.ctx.Done():
			return
		case <-shutdown:
			return
		}
	}
}

// event returns the events of the last sample. before is the sample that was sent before.
func (h *Handler) event(list []sample, before sample) []byte {
	v := list[len(list)-1]
	var out, page bytes.Buffer
	if v.err != nil {
		writeEvent(&out, "failed", "The store does not answer.")
		return out.Bytes()
	}
	if err := h.pages.templates["overview"].ExecuteTemplate(&page, "live", liveOf(v, list)); err != nil {
		return []byte(": failed\n\n")
	}
	writeEvent(&out, "stats", page.String())
	if text := news(before, v); text != "" {
		writeEvent(&out, "news", text)
	}
	return out.Bytes()
}

// news returns what a screen reader says about a sample, or nothing. Not every change of
// a number is worth an interruption.
func news(before, now sample) string {
	if before.at.IsZero() {
		return ""
	}
	var list []string
	if a, b := before.stats.Store.Count[inbox.StateDead], now.stats.Store.Count[inbox.StateDead]; a != b {
		list = append(list, fmt.Sprintf("%d dead records.", b))
	}
	switch {
	case before.health == nil && now.health != nil:
		list = append(list, "There is a problem: "+now.health.Error())
	case before.health != nil && now.health == nil:
		list = append(list, "The problem is over.")
	}
	return strings.Join(list, " ")
}

func writeEvent(out *bytes.Buffer, name, data string) {
	fmt.Fprintf(out, "event: %s\n", name)
	data = strings.ReplaceAll(data, "\r", " ") // would end the line as well
	for line := range strings.Lines(data) {
		fmt.Fprintf(out, "data: %s\n", strings.TrimRight(line, "\n"))
	}
	out.WriteString("\n")
}
