package main

import (
	"bytes"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// dev is a running reducto-hooks dev.
type dev struct {
	*started
	t     *testing.T
	place map[string]string
	shell *shell // with the exports
}

// startDev starts dev on free ports.
func startDev(t *testing.T, args ...string) *dev {
	t.Helper()
	s := newShell(t, "REDUCTO_API_KEY=a-key-that-dev-does-not-use")
	d := &dev{t: t, started: s.start(append([]string{"dev", "--addr", "127.0.0.1:0", "--app-addr", "127.0.0.1:0", "--job-time", "200ms"}, args...)...)}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
	})
	d.await(t, "What happens")
	d.place = map[string]string{}
	d.shell = newShell(t)
	for line := range strings.Lines(d.output.String()) {
		if export, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			name, value, _ := strings.Cut(export, "=")
			d.place[name] = strings.Trim(value, "'")
			d.shell.env = append(d.shell.env, name+"="+d.place[name])
		}
	}
	d.place["app"] = d.await(t, `app +(http://\S+)`)
	require.NotContains(t, d.place, "DATABASE_URL", "an Inbox of the user would share the app's")
	d.place["DATABASE_URL"] = d.await(t, `--db '(.*)'`)
	d.shell.env = append(d.shell.env, "DATABASE_URL="+d.place["DATABASE_URL"])
	return d
}

// get returns a page as a browser gets it.
func (d *dev) get(path string) (int, string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.place["app"]+path, nil)
	require.NoError(d.t, err)
	r.Header.Set("Accept", "text/html")
	return d.do(r)
}

func (d *dev) do(r *http.Request) (int, string) {
	d.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	require.NoError(d.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(d.t, err)
	return resp.StatusCode, string(raw)
}

// drop submits a document by the form, and returns the job and the page that follows.
func (d *dev) drop(text string) (jobID, page string) {
	d.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreateFormFile("document", "letter.txt")
	require.NoError(d.t, err)
	_, err = io.WriteString(part, text)
	require.NoError(d.t, err)
	require.NoError(d.t, form.Close())
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.place["app"]+"/documents", &b)
	require.NoError(d.t, err)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Accept", "text/html")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(d.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(d.t, err)
	require.Equal(d.t, 200, resp.StatusCode, string(raw))
	return strings.TrimPrefix(resp.Request.URL.Path, "/documents/"), string(raw)
}

func (d *dev) state(id string) string {
	d.t.Helper()
	e := d.shell.run("inbox", "show", id, "--json")
	if e.code != exitDone {
		return ""
	}
	state, _ := objects(d.t, e.stdout)[0]["state"].(string)
	return state
}

func (d *dev) awaitState(id, state string) {
	d.t.Helper()
	require.Eventually(d.t, func() bool { return d.state(id) == state }, 30*time.Second, 50*time.Millisecond, d.output)
}

func (d *dev) switchFaults(form url.Values) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.place["app"]+"/faults", strings.NewReader(form.Encode()))
	require.NoError(d.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	code, body := d.do(r)
	require.Equal(d.t, 200, code, body)
}

func TestDevShowsTheResultOfADocument(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	code, home := d.get("/")
	require.Equal(t, 200, code)
	assert.Contains(t, home, "A local Reducto, and an app that receives its webhooks.")
	assert.Contains(t, home, "export REDUCTO_API_KEY="+devKey)

	id, page := d.drop("Dear <b>reader</b>")
	assert.Contains(t, page, "Waiting for the webhook")
	d.awaitState(id, "done")
	_, page = d.get("/documents/" + id)
	assert.Contains(t, page, "Dear &lt;b&gt;reader&lt;/b&gt;")
	assert.NotContains(t, page, `http-equiv="refresh"`)
	assert.Contains(t, page, "webhook")
	_, home = d.get("/")
	assert.Contains(t, home, id)
	code, page = d.get("/dashboard/")
	assert.Equal(t, 200, code)
	assert.Contains(t, page, d.place["app"], "it leads back")
	for _, asset := range []string{"/web/app.js", "/web/app.css"} {
		code, _ := d.get(asset)
		assert.Equal(t, 200, code)
	}
	code, _ = d.get("/documents/00000000-0000-4000-8000-000000000000")
	assert.Equal(t, 404, code)
	assert.NotContains(t, d.output.String(), "a-key-that-dev-does-not-use")

	assert.Equal(t, exitDone, d.interrupt(t))
	assert.Contains(t, d.output.String(), "--db FILE keeps them")
	assert.NoFileExists(t, d.place["DATABASE_URL"])
}

