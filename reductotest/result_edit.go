package reductotest

import "bytes"

var editKind = &kind{
	jobType: "Edit",
	request: fields{
		"document_url!": oneOf(text, uploadObject), "edit_instructions!": text, "priority": boolean,
		"edit_options": fields{
			"color": text, "font_size": nullable(between(1, 72, number)),
			"llm_provider_preference": nullable(enum("openai", "anthropic", "google")),
			"enable_overflow_pages":   boolean, "flatten": boolean,
		}.check,
		"form_schema": nullable(list(fields{
			"bbox!": fields{
				"left!": number, "top!": number, "width!": number, "height!": number, "page!": integer, "original_page": integer,
			}.check,
			"description!": text, "type!": enum("text", "checkbox", "radio", "dropdown", "barcode"),
			"fill": boolean, "value": nullable(text), "font_size": nullable(between(1, 72, number)),
		}.check)),
	},
	result: editOutcome,
}

// editOutcome appends the instructions to a text. It does not change other documents.
func editOutcome(_ *Server, j *job, d *document) (*outcome, *apiError) {
	edited := append([]byte{}, d.raw...)
	if !d.figure && !bytes.HasPrefix(d.raw, []byte("%PDF-")) {
		edited = []byte(d.text() + "\n\n" + lookupString(j.request, "edit_instructions") + "\n")
	}
	_, numbers := selectPages(d.pages, nil)
	return &outcome{
		responseType: "edit",
		head: obj(
			"document_url", linkTo(editedPath(j)),
			"form_schema", j.request["form_schema"],
			"usage", pageUsage(numbers),
		),
		document: edited, mediaType: d.contentType,
	}, nil
}
