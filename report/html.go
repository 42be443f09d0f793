package report

import (
	"cmp"
	"crypto/sha256"
	_ "embed" // the template and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"

	"github.com/reducto-go/reducto"
)

// Document is the content of a report.
type Document struct {
	// Title is the heading, such as the name of the file.
	Title string
	// Pages are the pages with their images. If a citation is on another page, the
	// report shows that page blank.
	Pages []Page
	// Fields are the extracted values. The function Fields makes them from a struct.
	Fields []Field
}

var (
	//go:embed report.html
	markup string
	//go:embed report.css
	style string

	templates = template.Must(template.New("").Funcs(template.FuncMap{"n": number}).Parse(markup))
)

// WriteHTML writes a report as one HTML file, which you can open without other files and
// without a server. It shows each field with its confidence and its places, and the pages
// with a box for each place. A click on a place leads to its box, and a click on a box to
// its field.
//
// The file has no scripts, and its Content-Security-Policy permits none. Text of the
// document is shown as text.
func WriteHTML(w io.Writer, d Document) error {
	v, err := newView(d)
	if err != nil {
		return err
	}
	if err := templates.ExecuteTemplate(w, "report", v); err != nil {
		return fmt.Errorf("report: write the report: %w", err)
	}
	return nil
}

// view is a document as the template draws it.
type view struct {
	Title  string
	Fields []*fieldView
	Sheets []*sheet
}

type fieldView struct {
	ID, Path, Value, Level, Score string
	Places                        []place
}

// place is a citation on a page. The first one of a field has an excerpt of the page.
type place struct {
	Page    int
	Box     string // its id
	Content string
	Excerpt string // the part of the page; empty if it is not the first place
}

func newView(d Document) (*view, error) {
	sheets := map[int]*sheet{}
	for _, p := range d.Pages {
		if err := p.check(); err != nil {
			return nil, err
		}
		switch {
		case p.Number < 1:
			return nil, fmt.Errorf("report: a page has the number %d: count from 1", p.Number)
		case sheets[p.Number] != nil:
			return nil, fmt.Errorf("report: there are two pages %d: remove one", p.Number)
		}
		sheets[p.Number] = newSheet(p)
	}
	v := &view{Title: cmp.Or(printable(d.Title), "Report")}
	for i, f := range d.Fields {
		field := &fieldView{
			ID: fmt.Sprintf("f%d", i), Path: printable(f.Path), Value: printable(f.Value), Level: levelOf(f.Confidence), Score: score(f.Citations),
		}
		for j, c := range f.Citations {
			number := c.BBox.Page
			if number < 1 {
				continue // the place is unknown
			}
			if sheets[number] == nil {
				sheets[number] = newSheet(Page{Number: number})
			}
			if len(sheets) > MaxPages {
				return nil, tooManyPages()
			}
			s := sheets[number]
			r := s.add(Box{
				BBox: c.BBox, Label: f.Path, Content: c.Content, Confidence: cmp.Or(c.Confidence, f.Confidence),
			})
			r.Field, r.ID = field.ID, fmt.Sprintf("f%dp%d", i, j)
			p := place{Page: number, Box: r.ID, Content: printable(c.Content)}
			if len(field.Places) == 0 {
				p.Excerpt = s.around(*r)
			}
			field.Places = append(field.Places, p)
		}
		v.Fields = append(v.Fields, field)
	}
	if len(sheets) > MaxPages {
		return nil, tooManyPages()
	}
	for _, number := range slices.Sorted(maps.Keys(sheets)) {
		v.Sheets = append(v.Sheets, sheets[number])
	}
	return v, nil
}

// around returns the part of the page around a box, which an excerpt shows.
func (s *sheet) around(r rectangle) string {
	const margin, widest, highest = 24, 480, 160
	x, y := max(r.X-margin, 0), max(r.Y-margin, 0)
	w, h := min(r.W+2*margin, widest, sheetWidth-x), min(r.H+2*margin, highest, s.H-y)
	return fmt.Sprintf("%.0f %.0f %.0f %.0f", x, y, w, h)
}

// score returns the lowest confidence of citations as a number; empty if none has one.
func score(cites []reducto.Citation) string {
	least := 2.0
	for _, c := range cites {
		if g := c.GranularConfidence; g != nil && g.ExtractConfidence != nil {
			least = min(least, *g.ExtractConfidence)
		}
	}
	if least > 1 {
		return ""
	}
	return fmt.Sprintf("%.2f", least)
}

// The methods below are for the template.

func (v *view) Style() template.CSS { return template.CSS(style) }

// Policy permits the style of the report, the images in it, and nothing else.
func (v *view) Policy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; img-src data:; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'"
}
