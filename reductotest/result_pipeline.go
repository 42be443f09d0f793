package reductotest

import (
	"slices"
	"strings"
	"unicode"
)

var pipelineKind = &kind{
	jobType: "Pipeline",
	request: fields{
		"input!": input, "pipeline_id!": text, "settings": fields{"document_password": nullable(text)}.check,
	},
	legacy: fields{"pipeline_id!": text},
	result: pipelineOutcome,
}

// Pipeline describes the steps of a pipeline. Use it with [Server.DefinePipeline].
type Pipeline struct {
	// Schema is the JSON schema of the extract step: the text of a schema, or a value
	// that marshals to one. Without a schema there is no extract step.
	Schema any
	// Citations adds citations to the extract step.
	Citations bool
	// Split lists the categories of the split step. Without them there is no split
	// step. With them and a Schema, the pages of each category are extracted
	// separately.
	Split []PipelineCategory
}

// PipelineCategory is a category of the split step of a [Pipeline].
type PipelineCategory struct {
	Name string
	// PartitionKey is the key whose values divide the category. It is optional.
	PartitionKey string
}

// DefinePipeline sets the steps of the pipeline with this id. A pipeline that is not
// defined parses, and extracts each line "key: value" as a string.
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

func pipelineOutcome(s *Server, j *job, d *document) (*outcome, *apiError) {
	pages, numbers := selectPages(d.pages, nil)
	s.mu.Lock()
	p, defined := s.pipelines[lookupString(j.request, "pipeline_id")]
	s.mu.Unlock()
	if !defined {
		p.Schema = schemaOfFacts(pages, numbers)
	}
	result := obj("parse", parseOutcome(d, nil, false, URLBodyResult), "extract", nil, "split", nil, "edit", nil)
	// Of the nested results, only the parse result can be a URL.
	extract := func(pages []string, numbers []int) (*outcome, *apiError) {
		o, err := extractFrom(pages, numbers, p.Schema, p.Citations, false)
		if o != nil {
			o.canBeURL = false
		}
		return o, err
	}
	var sections []section
	if len(p.Split) > 0 {
		sections = sectionsOf(pages, numbers, p.Split, true)
		o := newSplitOutcome(plainSplit(sections), numbers, false)
		o.canBeURL = false
		result[2].value = o
	}
	switch {
	case p.Schema == nil:
	case len(p.Split) == 0:
		o, err := extract(pages, numbers)
		if err != nil {
			return nil, err
		}
		result[1].value = o
	default:
		list := []object{}
		for _, part := range partsOf(sections) {
			var texts []string
			for _, n := range part.pages {
				texts = append(texts, pages[slices.Index(numbers, n)])
			}
			o, err := extract(texts, part.pages)
			if err != nil {
				return nil, err
			}
			list = append(list, obj("split_name", part.split, "page_range", notNil(part.pages),
				"partition", part.partition, "result", o))
		}
		result[1].value = list
	}
	return &outcome{responseType: "pipeline", head: obj("usage", pageUsage(numbers)), result: result}, nil
}

type part struct {
	split     string
	partition any
	pages     []int
}

// partsOf returns the partitions of sections, and the sections that have none.
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

// schemaOfFacts returns a schema with a string for each key on the pages.
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
