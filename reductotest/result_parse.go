package reductotest

import (
	"slices"
	"strconv"
)

// parseOutcome is the result of parsing d under the options of a parse
// request, or of the "parsing" member of another.
func parseOutcome(d *document, options any, forceURL bool, form URLBody) *outcome {
	pages, numbers := selectPages(d.pages, lookup(options, "settings", "page_range"))
	chunks := chunksOf(pages, numbers, d.figure, chunkConfigOf(options))
	full := mustMarshal(obj("type", "full", "chunks", chunks, "ocr", nil, "custom", nil))
	behind := full
	if form == URLBodyChunks {
		behind = mustMarshal(chunks)
	}
	return &outcome{
		responseType: "parse",
		head: obj(
			"duration", jobDuration{},
			"pdf_url", nil,
			"studio_link", studioLink{},
			"usage", pageUsage(numbers),
		),
		result:   full,
		tail:     obj("document_properties", nil, "parse_mode", nil),
		canBeURL: true, forceURL: forceURL, behind: behind,
	}
}

func chunkConfigOf(options any) chunkConfig {
	cfg := chunkConfig{
		mode: lookupString(options, "retrieval", "chunking", "chunk_mode"),
		size: intOr(lookup(options, "retrieval", "chunking", "chunk_size"), 1000),
	}
	if types, ok := lookup(options, "retrieval", "filter_blocks").([]any); ok {
		for _, t := range types {
			if t, ok := t.(string); ok {
				cfg.filter = append(cfg.filter, t)
			}
		}
	}
	return cfg
}

// pageUsage is the usage of a job that read the pages with these numbers.
func pageUsage(numbers []int) object {
	breakdown := obj()
	for _, n := range slices.Sorted(slices.Values(numbers)) {
		breakdown = append(breakdown, member{strconv.Itoa(n), []string{"page"}})
	}
	return obj(
		"num_pages", len(numbers),
		"credits", float64(len(numbers)),
		"credit_breakdown", obj("page", float64(len(numbers))),
		"page_billing_breakdown", breakdown,
		"non_empty_cell_count", nil,
	)
}

// resultOutcome is the common form of the other results.
func resultOutcome(responseType string, head object, result any, tail object, forceURL bool) *outcome {
	raw := mustMarshal(result)
	return &outcome{
		responseType: responseType, head: head, result: raw, tail: tail,
		canBeURL: true, forceURL: forceURL, behind: raw,
	}
}
