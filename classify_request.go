package reducto

import (
	"encoding/json"
	"fmt"
)

// ClassifyRequest finds out which of your categories a document belongs to.
// Only Input is required, but without ClassificationSchema there is nothing to
// choose from. The endpoint has no asynchronous form.
type ClassifyRequest struct {
	// Input is the document.
	Input Input `json:"input"`
	// ClassificationSchema are the categories. Default: none.
	ClassificationSchema []ClassificationCategory `json:"classification_schema,omitzero"`
	// CategoryGroups puts categories into groups of a name of yours; the result then
	// has the group in its extra metadata as "grouping", or "ungrouped". Default: none.
	// Newer servers only.
	CategoryGroups map[string][]string `json:"category_groups,omitzero"`
	// PageRange is the part of a PDF to look at, pages only; other documents ignore
	// it. Newer servers take at most 10 pages; older ones look at the first 25 of
	// those selected. Default: the first 5 pages.
	PageRange PageRange `json:"page_range,omitzero"`
	// DocumentMetadata is what you know of the document, such as its name: it becomes
	// part of the prompt. Default: none.
	DocumentMetadata string `json:"document_metadata,omitzero"`
	// PersistResults keeps the results until they are deleted, instead of letting
	// them expire. Default: false.
	PersistResults bool `json:"persist_results,omitzero"`
	// Model is the model that decides. Default: ClassifyModelDefault. Newer servers
	// only.
	Model ClassifyModel `json:"model,omitzero"`
	// Priority asks for priority processing, where the account has a budget for it.
	// Default: true. Newer servers only.
	Priority *bool `json:"priority,omitzero"`
	// ForceURLResult has the result come as a URL even where it is small enough to
	// be inline. This library reads both alike. Default: false. Newer servers only.
	ForceURLResult bool `json:"force_url_result,omitzero"`
}

// ClassificationCategory is a kind of document.
type ClassificationCategory struct {
	// Category is what the result calls it.
	Category string `json:"category"`
	// Criteria say in words what a document of this kind has.
	Criteria []string `json:"criteria"`
}

// ClassifyModel is a model that classifies. It is an open set.
type ClassifyModel string

// The classification models.
const (
	ClassifyModelDefault ClassifyModel = "default"
	// ClassifyModelAccurate is for documents that are hard to tell apart.
	ClassifyModelAccurate ClassifyModel = "accurate"
)

// MarshalJSON writes missing criteria as an empty list, which the API requires.
func (c ClassificationCategory) MarshalJSON() ([]byte, error) {
	type fields ClassificationCategory
	if c.Criteria == nil {
		c.Criteria = []string{}
	}
	return json.Marshal(fields(c))
}

func (r ClassifyRequest) check() error {
	if err := r.Input.check("Input"); err != nil {
		return err
	}
	for i, c := range r.ClassificationSchema {
		if c.Category == "" {
			return refuse(fmt.Sprintf("ClassificationSchema[%d].Category", i), "it is empty: name the category")
		}
	}
	for name, categories := range r.CategoryGroups {
		if categories == nil {
			return refuse("CategoryGroups", "the group %q is nil: list its categories, or leave it out", name)
		}
	}
	if r.PageRange.sheets != nil {
		return refuse("PageRange", "classify takes no sheets: use Pages, PageSpan or PageSpans")
	}
	return r.PageRange.check("PageRange")
}

// wire is the body to send; there is no asynchronous form.
func (r ClassifyRequest) wire(*asyncWire) any { return r }
