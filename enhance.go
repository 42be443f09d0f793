package reducto

import (
	"encoding/json"
	"fmt"
)

// Enhance chooses what models do to a page beyond recognising its text. The
// parse model r-1 (Settings.Model) does most of it by itself.
type Enhance struct {
	// Agentic has vision language models go over text, tables or figures once more:
	// better results, at a higher price and latency. With r-1 it serves to give
	// prompts and to read charts. Default: none.
	Agentic []AgenticScope `json:"agentic,omitzero"`
	// AdvancedChartAgent reads the data series out of every figure that is a chart
	// and redraws the chart from them, without needing a FigureAgentic. Slower.
	// Default: false. Newer servers only.
	AdvancedChartAgent bool `json:"advanced_chart_agent,omitzero"`
	// SummarizeFigures describes figures in words, by a small vision language model;
	// r-1 does so whatever is set here. Default: true.
	SummarizeFigures *bool `json:"summarize_figures,omitzero"`
	// IntelligentOrdering finds the reading order by a larger vision language model,
	// a little slower; r-1 ignores it. Default: false.
	IntelligentOrdering bool `json:"intelligent_ordering,omitzero"`
}

// AgenticScope is what Enhance.Agentic is applied to: TextAgentic, TableAgentic
// or FigureAgentic.
type AgenticScope interface {
	agenticScope() string
}

// TextAgentic goes over text once more.
type TextAgentic struct {
	// Prompt are instructions of your own. They are heeded only in forms, that is for
	// blocks of the type Key Value. Default: none.
	Prompt string `json:"prompt,omitzero"`
}

// TableAgentic goes over tables once more.
type TableAgentic struct {
	// Prompt are instructions of your own. Default: none.
	Prompt string `json:"prompt,omitzero"`
	// Mode chooses the tables. Default: TableAgenticDefault.
	Mode TableAgenticMode `json:"mode,omitzero"`
}

// TableAgenticMode chooses which tables a TableAgentic goes over. It is an open
// set.
type TableAgenticMode string

// The modes of TableAgentic.
const (
	// TableAgenticDefault takes the tables that are likely to gain from it.
	TableAgenticDefault TableAgenticMode = "default"
	// TableAgenticAuto is a value of the API that its documents do not explain.
	TableAgenticAuto TableAgenticMode = "auto"
	// TableAgenticMax takes all tables.
	TableAgenticMax TableAgenticMode = "max"
)

// FigureAgentic goes over figures once more.
type FigureAgentic struct {
	// Prompt are instructions of your own. Default: none.
	Prompt string `json:"prompt,omitzero"`
	// AdvancedChartAgent reads the data series out of figures that are charts, and
	// redraws the charts from them. Slower. Default: false.
	AdvancedChartAgent bool `json:"advanced_chart_agent,omitzero"`
	// ReturnOverlays adds pictures that show what was read on top of the figure, to
	// check it by eye. Default: false.
	ReturnOverlays bool `json:"return_overlays,omitzero"`
}

func (TextAgentic) agenticScope() string   { return "text" }
func (TableAgentic) agenticScope() string  { return "table" }
func (FigureAgentic) agenticScope() string { return "figure" }

// MarshalJSON adds the scope that tells the API's three kinds apart.
func (a TextAgentic) MarshalJSON() ([]byte, error) {
	type fields TextAgentic
	return json.Marshal(struct {
		Scope string `json:"scope"`
		fields
	}{a.agenticScope(), fields(a)})
}

// MarshalJSON adds the scope that tells the API's three kinds apart.
func (a TableAgentic) MarshalJSON() ([]byte, error) {
	type fields TableAgentic
	return json.Marshal(struct {
		Scope string `json:"scope"`
		fields
	}{a.agenticScope(), fields(a)})
}

// MarshalJSON adds the scope that tells the API's three kinds apart.
func (a FigureAgentic) MarshalJSON() ([]byte, error) {
	type fields FigureAgentic
	return json.Marshal(struct {
		Scope string `json:"scope"`
		fields
	}{a.agenticScope(), fields(a)})
}

func (e Enhance) check(field string) error {
	for i, a := range e.Agentic {
		if a == nil {
			return refuse(fmt.Sprintf("%s.Agentic[%d]", field, i), "it is nil: use TextAgentic, TableAgentic or FigureAgentic")
		}
	}
	return nil
}
