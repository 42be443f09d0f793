package report_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"hash/crc32"
	stdhtml "html"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"iter"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/report"
)

const hostile = `</title></style><script>alert(1)</script><img src=x onerror=alert(1)>" onload="alert(1)` + "\x00\x01\xff\uFFFF"

// node is an element of XML.
type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Nodes   []node     `xml:",any"`
}

func (n node) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (n node) number(t *testing.T, name string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(n.attr(name), 64)
	require.NoError(t, err)
	return f
}

// all returns the elements with a name below n.
func (n node) all(name string) (found []node) {
	if n.XMLName.Local == name {
		found = append(found, n)
	}
	for _, child := range n.Nodes {
		found = append(found, child.all(name)...)
	}
	return found
}

func (n node) boxes() (found []node) {
	for _, r := range n.all("rect") {
		if r.attr("class") == "box" {
			found = append(found, r)
		}
	}
	return found
}

func overlay(t *testing.T, page report.Page, boxes ...report.Box) node {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.Overlay(&b, page, boxes))
	var svg node
	require.NoError(t, xml.Unmarshal(b.Bytes(), &svg), "%s", &b)
	return svg
}

func TestOverlayDrawsBoxesOnImage(t *testing.T) {
	t.Parallel()
	img := picture(200, 100).(*image.Gray)
	img.Set(10, 10, color.Black)
	svg := overlay(t, report.Page{Number: 3, Image: img},
		report.Box{BBox: reducto.BoundingBox{Left: 0.5, Top: 0.5, Width: 0.25, Height: 0.25}, Label: "a", Confidence: "High", Content: "not drawn"},
		report.Box{Label: "b", Confidence: "low"}, report.Box{Label: "c", Confidence: "medium"}, report.Box{Label: "d", Confidence: "superb"})
	assert.Equal(t, "0 0 1000 500", svg.attr("viewBox"))

	images := svg.all("image")
	require.Len(t, images, 1)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(images[0].attr("href"), "data:image/png;base64,"))
	require.NoError(t, err)
	decoded, err := png.Decode(bytes.NewReader(raw))
	require.NoError(t, err)
	assert.Equal(t, img.Bounds(), decoded.Bounds())
	assert.Equal(t, color.GrayModel.Convert(color.Black), color.GrayModel.Convert(decoded.At(10, 10)))

	boxes := svg.boxes()
	require.Len(t, boxes, 4)
	for i, name := range []string{"x", "y", "width", "height"} {
		assert.InDelta(t, []float64{500, 250, 250, 125}[i], boxes[0].number(t, name), 0.01)
	}
	assert.Equal(t, "a (high confidence)", boxes[0].Nodes[0].Text)
	assert.Equal(t, "d (unknown confidence)", boxes[3].Nodes[0].Text)
	looks := map[string]bool{}
	for _, b := range boxes {
		looks[b.attr("stroke")] = true
		looks[b.attr("stroke-dasharray")] = true
	}
	assert.Len(t, looks, 8, "the levels differ by their colour, and by their line")
	assert.Len(t, svg.all("text"), 4, "the labels")
}

func TestOverlayDrawsTextOnBlankPage(t *testing.T) {
	t.Parallel()
	svg := overlay(t, report.Page{}, report.Box{Content: "Total: 5\nsecond line", Label: "total"})
	assert.Equal(t, "0 0 1000 1414.29", svg.attr("viewBox"), "A4")
	assert.Equal(t, "Total: 5", svg.all("text")[0].Text)
	assert.Equal(t, "0 0 1000 500", overlay(t, report.Page{Width: 2, Height: 1}).attr("viewBox"))
}

func TestOverlayKeepsBoxesOnThePage(t *testing.T) {
	t.Parallel()
	for _, b := range []reducto.BoundingBox{
		{}, {Left: -1, Top: -1, Width: 5, Height: 5}, {Left: 1, Top: 1}, {Left: 7, Top: 7, Width: 1, Height: 1},
		{Left: math.NaN(), Top: math.Inf(1), Width: math.Inf(-1), Height: math.NaN()}, {Left: 0.5, Width: -1, Height: -1}, {Left: math.MaxFloat64, Width: math.MaxFloat64},
	} {
		r := overlay(t, report.Page{Width: 1, Height: 1}, report.Box{BBox: b}).boxes()[0]
		x, y, w, h := r.number(t, "x"), r.number(t, "y"), r.number(t, "width"), r.number(t, "height")
		assert.True(t, x >= 0 && y >= 0 && w >= 4 && h >= 4 && x+w <= 1000 && y+h <= 1000, "%v: %v %v %v %v", b, x, y, w, h)
	}
}