// The printed commands work as they are, in a shell with the printed exports.
func TestDevPrintsCommandsThatWork(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	n := 0
	for line := range strings.Lines(d.output.String()) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "curl ") {
			continue
		}
		n++
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Dir = t.TempDir()
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", line, out)
		id := regexp.MustCompile(`job(?:_id":"|: )([0-9a-f-]{36})`).FindSubmatch(out)
		require.NotNil(t, id, string(out))
		if strings.Contains(line, "/documents") {
			assert.Contains(t, string(out), "page: "+d.place["app"]+"/documents/"+string(id[1])+"\n")
		}
		d.await(t, "submit    "+string(id[1])+"  Parse, webhook "+d.place["app"]+"/webhook\n")
		d.await(t, "delivery  "+string(id[1])+"  attempt 1 of 4 to "+d.place["app"]+"/webhook: 200 OK\n")
	}
	require.Equal(t, 2, n)
	list := ids(t, d.shell.ok("jobs", "list", "--json"))
	require.Len(t, list, 2)
	for _, id := range list {
		d.awaitState(id, "done")
	}
	d.shell.ok("trigger", "completed", d.place["app"]+"/webhook", "--job", list[0])
	d.shell.ok("trigger", "forged", d.place["app"]+"/webhook")

	resp, err := http.Get(d.place["app"])
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Contains(t, string(text), "curl -sS", "as text for curl")
	assert.NotContains(t, string(text), "<html")
}

// The README's first program submits and receives on port 8080.
func TestDevExportsLeadToTheUsersProgram(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reducto-hooks.md"))
	require.NoError(t, err)
	exports := strings.Join(place{API: "http://127.0.0.1:8700", Key: devKey, Secret: devSecret}.exports(), "\n")
	assert.Contains(t, string(page), "```sh\n"+exports+"\n```\n")
	assert.Contains(t, exports, "WEBHOOK_URL=http://127.0.0.1:8080/webhook\n")
}

func TestDevLogsTheJobsOfOtherPrograms(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	secret, err := webhook.NewSecret(devSecret)
	require.NoError(t, err)
	fails := true
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if fails {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fails = false
	}))
	t.Cleanup(receiver.Close)
	client, err := reducto.NewClient(reducto.WithBaseURL(d.place["REDUCTO_BASE_URL"]), reducto.WithAPIKey(devKey),
		reducto.WithSubmitHook(secret), reducto.WithoutWebhookWarning())
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	submit := func(w reducto.Webhook) string {
		job, err := client.ParseAsync(t.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf"), Async: reducto.Async{Webhook: w}})
		require.NoError(t, err)
		return job.JobID
	}
	to := receiver.URL + "/webhook"
	id, down, none := submit(reducto.DirectWebhook(to+"?token=hidden")), submit(reducto.DirectWebhook("http://127.0.0.1:1/")), submit(reducto.Webhook{})
	d.await(t, "submit    "+id+"  Parse, webhook "+to+"\n")
	d.await(t, "delivery  "+id+"  attempt 1 of 4 to "+to+": 503 Service Unavailable\n")
	d.await(t, "delivery  "+id+"  attempt 2 of 4 to "+to+": 200 OK\n")
	d.await(t, "submit    "+none+"  Parse, without a webhook\n")
	d.await(t, "delivery  "+down+"  attempt 4 of 4 to http://127.0.0.1:1/: .*connection refused; Reducto gives up\n")
	assert.NotContains(t, d.output.String(), "hidden")
	assert.Equal(t, exitDone, d.interrupt(t))
}

func TestDevDashboardLeadsToTheFaults(t *testing.T) {
	d := startDev(t)
	_, page := d.get("/dashboard/")
	assert.Contains(t, page, `href="`+d.place["app"]+`/#faults"`)
	_, page = d.get("/")
	assert.Contains(t, page, `id="faults"`)
}

func TestDevSwitchesFaults(t *testing.T) {
	t.Parallel()
	d := startDev(t, "--lose", "--db", sqliteFile(t))
	_, home := d.get("/")
	assert.Contains(t, home, `name="lose" checked`)
	lost, _ := d.drop("lost")
	d.awaitState(lost, "done")
	assert.Equal(t, "poll", objects(t, d.shell.ok("inbox", "show", lost, "--json"))[0]["source"])
	assert.NotContains(t, d.output.String(), "webhook   ", "none arrived")

	d.switchFaults(url.Values{"duplicate": {"on"}, "forge": {"on"}, "delay": {"1"}})
	began := time.Now()
	id, _ := d.drop("twice")
	d.awaitState(id, "done")
	assert.Greater(t, time.Since(began), time.Second)
	d.await(t, `401 Unauthorized\n(?s:.*)200 OK\n(?s:.*)200 OK\n(?s:.*)200 OK`)

	d.switchFaults(url.Values{"break": {"on"}})
	id, _ = d.drop("broken")
	d.awaitState(id, "dead")
	_, page := d.get("/documents/" + id)
	assert.Contains(t, page, "the function is broken")
	d.switchFaults(nil)
	d.shell.ok("inbox", "replay", id)
	d.awaitState(id, "done")

	assert.Equal(t, exitDone, d.interrupt(t))
	assert.Contains(t, d.output.String(), "go on with: reducto-hooks dev --db ")
	assert.FileExists(t, d.place["DATABASE_URL"])
}

