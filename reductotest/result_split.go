package reductotest

import (
	"slices"
	"strings"
)

var splitKind = &kind{
	jobType: "Split",
	request: fields{
		"input!": input, "parsing": parsing.check, "split_rules": text, "split_description!": splitDescription,
		"settings": fields{
			"table_cutoff":       enum("truncate", "preserve"),
			"allow_page_overlap": boolean, "auto_partition": boolean, "deep_split": boolean, "force_url_result": boolean,
		}.check,
	},
	legacy: fields{"split_description!": splitDescription},
	result: splitOutcome,
}

var splitDescription = list(fields{"name!": text, "description!": text, "partition_key": nullable(text)}.check)

// pageSet holds the pages of a category or of a partition.
type pageSet struct {
	name  string
	pages []int
}

// section is a category with its pages. It has partitions if it has a partition key.
type section struct {
	pageSet
	partitioned bool
	partitions  []pageSet
}

// sectionsOf assigns to each category the pages that contain its name. Each value of the
// partition key on those pages makes a partition.
func sectionsOf(pages []string, numbers []int, categories []PipelineCategory, overlap bool) []section {
	sections := make([]section, len(categories))
	for i, c := range categories {
		sections[i] = section{pageSet: pageSet{name: c.Name}, partitioned: c.PartitionKey != ""}
	}
	for i, page := range pages {
		lower := strings.ToLower(page)
		for k, c := range categories {
			if !strings.Contains(lower, strings.ToLower(c.Name)) {
				continue
			}
			sections[k].pages = append(sections[k].pages, numbers[i])
			if c.PartitionKey != "" {
				sections[k].addPartition(page, numbers[i], c.PartitionKey)
			}
			if !overlap {
				break
			}
		}
	}
	return sections
}

func (sec *section) addPartition(page string, number int, key string) {
	facts, _ := factsOf([]string{page}, []int{number})
	i := slices.IndexFunc(facts, func(f fact) bool { return f.key == normalKey(key) })
	if i < 0 {
		return
	}
	for k := range sec.partitions {
		if sec.partitions[k].name == facts[i].value {
			sec.partitions[k].pages = append(sec.partitions[k].pages, number)
			return
		}
	}
	sec.partitions = append(sec.partitions, pageSet{facts[i].value, []int{number}})
}

func splitOutcome(_ *Server, j *job, d *document) (*outcome, *apiError) {
	pages, numbers := selectPages(d.pages, lookup(j.request, "parsing", "settings", "page_range"))
	var categories []PipelineCategory
	items, _ := j.request["split_description"].([]any)
	for _, item := range items {
		categories = append(categories, PipelineCategory{lookupString(item, "name"), lookupString(item, "partition_key")})
	}
	settings := j.request["settings"]
	overlap, given := lookup(settings, "allow_page_overlap").(bool)
	sections := sectionsOf(pages, numbers, categories, overlap || !given)
	result := plainSplit(sections)
	if lookupBool(settings, "deep_split") {
		result = deepSplit(sections, pages, numbers)
	}
	return newSplitOutcome(result, numbers, lookupBool(settings, "force_url_result")), nil
}

func newSplitOutcome(result object, numbers []int, forceURL bool) *outcome {
	return newOutcome("split", obj("duration", jobDuration{}, "usage", pageUsage(numbers)), result, nil, forceURL)
}

func plainSplit(sections []section) object {
	var mapping any // null if there are partitions
	if !slices.ContainsFunc(sections, func(s section) bool { return s.partitioned }) {
		names := obj()
		for _, s := range sections {
			names = append(names, member{s.name, notNil(s.pages)})
		}
		mapping = names
	}
	splits := splitList(sections, func(p pageSet) object {
		conf := "high"
		if len(p.pages) == 0 {
			conf = "low"
		}
		return obj("name", p.name, "pages", notNil(p.pages), "conf", conf)
	})
	return obj("section_mapping", mapping, "splits", splits)
}

// deepSplit returns the other form of a result: pages are objects, and there is no
// section_mapping.
func deepSplit(sections []section, pages []string, numbers []int) object {
	return obj("splits", splitList(sections, func(p pageSet) object {
		evidence := []any{}
		for _, n := range p.pages {
			line := lineWith(pages[slices.Index(numbers, n)], p.name)
			evidence = append(evidence, obj("page_number", n, "evidence", line, "confidence", "high"))
		}
		return obj("name", p.name, "pages", evidence)
	}))
}

// splitList lists sections with their partitions.
func splitList(sections []section, describe func(pageSet) object) []any {
	splits := []any{}
	for _, s := range sections {
		var partitions any
		if s.partitioned {
			list := []any{}
			for _, p := range s.partitions {
				list = append(list, describe(p))
			}
			partitions = list
		}
		splits = append(splits, append(describe(s.pageSet), member{"partitions", partitions}))
	}
	return splits
}

// lineWith returns the first line of a page that contains text.
func lineWith(page, text string) string {
	for line := range strings.Lines(page) {
		if strings.Contains(strings.ToLower(line), strings.ToLower(text)) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// notNil returns a list that JSON does not write as null.
func notNil(numbers []int) []int { return append([]int{}, numbers...) }