func TestHostileTextIsText(t *testing.T) {
	t.Parallel()
	svg := overlay(t, report.Page{}, report.Box{Label: hostile, Content: hostile, Confidence: hostile})
	assert.Empty(t, svg.all("script"))
	assert.Empty(t, svg.all("img"))
	assert.Contains(t, svg.boxes()[0].Nodes[0].Text, "<script>alert(1)</script>")

	html := write(t, report.Document{Title: hostile, Fields: []report.Field{{
		Path: hostile, Value: hostile, Confidence: hostile, Citations: cite(hostile, 0.1, hostile),
	}}})
	assert.NotContains(t, html, "<script")
	assert.NotContains(t, html, "<img")
	assert.Contains(t, html, "&lt;script&gt;alert(1)&lt;/script&gt;")
	assert.NotRegexp(t, `<[^>]* on[a-z]+=`, html)
}

func write(t *testing.T, d report.Document) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.WriteHTML(&b, d))
	return b.String()
}

func TestReportLinksFieldsAndBoxes(t *testing.T) {
	t.Parallel()
	second := cite("also here", 0.5, "high")
	second[0].BBox.Page, second[0].GranularConfidence = 4, &reducto.GranularConfidence{ExtractConfidence: new(0.875)}
	lost := cite("nowhere", 0.5, "high")
	lost[0].BBox.Page = 0
	html := write(t, report.Document{
		Title: "invoice.pdf",
		Pages: []report.Page{{Number: 2}, {Number: 1, Image: picture(20, 30)}},
		Fields: []report.Field{
			{Path: "total", Value: "5", Citations: append(cite("Total: 5", 0.1, "low"), second...), Confidence: "low"},
			{Path: "tip"}, {Path: "tax", Value: "1", Citations: lost},
		},
	})
	assert.Equal(t, []string{"1", "2", "4"}, found(html, `aria-label="page (\d+)"`), "pages in order, cited ones included")
	assert.Equal(t, []string{"f0p0", "f0p1"}, found(html, `class="place" href="#(\w+)"`))
	assert.Equal(t, []string{"f0p0", "f0p1"}, found(html, `<rect id="(\w+)"`))
	assert.Equal(t, []string{"f0", "f0"}, found(html, `<a href="#(\w+)"><rect`))
	assert.Equal(t, []string{"f0", "f1", "f2"}, found(html, `<li id="(\w+)"`))
	assert.Equal(t, []string{"low 0.88", "unknown", "unknown"}, found(html, `</code> <b class="level \w+">([^<]*)</b>`))
	assert.Equal(t, 2, strings.Count(html, "no place in the document"))
	assert.Equal(t, 1, strings.Count(html, "<i>no value</i>"))
	assert.Len(t, found(html, `(<image )`), 1)

	policy := found(html, `Content-Security-Policy" content="([^"]*)"`)
	require.Len(t, policy, 1)
	assert.Regexp(t, `^default-src 'none'; img-src data:; style-src 'sha256-[^;]*'; base-uri 'none'; form-action 'none'$`, stdhtml.UnescapeString(policy[0]))
	assert.NotContains(t, html, "http-equiv=\"refresh")
	assert.NotContains(t, html, "ZgotmplZ", "the template refused a value")
	assert.Empty(t, found(html, `(?:src|href)="([^#"d][^"]*)"`), "it needs no other file")
	assert.Contains(t, write(t, report.Document{}), "There are no fields.")
}

func found(text, pattern string) (all []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// huge is an image that no memory could hold.
type huge struct{ image.Image }

func (huge) Bounds() image.Rectangle { return image.Rect(0, 0, 1<<20, 1<<20) }

func TestReportRefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	many := make([]report.Field, report.MaxPages+1)
	for i := range many {
		many[i].Citations = cite("x", 0.1, "high")
		many[i].Citations[0].BBox.Page = i + 1
	}
	for name, test := range map[string]struct {
		d    report.Document
		says string
	}{
		"image":         {report.Document{Pages: []report.Page{{Number: 1, Image: huge{}}}}, "page 1: the image has 1048576 x 1048576 pixels, and at most 50000000 are allowed: reduce it"},
		"empty image":   {report.Document{Pages: []report.Page{{Number: 1, Image: picture(0, 0)}}}, "the image is empty"},
		"pages":         {report.Document{Fields: many}, "more than 100 pages"},
		"same number":   {report.Document{Pages: []report.Page{{Number: 1}, {Number: 1}}}, "two pages 1"},
		"no number":     {report.Document{Pages: []report.Page{{}}}, "count from 1"},
		"negative size": {report.Document{Pages: []report.Page{{Number: 1, Width: -1, Height: 2}}}, "give positive numbers"},
		"no width":      {report.Document{Pages: []report.Page{{Number: 1, Height: 2}}}, "give positive numbers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, report.WriteHTML(io.Discard, test.d), test.says)
		})
	}
	require.Error(t, report.Overlay(io.Discard, report.Page{Image: huge{}}, nil))
	failed := errors.New("disk is full")
	require.ErrorIs(t, report.Overlay(failing{failed}, report.Page{}, nil), failed)
	require.ErrorIs(t, report.WriteHTML(failing{failed}, report.Document{}), failed)
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }

