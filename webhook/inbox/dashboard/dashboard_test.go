package dashboard_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/dashboard"
)

// attack is in everything that a test writes into records.
const attack = `<script>alert("x")</script>`

// testStore is a MemoryStore that can fail, and that is not volatile.
type testStore struct {
	*inbox.MemoryStore
	fail  atomic.Pointer[error]
	stats atomic.Int64 // how often records were counted
	slow  atomic.Int64 // how long counting takes
	lists atomic.Int64 // how long a list takes
}

func (s *testStore) setFail(err error) {
	if s.fail.Store(&err); err == nil {
		s.fail.Store(nil)
	}
}

func (s *testStore) Capabilities() inbox.Capabilities { return inbox.Capabilities{} }

func (s *testStore) List(ctx context.Context, f inbox.Filter) ([]inbox.Record, error) {
	time.Sleep(time.Duration(s.lists.Load()))
	if err := s.fail.Load(); err != nil {
		return nil, *err
	}
	return s.MemoryStore.List(ctx, f)
}

func (s *testStore) Stats(ctx context.Context) (inbox.StoreStats, error) {
	s.stats.Add(1)
	time.Sleep(time.Duration(s.slow.Load()))
	if err := s.fail.Load(); err != nil {
		return inbox.StoreStats{}, *err
	}
	return s.MemoryStore.Stats(ctx)
}

func (s *testStore) History(ctx context.Context, key string) ([]inbox.HistoryEntry, error) {
	if err := s.fail.Load(); err != nil {
		return nil, *err
	}
	return s.MemoryStore.History(ctx, key)
}

type site struct {
	t     *testing.T
	store *testStore
	in    *inbox.Inbox
	dash  *dashboard.Handler
}

func newSite(t *testing.T, o dashboard.Options) *site {
	t.Helper()
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	require.NoError(t, err)
	s := &site{t: t, store: &testStore{MemoryStore: inbox.NewMemoryStore()}}
	s.in, err = inbox.New(secret, s.store, func(context.Context, *webhook.Delivery) error { return nil }, inbox.WithHistory())
	require.NoError(t, err)
	if o.Authorize == nil {
		o.Authorize = func(*http.Request) error { return nil } // httptest's host is example.com
	}
	s.dash, err = dashboard.New(s.in, o)
	require.NoError(t, err)
	t.Cleanup(s.dash.Close)
	return s
}

// submit makes a pending record. Its key is a UUID of version 7.
func (s *site) submit(job string) (key string) {
	s.t.Helper()
	key = uuid.Must(uuid.NewV7()).String()
	require.NoError(s.t, s.store.Submit(s.t.Context(), inbox.Submission{
		ID: key, Type: reducto.JobTypeParse, Webhook: true, PollAfter: time.Hour, Metadata: []byte(`{"order":"` + strings.ReplaceAll(attack, `"`, `\"`) + `"}`),
	}))
	require.NoError(s.t, s.store.Bind(s.t.Context(), inbox.Answer{SubmissionID: key, JobID: job, Jobs: 1}))
	return key
}

// finish makes a record of a job done or dead.
func (s *site) finish(job string, state inbox.State) (key string) {
	s.t.Helper()
	key = s.submit(job)
	_, err := s.store.Receive(s.t.Context(), []inbox.Notification{{
		JobID: job, SubmissionID: key, Status: "Completed", Outcome: webhook.OutcomeCompleted, Source: inbox.SourceWebhook,
	}})
	require.NoError(s.t, err)
	claimed, _, err := s.store.Claim(s.t.Context(), 1, time.Hour)
	require.NoError(s.t, err)
	require.Len(s.t, claimed, 1)
	c := inbox.Completion{Lease: inbox.Lease{Key: key, Token: claimed[0].Token}, State: state, Attempt: 1}
	if state == inbox.StateDead {
		c.Error = "the function failed: " + attack
	}
	_, err = s.store.Finish(s.t.Context(), []inbox.Completion{c})
	require.NoError(s.t, err)
	return key
}

