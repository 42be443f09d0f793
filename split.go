package reducto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// SplitRequest is a request to assign the pages of a document to your categories.
// Input and SplitDescription are required.
type SplitRequest struct {
	// Input is the document, or a list of them. FromJob uses an earlier parse.
	Input Input `json:"input"`
	// Parsing selects how the document is parsed first. The service ignores it for an
	// Input from FromJob, because that document is already parsed.
	Parsing ParseOptions `json:"parsing,omitzero"`
	// SplitDescription lists the categories, at least one.
	SplitDescription []SplitCategory `json:"split_description"`
	// SplitRules tell the model in words how to divide the pages. By default, sections
	// overlap only in their first and last pages.
	SplitRules string `json:"split_rules,omitzero"`
	// Settings selects how to split.
	Settings SplitSettings `json:"settings,omitzero"`
	// Async holds the options of SplitAsync: webhook, metadata, priority.
	Async Async `json:"-"`
}

// SplitCategory describes a category of sections in a document.
type SplitCategory struct {
	// Name is the name of the category in the result.
	Name string `json:"name"`
	// Description describes the sections of the category.
	Description string `json:"description"`
	// PartitionKey is a property of the document, such as "account number". Each of its
	// values makes one partition of the category. Default: no partitions.
	PartitionKey string `json:"partition_key,omitzero"`
}

// SplitSettings selects how to split.
type SplitSettings struct {
	// TableCutoff selects how much of a table is read. Default: TableCutoffTruncate.
	TableCutoff TableCutoff `json:"table_cutoff,omitzero"`
	// AllowPageOverlap lets a page belong to several categories or partitions. If it is
	// false, a page belongs to exactly one category. Default: true.
	AllowPageOverlap *bool `json:"allow_page_overlap,omitzero"`
	// AutoPartition lets DeepSplit divide categories without a PartitionKey. If it is
	// false, DeepSplit divides only categories with a PartitionKey. Default: true.
	// Newer servers only.
	AutoPartition *bool `json:"auto_partition,omitzero"`
	// DeepSplit uses an agent. The results are better and have the evidence for each
	// page. Default: false.
	DeepSplit bool `json:"deep_split,omitzero"`
	// ForceURLResult makes the service send the result as a URL, even if it is small
	// enough to be inline. This library reads both forms. Default: false. Newer servers
	// only.
	ForceURLResult bool `json:"force_url_result,omitzero"`
}

// TableCutoff selects how much of a table is read. It is an open set.
type TableCutoff string

