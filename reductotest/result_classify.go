package reductotest

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
)

var classifyKind = &kind{
	jobType: "Classify",
	request: fields{
		"input!": input, "persist_results": boolean, "document_metadata": nullable(text),
		"classification_schema": list(fields{"category!": text, "criteria!": list(text)}.check),
		"page_range":            nullable(oneOf(pageRange, list(pageRange), list(integer))),
		"model":                 enum("default", "accurate"), "priority": boolean, "force_url_result": boolean,
		"category_groups": anything,
	},
	result: classifyOutcome,
}

// classifyOutcome chooses the category that shares the most words with the document. If
// several share as many, it chooses the first.
func classifyOutcome(_ *Server, j *job, d *document) (*outcome, *apiError) {
	items, _ := j.request["classification_schema"].([]any)
	if len(items) == 0 {
		return nil, newAPIError("INVALID_CONFIG", "classification_schema has no categories")
	}
	pageRange := j.request["page_range"]
	if pageRange == nil {
		pageRange = map[string]any{"end": json.Number("5")} // the default of the service
	}
	pages, numbers := selectPages(d.pages, pageRange)
	words := wordsOf(strings.Join(pages, "\n"))
	matches := func(text string) bool {
		return slices.ContainsFunc(wordsOf(text), func(w string) bool { return slices.Contains(words, w) })
	}
	best, bestScore := "", -1.0
	categories := []any{}
	for _, item := range items {
		name, criteria := lookupString(item, "category"), lookupStrings(item, "criteria")
		met := 0
		confidences := []any{}
		for _, criterion := range criteria {
			confidence := "low"
			if matches(criterion) {
				confidence, met = "high", met+1
			}
			confidences = append(confidences, obj("criterion", criterion, "confidence", confidence))
		}
		score := float64(met) / float64(max(len(criteria), 1))
		categories = append(categories, obj("category", name, "confidence", round(score), "criteria_confidence", confidences))
		if matches(name) {
			score += 0.5
		}
		if score > bestScore {
			best, bestScore = name, score
		}
	}
	return newOutcome("classify",
		obj("usage", obj("num_pages", len(numbers), "num_categories", len(items), "credits", float64(len(numbers)))),
		obj("category", best),
		obj("response_confidence", obj("categories", categories), "duration", jobDuration{}, "extra_metadata", nil),
		lookupBool(j.request, "force_url_result"),
	), nil
}

// wordsOf returns the words with at least four letters, without the plural s.
func wordsOf(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
	words = slices.DeleteFunc(words, func(w string) bool {
		return len(w) < 4 || slices.Contains([]string{"contains", "includes", "with", "that", "this", "from", "have", "document", "references"}, w)
	})
	for i, w := range words {
		words[i] = strings.TrimSuffix(w, "s")
	}
	return words
}
