package dashboard

import (
	"fmt"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// The size of a chart in its own units. The page scales it.
const (
	chartWidth  = 300
	chartHeight = 60
	chartMargin = 2
	// chartGap is the time between two samples from which on the line is broken.
	chartGap = 2 * time.Minute
)

// chart is a line over time, drawn as SVG.
type chart struct {
	Name    string
	Current string
	Label   string // for screen readers
	Line    string // the path of the line
	Area    string // the path of the area below it
	Second  string // the path of a second line, empty if there is none
	Legend  string // says what the second line is
}

// point is a value at a time.
type point struct {
	at    time.Time
	value float64
}

// paths returns the paths of points. highest is the value at the top.
func paths(points []point, now time.Time, highest float64) (line, area string) {
	var l, a strings.Builder
	open := ""
	shut := func() {
		if open != "" {
			fmt.Fprintf(&a, "L%s %dZ", open, chartHeight)
		}
	}
	var last time.Time
	for _, p := range points {
		age := now.Sub(p.at)
		if age > chartTime || age < 0 {
			continue
		}
		x := fmt.Sprintf("%.1f", chartWidth*(1-float64(age)/float64(chartTime)))
		y := fmt.Sprintf("%.1f", chartHeight-chartMargin-(chartHeight-2*chartMargin)*min(p.value/highest, 1))
		if last.IsZero() || p.at.Sub(last) > chartGap {
			shut()
			fmt.Fprintf(&l, "M%s %s", x, y)
			fmt.Fprintf(&a, "M%s %dL%s %s", x, chartHeight, x, y)
		} else {
			fmt.Fprintf(&l, "L%s %s", x, y)
			fmt.Fprintf(&a, "L%s %s", x, y)
		}
		open, last = x, p.at
	}
	shut()
	return l.String(), a.String()
}

// top returns the highest value, but at least floor.
func top(floor float64, lists ...[]point) float64 {
	for _, list := range lists {
		for _, p := range list {
			floor = max(floor, p.value)
		}
	}
	return floor
}

func newChart(name string, points []point, now time.Time, floor float64, format func(float64) string, second []point) chart {
	c := chart{Name: name, Current: "–"}
	highest := top(floor, points, second)
	c.Line, c.Area = paths(points, now, highest)
	c.Second, _ = paths(second, now, highest)
	if n := len(points); n > 0 {
		c.Current = format(points[n-1].value)
		c.Label = fmt.Sprintf("%s in the last %s: now %s, highest %s", name, span(chartTime), c.Current, format(top(0, points)))
	} else {
		c.Label = name + ": no values yet"
	}
	return c
}

// perSecond returns how fast a counter rises.
func perSecond(list []sample, counter func(*inbox.Stats) uint64) (points []point) {
	for i := 1; i < len(list); i++ {
		a, b := &list[i-1], &list[i]
		d := b.at.Sub(a.at).Seconds()
		before, after := counter(&a.stats), counter(&b.stats)
		if a.err != nil || b.err != nil || d <= 0 || after < before {
			continue
		}
		points = append(points, point{b.at, float64(after-before) / d})
	}
	return points
}

// values returns a value of each sample.
func values(list []sample, value func(*inbox.Stats) float64) (points []point) {
	for i := range list {
		if list[i].err == nil {
			points = append(points, point{list[i].at, value(&list[i].stats)})
		}
	}
	return points
}

func rate(v float64) string {
	if v == 0 || v >= 100 {
		return fmt.Sprintf("%.0f/s", v)
	}
	return fmt.Sprintf("%.2g/s", v)
}

func whole(v float64) string { return count(int(v)) }

func seconds(v float64) string { return span(time.Duration(v * float64(time.Second))) }

func charts(list []sample, now time.Time) []chart {
	failures := perSecond(list, func(s *inbox.Stats) uint64 { return s.Failures })
	calls := newChart("Function calls", perSecond(list, func(s *inbox.Stats) uint64 { return s.Calls }), now, 0.2, rate, failures)
	if n := len(failures); n > 0 {
		calls.Legend = rate(failures[n-1].value) + " failed"
	}
	return []chart{
		newChart("Deliveries", perSecond(list, func(s *inbox.Stats) uint64 { return s.Accepted + s.Duplicates }), now, 0.2, rate, nil),
		calls,
		newChart("Due records", values(list, func(s *inbox.Stats) float64 { return float64(s.Store.Due) }), now, 4, whole, nil),
		newChart("Lag: oldest due", values(list, func(s *inbox.Stats) float64 { return s.Store.OldestDue.Seconds() }), now, 1, seconds, nil),
	}
}
