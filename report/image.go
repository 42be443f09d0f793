package report

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"image"
	"image/color"
	_ "image/jpeg" // Images reads it
	"image/png"
	"iter"
	"maps"
	"slices"

	"github.com/reducto-go/reducto"
)

const (
	// MaxPages is the maximum number of pages in a report.
	MaxPages = 100
	// MaxPixels is the maximum number of pixels in an image, as in the API.
	MaxPixels = 50_000_000
	// MaxImageBytes is the maximum number of bytes that Images downloads for a page.
	MaxImageBytes = 32 << 20

	maxSide = 1600 // of an image in the output
)

// Images downloads the pictures of pages that the API made for a parse with
// reducto.ImageKindPage. It reads their links from blocks, for example from
// ParseResult.Blocks or Blocks. It leaves out pages without a link. The pictures are PNG
// or JPEG. In the result, their longer side has at most 1600 pixels.
//
// For a document of more than MaxPages pages, give only the blocks of the cited pages. The
// links expire within hours. Images sends no API key to them.
func Images(ctx context.Context, client *reducto.Client, blocks iter.Seq2[*reducto.Block, error]) ([]Page, error) {
	links := map[int]reducto.Link{}
	for b, err := range blocks {
		if err != nil {
			return nil, err
		}
		var link reducto.Link
		// The form of the attributes is not documented. Another form is no link.
		_ = json.Unmarshal(b.Attributes["page_image_url"], &link)
		if link != "" && b.BBox.Page > 0 && links[b.BBox.Page] == "" {
			links[b.BBox.Page] = link
		}
		if len(links) > MaxPages {
			return nil, tooManyPages()
		}
	}
	var pages []Page
	for _, number := range slices.Sorted(maps.Keys(links)) {
		img, err := download(ctx, client, links[number])
		if err != nil {
			return nil, fmt.Errorf("report: the picture of page %d: %w", number, err)
		}
		pages = append(pages, Page{Number: number, Image: img})
	}
	return pages, nil
}

func download(ctx context.Context, client *reducto.Client, link reducto.Link) (image.Image, error) {
	var body limitedBuffer
	if err := client.Download(ctx, link, &body); err != nil {
		return nil, err
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(body.Bytes()))
	if err != nil {
		return nil, fmt.Errorf("it is no PNG or JPEG: %w", err)
	}
	if err := checkSize(config.Width, config.Height); err != nil {
		return nil, err
	}
	img, _, err := image.Decode(&body.Buffer)
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	return reduced(img), nil
}

type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > MaxImageBytes {
		return 0, fmt.Errorf("it has more than %d bytes", MaxImageBytes)
	}
	return b.Buffer.Write(p)
}

func checkSize(width, height int) error {
	switch {
	case width < 1 || height < 1:
		return errors.New("the image is empty")
	case width > MaxPixels/height:
		return fmt.Errorf("the image has %d x %d pixels, and at most %d are allowed: reduce it", width, height, MaxPixels)
	}
	return nil
}

func tooManyPages() error {
	return fmt.Errorf("report: there are more than %d pages: give fewer, such as those with citations", MaxPages)
}

func (p Page) check() error {
	if p.Image != nil {
		if err := checkSize(p.Image.Bounds().Dx(), p.Image.Bounds().Dy()); err != nil {
			return fmt.Errorf("report: page %d: %w", p.Number, err)
		}
	}
	if p.Width == 0 && p.Height == 0 {
		return nil
	}
	if ratio := p.Height / p.Width; !(ratio >= 0.01 && ratio <= 100) {
		return fmt.Errorf("report: page %d has the size %g x %g: give positive numbers, or none for A4", p.Number, p.Width, p.Height)
	}
	return nil
}

// dataURI returns an image as a PNG in a URL.
func dataURI(img image.Image) (template.URL, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, reduced(img)); err != nil {
		return "", err
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())), nil
}

// reduced returns an image whose sides are at most maxSide. A pixel is the average of those
// that it replaces.
func reduced(img image.Image) image.Image {
	b := img.Bounds()
	longest := max(b.Dx(), b.Dy())
	if longest <= maxSide {
		return img
	}
	w, h := max(b.Dx()*maxSide/longest, 1), max(b.Dy()*maxSide/longest, 1)
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			var sum [4]uint64
			var n uint64
			for sy := y * b.Dy() / h; sy < (y+1)*b.Dy()/h; sy++ {
				for sx := x * b.Dx() / w; sx < (x+1)*b.Dx()/w; sx++ {
					r, g, blue, a := img.At(b.Min.X+sx, b.Min.Y+sy).RGBA()
					sum[0], sum[1], sum[2], sum[3] = sum[0]+uint64(r), sum[1]+uint64(g), sum[2]+uint64(blue), sum[3]+uint64(a)
					n++
				}
			}
			at := func(i int) uint8 { return uint8(sum[i] / n >> 8) }
			out.SetRGBA(x, y, color.RGBA{at(0), at(1), at(2), at(3)})
		}
	}
	return out
}
