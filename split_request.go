package reducto

import "fmt"

// SplitRequest finds out which pages of a document belong to which of your
// categories. Input and SplitDescription are required.
type SplitRequest struct {
	// Input is the document, or a list of them. FromJob uses an earlier parse.
	Input Input `json:"input"`
	// Parsing is how the document is parsed first. The service ignores it for an Input
	// from FromJob, which is parsed already.
	Parsing ParseOptions `json:"parsing,omitzero"`
	// SplitDescription are the categories, at least one.
	SplitDescription []SplitCategory `json:"split_description"`
	// SplitRules tell the model in words how to divide pages. Empty is the default,
	// which lets sections overlap in no more than their first and last pages.
	SplitRules string `json:"split_rules,omitzero"`
	// Settings chooses how to split.
	Settings SplitSettings `json:"settings,omitzero"`
	// Async is for SplitAsync: the webhook and its metadata, priority.
	Async Async `json:"-"`
}

// SplitCategory is a kind of section that a document may have.
type SplitCategory struct {
	// Name is what the result calls it.
	Name string `json:"name"`
	// Description says how to recognise it.
	Description string `json:"description"`
	// PartitionKey divides the category further: one part for each value of this
	// property in the document, such as "account number". Default: not divided.
	PartitionKey string `json:"partition_key,omitzero"`
}

// SplitSettings chooses how to split.
type SplitSettings struct {
	// TableCutoff is how much of a table is looked at. Default: TableCutoffTruncate.
	TableCutoff TableCutoff `json:"table_cutoff,omitzero"`
	// AllowPageOverlap lets a page belong to several categories or parts; false: to
	// exactly one category. Default: true.
	AllowPageOverlap *bool `json:"allow_page_overlap,omitzero"`
	// AutoPartition lets DeepSplit divide categories that have no PartitionKey; false:
	// only those that have one. Default: true. Newer servers only.
	AutoPartition *bool `json:"auto_partition,omitzero"`
	// DeepSplit uses an agent: better results that name their evidence for each page.
	// Default: false.
	DeepSplit bool `json:"deep_split,omitzero"`
	// ForceURLResult has the result come as a URL even where it is small enough to
	// be inline. This library reads both alike. Default: false. Newer servers only.
	ForceURLResult bool `json:"force_url_result,omitzero"`
}

// TableCutoff is how much of a table is looked at. It is an open set.
type TableCutoff string

// The cutoffs.
const (
	// TableCutoffTruncate looks at the first rows: faster.
	TableCutoffTruncate TableCutoff = "truncate"
	// TableCutoffPreserve looks at all of it, as is needed where a PartitionKey stands
	// in tables.
	TableCutoffPreserve TableCutoff = "preserve"
)

func (r SplitRequest) check() error {
	if err := r.Input.check("Input"); err != nil {
		return err
	}
	if err := r.Parsing.check("Parsing."); err != nil {
		return err
	}
	if len(r.SplitDescription) == 0 {
		return refuse("SplitDescription", "there is no category: give at least one, with a name and a description")
	}
	for i, c := range r.SplitDescription {
		if c.Name == "" {
			return refuse(fmt.Sprintf("SplitDescription[%d].Name", i), "it is empty: name the category")
		}
		if c.Description == "" {
			return refuse(fmt.Sprintf("SplitDescription[%d].Description", i), "it is empty: say how to recognise %q", c.Name)
		}
	}
	return nil
}

// wire is the body to send; a is nil for the synchronous endpoint.
func (r *SplitRequest) wire(a *asyncWire) any {
	return struct {
		*SplitRequest
		Async *asyncWire `json:"async,omitempty"`
	}{r, a}
}
