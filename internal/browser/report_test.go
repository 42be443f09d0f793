package browser

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/report"
)

const hostile = `<script>window.attacked = true</script><img src=x onerror="window.attacked = true">`

func cite(text string, level reducto.Confidence, score float64, box reducto.BoundingBox) []reducto.Citation {
	return []reducto.Citation{{Block: reducto.Block{
		Content: text, BBox: box, Confidence: level, GranularConfidence: &reducto.GranularConfidence{ExtractConfidence: &score},
	}}}
}

// invoice has fields on a page with an image, and on one without.
type invoice struct {
	Number   reducto.Cited[string]  `json:"invoice_number"`
	Customer reducto.Cited[string]  `json:"customer"`
	Total    reducto.Cited[float64] `json:"total"`
	Lines    []item                 `json:"lines"`
	Notes    reducto.Cited[string]  `json:"notes"`
	Terms    *string                `json:"terms"`
}

type item struct {
	Item   reducto.Cited[string]  `json:"item"`
	Amount reducto.Cited[float64] `json:"amount"`
}

// document returns a report, and the picture of its first page. The picture has a black
// bar in each box.
func document() report.Document {
	box := func(left, top, width float64, page int) reducto.BoundingBox {
		return reducto.BoundingBox{Left: left, Top: top, Width: width, Height: 0.022, Page: page}
	}
	v := invoice{
		Number:   reducto.Cited[string]{Value: "INV-2026-0118", Citations: cite("Invoice number: INV-2026-0118", "high", 0.98, box(0.1, 0.08, 0.35, 1))},
		Customer: reducto.Cited[string]{Value: hostile, Citations: cite("Customer: "+hostile, "medium", 0.71, box(0.1, 0.12, 0.3, 1))},
		Total:    reducto.Cited[float64]{Value: 698.5, Citations: cite("Total: 698.50", "low", 0.34, box(0.6, 0.9, 0.3, 1))},
		Notes:    reducto.Cited[string]{Value: strings.Repeat("Pay within thirty days. ", 12), Citations: cite("Pay within thirty days. "+strings.Repeat("See the terms. ", 20), "", 0.5, box(0.1, 0.95, 0.8, 2))},
	}
	for i, name := range []string{"Cordless drill", "Drill bits, set of ten", "Extension cable, 25 m", "Work light", "Safety glasses", "Ear defenders"} {
		top := 0.3 + 0.04*float64(i)
		v.Lines = append(v.Lines, item{
			Item:   reducto.Cited[string]{Value: name, Citations: cite(name, "high", 0.95, box(0.1, top, 0.4, 1))},
			Amount: reducto.Cited[float64]{Value: 100 + float64(i), Citations: cite("100.00", "high", 0.93, box(0.7, top, 0.15, 1))},
		})
	}
	fields := report.Fields(v)
	page := image.NewRGBA(image.Rect(0, 0, 850, 1100))
	draw.Draw(page, page.Bounds(), image.White, image.Point{}, draw.Src)
	for _, f := range fields {
		for _, c := range f.Citations {
			if b := c.BBox; b.Page == 1 {
				bar := image.Rect(int(850*b.Left)+4, int(1100*b.Top)+6, int(850*(b.Left+b.Width))-4, int(1100*(b.Top+b.Height))-6)
				draw.Draw(page, bar, image.NewUniform(color.Gray{60}), image.Point{}, draw.Src)
			}
		}
	}
	return report.Document{Title: "invoice-0118.pdf", Pages: []report.Page{{Number: 1, Image: page}}, Fields: fields}
}

func open(t *testing.T, d report.Document, width, height int) *tab {
	t.Helper()
	var html bytes.Buffer
	require.NoError(t, report.WriteHTML(&html, d))
	path := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, os.WriteFile(path, html.Bytes(), 0o600))
	b := newTab(t, width, height)
	b.do(chromedp.Navigate((&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()))
	return b
}

// place is where the browser drew a box, as fractions of its page.
type place struct {
	Left, Top, Right, Bottom float64
	Image                    bool
}

const places = `[...document.querySelectorAll("a.place")].map(a => {
	const box = document.querySelector(a.getAttribute("href"));
	const sheet = box.closest("svg");
	const page = (sheet.querySelector("image") ?? sheet.querySelector("g > rect")).getBoundingClientRect();
	const r = box.getBoundingClientRect();
	return {Image: !!sheet.querySelector("image"),
		Left: (r.left - page.left) / page.width, Top: (r.top - page.top) / page.height,
		Right: (r.right - page.left) / page.width, Bottom: (r.bottom - page.top) / page.height};
})`