// The known cutoffs.
const (
	// TableCutoffTruncate reads the first rows, which is faster.
	TableCutoffTruncate TableCutoff = "truncate"
	// TableCutoffPreserve reads the whole table. Use it if the values of a PartitionKey
	// are in tables.
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

// wire returns the body to send; a is nil for the synchronous endpoint.
func (r *SplitRequest) wire(a *asyncWire) any {
	return struct {
		*SplitRequest
		Async *asyncWire `json:"async,omitempty"`
	}{r, a}
}

func (r SplitRequest) private() []string {
	return private(r.Input, r.Parsing.Settings.DocumentPassword)
}

// Format prints the request without password and presigned signatures.
func (r SplitRequest) Format(f fmt.State, verb rune) {
	type fields SplitRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without password and presigned signatures.
func (r SplitRequest) LogValue() slog.Value { return logPrinted(r) }

// Split splits a document and waits for the result on the same connection. See Parse
// for its limits.
func (c *Client) Split(ctx context.Context, req SplitRequest) (*SplitResult, error) {
	if err := checkSync("Split", req.Async, ""); err != nil {
		return nil, err
	}
	return callSync[*SplitResult](ctx, c, "Split", "/split", JobTypeSplit, &req)
}

// SplitAsync submits a document for splitting. See ParseAsync for its errors.
func (c *Client) SplitAsync(ctx context.Context, req SplitRequest, opts ...SubmitOption) (*Handle[*SplitResult], error) {
	return submit[*SplitResult](ctx, c, "SplitAsync", "/split_async", JobTypeSplit, &req, req.Async, opts)
}

// SplitResult is a document that is divided into sections.
type SplitResult struct {
	// JobID is the id of the job. Newer servers only.
	JobID string `json:"job_id,omitzero"`
	// Duration is the processing time in seconds. Newer servers only.
	Duration float64 `json:"duration,omitzero"`
	// Usage is the usage of the job.
	Usage ParseUsage `json:"usage"`
	// Splits has one section for each category that was found.
	Splits []Split `json:"-"`
	// SectionMapping has the pages of each section by its name. It is nil for a deep
	// split, and if the service did not send it.
	SectionMapping map[string][]int `json:"-"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	resultBase
	content content
	inner   *splitContent
}

// Split is a section of a document.
type Split struct {
	// Name is the name of the category.
	Name string `json:"name"`
	// Pages lists the pages of the section.
	Pages []SplitPage `json:"pages"`
	// Confidence is high or low. It is empty for a deep split, which rates each page.
	Confidence Confidence `json:"conf,omitzero"`
	// Partitions are the parts of the section, by the partition key of its category.
	// They are empty without a partition key.
	Partitions []SplitPartition `json:"partitions,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// SplitPartition is a partition of a section.
type SplitPartition struct {
	// Name is the value of the partition key.
	Name string `json:"name"`
	// Pages lists the pages of the partition.
	Pages []SplitPage `json:"pages"`
	// Confidence is high or low. It is empty for a deep split, which rates each page.
	Confidence Confidence `json:"conf,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// SplitPage is a page of a section.
type SplitPage struct {
	// Number is the number of the page, from 1.
	Number int `json:"page_number"`
	// Evidence explains why the page belongs to the section. Deep split only.
	Evidence string `json:"evidence"`
	// Confidence is high, medium or low. Deep split only.
	Confidence Confidence `json:"confidence,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	deep bool // JSON has an object, not a number
}

// PageNumbers returns the page numbers of the section, from 1.
func (s Split) PageNumbers() []int { return pageNumbers(s.Pages) }

// PageNumbers returns the page numbers of the partition, from 1.
func (p SplitPartition) PageNumbers() []int { return pageNumbers(p.Pages) }

func pageNumbers(pages []SplitPage) []int {
	numbers := make([]int, len(pages))
	for i, p := range pages {
		numbers[i] = p.Number
	}
	return numbers
}

// UnmarshalJSON reads a page number, or a page with its evidence.
func (p *SplitPage) UnmarshalJSON(data []byte) error {
	if members.IsNull(data) {
		return nil
	}
	*p = SplitPage{}
	if members.Kind(data) != '{' {
		return json.Unmarshal(data, &p.Number)
	}
	p.deep = true
	return members.Decode(data, p)
}

// MarshalJSON writes a page number, or a page with its evidence.
func (p SplitPage) MarshalJSON() ([]byte, error) {
	if !p.deep && p.Evidence == "" && p.Confidence == "" && p.Extra == nil {
		return json.Marshal(p.Number)
	}
	return members.Encode(p)
}

// UnmarshalJSON keeps unknown members.
func (s *Split) UnmarshalJSON(data []byte) error { return members.Decode(data, s) }

// MarshalJSON writes unknown members too.
func (s Split) MarshalJSON() ([]byte, error) { return members.Encode(s) }

// UnmarshalJSON keeps unknown members.
func (p *SplitPartition) UnmarshalJSON(data []byte) error { return members.Decode(data, p) }

// MarshalJSON writes unknown members too.
func (p SplitPartition) MarshalJSON() ([]byte, error) { return members.Encode(p) }

type splitContent struct {
	SectionMapping map[string][]int `json:"section_mapping,omitzero"`
	Splits         []Split          `json:"splits"`
	Extra          Extra            `json:"-"`
}

// ResponseType returns "split".
func (r *SplitResult) ResponseType() string { return responseSplit }

func (r *SplitResult) bind(s source) {
	if s.link == nil {
		s.link = freshLink(func(fresh *SplitResult) Link { return fresh.content.link })
	}
	r.src = s
}

// resolve downloads splits behind a URL. GetJob and Wait call it, so the fields are
// always set.
func (r *SplitResult) resolve(ctx context.Context) error {
	if r.content.link == "" || r.inner != nil {
		return nil
	}
	raw, err := readInner(ctx, r.src, r.content.link)
	if err != nil {
		return err
	}
	return r.set(raw)
}

func (r *SplitResult) set(raw json.RawMessage) error {
	if members.Kind(object(raw)["splits"]) != '[' {
		return errors.New("reducto: the result of a split has no list of splits")
	}
	inner := new(splitContent)
	if err := members.Decode(raw, inner); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	r.inner, r.Splits, r.SectionMapping = inner, inner.Splits, inner.SectionMapping
	return nil
}

func (r *SplitResult) describe() (responseType, jobID string) { return r.responseType, r.JobID }

// Format prints the response type and the job, with every verb.
func (r SplitResult) Format(f fmt.State, _ rune) { printResult(f, &r) }

// LogValue logs what Format prints.
func (r *SplitResult) LogValue() slog.Value { return logPrinted(r) }

// UnmarshalJSON reads the result of a split or of a deep split.
func (r *SplitResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r)
}

var splitFields = jsonread.FieldsOf[SplitResult]("response_type,omitzero", "result")

func (r *SplitResult) read(in *jsonread.Reader) {
	for o := in.Object(splitFields, r.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			r.responseType = in.String()
		case "job_id":
			r.JobID = in.String()
		case "duration":
			r.Duration = in.Float()
		case "usage":
			readUsage(in, &r.Usage)
		case "result":
			r.content = readContent(in)
			if in.Err() == nil && r.content.link == "" && !members.IsNull(r.content.raw) {
				in.Reject(r.set(r.content.raw))
			}
		}
	}
}

// MarshalJSON writes the result as it came. It includes the splits if they were
// downloaded.
func (r *SplitResult) MarshalJSON() ([]byte, error) {
	raw := r.content.raw
	if r.content.link == "" || r.inner != nil || len(r.Splits) > 0 {
		inner := splitContent{Splits: r.Splits, SectionMapping: r.SectionMapping}
		if r.inner != nil {
			inner.Extra = r.inner.Extra
		}
		if inner.Splits == nil {
			inner.Splits = []Split{}
		}
		encoded, err := members.Encode(inner)
		if err != nil {
			return nil, err
		}
		raw = encoded
	}
	return r.encode(r, raw)
}
