package browser

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/dashboard"
)

// pictures makes TestDashboardPictures write the screenshots of docs. It takes two
// minutes.
var pictures = flag.String("dashboard-pictures", "", "directory for the screenshots of the dashboard")

// app is a program with an Inbox and its dashboard, over TCP, with a Reducto of its own.
type app struct {
	t      *testing.T
	in     *inbox.Inbox
	client *reducto.Client
	url    string                 // of the dashboard
	broken atomic.Pointer[string] // the error of the function, nil if it works
	slow   atomic.Bool
}

// refused is an error that a function returns.
const refused = "invoices: the database refuses connections: dial tcp 10.0.4.17:5432: connect: connection refused"

// breaks makes the function fail.
func (a *app) breaks(text string) { a.broken.Store(&text) }

// mend makes the function work again.
func (a *app) mend() { a.broken.Store(nil) }

func newApp(t *testing.T, opts ...inbox.Option) *app {
	t.Helper()
	srv, err := reductotest.Start()
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	require.NoError(t, err)
	a := &app{t: t}
	a.in, err = inbox.New(secret, inbox.NewMemoryStore(), func(context.Context, *webhook.Delivery) error {
		if a.slow.Load() {
			time.Sleep(time.Duration(rand.IntN(1400)) * time.Millisecond)
		}
		if text := a.broken.Load(); text != nil {
			return webhook.Permanent(errors.New(*text))
		}
		return nil
	}, append(opts, inbox.WithHistory())...)
	require.NoError(t, err)
	dash, err := dashboard.New(a.in, dashboard.Options{Authorize: dashboard.Public, Metadata: true, Title: "Invoices"})
	require.NoError(t, err)
	t.Cleanup(dash.Close)
	mux := http.NewServeMux()
	mux.Handle("/admin/inbox/", http.StripPrefix("/admin/inbox", dash))
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	a.url = site.URL + "/admin/inbox/"
	a.client = srv.Client(reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", a.in))), reducto.WithSubmitHook(a.in))
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- a.in.Run(ctx, a.client) }()
	t.Cleanup(func() {
		stop()
		<-ran
	})
	return a
}

// submit submits a document, and waits until its record has a state.
func (a *app) submit(metadata any, state inbox.State) inbox.Record {
	a.t.Helper()
	return a.await(a.send(metadata), state)
}

func (a *app) send(metadata any) (jobID string) {
	a.t.Helper()
	job, err := a.client.ParseAsync(a.t.Context(), reducto.ParseRequest{
		Input: reducto.URL("https://example.com/invoice.pdf"), Async: reducto.Async{Metadata: metadata},
	})
	require.NoError(a.t, err)
	return job.JobID
}

func (a *app) await(jobID string, state inbox.State) (r inbox.Record) {
	a.t.Helper()
	require.Eventually(a.t, func() bool {
		var err error
		r, err = a.in.Get(a.t.Context(), jobID)
		return err == nil && r.State == state
	}, 20*time.Second, 10*time.Millisecond, "the record becomes %s", state)
	return r
}

func (b *tab) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

func (b *tab) text() string {
	b.t.Helper()
	return evaluate[string](b, `document.querySelector("main").innerText`)
}

// click clicks an element, which leads to another page.
func (b *tab) click(selector string) {
	b.t.Helper()
	evaluate[bool](b, `window.left = true`)
	b.do(chromedp.Click(chromedp.CSS(selector)))
	b.await(`!window.left && document.readyState === "complete"`)
}

// quiet requires that the pages caused no errors, and loaded nothing from elsewhere.
func (b *tab) quiet(a *app) {
	b.t.Helper()
	problems, requests := b.seen()
	assert.Empty(b.t, problems)
	require.NotEmpty(b.t, requests)
	for _, url := range requests {
		if !strings.HasPrefix(url, "data:") { // images of the browser's own
			assert.True(b.t, strings.HasPrefix(url, a.url), url)
		}
	}
}

