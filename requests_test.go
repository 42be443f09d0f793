package reducto

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// requestRequired has the members that the API requires of each struct. Every other
// member is absent while it is unset.
var requestRequired = map[reflect.Type][]string{
	reflect.TypeFor[ParseRequest]():           {"input"},
	reflect.TypeFor[ExtractRequest]():         {"input"},
	reflect.TypeFor[SplitRequest]():           {"input", "split_description"},
	reflect.TypeFor[PipelineRequest]():        {"input", "pipeline_id"},
	reflect.TypeFor[EditRequest]():            {"document_url", "edit_instructions"},
	reflect.TypeFor[ClassifyRequest]():        {"input"},
	reflect.TypeFor[SplitCategory]():          {"name", "description"},
	reflect.TypeFor[ClassificationCategory](): {"category", "criteria"},
	reflect.TypeFor[EditWidget]():             {"bbox", "description", "type"},
	reflect.TypeFor[BoundingBox]():            {"left", "top", "width", "height", "page"},
	reflect.TypeFor[TenantThrottling]():       {"tenant_id"},
}

// requestLeaves encode themselves.
var requestLeaves = []reflect.Type{
	reflect.TypeFor[Input](), reflect.TypeFor[PageRange](), reflect.TypeFor[TableSize](),
}

var agenticScopes = []reflect.Type{
	reflect.TypeFor[TextAgentic](), reflect.TypeFor[TableAgentic](), reflect.TypeFor[FigureAgentic](),
}

func requestTypes() []reflect.Type {
	var types []reflect.Type
	for _, r := range minimalRequests() {
		types = append(types, reflect.TypeOf(r).Elem())
	}
	return types
}

func TestRequestFieldsAreTagged(t *testing.T) {
	t.Parallel()
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		if typ == reflect.TypeFor[AgenticScope]() {
			for _, scope := range agenticScopes {
				walk(scope)
			}
			return
		}
		switch typ.Kind() {
		case reflect.Slice:
			walk(typ.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		if seen[typ] || slices.Contains(requestLeaves, typ) {
			return
		}
		seen[typ] = true
		var required []string
		for f := range typ.Fields() {
			at := typ.Name() + "." + f.Name
			require.True(t, f.IsExported(), at)
			tag, ok := f.Tag.Lookup("json")
			require.True(t, ok, "%s has no json tag", at)
			if tag == "-" {
				assert.Contains(t, []string{"Async", "Extra"}, f.Name, at)
				continue
			}
			name, opts, _ := strings.Cut(tag, ",")
			assert.NotEmpty(t, name, at)
			if opts == "" {
				required = append(required, name)
			} else {
				assert.Equal(t, "omitzero", opts, at)
			}
			if f.Type.Kind() == reflect.Pointer {
				assert.Contains(t, []reflect.Kind{reflect.Bool, reflect.String}, f.Type.Elem().Kind(),
					"%s: a pointer is only for what differs from unset", at)
			}
			walk(f.Type)
		}
		assert.ElementsMatch(t, requestRequired[typ], required, "required members of %s", typ.Name())
	}
	for _, typ := range requestTypes() {
		walk(typ)
	}
	for typ := range requestRequired {
		assert.True(t, seen[typ], "%s is not part of any request", typ)
	}
}

// The golden files have the maximal requests, so that every field is covered.
func TestMaximalRequestsLeaveNothingUnset(t *testing.T) {
	t.Parallel()
	var walk func(at string, v reflect.Value)
	walk = func(at string, v reflect.Value) {
		assert.False(t, v.IsZero(), "%s is not set", at)
		switch {
		case slices.Contains(requestLeaves, v.Type()):
		case v.Kind() == reflect.Interface && !v.IsNil():
			walk(at, v.Elem())
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				walk(fmt.Sprintf("%s[%d]", at, i), v.Index(i))
			}
		case v.Kind() == reflect.Struct:
			for f, field := range v.Fields() {
				if f.Tag.Get("json") != "-" {
					walk(at+"."+f.Name, field)
				}
			}
		}
	}
	for _, r := range maximalRequests() {
		require.NoError(t, r.check())
		v := reflect.ValueOf(r).Elem()
		walk(v.Type().Name(), v)
	}
}

