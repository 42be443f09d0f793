package reductotest

import (
	"slices"
)

// fromLegacy checks a request in the older form, with document_url, and
// returns what this package uses of it in the current form.
func fromLegacy(ep *endpoint, body map[string]any) (map[string]any, []object, *apiError) {
	var c checker
	checked := fields{"document_url!": input}
	switch ep.jobType {
	case "Extract":
		checked["schema!"] = anything
	case "Split":
		checked["split_description!"] = endpoints["/split"].fields["split_description!"]
	case "Pipeline":
		checked["pipeline_id!"] = text
	}
	if body["webhook"] != nil {
		checked["webhook"] = topLevelWebhook
	}
	checked.check(&c, []any{"body", ep.model + "New"}, body)
	if len(c.problems) > 0 {
		return nil, c.problems, nil
	}

	force := lookupBool(body, "options", "force_url_result")
	mode := lookupString(body, "options", "chunking", "chunk_mode")
	if mode == "" && ep.jobType == "Parse" {
		mode = "variable" // the older form's default
	}
	chunking := map[string]any{"chunk_mode": mode, "chunk_size": lookup(body, "options", "chunking", "chunk_size")}
	pageRange := lookup(body, "advanced_options", "page_range")
	settings := map[string]any{
		"force_url_result":  force,
		"page_range":        pageRange,
		"persist_results":   lookupBool(body, "advanced_options", "persist_results"),
		"citations":         map[string]any{"enabled": lookupBool(body, "generate_citations")},
		"deep_split":        lookupBool(body, "deep_split"),
		"document_password": lookup(body, "advanced_options", "document_password"),
	}
	return map[string]any{
		"input":             body["document_url"],
		"retrieval":         map[string]any{"chunking": chunking, "filter_blocks": lookup(body, "options", "filter_blocks")},
		"settings":          settings,
		"instructions":      map[string]any{"schema": body["schema"]},
		"split_description": body["split_description"],
		"pipeline_id":       body["pipeline_id"],
	}, nil, nil
}

// newKeys are members that only the current form of requests has; a request
// that has them and document_url mixes the two.
var newKeys = []string{
	"input", "async", "enhance", "retrieval", "formatting", "spreadsheet", "settings", "parsing", "instructions", "split_rules",
}

// mixes names a member of the current form in a request with document_url.
func mixes(ep *endpoint, body map[string]any) (key string, ok bool) {
	if _, ok := body["document_url"]; !ok {
		return "", false
	}
	i := slices.IndexFunc(newKeys, func(key string) bool {
		_, ok := body[key]
		return ok && !(key == "settings" && ep.jobType == "Pipeline") // both forms have those
	})
	if i < 0 {
		return "", false
	}
	return newKeys[i], true
}