func (s *site) state(key string) inbox.State {
	s.t.Helper()
	list, err := s.store.MemoryStore.List(s.t.Context(), inbox.Filter{Keys: []string{key}})
	require.NoError(s.t, err)
	require.Len(s.t, list, 1)
	return list[0].State
}

func (s *site) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.dash.ServeHTTP(w, r)
	return w
}

// get returns a page, which must be answered with a status.
func (s *site) get(path string, status int) string {
	s.t.Helper()
	w := s.do(httptest.NewRequest(http.MethodGet, path, nil))
	require.Equal(s.t, status, w.Code, "%s: %s", path, w.Body)
	assert.NotContains(s.t, w.Body.String(), "<script>", path)
	return w.Body.String()
}

// counted returns the overview when the records have been counted.
func (s *site) counted(path string) (page string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		page = s.get(path, 200)
		return !strings.Contains(page, "being counted")
	}, 10*time.Second, time.Millisecond)
	return page
}

// post sends a form to the page of Replay, as a browser does.
func (s *site) post(form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/inbox/replay", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return s.do(r)
}

func TestNewRefusesWhatIsNotDecided(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	for want, err := range map[string]error{
		"the inbox: it is nil": func() error { _, err := dashboard.New(nil, dashboard.Options{Authorize: dashboard.Public}); return err }(),
		"Options.Authorize: it is nil: give a function that decides who may see the dashboard": func() error { _, err := dashboard.New(s.in, dashboard.Options{}); return err }(),
	} {
		var wrong *reducto.RequestError
		require.ErrorAs(t, err, &wrong)
		assert.Equal(t, "dashboard.New", wrong.Op)
		assert.ErrorContains(t, err, want)
	}
}

func TestPagesShowRecordsWithoutMetadata(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{Title: "Invoices", Links: []dashboard.Link{{Name: "Home & more", URL: "/home"}}})
	pending := s.submit("job-pending")
	dead := s.finish("job-dead", inbox.StateDead)
	done := s.finish("job-done", inbox.StateDone)
	require.NoError(t, s.store.AppendHistory(t.Context(), []inbox.HistoryEntry{
		{Key: dead, At: time.Now(), Kind: inbox.HistoryDuplicate, StatusCode: 200, JobID: "job-dead"},
		{Key: dead, At: time.Now(), Kind: inbox.HistoryFailed, Attempt: 3, Detail: attack},
		{Key: dead, At: time.Now(), Kind: "dreamt"},
	}))

	page := s.counted("/inbox/")
	assert.Contains(t, page, "<title>Overview · Invoices</title>")
	assert.Contains(t, page, `<a href="/home">Home &amp; more</a>`)
	assert.Contains(t, page, "job-dead")
	assert.Contains(t, page, "Run is not running")
	assert.Contains(t, page, "<svg")
	assert.Contains(t, page, `"card dead"`)
	assert.Contains(t, page, `"card received zero"`, "zero has no colour")

	page = s.get("/inbox/records", 200)
	assert.Contains(t, page, "job-pending")
	assert.Less(t, strings.Index(page, done), strings.Index(page, dead), "the newest come first")
	assert.Less(t, strings.Index(page, dead), strings.Index(page, pending))

	page = s.get("/inbox/dead", 200)
	assert.Contains(t, page, "job-dead")
	assert.NotContains(t, page, "job-done")
	assert.Contains(t, page, "&lt;script&gt;")

	page = s.get("/inbox/record?key="+dead, 200)
	for _, text := range []string{"Submission recorded", "Delivery accepted", "answered 200 OK", "Attempt 3 failed", "dreamt", "Dead: the Inbox gave up", "Metadata is not shown"} {
		assert.Contains(t, page, text)
	}
	assert.NotContains(t, page, "order")
	assert.Contains(t, s.get("/inbox/record?job=job-done", 200), "there is no history of this record")
	assert.Contains(t, s.get("/inbox/record?key="+pending, 200), "The API is polled for the job&#39;s end")
	assert.Contains(t, s.get("/inbox/record?key=unknown", 404), "There is no such record")

	for _, page := range []string{"/inbox/", "/inbox/records", "/inbox/dead", "/inbox/record?key=" + dead} {
		w := s.do(httptest.NewRequest(http.MethodHead, page, nil))
		assert.Equal(t, 200, w.Code)
		assert.Zero(t, w.Body.Len())
	}
}