func minimalRequests() map[string]submission {
	input := URL("https://example.com/document.pdf")
	return map[string]submission{
		"parse":    &ParseRequest{Input: input},
		"extract":  &ExtractRequest{Input: input, Instructions: Instructions{Schema: json.RawMessage(`{"type":"object"}`)}},
		"split":    &SplitRequest{Input: input, SplitDescription: []SplitCategory{{Name: "Invoice", Description: "a bill"}}},
		"pipeline": &PipelineRequest{Input: input, PipelineID: "k97f3a"},
		"edit":     &EditRequest{Input: input, Instructions: "Fill in the name Ada."},
		"classify": &ClassifyRequest{Input: input},
	}
}

func maximalRequests() map[string]submission {
	input := URLs("https://example.com/a.pdf", "reducto://b.pdf")
	parse := ParseOptions{
		Enhance: Enhance{
			Agentic: []AgenticScope{
				TextAgentic{Prompt: "Dates are written day first."},
				TableAgentic{Prompt: "Amounts are in euros.", Mode: TableAgenticModeMax},
				FigureAgentic{Prompt: "The axes are logarithmic.", AdvancedChartAgent: true, ReturnOverlays: true},
			},
			AdvancedChartAgent:  true,
			SummarizeFigures:    new(false),
			IntelligentOrdering: true,
		},
		Retrieval: Retrieval{
			Chunking:           Chunking{ChunkMode: ChunkModeVariable, ChunkSize: 800, ChunkOverlap: 80},
			FilterBlocks:       []BlockType{BlockTypeHeader, BlockTypePageNumber},
			EmbeddingOptimized: true,
		},
		Formatting: Formatting{
			AddPageMarkers:    true,
			TableOutputFormat: TableFormatMarkdown,
			MergeTables:       true,
			Include:           []FormattingInclude{FormattingIncludeHyperlinks, FormattingIncludeComments},
		},
		Spreadsheet: Spreadsheet{
			SplitLargeTables: SplitLargeTables{Enabled: new(true), Size: TableSize{Row: 100}},
			Include:          []SpreadsheetInclude{SpreadsheetIncludeFormula, SpreadsheetIncludeDropdowns},
			Clustering:       ClusteringFast,
			Exclude:          []SpreadsheetExclude{SpreadsheetExcludeHiddenSheets},
			MaxCellCount:     100_000,
		},
		Settings: Settings{
			OCRSystem:                 OCRSystemLegacy,
			ExtractionMode:            TextExtractionModeOCR,
			ForceURLResult:            true,
			ForceFileExtension:        ".pdf",
			ReturnOCRData:             true,
			ReturnImages:              []ImageKind{ImageKindFigure, ImageKindPage},
			EmbedPDFMetadata:          true,
			ExtractDocumentProperties: true,
			EmbedPDFMetadataDPI:       150,
			PersistResults:            true,
			TenantThrottling:          TenantThrottling{TenantID: "acme", MaxShare: 0.25},
			Timeout:                   1.5,
			PageRange:                 PageSpan(2, 0),
			DocumentPassword:          "hunter2",
			HybridVPC:                 HybridVPC{Environment: "staging"},
			Model:                     ParseModelR1,
		},
	}
	return map[string]submission{
		"parse": &ParseRequest{
			Input:   input,
			Enhance: parse.Enhance, Retrieval: parse.Retrieval, Formatting: parse.Formatting,
			Spreadsheet: parse.Spreadsheet, Settings: parse.Settings,
			QueuePriority: QueuePriorityBatch,
		},
		"extract": &ExtractRequest{
			Input:   input,
			Parsing: parse,
			Instructions: Instructions{
				Schema:       json.RawMessage(`{"type":"object","properties":{"total":{"type":"number"}}}`),
				SystemPrompt: "Invoices of a bakery.",
			},
			Settings: ExtractSettings{
				IncludeImages: true, OptimizeForLatency: true, ForceURLResult: true, ArrayExtract: true, DeepExtract: true,
				Citations: CitationSettings{Enabled: true, NumericalConfidence: new(false), ParentBlock: ParentBlockBBoxOnly},
				PageRange: Pages(1, 2, 7),
			},
			QueuePriority: QueuePriorityStandard,
		},
		"split": &SplitRequest{
			Input:            input,
			Parsing:          parse,
			SplitDescription: []SplitCategory{{Name: "Statement", Description: "a bank's monthly list", PartitionKey: "account number"}},
			SplitRules:       "Every page belongs somewhere.",
			Settings: SplitSettings{
				TableCutoff: TableCutoffPreserve, AllowPageOverlap: new(false), AutoPartition: new(false),
				DeepSplit: true, ForceURLResult: true,
			},
		},
		"pipeline": &PipelineRequest{
			Input: input, PipelineID: "k97f3a", Settings: PipelineSettings{DocumentPassword: "hunter2"},
		},
		"edit": &EditRequest{
			Input:        URL("reducto://form.pdf"),
			Instructions: "Fill in the name Ada.",
			Options: EditOptions{
				Color: "#0a0B0c", FontSize: 10.5, LLMProviderPreference: LLMProviderAnthropic,
				EnableOverflowPages: true, Flatten: true,
			},
			FormSchema: []EditWidget{{
				BBox:        BoundingBox{Left: 0.1, Top: 0.2, Width: 0.3, Height: 0.04, Page: 1, OriginalPage: 3},
				Description: "name", Type: WidgetTypeText, Fill: new(false), Value: new(""), FontSize: 9,
			}},
			Priority: new(false),
		},
		"classify": &ClassifyRequest{
			Input:                input,
			ClassificationSchema: []ClassificationCategory{{Category: "invoice", Criteria: []string{"has an amount due"}}},
			CategoryGroups:       map[string][]string{"financial": {"invoice"}},
			PageRange:            PageSpans(Span{Start: 1, End: 2}, Span{Start: 9}),
			DocumentMetadata:     "file name: 2026-09.pdf",
			PersistResults:       true,
			Model:                ClassifyModelAccurate,
			Priority:             new(false),
			ForceURLResult:       true,
		},
	}
}

