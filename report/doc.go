// Package report shows a person where extracted values come from. It draws the bounding
// boxes of citations onto pages.
//
//	fields := report.Fields(invoice) // a struct with fields of type reducto.Cited
//	err := report.WriteHTML(file, report.Document{Title: "invoice.pdf", Fields: fields})
//
// WriteHTML writes one HTML file without scripts. A browser opens it without a server. It
// shows each field beside its place, with its confidence. Overlay writes the SVG of a
// single page.
//
// # Pictures of pages
//
// A Page can have any image.Image. Without an image, the page is blank and shows the
// boxes with their text. Images downloads the pictures that the API makes. Ask for them
// with Settings.ReturnImages:
//
//	settings := reducto.Settings{ReturnImages: []reducto.ImageKind{reducto.ImageKindPage}}
//
// Parse the document with these settings, and extract from reducto.FromJob. Then pass
// ParseResult.Blocks to Images. A report has the page numbers of BoundingBox.Page, so use
// the same page range for both jobs.
//
// # Limits
//
// A report has at most MaxPages pages. An image has at most MaxPixels pixels. In the
// output, the longer side of an image has at most 1600 pixels.
package report
