package otelreducto_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/reducto-go/reducto/otelreducto"
)

// inboxMetrics returns the names of package inbox's metrics from its source, in the order
// of the source: counters, histograms, gauges.
func inboxMetrics(t *testing.T) (groups [][]string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../webhook/inbox/observer.go", nil, 0)
	require.NoError(t, err)
	for _, d := range file.Decls {
		d, ok := d.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			continue
		}
		var group []string
		for _, s := range d.Specs {
			for _, v := range s.(*ast.ValueSpec).Values {
				name, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				require.NoError(t, err)
				group = append(group, name)
			}
		}
		groups = append(groups, group)
	}
	require.Len(t, groups, 3)
	return groups
}

// scraped returns the metrics that Prometheus reads after each metric of package inbox
// was measured once: the labels of each name, without the exporter's own.
func scraped(t *testing.T) map[string][]string {
	t.Helper()
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo())
	require.NoError(t, err)
	tel, err := otelreducto.New(nil, sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	require.NoError(t, err)
	groups := inboxMetrics(t)
	for _, name := range groups[0] {
		tel.Count(name, "x", 1)
	}
	for _, name := range groups[1] {
		tel.Observe(name, 0.2)
	}
	for _, name := range groups[2] {
		tel.Gauge(name, "x", 3)
	}
	tel.Count("unknown", "", 1)
	tel.Observe("unknown", 1)
	tel.Gauge("unknown", "", 1)
	families, err := registry.Gather()
	require.NoError(t, err)
	names := map[string][]string{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "reducto_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			if !strings.HasPrefix(l.GetName(), "otel_scope") {
				labels = append(labels, l.GetName())
			}
		}
		names[f.GetName()] = labels
	}
	require.Len(t, names, len(slices.Concat(groups...)), "%v", slices.Collect(maps.Keys(names)))
	return names
}

func TestEveryMetricOfTheInboxIsExported(t *testing.T) {
	t.Parallel()
	names := scraped(t)
	assert.Equal(t, []string{"reducto_result"}, names["reducto_inbox_deliveries_total"])
	assert.Equal(t, []string{"reducto_state"}, names["reducto_inbox_records"])
	assert.Contains(t, names, "reducto_inbox_function_duration_seconds")
	assert.Contains(t, names, "reducto_inbox_oldest_due_age_seconds")
}

// increase() of Prometheus does not see the first value of a series.
func TestCountersOfAlertsStartAtZero(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	require.NoError(t, err)
	_, err = otelreducto.New(nil, sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	require.NoError(t, err)
	families, err := registry.Gather()
	require.NoError(t, err)
	zero := map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				if l.GetName() == "reducto_result" {
					name += "{" + l.GetValue() + "}"
				}
			}
			zero[name] = m.GetCounter().GetValue() == 0
		}
	}
	for _, name := range []string{"dead_total", "reconciled_total", "fenced_total", "conflicts_total",
		"deliveries_total{refused}", "deliveries_total{unauthorized}", "deliveries_total{store_error}", "polls_total{unauthorized}"} {
		assert.True(t, zero["reducto_inbox_"+name], name)
	}
}

// dashboard is the part of grafana.json that the tests read.
type dashboard struct {
	Panels []struct {
		ID          int    `json:"id"`
		Type        string `json:"type"`
		Title       string `json:"title"`
		Description string `json:"description"`
		Targets     []struct {
			Expr string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("grafana.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

var (
	metricName  = regexp.MustCompile(`\breducto_inbox_\w+`)
	selector    = regexp.MustCompile(`\b(reducto_inbox_\w+)\{([^}]*)\}`)
	matcherName = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	grouping    = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

func TestDashboardQueriesExistingMetrics(t *testing.T) {
	t.Parallel()
	names := scraped(t)
	family := func(name string) ([]string, bool) {
		for _, suffix := range []string{"", "_bucket", "_count", "_sum"} {
			if base, ok := strings.CutSuffix(name, suffix); ok {
				if labels, ok := names[base]; ok {
					return labels, ok
				}
			}
		}
		return nil, false
	}
	used := map[string]bool{}
	ids := map[int]bool{}
	for _, p := range readDashboard(t).Panels {
		assert.False(t, ids[p.ID], "panel id %d twice", p.ID)
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			var labels []string
			found := metricName.FindAllString(target.Expr, -1)
			require.NotEmpty(t, found, target.Expr)
			for _, name := range found {
				of, ok := family(name)
				assert.True(t, ok, "%s: there is no metric %s", p.Title, name)
				labels = append(labels, of...)
				used[name] = true
			}
			for _, m := range selector.FindAllStringSubmatch(target.Expr, -1) {
				of, _ := family(m[1])
				for _, label := range matcherName.FindAllStringSubmatch(m[2], -1) {
					if label[1] != "job" && label[1] != "instance" {
						assert.Contains(t, of, label[1], "%s: %s", p.Title, target.Expr)
					}
				}
			}
			for _, m := range grouping.FindAllStringSubmatch(target.Expr, -1) {
				for label := range strings.SplitSeq(m[1], ",") {
					if label = strings.TrimSpace(label); label != "le" && label != "instance" {
						assert.Contains(t, labels, label, "%s: %s", p.Title, target.Expr)
					}
				}
			}
			assert.Equal(t, strings.Count(target.Expr, "("), strings.Count(target.Expr, ")"), target.Expr)
		}
	}
	for name := range names {
		assert.True(t, used[name] || used[name+"_bucket"], "no panel shows %s", name)
	}
}

// Each row of the table of alerts is a panel, and the other way round.
func TestDashboardHasTheAlertsOfOperations(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(page), "| Signal | Meaning | What to do |\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n\n")
	want := map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		require.Len(t, cells, 3, line)
		if strings.TrimSpace(cells[0]) == "---" {
			continue
		}
		clean := strings.NewReplacer("`", "", "…", "...")
		want[strings.TrimSpace(clean.Replace(cells[0]))] = strings.TrimSpace(clean.Replace(cells[1])) + ". To do: " + strings.TrimSpace(clean.Replace(cells[2])) + "."
	}
	require.Greater(t, len(want), 9)
	got := map[string]string{}
	for _, p := range readDashboard(t).Panels {
		if signal, ok := strings.CutPrefix(p.Title, "Alert: "); ok {
			got[signal] = p.Description
		}
	}
	assert.Equal(t, want, got)
}