func TestMetadataIsShownAsTextIfAsked(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{Metadata: true})
	page := s.get("/inbox/record?key="+s.submit("job"), 200)
	assert.Contains(t, page, "&#34;order&#34;: &#34;&lt;script&gt;alert(")
}

func TestAnswersHaveStrictHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	for _, path := range []string{"/", "/records", "/dashboard.css", "/unknown.txt"} {
		h := s.do(httptest.NewRequest(http.MethodGet, path, nil)).Header()
		assert.Equal(t, "noindex, nofollow", h.Get("X-Robots-Tag"))
		assert.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; style-src 'self'")
		assert.NotContains(t, h.Get("Content-Security-Policy"), "unsafe")
		assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		assert.Equal(t, "no-store", h.Get("Cache-Control"))
	}
	page := s.get("/", 200)
	assert.NotContains(t, page, "style=")
	assert.NotRegexp(t, `\son[a-z]+=`, page)
	_, at, _ := strings.Cut(page, `href="dashboard.css?v=`)
	version, _, _ := strings.Cut(at, `"`)
	for name, kind := range map[string]string{"dashboard.css": "text/css", "dashboard.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		w := s.do(httptest.NewRequest(http.MethodGet, "/"+name+"?v="+version, nil))
		assert.Equal(t, 200, w.Code)
		assert.Contains(t, w.Header().Get("Content-Type"), kind)
		assert.Contains(t, w.Header().Get("Cache-Control"), "immutable")
	}
}

func TestOnlyTheAuthorizedSeeAnything(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{Authorize: func(r *http.Request) error {
		if r.Header.Get("Cookie") != "operator" {
			return errors.New("no cookie of an operator")
		}
		return nil
	}})
	key := s.finish("job", inbox.StateDead)
	for _, path := range []string{"/", "/records", "/dead", "/record?key=" + key, "/live", "/dashboard.css", "/dashboard.js", "/x"} {
		page := s.get(path, 403)
		assert.NotContains(t, page, "job")
		assert.NotContains(t, page, "cookie")
		assert.NotContains(t, page, `class="badge"`)
	}
	assert.Equal(t, 403, s.post(url.Values{"one": {key}}).Code)
	assert.Equal(t, inbox.StateDead, s.state(key))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "operator")
	assert.Equal(t, 200, s.do(r).Code)
}

// A web page can let its own name resolve to 127.0.0.1.
func TestPublicRefusesSitesThatResolveToThisMachine(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{Authorize: dashboard.Public})
	for host, want := range map[string]int{"localhost:8080": 200, "127.0.0.1": 200, "[::1]:80": 200, "attacker.example": 403} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		assert.Equal(t, want, s.do(r).Code, host)
	}
}

