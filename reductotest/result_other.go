package reductotest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
)

// Pipeline is what a pipeline of the studio does, for [Server.DefinePipeline].
type Pipeline struct {
	// Schema is the JSON schema of its extract step: anything that marshals to
	// one, or its text. Without one there is no such step.
	Schema any
	// Citations is whether the extract step has citations.
	Citations bool
	// Split are the categories of its split step. Without them there is no such
	// step; with them and a Schema each category's pages are extracted apart.
	Split []PipelineCategory
}

// PipelineCategory is a category of a split step.
type PipelineCategory struct {
	Name string
	// PartitionKey is the key whose values divide the category; empty for none.
	PartitionKey string
}

// DefinePipeline sets what the pipeline with an id does. Every other id is a
// pipeline that parses, and extracts each line "key: value" as a string.
func (s *Server) DefinePipeline(id string, p Pipeline) {
	if p.Schema != nil {
		raw, ok := s.json("DefinePipeline: Schema", p.Schema)
		if !ok {
			return
		}
		p.Schema = string(raw)
	}
	p.Split = slices.Clone(p.Split)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pipelines[id] = p
}

func pipelineOutcome(d *document, p Pipeline, known bool) (*outcome, *apiError) {
	pages, numbers := selectPages(d.pages, nil)
	if !known {
		p.Schema = schemaOfFacts(pages, numbers)
	}
	// Nested results stay inline, except a large parse result.
	inline := func(o *outcome, err *apiError) (*outcome, *apiError) {
		if o != nil {
			o.canBeURL = false
		}
		return o, err
	}
	var extract, split any
	var sections []section
	if len(p.Split) > 0 {
		var categories []category
		for _, c := range p.Split {
			categories = append(categories, category{c.Name, c.PartitionKey})
		}
		sections = sectionsOf(pages, numbers, categories, true)
		o := resultOutcome("split", obj("duration", jobDuration{}, "usage", pageUsage(numbers)), plainSplit(sections), nil, false)
		o.canBeURL = false
		split = o
	}
	switch {
	case p.Schema == nil:
	case split == nil:
		o, err := inline(extractFrom(pages, numbers, p.Schema, p.Citations, false))
		if err != nil {
			return nil, err
		}
		extract = o
	default:
		list := splitExtract{}
		for _, part := range partsOf(sections) {
			var texts []string
			for _, n := range part.pages {
				texts = append(texts, pages[slices.Index(numbers, n)])
			}
			o, err := inline(extractFrom(texts, part.pages, p.Schema, p.Citations, false))
			if err != nil {
				return nil, err
			}
			list = append(list, obj("split_name", part.split, "page_range", numbersOf(part.pages),
				"partition", part.partition, "result", o))
		}
		extract = list
	}
	return &outcome{
		responseType: "pipeline",
		head:         obj("usage", pageUsage(numbers)),
		result: obj(
			"parse", parseOutcome(d, nil, false, URLBodyResult),
			"extract", extract, "split", split, "edit", nil),
	}, nil
}

// splitExtract is the list of results that a pipeline with both steps has.
type splitExtract []object

type part struct {
	split     string
	partition any
	pages     []int
}

// partsOf lists what is extracted apart: partitions, or sections that have none.
func partsOf(sections []section) []part {
	var parts []part
	for _, s := range sections {
		if len(s.partitions) == 0 {
			parts = append(parts, part{s.name, nil, s.pages})
		}
		for _, p := range s.partitions {
			parts = append(parts, part{s.name, p.name, p.pages})
		}
	}
	return parts
}

// schemaOfFacts has a string for each key that the pages have.
func schemaOfFacts(pages []string, numbers []int) any {
	properties := map[string]any{}
	facts, _ := factsOf(pages, numbers)
	for _, f := range facts {
		name := strings.Join(strings.FieldsFunc(strings.ToLower(f.label), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r)
		}), "_")
		if name != "" {
			properties[name] = map[string]any{"type": "string"}
		}
	}
	return map[string]any{"type": "object", "properties": properties}
}

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
