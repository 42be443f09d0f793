package reducto

import (
	"encoding/json"
	"errors"

	"github.com/reducto-go/reducto/internal/members"
)

// PageRange selects a part of a document: pages, numbered from 1, or sheets of a
// spreadsheet. Make one with Pages, PageSpan, PageSpans or Sheets. The zero value
// selects the default of the endpoint, usually the whole document.
type PageRange struct {
	pages  []int
	spans  []Span
	sheets []string
}

// Span is a range of pages that includes both ends.
type Span struct {
	// Start is the first page, from 1.
	Start int `json:"start"`
	// End is the last page. 0 means the end of the document.
	End int `json:"end,omitzero"`
}

// Pages selects single pages, numbered from 1.
func Pages(numbers ...int) PageRange { return PageRange{pages: append([]int{}, numbers...)} }

// PageSpan selects the pages from start to end, both included. Pages are numbered from
// 1. An end of 0 means the end of the document.
func PageSpan(start, end int) PageRange { return PageSpans(Span{start, end}) }

// PageSpans selects several ranges of pages.
func PageSpans(spans ...Span) PageRange { return PageRange{spans: append([]Span{}, spans...)} }

// Sheets selects the sheets of a spreadsheet by their names.
func Sheets(names ...string) PageRange { return PageRange{sheets: append([]string{}, names...)} }

// IsZero reports whether nothing was selected, so that the default applies. A PageRange
// made from an empty list is not zero, and the client refuses it.
func (p PageRange) IsZero() bool { return p.pages == nil && p.spans == nil && p.sheets == nil }

// MarshalJSON writes one span as an object and anything else as a list.
func (p PageRange) MarshalJSON() ([]byte, error) {
	switch {
	case p.pages != nil:
		return json.Marshal(p.pages)
	case len(p.spans) == 1:
		return json.Marshal(p.spans[0])
	case p.spans != nil:
		return json.Marshal(p.spans)
	case p.sheets != nil:
		return json.Marshal(p.sheets)
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads each form of a page range in the API. A span without a start
// begins at page 1.
func (p *PageRange) UnmarshalJSON(data []byte) error {
	switch members.Kind(data) {
	case 'n':
		return nil
	case '{':
		var span Span
		if err := json.Unmarshal(data, &span); err != nil {
			return err
		}
		*p = PageSpans(span)
		return nil
	case '[':
		return p.unmarshalList(data)
	}
	return errors.New("reducto: a page range must be an object or a list")
}

func (p *PageRange) unmarshalList(data []byte) error {
	var elements []json.RawMessage
	if err := json.Unmarshal(data, &elements); err != nil {
		return err
	}
	var list PageRange
	var target any = &list.pages
	if len(elements) > 0 {
		switch members.Kind(elements[0]) {
		case '{':
			target = &list.spans
		case '"':
			target = &list.sheets
		}
	}
	if err := json.Unmarshal(data, target); err != nil {
		return err
	}
	*p = list
	return nil
}

// UnmarshalJSON reads a span. An absent start means page 1.
func (s *Span) UnmarshalJSON(data []byte) error {
	type plain Span
	span := plain{Start: 1}
	if err := json.Unmarshal(data, &span); err != nil {
		return err
	}
	*s = Span(span)
	return nil
}

func (p PageRange) check(field string) error {
	if p.IsZero() {
		return nil
	}
	if len(p.pages)+len(p.spans)+len(p.sheets) == 0 {
		return refuse(field, "it selects nothing: name a page or a sheet, or leave the field unset for the default")
	}
	for _, page := range p.pages {
		if page < 1 {
			return refuse(field, "page %d: pages are numbered from 1", page)
		}
	}
	for _, s := range p.spans {
		switch {
		case s.Start < 1:
			return refuse(field, "span from page %d: pages are numbered from 1", s.Start)
		case s.End < 0:
			return refuse(field, "span to page %d: use 0 for the end of the document", s.End)
		case s.End != 0 && s.End < s.Start:
			return refuse(field, "span from page %d to page %d: the end must not be before the start", s.Start, s.End)
		}
	}
	return nil
}
