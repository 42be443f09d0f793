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
// A Page has any image.Image, or none. Without one the page is blank, with the boxes and
// their text on it. Images downloads the pictures that the API makes. Ask for them with
// Settings.ReturnImages:
//
//	settings := reducto.Settings{ReturnImages: []reducto.ImageKind{reducto.ImageKindPage}}
//
// Parse the document with these settings, and extract from reducto.FromJob. Then Images
// takes ParseResult.Blocks. Pages of a report are numbered as in BoundingBox.Page, so use
// no page range in one job that the other does not have.
//
// # Limits
//
// A report has at most MaxPages pages. An image has at most MaxPixels pixels. The output
// has each image with a longer side of at most 1600 pixels.
package report