func TestLargeImagesAreReduced(t *testing.T) {
	t.Parallel()
	img := image.NewGray(image.Rect(10, 10, 3210, 330))
	for i := range img.Pix {
		img.Pix[i] = uint8(i % 2 * 255) // every second column is white
	}
	svg := overlay(t, report.Page{Image: img})
	assert.Equal(t, "0 0 1000 100", svg.attr("viewBox"))
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(svg.all("image")[0].attr("href"), "data:image/png;base64,"))
	require.NoError(t, err)
	decoded, err := png.Decode(bytes.NewReader(raw))
	require.NoError(t, err)
	assert.Equal(t, image.Pt(1600, 160), decoded.Bounds().Size())
	gray := color.GrayModel.Convert(decoded.At(800, 80)).(color.Gray)
	assert.InDelta(t, 127, gray.Y, 1, "a pixel is the average")
}

// blocks yields a block with a link to the picture of its page for each link.
func blocks(links ...string) iter.Seq2[*reducto.Block, error] {
	return func(yield func(*reducto.Block, error) bool) {
		for i, link := range links {
			b := &reducto.Block{BBox: reducto.BoundingBox{Page: i + 1}}
			if link != "" {
				b.Attributes = reducto.Extra{"page_image_url": []byte(strconv.Quote(link))}
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

func TestImagesDownloadsPictures(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	client := srv.Client(reducto.WithMaxRetries(0))
	served := 0
	first := srv.Mount("/1.png", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served++; servePicture(w, r) }))
	large := srv.Mount("/3.jpg", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = jpeg.Encode(w, picture(3200, 100), nil)
	}))
	pages, err := report.Images(t.Context(), client, func(yield func(*reducto.Block, error) bool) {
		for range 2 { // several blocks of the same page
			for b := range blocks(first+"?X-Amz-Signature=5a1e", "", large) {
				if !yield(b, nil) {
					return
				}
			}
		}
		yield(&reducto.Block{BBox: reducto.BoundingBox{Page: 4}, Attributes: reducto.Extra{"page_image_url": []byte(`{"other":"form"}`)}}, nil)
		yield(&reducto.Block{Attributes: reducto.Extra{"page_image_url": []byte(strconv.Quote(large))}}, nil) // without a page
	})
	require.NoError(t, err)
	require.Len(t, pages, 2)
	assert.Equal(t, 1, pages[0].Number)
	assert.Equal(t, image.Pt(85, 110), pages[0].Image.Bounds().Size())
	assert.Equal(t, 3, pages[1].Number)
	assert.Equal(t, image.Pt(1600, 50), pages[1].Image.Bounds().Size())
	assert.Equal(t, 1, served)
}

func TestImagesReturnsErrors(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	client := srv.Client(reducto.WithMaxRetries(0))
	serve := func(path string, body []byte) string {
		return srv.Mount(path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })) + "?X-Amz-Signature=5a1e"
	}
	var small bytes.Buffer
	require.NoError(t, png.Encode(&small, picture(2, 2)))
	giant := bytes.Clone(small.Bytes())
	copy(giant[16:], []byte{0, 1, 0, 0, 0, 1, 0, 0}) // 65536 x 65536
	for _, test := range []struct{ link, says string }{
		{serve("/text", []byte("no image")), "page 1: it is no PNG or JPEG"},
		{serve("/cut", small.Bytes()[:40]), "it is"},
		{serve("/endless", make([]byte, report.MaxImageBytes+1)), "more than 33554432 bytes"},
		{serve("/none", nil), "it is no PNG or JPEG"},
		{srv.Mount("/404", http.NotFoundHandler()) + "?X-Amz-Signature=5a1e", "404"},
		{"reducto://no-url", "unsupported protocol"},
	} {
		pages, err := report.Images(t.Context(), client, blocks(test.link))
		require.ErrorContains(t, err, test.says)
		assert.NotContains(t, err.Error(), "5a1e")
		assert.Empty(t, pages)
	}
	_, err := report.Images(t.Context(), client, blocks(serve("/giant", withCRC(giant))))
	require.ErrorContains(t, err, "65536 x 65536")
	_, err = report.Images(t.Context(), client, blocks(slices.Repeat([]string{serve("/ok", small.Bytes())}, report.MaxPages+1)...))
	require.ErrorContains(t, err, "more than 100 pages")
	failed := errors.New("stream ended")
	_, err = report.Images(t.Context(), client, func(yield func(*reducto.Block, error) bool) { yield(nil, failed) })
	require.ErrorIs(t, err, failed)
}

// withCRC corrects the checksum of the first chunk of a PNG.
func withCRC(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[29:], crc32.ChecksumIEEE(raw[12:29]))
	return raw
}
