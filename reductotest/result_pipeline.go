package reductotest

import (
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
