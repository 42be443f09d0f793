package report

import (
	"cmp"
	"fmt"
	"html/template"
	"image"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/reducto-go/reducto"
)

// Page is a page of a document to draw boxes on.
type Page struct {
	// Number is the number of the page, as in BoundingBox.Page, from 1.
	Number int
	// Image is the picture of the page. Without one, the page is blank.
	Image image.Image
	// Width and Height are the proportion of a blank page, in any unit. Default: A4.
	Width, Height float64
}

// Box is a place on a page.
type Box struct {
	// BBox is the rectangle. Parts outside of the page are cut off.
	BBox reducto.BoundingBox
	// Label is the text beside the box.
	Label string
	// Content is the text in the box. It is drawn only on a blank page.
	Content string
	// Confidence decides the colour and the line of the box, and is part of its title.
	Confidence reducto.Confidence
}

// Overlay writes an SVG of a page with boxes on it. The SVG includes the image of the page.
// The line of a box shows the confidence. It is green and solid for high, amber and dashed
// for medium, and red and dotted for low. It is blue if the confidence is unknown.
func Overlay(w io.Writer, page Page, boxes []Box) error {
	if err := page.check(); err != nil {
		return err
	}
	s := newSheet(page)
	s.Labels = true
	for _, b := range boxes {
		s.add(b)
	}
	if err := templates.ExecuteTemplate(w, "sheet", s); err != nil {
		return fmt.Errorf("report: write the overlay: %w", err)
	}
	return nil
}

// sheetWidth is the width of a page in the units of its SVG. Fonts and lines have their
// sizes in it, whatever the size of the image.
const sheetWidth = 1000.0

// sheet is a page as the template draws it.
type sheet struct {
	Page
	Labels bool // show the labels of boxes
	Boxes  []rectangle
	H      float64
}

// rectangle is a box in the units of a sheet.
type rectangle struct {
	ID, Field             string // in a report
	X, Y, W, H            float64
	LabelTop              float64
	Font, Baseline        float64 // of Content
	Label, Title, Content string
	Colour, Dashes        string
}

func newSheet(p Page) *sheet {
	w, h := cmp.Or(p.Width, 210), cmp.Or(p.Height, 297)
	if p.Image != nil {
		w, h = float64(p.Image.Bounds().Dx()), float64(p.Image.Bounds().Dy())
	}
	return &sheet{Page: p, H: sheetWidth * h / w}
}

// Picture is for the template, which draws one page after the other.
func (s *sheet) Picture() (template.URL, error) { return dataURI(s.Image) }

// styles are the lines of the levels. They differ without colours too.
var styles = map[string]struct{ colour, dashes string }{
	"high":    {"#1a7f37", "none"},
	"medium":  {"#9a6700", "8 4"},
	"low":     {"#cf222e", "2 3"},
	"unknown": {"#0969da", "12 3"},
}

func (s *sheet) add(b Box) *rectangle {
	const least = 4 // a box without a size is visible all the same
	level := levelOf(b.Confidence)
	r := rectangle{Label: printable(b.Label), Colour: styles[level].colour, Dashes: styles[level].dashes}
	r.Title = fmt.Sprintf("%s (%s confidence)", r.Label, level)
	r.X, r.W = span(b.BBox.Left, b.BBox.Width, sheetWidth, least)
	r.Y, r.H = span(b.BBox.Top, b.BBox.Height, s.H, least)
	if r.LabelTop = r.Y - 4; r.LabelTop < 12 {
		r.LabelTop = r.Y + 13 // in the box, because there is no room above it
	}
	if s.Image == nil {
		r.Font = min(max(r.H*0.7, 8), 16)
		r.Baseline = (r.H + r.Font*0.7) / 2
		r.Content, _, _ = strings.Cut(printable(b.Content), "\n")
	}
	s.Boxes = append(s.Boxes, r)
	return &s.Boxes[len(s.Boxes)-1]
}

// span returns the part of a range that is on a page of a size.
func span(from, length, size, least float64) (start, extent float64) {
	inside := func(f float64) float64 {
		if math.IsNaN(f) {
			return 0
		}
		return min(max(f, 0), 1) * size
	}
	start, end := inside(from), inside(from+length)
	if extent = max(end-start, least); start+extent > size {
		start = size - extent
	}
	return start, extent
}

// printable replaces characters that XML does not allow.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func number(f float64) string { return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64) }