func TestReportShowsEachFieldOnItsPage(t *testing.T) {
	d := document()
	b := open(t, d, 1280, 900)
	drawn := evaluate[[]place](b, places)
	i := 0
	for _, f := range d.Fields {
		for _, c := range f.Citations {
			require.Greater(t, len(drawn), i)
			p := drawn[i]
			i++
			assert.True(t, p.Left >= 0 && p.Top >= 0 && p.Right <= 1 && p.Bottom <= 1, "%+v", p)
			assert.InDelta(t, c.BBox.Left, p.Left, 0.002, f.Path)
			assert.InDelta(t, c.BBox.Top, p.Top, 0.002, f.Path)
			assert.InDelta(t, c.BBox.Left+c.BBox.Width, p.Right, 0.002, f.Path)
			assert.InDelta(t, c.BBox.Top+c.BBox.Height, p.Bottom, 0.002, f.Path)
			assert.Equal(t, c.BBox.Page == 1, p.Image, f.Path)
		}
	}
	assert.Len(t, drawn, i)
	assert.Contains(t, evaluate[string](b, "document.body.innerText"), hostile, "hostile text is text")
	assert.Equal(t, 850, evaluate[int](b, `(async () => { const i = new Image(); i.src = document.querySelector("image").href.baseVal; await i.decode(); return i.width })()`), "the image is there")
	img, err := png.Decode(bytes.NewReader(b.screenshot("report.png")))
	require.NoError(t, err)
	assert.Equal(t, 1280, img.Bounds().Dx())
	quiet(t, b)
}

// quiet checks that the page had no errors, violated no policy, and requested only itself.
func quiet(t *testing.T, b *tab) {
	t.Helper()
	assert.False(t, evaluate[bool](b, `"attacked" in window`))
	problems, requests := b.seen()
	assert.Empty(t, problems)
	for _, r := range requests {
		assert.True(t, strings.HasPrefix(r, "data:image/png;") || strings.HasSuffix(r, "/report.html"), "%.100s", r)
	}
}

func TestReportLinksLeadToPlacesAndBack(t *testing.T) {
	b := open(t, document(), 1280, 900)
	visible := `(r => r.top >= 0 && r.bottom <= innerHeight)(document.querySelector(":target").getBoundingClientRect())`
	last := `[...document.querySelectorAll("a.place")].at(-1)`
	evaluate[any](b, last+".click()")
	b.await(visible)
	assert.Equal(t, "rect", evaluate[string](b, `document.querySelector(":target").tagName`))
	assert.Equal(t, "5px", evaluate[string](b, `getComputedStyle(document.querySelector(":target")).strokeWidth`))
	b.screenshot("report-target.png")

	evaluate[any](b, `document.querySelector("#f2p0").parentNode.dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true}))`)
	b.await(visible)
	assert.Equal(t, "#f2", evaluate[string](b, "location.hash"))
	assert.Equal(t, "LI", evaluate[string](b, `document.querySelector(":target").tagName`))
	quiet(t, b)
}

func TestReportIsLightAndDarkAndNarrow(t *testing.T) {
	b := open(t, document(), 1280, 900)
	background := "getComputedStyle(document.body).backgroundColor"
	light := evaluate[string](b, background)
	send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	assert.NotEqual(t, light, evaluate[string](b, background))
	b.screenshot("report-dark.png")
	b.do(chromedp.EmulateViewport(420, 900))
	assert.LessOrEqual(t, evaluate[float64](b, "document.documentElement.scrollWidth"), 420.0, "nothing is wider than a telephone")
	b.screenshot("report-narrow.png")
	quiet(t, b)
}

// The policy of the report forbids a script that gets into it all the same.
func TestReportForbidsScripts(t *testing.T) {
	b := open(t, document(), 1280, 900)
	evaluate[any](b, `{ const s = document.createElement("script"); s.textContent = "window.attacked = true"; document.body.append(s) }`)
	assert.False(t, evaluate[bool](b, `"attacked" in window`))
	problems := func() string { list, _ := b.seen(); return strings.Join(list, "\n") }
	require.Eventually(t, func() bool { return strings.Contains(problems(), "Content Security Policy") }, 10*time.Second, 10*time.Millisecond, problems())
}