func TestDevShowsFractionsOfTheDelay(t *testing.T) {
	t.Parallel()
	d := startDev(t, "--delay", "1500ms")
	const field = `min="0" max="3600" step="any" value="1.5"`
	_, home := d.get("/")
	assert.Contains(t, home, field)
	d.switchFaults(nil)
	_, home = d.get("/")
	assert.NotContains(t, home, field)
	d.switchFaults(url.Values{"delay": {"1.5"}})
	_, home = d.get("/")
	assert.Contains(t, home, field)
	d.switchFaults(url.Values{"delay": {"0.00001"}})
	_, home = d.get("/")
	assert.Contains(t, home, `value="0.00001"`)
}

func TestDevRefusesOtherSitesAndWrongForms(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	post := func(path, contentType, body string, header ...string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.place["app"]+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", contentType)
		for _, h := range header {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		code, _ := d.do(r)
		return code
	}
	const form = "application/x-www-form-urlencoded"
	assert.Equal(t, 403, post("/faults", form, "lose=on", "Sec-Fetch-Site: cross-site"))
	assert.Equal(t, 403, post("/documents", form, "", "Origin: http://example.com"))
	assert.Equal(t, 400, post("/faults", form, "delay=-1"))
	assert.Equal(t, 400, post("/faults", form, "delay=many"))
	assert.Equal(t, 400, post("/faults", form, strings.Repeat("a", 5<<10)))
	assert.Equal(t, 400, post("/documents", form, "document=x"))
	assert.Equal(t, 400, post("/documents", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=other\r\n\r\nx\r\n--b--"))
	part := "--b\r\nContent-Disposition: form-data; name=document; filename=a.pdf\r\n\r\n" + strings.Repeat("x", maxDocument)
	assert.Equal(t, 413, post("/documents", "multipart/form-data; boundary=b", part))
	_, home := d.get("/")
	assert.NotContains(t, home, "checked")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.place["app"], nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
}

// A web page can let its own name resolve to 127.0.0.1. It could then read documents, and
// let the local Reducto send requests.
func TestDevRefusesSitesThatResolveToThisMachine(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	for _, url := range []string{d.place["app"] + "/", d.place["app"] + "/dashboard/", d.place["REDUCTO_BASE_URL"] + "/jobs"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+devKey)
		code, _ := d.do(r)
		assert.Equal(t, 200, code, url)
		r.Host = "attacker.example:8701"
		code, _ = d.do(r)
		assert.Equal(t, 403, code, url)
	}
}

// The user closes the terminal.
func TestDevRemovesItsDirectoryAfterAHangup(t *testing.T) {
	t.Parallel()
	// If nohup runs the tests, they ignore the signal, and dev would too. With a handler
	// here, dev begins with the default.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	d := startDev(t)
	require.FileExists(t, d.place["DATABASE_URL"])
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	require.NoError(t, d.cmd.Wait())
	assert.NoDirExists(t, filepath.Dir(d.place["DATABASE_URL"]))
}

func TestDevPrintsJSON(t *testing.T) {
	t.Parallel()
	p := newShell(t).start("dev", "--json", "--addr", "127.0.0.1:0", "--app-addr", "127.0.0.1:0")
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	place := objects(t, p.await(t, "(?s)^(.*)\n"))[0]
	assert.Equal(t, devKey, place["api_key"])
	url, _ := place["webhook_url"].(string)
	assert.Equal(t, exitDone, newShell(t).run("trigger", "forged", url).code)
	p.await(t, `"event":"webhook".*401`)
	assert.Equal(t, exitDone, p.interrupt(t))
}

func TestDevSaysWhichAddressIsInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	for _, name := range []string{"--addr", "--app-addr"} {
		other := map[string]string{"--addr": "--app-addr", "--app-addr": "--addr"}[name]
		e := newShell(t).run("dev", name, l.Addr().String(), other, "127.0.0.1:0")
		assert.Equal(t, exitFailure, e.code)
		assert.Contains(t, e.stderr, "choose another address with "+name+"\n")
	}
}
