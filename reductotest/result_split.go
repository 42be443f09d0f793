package reductotest

import (
	"slices"
	"strings"
)

// category is an item of split_description.
type category struct {
	name, partitionKey string
}

func categoriesOf(v any) []category {
	items, _ := v.([]any)
	var list []category
	for _, item := range items {
		list = append(list, category{lookupString(item, "name"), lookupString(item, "partition_key")})
	}
	return list
}

// pageSet is the pages of a category or of one of its partitions.
type pageSet struct {
	name  string
	pages []int
}

// section is a category with its pages and, if it has a partition key, its partitions.
type section struct {
	pageSet
	partitioned bool
	partitions  []pageSet
}

// sectionsOf gives a category the pages whose text has its name in it. The
// partitions of a category are the values that its key has on those pages.
func sectionsOf(pages []string, numbers []int, categories []category, overlap bool) []section {
	sections := make([]section, len(categories))
	for i, c := range categories {
		sections[i] = section{pageSet: pageSet{name: c.name}, partitioned: c.partitionKey != ""}
	}
	for i, page := range pages {
		lower := strings.ToLower(page)
		for k, c := range categories {
			if !strings.Contains(lower, strings.ToLower(c.name)) {
				continue
			}
			sections[k].pages = append(sections[k].pages, numbers[i])
			if c.partitionKey != "" {
				sections[k].addPartition(page, numbers[i], c.partitionKey)
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

func splitOutcome(d *document, request map[string]any) *outcome {
	pages, numbers := selectPages(d.pages, lookup(request, "parsing", "settings", "page_range"))
	settings := lookup(request, "settings")
	overlap, given := lookup(settings, "allow_page_overlap").(bool)
	sections := sectionsOf(pages, numbers, categoriesOf(request["split_description"]), overlap || !given)
	var result object
	if lookupBool(settings, "deep_split") {
		result = deepSplit(sections, pages, numbers)
	} else {
		result = plainSplit(sections)
	}
	return resultOutcome("split", obj("duration", jobDuration{}, "usage", pageUsage(numbers)), result, nil,
		lookupBool(settings, "force_url_result"))
}

func plainSplit(sections []section) object {
	var mapping any // null where there are partitions
	if !slices.ContainsFunc(sections, func(s section) bool { return s.partitioned }) {
		names := obj()
		for _, s := range sections {
			names = append(names, member{s.name, numbersOf(s.pages)})
		}
		mapping = names
	}
	splits := []any{}
	for _, s := range sections {
		var partitions any
		if s.partitioned {
			list := []any{}
			for _, p := range s.partitions {
				list = append(list, obj("name", p.name, "pages", numbersOf(p.pages), "conf", "high"))
			}
			partitions = list
		}
		conf := "high"
		if len(s.pages) == 0 {
			conf = "low"
		}
		splits = append(splits, obj("name", s.name, "pages", numbersOf(s.pages), "conf", conf, "partitions", partitions))
	}
	return obj("section_mapping", mapping, "splits", splits)
}

// deepSplit is the other form: its pages are objects, and it has no section_mapping.
func deepSplit(sections []section, pages []string, numbers []int) object {
	evidence := func(name string, set []int) []any {
		list := []any{}
		for _, n := range set {
			line := lineWith(pages[slices.Index(numbers, n)], name)
			list = append(list, obj("page_number", n, "evidence", line, "confidence", "high"))
		}
		return list
	}
	splits := []any{}
	for _, s := range sections {
		var partitions any
		if s.partitioned {
			list := []any{}
			for _, p := range s.partitions {
				list = append(list, obj("name", p.name, "pages", evidence(p.name, p.pages)))
			}
			partitions = list
		}
		splits = append(splits, obj("name", s.name, "pages", evidence(s.name, s.pages), "partitions", partitions))
	}
	return obj("splits", splits)
}

// lineWith is the first line of a page that has s in it.
func lineWith(page, s string) string {
	for line := range strings.Lines(page) {
		if strings.Contains(strings.ToLower(line), strings.ToLower(s)) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// numbersOf is pages as JSON has it: never null.
func numbersOf(pages []int) []int {
	if pages == nil {
		return []int{}
	}
	return pages
}
