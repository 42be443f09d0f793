package report_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/report"
)

// invoice is what ExtractResult.Decode fills.
type invoice struct {
	Number reducto.Cited[string]  `json:"invoice_number"`
	Total  reducto.Cited[float64] `json:"total"`
	Lines  []line                 `json:"lines"`
}

type line struct {
	Item   reducto.Cited[string] `json:"item"`
	Pieces int                   `json:"pieces"`
}

// cite returns the citation of a text at a height of page 1.
func cite(text string, top float64, level reducto.Confidence) []reducto.Citation {
	return []reducto.Citation{{Block: reducto.Block{
		Type: reducto.BlockTypeKeyValue, Content: text, Confidence: level,
		BBox: reducto.BoundingBox{Left: 0.1, Top: top, Width: 0.4, Height: 0.02, Page: 1},
	}}}
}

func sample() invoice {
	return invoice{
		Number: reducto.Cited[string]{Value: "INV-7", Citations: cite("Invoice number: INV-7", 0.1, "high")},
		Total:  reducto.Cited[float64]{Value: 12.5, Citations: cite("Total: 12.50", 0.3, "low")},
		Lines:  []line{{Item: reducto.Cited[string]{Value: "Drill", Citations: cite("Drill | 2", 0.2, "medium")}, Pieces: 2}},
	}
}

func ExampleFields() {
	for _, f := range report.Fields(sample()) {
		fmt.Printf("%s = %s", f.Path, f.Value)
		for _, c := range f.Citations {
			fmt.Printf(" (page %d, %s confidence)", c.BBox.Page, f.Confidence)
		}
		fmt.Println()
	}
	// Output:
	// invoice_number = INV-7 (page 1, high confidence)
	// total = 12.5 (page 1, low confidence)
	// lines[0].item = Drill (page 1, medium confidence)
	// lines[0].pieces = 2
}

func ExampleWriteHTML() {
	file, err := os.CreateTemp("", "*.html")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	err = report.WriteHTML(file, report.Document{
		Title:  "invoice.pdf",
		Pages:  nil, // blank pages; report.Images downloads their pictures
		Fields: report.Fields(sample()),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
	html, err := os.ReadFile(file.Name()) // open it in a browser
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Count(string(html), `class="place"`), "places")
	// Output: 4 places
}

func ExampleOverlay() {
	page := report.Page{Number: 1, Width: 8.5, Height: 11} // or with an Image
	box := report.Box{
		BBox:  reducto.BoundingBox{Left: 0.1, Top: 0.2, Width: 0.5, Height: 0.05},
		Label: "total", Confidence: reducto.ConfidenceHigh,
	}
	var svg bytes.Buffer
	if err := report.Overlay(&svg, page, []report.Box{box}); err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(svg.String()) {
		if strings.Contains(line, `class="box"`) {
			fmt.Print(line)
		}
	}
	// Output:
	// <rect class="box" x="100" y="258.82" width="500" height="64.71" fill="#1a7f37" fill-opacity="0.08" stroke="#1a7f37" stroke-width="2" stroke-dasharray="none"><title>total (high confidence)</title></rect><text x="100" y="254.82" font-size="13" fill="#1a7f37" stroke="#ffffff" stroke-width="3" paint-order="stroke">total</text>
}

func ExampleImages() {
	srv, err := reductotest.Start() // a Reducto in this process, which makes no pictures
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	link := srv.Mount("/page-1.png", http.HandlerFunc(servePicture))
	srv.NextResult(map[string]any{
		"response_type": "parse", "duration": 1, "usage": map[string]any{"num_pages": 1},
		"result": map[string]any{"type": "full", "chunks": []any{map[string]any{
			"content": "Total: 12.50", "embed": "", "blocks": []any{map[string]any{
				"type": "Text", "content": "Total: 12.50", "bbox": map[string]any{"left": 0, "top": 0, "width": 1, "height": 1, "page": 1},
				"extra": map[string]any{"page_image_url": link},
			}},
		}}},
	})
	client := srv.Client() // a program uses reducto.NewClient

	ctx := context.Background()
	result, err := client.Parse(ctx, reducto.ParseRequest{
		Input:    reducto.URL("https://example.com/invoice.pdf"),
		Settings: reducto.Settings{ReturnImages: []reducto.ImageKind{reducto.ImageKindPage}},
	})
	if err != nil {
		log.Fatal(err)
	}
	pages, err := report.Images(ctx, client, result.Blocks(ctx))
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range pages {
		fmt.Println("page", p.Number, p.Image.Bounds().Size())
	}
	// Output: page 1 (85,110)
}

func ExampleBlocks() {
	for b, err := range report.Blocks(report.Fields(sample())) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(b.BBox.Page, b.Content)
	}
	// Output:
	// 1 Invoice number: INV-7
	// 1 Total: 12.50
	// 1 Drill | 2
}

// servePicture serves a white page.
func servePicture(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		http.Error(w, "the key was sent to the storage", http.StatusBadRequest)
		return
	}
	_ = png.Encode(w, picture(85, 110))
}

func picture(width, height int) image.Image {
	img := image.NewGray(image.Rect(0, 0, width, height))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	return img
}