func TestItWorksBelowAnyPrefix(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	mux := http.NewServeMux()
	mux.Handle("/admin/inbox/", s.dash)
	mux.Handle("/stripped/", http.StripPrefix("/stripped", s.dash))
	mux.Handle("/all/", http.StripPrefix("/all/", s.dash))
	mux.Handle("/bare", http.StripPrefix("/bare", s.dash))
	mux.Handle("/bare/", http.StripPrefix("/bare", s.dash))
	mux.Handle("/same", s.dash)
	mux.Handle("/same/", s.dash)
	mux.Handle("GET /records/{tenant}/", s.dash)
	root := http.NewServeMux()
	root.Handle("/", s.dash)
	for handler, prefixes := range map[http.Handler][]string{
		mux: {"/admin/inbox", "/stripped", "/all", "/bare", "/same", "/records/7"}, root: {""}, http.Handler(s.dash): {"", "/any/where"},
	} {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		for _, prefix := range prefixes {
			for path, want := range map[string]string{
				"": "Overview", "/": "Overview", "/?x=1": "Overview", "/records?state=done": "Records", "/dead": "Dead records", "/record?key=x": "404 Not Found",
			} {
				resp, err := server.Client().Get(server.URL + prefix + path)
				require.NoError(t, err)
				page, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Contains(t, string(page), "<title>"+want, "%s%s", prefix, path)
				dir := resp.Request.URL.Path[:strings.LastIndex(resp.Request.URL.Path, "/")+1]
				assert.Equal(t, prefix+"/", cmp.Or(dir, "/"), "relative links of %s%s", prefix, path)
			}
		}
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/admin/inbox/wrong", nil))
	assert.Equal(t, 404, w.Code)
	assert.Contains(t, s.get("/wrong.txt", 404), "There is no such page")
}

func TestOtherMethodsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	w := s.do(httptest.NewRequest(http.MethodPost, "/records", nil))
	assert.Equal(t, 405, w.Code)
	assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	w = s.do(httptest.NewRequest(http.MethodGet, "/replay", nil))
	assert.Equal(t, 405, w.Code)
	assert.Equal(t, "POST", w.Header().Get("Allow"))
}

func TestReplayOfOneAndOfSome(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	a, b, c, done := s.finish("a", inbox.StateDead), s.finish("b", inbox.StateDead), s.finish("c", inbox.StateDead), s.finish("d", inbox.StateDone)
	w := s.post(url.Values{"one": {a}, "key": {b}, "record": {a}})
	assert.Equal(t, 303, w.Code)
	assert.Equal(t, "./record?key="+a+"&replayed=1", w.Header().Get("Location"))
	assert.Contains(t, s.get("/inbox/record?key="+a+"&replayed=1", 200), "1 record was queued again.")
	assert.Equal(t, inbox.StateReceived, s.state(a))
	assert.Equal(t, inbox.StateDead, s.state(b))

	w = s.post(url.Values{"what": {"some"}, "key": {b, c, done, "unknown"}})
	assert.Equal(t, "./dead?replayed=2", w.Header().Get("Location"))
	assert.Equal(t, inbox.StateReceived, s.state(b))
	assert.Equal(t, inbox.StateDone, s.state(done))
	assert.Equal(t, "./dead?replayed=0", s.post(url.Values{"one": {b}}).Header().Get("Location"))
	assert.Contains(t, s.get("/inbox/dead?replayed=0", 200), "none of them is dead any more")
	assert.Equal(t, "./dead?none=0", s.post(url.Values{"what": {"some"}}).Header().Get("Location"))
	assert.Contains(t, s.get("/inbox/dead?none=0", 200), "No record was selected.")
	assert.NotContains(t, s.get("/inbox/dead?replayed=-1", 200), "queued again")
}

func TestReplayOfAllThatMatchAsksFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	const dead = 1203
	for i := range dead {
		s.finish(fmt.Sprint("job-", i), inbox.StateDead)
	}
	left := func() int {
		stats, err := s.store.MemoryStore.Stats(t.Context())
		require.NoError(t, err)
		return stats.Count[inbox.StateDead]
	}
	w := s.post(url.Values{"what": {"all"}, "outcome": {"completed"}, "after": {"x"}})
	assert.Equal(t, 200, w.Code)
	assert.Contains(t, w.Body.String(), "Outcome: completed")
	assert.NotContains(t, w.Body.String(), `name="after"`)
	assert.Equal(t, dead, left(), "nothing happens before it is confirmed")

	w = s.post(url.Values{"what": {"all"}, "outcome": {"failed"}, "confirmed": {"yes"}})
	assert.Equal(t, "./dead?replayed=0", w.Header().Get("Location"))
	form := url.Values{"what": {"all"}, "outcome": {"completed"}, "confirmed": {"yes"}}
	w = s.post(form)
	assert.Equal(t, 303, w.Code)
	assert.Equal(t, "./dead?replayed=1203", w.Header().Get("Location"))
	assert.Zero(t, left())
	assert.Equal(t, "./dead?replayed=0", s.post(form).Header().Get("Location"), "the form is sent twice")
	assert.Equal(t, 400, s.post(url.Values{"what": {"all"}, "from": {"yesterday"}}).Code)
}