func announcedDirectly() *asyncWire {
	return &asyncWire{
		Metadata: json.RawMessage(`{"user_id":"123"}`),
		Priority: true,
		Webhook:  &webhookWire{Mode: webhookDirect, URL: "https://your-app.com/webhook"},
	}
}

func TestRequestsGolden(t *testing.T) {
	t.Parallel()
	bodies := map[string]any{}
	for name, r := range minimalRequests() {
		require.NoError(t, r.check())
		bodies[name+"_minimal"] = r.wire(nil)
		if name != "classify" {
			bodies[name+"_async_minimal"] = r.wire(&asyncWire{})
		}
	}
	for name, r := range maximalRequests() {
		sync, async := r, r
		switch r := r.(type) {
		case *ParseRequest:
			changed := *r
			changed.QueuePriority = "" // for asynchronous submissions only
			sync = &changed
		case *ExtractRequest:
			changed := *r
			changed.QueuePriority = ""
			sync = &changed
		case *EditRequest:
			changed := *r
			changed.Priority = nil // the two fields would contradict each other
			async = &changed
		}
		bodies[name+"_maximal"] = sync.wire(nil)
		if name != "classify" {
			bodies[name+"_async_maximal"] = async.wire(announcedDirectly())
		}
	}
	svix := announcedDirectly()
	svix.Webhook = &webhookWire{Mode: webhookSvix, Channels: []string{"invoices"}}
	bodies["edit_async_svix"] = minimalRequests()["edit"].wire(svix)
	none := announcedDirectly()
	none.Webhook = nil
	bodies["edit_async_no_webhook"] = minimalRequests()["edit"].wire(none)
	bodies["parse_async_no_webhook"] = minimalRequests()["parse"].wire(none)

	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(body, "", "  ")
			require.NoError(t, err)
			file := filepath.Join("testdata", "requests", name+".json")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
				require.NoError(t, os.WriteFile(file, append(got, '\n'), 0o600))
			}
			want, err := os.ReadFile(filepath.Clean(file))
			require.NoError(t, err)
			assert.JSONEq(t, string(want), string(got))
		})
	}
}

