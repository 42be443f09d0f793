package reductotest

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
)

// classifyOutcome chooses the category that most of the words of its name and
// criteria speak for; the first of equals.
func classifyOutcome(d *document, request map[string]any) (*outcome, *apiError) {
	items, _ := request["classification_schema"].([]any)
	if len(items) == 0 {
		return nil, newAPIError("INVALID_CONFIG", "classification_schema has no categories")
	}
	pageRange := request["page_range"]
	if pageRange == nil {
		pageRange = map[string]any{"end": json.Number("5")} // the service's default
	}
	pages, numbers := selectPages(d.pages, pageRange)
	words := map[string]bool{}
	for _, page := range pages {
		for _, w := range wordsOf(page) {
			words[w] = true
		}
	}
	best, bestScore := "", -1.0
	categories := []any{}
	for _, item := range items {
		name := lookupString(item, "category")
		criteria, _ := lookup(item, "criteria").([]any)
		met := 0
		confidences := []any{}
		for _, c := range criteria {
			criterion, _ := c.(string)
			confidence := "low"
			if slices.ContainsFunc(wordsOf(criterion), func(w string) bool { return words[w] }) {
				confidence, met = "high", met+1
			}
			confidences = append(confidences, obj("criterion", criterion, "confidence", confidence))
		}
		score := 0.0
		if len(criteria) > 0 {
			score = float64(met) / float64(len(criteria))
		}
		ranking := score
		if slices.ContainsFunc(wordsOf(name), func(w string) bool { return words[w] }) {
			ranking += 0.5
		}
		if ranking > bestScore {
			best, bestScore = name, ranking
		}
		categories = append(categories, obj("category", name, "confidence", round(score), "criteria_confidence", confidences))
	}
	return resultOutcome("classify",
		obj("usage", obj("num_pages", len(numbers), "num_categories", len(items), "credits", float64(len(numbers)))),
		obj("category", best),
		obj("response_confidence", obj("categories", categories), "duration", jobDuration{}, "extra_metadata", nil),
		lookupBool(request, "force_url_result"),
	), nil
}

// wordsOf lists the words of at least four letters, plurals cut.
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