func TestDashboardReplaysADeadRecord(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	done := a.submit(map[string]any{"order": 17}, inbox.StateDone)
	a.breaks("no customer " + hostile)
	dead := a.submit(map[string]any{"customer": hostile}, inbox.StateDead)
	b := newTab(t, 1280, 900)

	b.open(a.url)
	assert.Contains(t, b.text(), dead.JobID)
	b.await(`document.getElementById("connection").dataset.state === "on"`)
	b.click(`a[href="records"]`)
	assert.Contains(t, b.text(), done.JobID)
	assert.Contains(t, b.text(), dead.JobID)

	b.click(`nav a[href="dead"]`)
	assert.NotContains(t, b.text(), done.JobID)
	b.click(fmt.Sprintf(`a[href="record?key=%s"]`, dead.Key))
	page := b.text()
	for _, text := range []string{"Submission recorded", "API answered", "Delivery accepted", "answered 200", "Attempt 1 began", "Dead", "no customer " + hostile, `"customer": "\u003cscript`} {
		assert.Contains(t, page, text)
	}
	assert.False(t, evaluate[bool](b, `"attacked" in window || document.querySelector("main script, main img") !== null`))

	a.mend()
	b.click(`button[name=one]`)
	assert.Contains(t, b.text(), "1 record was queued again.")
	a.await(dead.JobID, inbox.StateDone)
	time.Sleep(500 * time.Millisecond) // the history is written in batches
	b.open(a.url + "record?key=" + dead.Key)
	assert.Contains(t, b.text(), "Replayed")
	assert.Equal(t, "done", evaluate[string](b, `document.querySelector("h1 .state").textContent`))
	b.quiet(a)
}

func TestDashboardIsLive(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	b := newTab(t, 1280, 900)
	b.open(a.url)
	const dead = `document.querySelector(".card.dead strong").textContent`
	assert.Equal(t, "0", evaluate[string](b, dead))
	b.await(`document.getElementById("connection").dataset.state === "on"`)
	a.breaks(refused)
	a.submit(nil, inbox.StateDead)
	b.await(dead + ` === "1"`)
	b.await(`document.getElementById("news").textContent === "1 dead records."`)
	b.quiet(a)
}

// A browser has six connections to a host. Six hidden tabs would block all other pages.
func TestDashboardIsNotLiveWhileItIsHidden(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	b := newTab(t, 1280, 900)
	streams := func() (n int) {
		_, requests := b.seen()
		for _, url := range requests {
			if strings.HasSuffix(url, "/live") {
				n++
			}
		}
		return n
	}
	hide := func(hidden bool) {
		evaluate[bool](b, fmt.Sprintf(`Object.defineProperty(document, "hidden", {configurable: true, value: %t});
			document.dispatchEvent(new Event("visibilitychange"))`, hidden))
	}
	b.open(a.url)
	b.await(`document.getElementById("connection").dataset.state === "on"`)
	assert.Equal(t, 1, streams())
	hide(true)
	hide(false)
	require.Eventually(t, func() bool { return streams() == 2 }, 20*time.Second, 20*time.Millisecond, "the stream was closed")
	a.breaks(refused)
	a.submit(nil, inbox.StateDead)
	b.await(`document.querySelector(".card.dead strong").textContent === "1"`)
	b.quiet(a)
}

func TestDashboardSelectsAllOfAPage(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.breaks(refused)
	one, two := a.submit(nil, inbox.StateDead), a.submit(nil, inbox.StateDead)
	b := newTab(t, 1280, 900)
	b.open(a.url + "dead")
	a.mend()
	b.do(chromedp.Click(chromedp.CSS(`thead input[type=checkbox]`)))
	b.click(`button[value=some]`)
	assert.Contains(t, b.text(), "2 records were queued again.")
	a.await(one.JobID, inbox.StateDone)
	a.await(two.JobID, inbox.StateDone)
	b.quiet(a)
}