func TestMinimalRequestsSendOnlyWhatIsRequired(t *testing.T) {
	t.Parallel()
	for name, r := range minimalRequests() {
		raw, err := json.Marshal(r.wire(nil))
		require.NoError(t, err)
		var sent map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(raw, &sent))
		var keys []string
		for key := range sent {
			keys = append(keys, key)
		}
		required := requestRequired[reflect.TypeOf(r).Elem()]
		if name == "extract" {
			required = append(slices.Clone(required), "instructions") // this library requires a schema
		}
		assert.ElementsMatch(t, required, keys, name)
	}
}

// An empty list is sent, because it can differ from an unset one.
func TestUnsetAndEmptyDiffer(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(Retrieval{FilterBlocks: []BlockType{}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"filter_blocks":[]}`, string(raw))
	raw, err = json.Marshal(SplitLargeTables{Enabled: new(false)})
	require.NoError(t, err)
	assert.JSONEq(t, `{"enabled":false}`, string(raw))
	raw, err = json.Marshal(ClassificationCategory{Category: "other"})
	require.NoError(t, err)
	assert.JSONEq(t, `{"category":"other","criteria":[]}`, string(raw))
}

func TestUnknownEnumValuesAreSent(t *testing.T) {
	t.Parallel()
	r := ParseRequest{
		Input:     URL("https://example.com/document.pdf"),
		Retrieval: Retrieval{Chunking: Chunking{ChunkMode: "paragraph"}},
		Settings:  Settings{Model: "r-2"},
	}
	require.NoError(t, r.check())
	raw, err := json.Marshal(r.wire(nil))
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"chunk_mode":"paragraph"`)
	assert.Contains(t, string(raw), `"model":"r-2"`)
}

