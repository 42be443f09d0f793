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
	Second  string // the path of a second line, empty if it is zero or there is none
	Legend  string // says what the second line is
	Zero    bool   // the value in the legend is zero
}

// point is a value at a time.
type point struct {
	at    time.Time
	value float64
}

// axes are the time and the value that fill a chart.
type axes struct {
	now     time.Time // at the right
	window  time.Duration
	highest float64
}

// paths returns the paths of points.
func (c axes) paths(points []point) (line, area string) {
	var l, a strings.Builder
	open := ""
	shut := func() {
		if open != "" {
			fmt.Fprintf(&a, "L%s %dZ", open, chartHeight)
		}
	}
	var last time.Time
	for _, p := range points {
		age := c.now.Sub(p.at)
		if age > c.window || age < 0 {
			continue
		}
		x := fmt.Sprintf("%.1f", chartWidth*(1-float64(age)/float64(c.window)))
		y := fmt.Sprintf("%.1f", chartHeight-chartMargin-(chartHeight-2*chartMargin)*min(p.value/c.highest, 1))
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

// newChart returns the chart of points. a.highest is the least value at the top.
func newChart(name string, a axes, points, second []point, format func(float64) string) chart {
	c := chart{Name: name, Current: "–"}
	a.highest = top(a.highest, points, second)
	c.Line, c.Area = a.paths(points)
	if top(0, second) > 0 {
		c.Second, _ = a.paths(second)
	}
	if n := len(points); n > 0 {
		c.Current = format(points[n-1].value)
		c.Label = fmt.Sprintf("%s in the last %s: now %s, highest %s", name, span(a.window), c.Current, format(top(0, points)))
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

// window returns the time that charts of these samples show, in whole minutes.
func window(list []sample, now time.Time) time.Duration {
	d := 2 * time.Minute
	if len(list) > 0 {
		d = max(d, now.Sub(list[0].at))
	}
	return min((d + time.Minute - 1).Truncate(time.Minute), chartTime)
}

func charts(list []sample, now time.Time) []chart {
	within := func(least float64) axes { return axes{now, window(list, now), least} }
	deliveries := perSecond(list, func(s *inbox.Stats) uint64 { return s.Accepted + s.Duplicates })
	calls := perSecond(list, func(s *inbox.Stats) uint64 { return s.Calls })
	failures := perSecond(list, func(s *inbox.Stats) uint64 { return s.Failures })
	due := values(list, func(s *inbox.Stats) float64 { return float64(s.Store.Due) })
	lag := values(list, func(s *inbox.Stats) float64 { return s.Store.OldestDue.Seconds() })
	functions := newChart("Function calls", within(0.2), calls, failures, rate)
	if n := len(failures); n > 0 {
		functions.Legend, functions.Zero = rate(failures[n-1].value)+" failed", failures[n-1].value == 0
	}
	return []chart{
		newChart("Deliveries", within(0.2), deliveries, nil, rate),
		functions,
		newChart("Due records", within(4), due, nil, whole),
		newChart("Lag: oldest due", within(1), lag, nil, seconds),
	}
}
