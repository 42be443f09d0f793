package browser

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startDev builds and starts reducto-hooks dev, and returns the URL of its app.
func startDev(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "reducto-hooks")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-C", filepath.Join("..", "..", "cmd", "reducto-hooks"), "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.CommandContext(t.Context(), binary, "dev", "--json", "--addr", "127.0.0.1:0", "--app-addr", "127.0.0.1:0", "--job-time", "100ms")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan(), lines.Err())
	var place struct {
		App string `json:"app_url"`
	}
	require.NoError(t, json.Unmarshal(lines.Bytes(), &place))
	go func() {
		for lines.Scan() { // until the process ends
		}
	}()
	return place.App + "/"
}

// drop drops a document on the page, and waits for the page of its job.
func (b *tab) drop(text string) {
	b.t.Helper()
	evaluate[bool](b, `(() => {
		const data = new DataTransfer();
		data.items.add(new File([`+"`"+text+"`"+`], "letter.txt"));
		for (const name of ["dragover", "drop"]) {
			document.body.dispatchEvent(new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true}));
		}
		return true;
	})()`)
	b.await(`location.pathname.startsWith("/documents/") && document.readyState === "complete"`)
}

// awaitText waits until the page has a text. The page of a job renews itself.
func (b *tab) awaitText(text string) {
	b.t.Helper()
	b.await(`document.querySelector("main")?.innerText.includes(` + "`" + text + "`" + `) ?? false`)
}

func TestDevShowsADroppedDocumentAndReplaysADeadOne(t *testing.T) {
	t.Parallel()
	url := startDev(t)
	b := newTab(t, 1000, 900)
	b.open(url)
	b.drop("Dear reader <script>window.attacked = 1</script>")
	b.awaitText("Dear reader <script>")
	assert.False(t, evaluate[bool](b, `"attacked" in window`))

	b.open(url)
	evaluate[bool](b, `document.querySelector("input[name=break]").click() ?? true`)
	b.click(`form[action="/faults"] button`)
	b.drop("A letter that the function cannot take")
	b.awaitText("the function is broken")
	broken := evaluate[string](b, `location.pathname`)

	b.open(url)
	evaluate[bool](b, `document.querySelector("input[name=break]").click() ?? true`)
	b.click(`form[action="/faults"] button`)
	b.open(url + "dashboard/dead")
	b.click(`tbody a[href^="record?key="]`)
	b.click(`button[name=one]`)
	b.open(url + broken[1:])
	b.awaitText("A letter that the function cannot take")
	assert.NotContains(t, b.text(), "the function is broken")
	b.quiet(&app{url: url})
}
