package reductotest

import (
	"bytes"
)

// editOutcome is a document with its instructions at the end if it is text,
// and as it was otherwise.
func editOutcome(d *document, j *job) *outcome {
	edited, mediaType := d.raw, d.contentType
	if !d.figure && !bytes.HasPrefix(d.raw, []byte("%PDF-")) {
		edited = []byte(d.text() + "\n\n" + lookupString(j.request, "edit_instructions") + "\n")
	}
	if edited == nil {
		edited = []byte{}
	}
	_, numbers := selectPages(d.pages, nil)
	return &outcome{
		responseType: "edit",
		head: obj(
			"document_url", linkTo(editedPath(j)),
			"form_schema", j.request["form_schema"],
			"usage", pageUsage(numbers),
		),
		document: edited, mediaType: mediaType,
	}
}
