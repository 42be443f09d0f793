package dashboard_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/dashboard"
)

// stream is a browser's stream of events, in memory.
type stream struct {
	lines  *bufio.Scanner
	cancel context.CancelFunc
	ended  chan struct{}
	header http.Header
}

// pipeWriter is a http.ResponseWriter that can be flushed.
type pipeWriter struct {
	*io.PipeWriter
	header http.Header
	status int
}

func (w *pipeWriter) Header() http.Header { return w.header }
func (w *pipeWriter) WriteHeader(s int)   { w.status = s }
func (w *pipeWriter) Flush()              {}

func (s *site) stream() *stream {
	ctx, cancel := context.WithCancel(context.Background())
	r, out := io.Pipe()
	w := &pipeWriter{PipeWriter: out, header: http.Header{}}
	st := &stream{lines: bufio.NewScanner(r), cancel: cancel, ended: make(chan struct{}), header: w.header}
	go func() {
		defer close(st.ended)
		s.dash.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/live", nil).WithContext(ctx))
		_ = out.Close()
	}()
	return st
}

// event returns the next event that is not a heartbeat: its name and its data.
func (st *stream) event() (name, data string) {
	for st.lines.Scan() {
		line := st.lines.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			name = strings.TrimPrefix(line, "event: ")
		case strings.HasPrefix(line, "data: "):
			data += strings.TrimPrefix(line, "data: ") + "\n"
		case line == "" && name != "":
			return name, data
		}
	}
	return "", ""
}

func TestLiveSendsEachSample(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dashboard.Options{})
		st := s.stream()
		name, data := st.event()
		assert.Equal(t, "stats", name)
		assert.Contains(t, data, "<svg")
		assert.Equal(t, "text/event-stream", st.header.Get("Content-Type"))
		s.finish("job", inbox.StateDead)
		began := time.Now()
		name, data = st.event()
		assert.Equal(t, "stats", name)
		assert.Contains(t, data, "<strong>1</strong>")
		assert.LessOrEqual(t, time.Since(began), 6*time.Second)
		name, data = st.event()
		assert.Equal(t, "news", name)
		assert.Equal(t, "1 dead records.\n", data)
		s.store.setFail(errors.New("gone"))
		name, data = st.event()
		assert.Equal(t, "failed", name)
		assert.Equal(t, "The store does not answer.\n", data)
		s.store.setFail(nil)
		name, _ = st.event()
		assert.Equal(t, "stats", name)
		st.cancel()
		st.drain()
		<-st.ended
		s.dash.Close()
	})
}

// drain reads what a stream still sends.
func (st *stream) drain() {
	for st.lines.Scan() {
	}
}

func TestLiveEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *site, st *stream){
		"with the dashboard": func(s *site, _ *stream) { s.dash.Close() },
		"with its request":   func(_ *site, st *stream) { st.cancel() },
		"after ten minutes":  func(*site, *stream) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, dashboard.Options{})
				st := s.stream()
				st.event()
				began := time.Now()
				end(s, st)
				st.drain()
				<-st.ended
				assert.LessOrEqual(t, time.Since(began), 10*time.Minute)
				st.cancel()
				s.dash.Close()
			})
		})
	}
}

func TestLiveHasALimitOfStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dashboard.Options{})
		var open []*stream
		for range 32 {
			st := s.stream()
			st.event()
			open = append(open, st)
		}
		w := s.do(httptest.NewRequest(http.MethodGet, "/live", nil))
		assert.Equal(t, 503, w.Code)
		assert.Equal(t, "60", w.Header().Get("Retry-After"))
		open[0].cancel()
		open[0].drain()
		<-open[0].ended
		another := s.stream()
		name, _ := another.event()
		assert.Equal(t, "stats", name)
		s.dash.Close()
		for _, st := range append(open[1:], another) {
			st.drain()
			<-st.ended
		}
	})
}

// Counting stops when no page has been open for a while, and starts again.
func TestCountingStopsWithoutVisitors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dashboard.Options{})
		s.get("/", 200)
		time.Sleep(15 * time.Minute)
		counted := s.store.stats.Load()
		assert.InDelta(t, 181, counted, 3)
		time.Sleep(time.Hour)
		assert.LessOrEqual(t, s.store.stats.Load(), counted+2)
		page := s.get("/", 200)
		synctest.Wait()
		assert.Contains(t, page, "Last 20 minutes")
		time.Sleep(time.Minute)
		assert.Greater(t, s.store.stats.Load(), counted+10)
		s.dash.Close()
	})
}

// A store that counts slowly is asked less often, and no page waits for it.
func TestPagesDoNotWaitForASlowCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dashboard.Options{})
		s.store.slow.Store(int64(2 * time.Second))
		began := time.Now()
		assert.Contains(t, s.get("/", 200), "The records are being counted.")
		assert.Less(t, time.Since(began), 100*time.Millisecond)
		time.Sleep(3 * time.Second)
		assert.NotContains(t, s.get("/", 200), "being counted")
		time.Sleep(10 * time.Minute)
		assert.InDelta(t, 15, s.store.stats.Load(), 2)
		s.dash.Close()
	})
}

// http.Server.Shutdown waits for all requests, so streams have to end.
func TestLiveEndsWhenItsServerShutsDown(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	server := httptest.NewServer(s.dash)
	t.Cleanup(server.Close)
	for range 2 { // of one server
		resp, err := server.Client().Get(server.URL + "/live")
		require.NoError(t, err)
		t.Cleanup(func() { _ = resp.Body.Close() })
		line, err := bufio.NewReader(resp.Body).ReadString('\n')
		require.NoError(t, err)
		assert.NotEmpty(t, line)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, server.Config.Shutdown(ctx))
}