// A request ends after some seconds, however many records there are and however slow the
// store is.
func TestReplayOfAllGoesOnInTheNextRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dashboard.Options{})
		defer s.dash.Close()
		const dead = 450
		for i := range dead {
			s.finish(fmt.Sprint("job-", i), inbox.StateDead)
		}
		s.store.lists.Store(int64(time.Second / 2))
		form := url.Values{"what": {"all"}, "outcome": {"completed"}, "confirmed": {"yes"}}
		w, requests := s.post(form), 1
		for ; w.Code == 200; requests++ {
			assert.Contains(t, w.Body.String(), "records were queued again. More may match.")
			assert.Contains(t, w.Body.String(), "Go on")
			_, at, _ := strings.Cut(w.Body.String(), `name="after" value="`)
			after, _, _ := strings.Cut(at, `"`)
			require.NotEmpty(t, after)
			form.Set("after", after)
			began := time.Now()
			w = s.post(form)
			assert.Less(t, time.Since(began), 6*time.Second)
		}
		assert.Equal(t, 303, w.Code)
		assert.Equal(t, 3, requests)
		stats, err := s.store.MemoryStore.Stats(t.Context())
		require.NoError(t, err)
		assert.Zero(t, stats.Count[inbox.StateDead])
		require.NoError(t, s.in.Shutdown(t.Context())) // writes the history
	})
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	key := s.finish("job", inbox.StateDead)
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://attacker.example"} {
		r := httptest.NewRequest(http.MethodPost, "/inbox/replay", strings.NewReader("one="+key))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(name, value)
		assert.Equal(t, 403, s.do(r).Code, name)
	}
	assert.Equal(t, inbox.StateDead, s.state(key))
}

func TestFormsHaveLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	keys := make([]string, 101)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	assert.Equal(t, 400, s.post(url.Values{"key": keys}).Code)
	assert.Equal(t, 400, s.post(url.Values{"key": {strings.Repeat("x", 65<<10)}}).Code)
	assert.NotContains(t, s.get("/records?id="+strings.Repeat("y", 500), 200), strings.Repeat("y", 201))
}

func TestAStoreThatFailsHasAPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	key := s.finish("job", inbox.StateDead)
	s.counted("/")
	s.store.setFail(errors.New("the disk <is> full"))
	for _, path := range []string{"/", "/records", "/records?outcome=failed", "/dead", "/record?key=" + key} {
		page := s.get(path, 503)
		assert.Contains(t, page, "The store does not answer")
		assert.Contains(t, page, "the disk &lt;is&gt; full")
	}
	for _, form := range []url.Values{{"one": {key}}, {"what": {"all"}, "confirmed": {"yes"}}} {
		w := s.post(form)
		assert.Equal(t, 503, w.Code)
		assert.Equal(t, "5", w.Header().Get("Retry-After"))
	}
	s.store.setFail(nil)
	require.Eventually(t, func() bool {
		return s.do(httptest.NewRequest(http.MethodGet, "/", nil)).Code == 200
	}, 20*time.Second, 10*time.Millisecond)
}

func TestClosedDashboardAnswers503(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	s.get("/", 200)
	s.dash.Close()
	s.dash.Close()
	assert.Contains(t, s.get("/", 503), "The dashboard is closed")
}