func TestRequestsRefused(t *testing.T) {
	t.Parallel()
	input := URL("https://example.com/document.pdf")
	options := func(change func(*ParseOptions)) ParseOptions {
		var o ParseOptions
		change(&o)
		return o
	}
	settings := func(s Settings) submission { return &ParseRequest{Input: input, Settings: s} }
	edit := func(change func(*EditRequest)) submission {
		r := EditRequest{Input: input, Instructions: "Sign it."}
		change(&r)
		return &r
	}
	widget := EditWidget{Type: WidgetTypeText, BBox: BoundingBox{Page: 1}}
	instructions := Instructions{Schema: json.RawMessage(`{"type":"object"}`)}
	tests := map[string]struct {
		request submission
		field   string
		reason  string
	}{
		"parse without input":    {&ParseRequest{}, "Input", ""},
		"extract without input":  {&ExtractRequest{}, "Input", ""},
		"split without input":    {&SplitRequest{}, "Input", ""},
		"pipeline without input": {&PipelineRequest{PipelineID: "p"}, "Input", ""},
		"edit without input":     {&EditRequest{Instructions: "Sign it."}, "Input", ""},
		"classify without input": {&ClassifyRequest{}, "Input", ""},

		"page 0":               {settings(Settings{PageRange: Pages(1, 0)}), "Settings.PageRange", "page 0: pages are numbered from 1"},
		"page -1":              {settings(Settings{PageRange: Pages(-1)}), "Settings.PageRange", "page -1: pages are numbered from 1"},
		"no pages":             {settings(Settings{PageRange: Pages()}), "Settings.PageRange", "selects nothing"},
		"no spans":             {settings(Settings{PageRange: PageSpans()}), "Settings.PageRange", "selects nothing"},
		"no sheets":            {settings(Settings{PageRange: Sheets()}), "Settings.PageRange", "selects nothing"},
		"span from 0":          {settings(Settings{PageRange: PageSpan(0, 3)}), "Settings.PageRange", "pages are numbered from 1"},
		"span to -1":           {settings(Settings{PageRange: PageSpan(1, -1)}), "Settings.PageRange", "use 0 for the end"},
		"span backwards":       {settings(Settings{PageRange: PageSpans(Span{1, 2}, Span{5, 3})}), "Settings.PageRange", "from page 5 to page 3"},
		"DPI below 50":         {settings(Settings{EmbedPDFMetadataDPI: 49}), "Settings.EmbedPDFMetadataDPI", "50 to 250"},
		"DPI above 250":        {settings(Settings{EmbedPDFMetadataDPI: 251}), "Settings.EmbedPDFMetadataDPI", "50 to 250"},
		"negative timeout":     {settings(Settings{Timeout: -1}), "Settings.Timeout", "use seconds"},
		"timeout NaN":          {settings(Settings{Timeout: math.NaN()}), "Settings.Timeout", "use seconds"},
		"endless timeout":      {settings(Settings{Timeout: math.Inf(1)}), "Settings.Timeout", "use seconds"},
		"share of no tenant":   {settings(Settings{TenantThrottling: TenantThrottling{MaxShare: 0.5}}), "Settings.TenantThrottling.TenantID", "name the tenant"},
		"long tenant id":       {settings(Settings{TenantThrottling: TenantThrottling{TenantID: strings.Repeat("ü", 257)}}), "Settings.TenantThrottling.TenantID", "at most 256"},
		"negative share":       {settings(Settings{TenantThrottling: TenantThrottling{TenantID: "a", MaxShare: -0.1}}), "Settings.TenantThrottling.MaxShare", "up to 1"},
		"share above 1":        {settings(Settings{TenantThrottling: TenantThrottling{TenantID: "a", MaxShare: 1.1}}), "Settings.TenantThrottling.MaxShare", "up to 1"},
		"share NaN":            {settings(Settings{TenantThrottling: TenantThrottling{TenantID: "a", MaxShare: math.NaN()}}), "Settings.TenantThrottling.MaxShare", "up to 1"},
		"negative chunk size":  {&ParseRequest{Input: input, Retrieval: Retrieval{Chunking: Chunking{ChunkSize: -1}}}, "Retrieval.Chunking.ChunkSize", "number of characters"},
		"negative overlap":     {&ParseRequest{Input: input, Retrieval: Retrieval{Chunking: Chunking{ChunkOverlap: -1}}}, "Retrieval.Chunking.ChunkOverlap", "number of characters"},
		"negative cell count":  {&ParseRequest{Input: input, Spreadsheet: Spreadsheet{MaxCellCount: -1}}, "Spreadsheet.MaxCellCount", "at least 1"},
		"negative table size":  {&ParseRequest{Input: input, Spreadsheet: Spreadsheet{SplitLargeTables: SplitLargeTables{Size: SplitEvery(-1)}}}, "Spreadsheet.SplitLargeTables.Size", "below 0"},
		"negative table row":   {&ParseRequest{Input: input, Spreadsheet: Spreadsheet{SplitLargeTables: SplitLargeTables{Size: TableSize{Row: -1}}}}, "Spreadsheet.SplitLargeTables.Size", "below 0"},
		"negative columns":     {&ParseRequest{Input: input, Spreadsheet: Spreadsheet{SplitLargeTables: SplitLargeTables{Size: TableSize{Column: -1}}}}, "Spreadsheet.SplitLargeTables.Size", "below 0"},
		"agentic no scope":     {&ParseRequest{Input: input, Enhance: Enhance{Agentic: []AgenticScope{OtherAgentic{}}}}, "Enhance.Agentic[0].Scope", "AgenticScopeLayout"},
		"agentic two scopes":   {&ParseRequest{Input: input, Enhance: Enhance{Agentic: []AgenticScope{&OtherAgentic{Scope: "a", Options: map[string]any{"scope": "b"}}}}}, "Enhance.Agentic[0].Options", "field Scope"},
		"nil agentic":          {&ParseRequest{Input: input, Enhance: Enhance{Agentic: []AgenticScope{TextAgentic{}, nil}}}, "Enhance.Agentic[1]", "TextAgentic"},
		"extract: parsing":     {&ExtractRequest{Input: input, Parsing: options(func(o *ParseOptions) { o.Settings.PageRange = Pages(0) })}, "Parsing.Settings.PageRange", "numbered from 1"},
		"extract: page 0":      {&ExtractRequest{Input: input, Instructions: instructions, Settings: ExtractSettings{PageRange: Pages(0)}}, "Settings.PageRange", "numbered from 1"},
		"extract: bytes":       {&ExtractRequest{Input: input, Instructions: Instructions{Schema: []byte(`{}`)}}, "Instructions.Schema", "json.RawMessage"},
		"split: parsing":       {&SplitRequest{Input: input, Parsing: options(func(o *ParseOptions) { o.Settings.Timeout = -1 })}, "Parsing.Settings.Timeout", "use seconds"},
		"split: no categories": {&SplitRequest{Input: input}, "SplitDescription", "at least one"},
		"split: no name":       {&SplitRequest{Input: input, SplitDescription: []SplitCategory{{Description: "d"}}}, "SplitDescription[0].Name", "name the category"},
		"split: no description": {
			&SplitRequest{Input: input, SplitDescription: []SplitCategory{{Name: "a", Description: "b"}, {Name: "c"}}},
			"SplitDescription[1].Description", `how to recognise "c"`,
		},
		"pipeline: no id":             {&PipelineRequest{Input: input}, "PipelineID", "Studio"},
		"edit: no instructions":       {&EditRequest{Input: input}, "Instructions", "say what"},
		"edit: list":                  {&EditRequest{Input: URLs("https://example.com/a.pdf"), Instructions: "x"}, "Input", "use URL"},
		"edit: color name":            {edit(func(r *EditRequest) { r.Options.Color = "red" }), "Options.Color", "#RRGGBB"},
		"edit: color of seven digits": {edit(func(r *EditRequest) { r.Options.Color = "#12345" }), "Options.Color", "#RRGGBB"},
		"edit: color of others":       {edit(func(r *EditRequest) { r.Options.Color = "#12345g" }), "Options.Color", "#RRGGBB"},
		"edit: font size 0.5":         {edit(func(r *EditRequest) { r.Options.FontSize = 0.5 }), "Options.FontSize", "1 to 72"},
		"edit: font size 73":          {edit(func(r *EditRequest) { r.Options.FontSize = 73 }), "Options.FontSize", "1 to 72"},
		"edit: font size NaN":         {edit(func(r *EditRequest) { r.Options.FontSize = math.NaN() }), "Options.FontSize", "1 to 72"},
		"edit: widget font size": {edit(func(r *EditRequest) {
			w := widget
			w.FontSize = 100
			r.FormSchema = []EditWidget{widget, w}
		}), "FormSchema[1].FontSize", "1 to 72"},
		"edit: widget on page 0":  {edit(func(r *EditRequest) { r.FormSchema = []EditWidget{{Type: WidgetTypeText}} }), "FormSchema[0].BBox.Page", "numbered from 1"},
		"edit: widget of no type": {edit(func(r *EditRequest) { r.FormSchema = []EditWidget{{}} }), "FormSchema[0].Type", "WidgetTypeText"},
		"edit: two priorities": {edit(func(r *EditRequest) {
			r.Priority, r.Async.Priority = new(false), true
		}), "Priority", "one of them"},
		"classify: no category": {&ClassifyRequest{Input: input, ClassificationSchema: []ClassificationCategory{{}}}, "ClassificationSchema[0].Category", "name the category"},
		"classify: nil group":   {&ClassifyRequest{Input: input, CategoryGroups: map[string][]string{"g": nil}}, "CategoryGroups", `"g" is nil`},
		"classify: page 0":      {&ClassifyRequest{Input: input, PageRange: Pages(0)}, "PageRange", "numbered from 1"},
		"classify: sheets":      {&ClassifyRequest{Input: input, PageRange: Sheets("a")}, "PageRange", "does not support sheets"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refused *RequestError
			require.ErrorAs(t, test.request.check(), &refused)
			assert.Equal(t, test.field, refused.Field)
			assert.NotEmpty(t, refused.Reason)
			assert.Contains(t, refused.Reason, test.reason)
		})
	}
}

// The limits themselves are valid.
func TestRequestsAtTheLimit(t *testing.T) {
	t.Parallel()
	for _, s := range []Settings{
		{EmbedPDFMetadataDPI: 50},
		{EmbedPDFMetadataDPI: 250},
		{TenantThrottling: TenantThrottling{TenantID: strings.Repeat("ü", 256), MaxShare: 1}},
		{PageRange: PageSpan(4, 4)},
	} {
		assert.NoError(t, s.check("Settings"))
	}
	assert.NoError(t, checkFontSize("FontSize", 1))
	assert.NoError(t, checkFontSize("FontSize", 72))
}