func TestDashboardWorksWithoutScript(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.breaks(refused)
	one, two := a.submit(nil, inbox.StateDead), a.submit(nil, inbox.StateDead)
	a.mend()
	b := newTab(t, 390, 800)
	send(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	visible := func(selector string) {
		t.Helper()
		b.do(chromedp.WaitVisible(chromedp.CSS(selector)))
	}
	b.open(a.url)
	visible(`.card.dead strong`)
	visible(`#connection a`)
	b.do(chromedp.Click(chromedp.CSS(`nav a[href="dead"]`)))
	visible(`button[value="` + one.Key + `"]`)
	b.do(chromedp.Click(chromedp.CSS(`button[value="` + one.Key + `"]`)))
	visible(`.notice`)
	a.await(one.JobID, inbox.StateDone)
	b.do(chromedp.Click(chromedp.CSS(`button[value=all]`)))
	visible(`input[name=confirmed] ~ p button`)
	assert.Equal(t, inbox.StateDead, a.await(two.JobID, inbox.StateDead).State, "not before it is confirmed")
	b.do(chromedp.Click(chromedp.CSS(`input[name=confirmed] ~ p button`)))
	visible(`.notice`)
	a.await(two.JobID, inbox.StateDone)
}

func TestDashboardFitsAPhone(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.breaks(refused)
	r := a.submit(map[string]any{"order": strings.Repeat("x", 300)}, inbox.StateDead)
	b := newTab(t, 360, 740)
	for _, path := range []string{"", "records", "dead", "record?key=" + r.Key} {
		b.open(a.url + path)
		assert.LessOrEqual(t, evaluate[int](b, `document.documentElement.scrollWidth`), 360, path)
	}
}

func TestDashboardCanBeUsedByKeyboard(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.breaks(refused)
	a.submit(nil, inbox.StateDead)
	b := newTab(t, 1280, 900)
	b.open(a.url + "dead")
	var seen []string
	for range 40 {
		b.do(chromedp.KeyEvent("\t"))
		seen = append(seen, evaluate[string](b, `(() => {
			const e = document.activeElement, outline = getComputedStyle(e).outlineStyle;
			if (e === document.body) return "BODY"; // the end of the page
			if (e.type === "datetime-local") return "TIME"; // it has several stops
			return e.tagName + (outline === "none" ? " without outline" : "");
		})()`))
	}
	order := strings.Join(seen, " ")
	assert.NotContains(t, order, "without outline")
	assert.True(t, strings.HasPrefix(order, "A A A A A INPUT SELECT SELECT"), order)
	assert.Contains(t, order, "TIME BUTTON BUTTON BUTTON DIV INPUT INPUT A BUTTON", "filter, replay, the table, its boxes, the record")
}

// axe-core is a package of npm that conformance/ installs.
func TestDashboardIsAccessible(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(filepath.Join("..", "..", "conformance", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		missing(t, "axe-core is missing: run npm ci --ignore-scripts in conformance/")
	}
	a := newApp(t)
	a.submit(map[string]any{"order": 17}, inbox.StateDone)
	a.breaks(refused)
	r := a.submit(map[string]any{"order": 18}, inbox.StateDead)
	b := newTab(t, 1280, 900)
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		for _, path := range []string{"", "records", "records?from=x", "records?type=Edit", "dead", "record?key=" + r.Key, "record?key=none"} {
			b.open(a.url + path)
			evaluate[bool](b, string(axe)+"; true")
			violations := evaluate[string](b, `axe.run().then((r) => JSON.stringify(r.violations.map((v) => v.impact + ": " + v.id + ": " + v.nodes.map((n) => n.html + " " + n.failureSummary).join(" | "))))`)
			var list []string
			require.NoError(t, json.Unmarshal([]byte(violations), &list))
			assert.Empty(t, list, "%s, %s", path, scheme)
		}
	}
}

// scheme sets the colours that the user prefers.
func (b *tab) scheme(scheme string) {
	b.t.Helper()
	send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

func missing(t *testing.T, text string) {
	t.Helper()
	if os.Getenv("REDUCTO_CI") != "" || os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// TestDashboardPictures writes the screenshots of docs, if -dashboard-pictures asks for it.
func TestDashboardPictures(t *testing.T) {
	if *pictures == "" {
		return // it takes two minutes
	}
	a := newApp(t, inbox.WithWorkers(2), inbox.WithMinBackoff(2*time.Second))
	a.slow.Store(true)
	b := newTab(t, 1000, 700)
	b.open(a.url)
	for began := time.Now(); time.Since(began) < 75*time.Second; {
		a.mend()
		switch n := rand.IntN(20); {
		case n == 0:
			a.breaks(refused)
		case n == 1:
			a.breaks("invoices: no supplier with the number 20417: context deadline exceeded")
		}
		a.send(map[string]any{"invoice": 4000 + rand.IntN(900), "tenant": "acme"})
		time.Sleep(time.Duration(150+rand.IntN(800)) * time.Millisecond)
	}
	a.breaks(refused)
	last := a.submit(map[string]any{"invoice": 4711, "tenant": "acme"}, inbox.StateDead)
	a.mend()
	require.NoError(t, a.in.Replay(t.Context(), last.Key))
	a.await(last.JobID, inbox.StateDone)
	time.Sleep(5 * time.Second)
	shoot := func(name, path, scheme string) {
		t.Helper()
		b.scheme(scheme)
		b.open(a.url + path)
		if path == "" {
			b.await(`document.getElementById("connection").dataset.state === "on"`)
		}
		require.NoError(t, os.WriteFile(filepath.Join(*pictures, "dashboard-"+name+".png"), b.screenshot(name+".png"), 0o644))
	}
	shoot("overview", "", "light")
	shoot("record", "record?key="+last.Key, "dark")
	shoot("dead", "dead", "light")
	b.do(chromedp.EmulateViewport(390, 700))
	shoot("phone", "", "dark")
}
