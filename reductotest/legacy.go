package reductotest

// currentKeys are the members that only the current form of requests has.
var currentKeys = []string{
	"input", "async", "enhance", "retrieval", "formatting", "spreadsheet", "settings", "parsing", "instructions", "split_rules",
}

// fromLegacy checks a request in the older form, which has document_url. It returns the
// parts that this package uses in the current form.
func fromLegacy(ep *endpoint, body map[string]any) (map[string]any, failure) {
	for _, key := range currentKeys {
		if _, mixed := body[key]; mixed && !(key == "settings" && ep.kind == pipelineKind) { // both forms have those
			return nil, newAPIError("INVALID_CONFIG", "document_url cannot be combined with %s", key)
		}
	}
	checked := ep.legacy.with("document_url!", input)
	if body["webhook"] != nil {
		checked["webhook"] = topLevelWebhook
	}
	var c checker
	checked.check(&c, []any{"body", ep.model + "New"}, body)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	mode := lookupString(body, "options", "chunking", "chunk_mode")
	if mode == "" && ep.kind == parseKind {
		mode = "variable" // the default of the older form
	}
	return map[string]any{
		"input": body["document_url"],
		"retrieval": map[string]any{
			"chunking":      map[string]any{"chunk_mode": mode, "chunk_size": lookup(body, "options", "chunking", "chunk_size")},
			"filter_blocks": lookup(body, "options", "filter_blocks"),
		},
		"settings": map[string]any{
			"force_url_result":  lookupBool(body, "options", "force_url_result"),
			"page_range":        lookup(body, "advanced_options", "page_range"),
			"persist_results":   lookupBool(body, "advanced_options", "persist_results"),
			"citations":         map[string]any{"enabled": lookupBool(body, "generate_citations")},
			"deep_split":        lookupBool(body, "deep_split"),
			"document_password": lookup(body, "advanced_options", "document_password"),
		},
		"instructions":      map[string]any{"schema": body["schema"]},
		"split_description": body["split_description"],
		"pipeline_id":       body["pipeline_id"],
	}, nil
}
