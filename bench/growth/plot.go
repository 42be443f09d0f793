package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The measures of the plot, in pixels.
const (
	plotWidth, plotHeight = 760, 420
	plotLeft, plotRight   = 48, 170 // margins
	plotTop, plotBottom   = 40, 44
	labelSpace            = 15
)

// plot draws the costs over the sizes as SVG, a line for each operation with its name.
func plot(sizes []int, lines []line) string {
	lowest, highest := 0.5, 2.0
	for _, l := range lines {
		lowest, highest = min(lowest, slices.Min(l.ratios)*0.95), max(highest, slices.Max(l.ratios)*1.05)
	}
	x := func(n int) float64 {
		return plotLeft + (plotWidth-plotLeft-plotRight)*math.Log(float64(n)/float64(sizes[0]))/math.Log(float64(sizes[len(sizes)-1])/float64(sizes[0]))
	}
	y := func(ratio float64) float64 {
		return plotHeight - plotBottom - (plotHeight-plotTop-plotBottom)*math.Log(ratio/lowest)/math.Log(highest/lowest)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img">
<title>The cost of each operation beside that of the small table</title>
<style>
text { fill: #24292f } .quiet { fill: #57606a } .grid { stroke: #d0d7de } .goal { stroke: #cf222e; stroke-dasharray: 5 4 } .red { fill: #cf222e }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .quiet { fill: #9198a1 } .grid { stroke: #3d444d } .goal { stroke: #ff7b72 } .red { fill: #ff7b72 }
}
polyline { fill: none; stroke-width: 1.75 }
</style>
<text x="%d" y="20" font-size="14">Cost beside the table of %s done records</text>
`, plotWidth, plotHeight, plotLeft, grouped(sizes[0]))
	for _, n := range sizes {
		fmt.Fprintf(&b, `<text class="quiet" x="%.0f" y="%d" text-anchor="middle">%s</text>`+"\n", x(n), plotHeight-plotBottom+20, grouped(n))
	}
	fmt.Fprintf(&b, `<text class="quiet" x="%d" y="%d" text-anchor="middle">done records</text>`+"\n", (plotLeft+plotWidth-plotRight)/2, plotHeight-6)
	grid := func(ratio float64, kind, text string) {
		fmt.Fprintf(&b, `<line class="%s" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="%s" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			kind, plotLeft, plotWidth-plotRight, y(ratio), y(ratio), map[string]string{"grid": "quiet", "goal": "red"}[kind], plotLeft-6, y(ratio)+4, text)
	}
	for _, ratio := range []float64{0.5, 0.75, 1, 2, 5, 10, 20, 50, 100} {
		if ratio >= lowest && ratio <= highest {
			grid(ratio, "grid", fmt.Sprint(ratio))
		}
	}
	grid(mostGrowth, "goal", fmt.Sprint(mostGrowth))
	// The labels are in the order of the lines, and do not overlap.
	order := slices.Clone(lines)
	slices.SortStableFunc(order, func(a, b line) int {
		return -int(math.Copysign(1, a.ratios[len(sizes)-1]-b.ratios[len(sizes)-1]))
	})
	last := float64(plotTop) - labelSpace
	for i, l := range order {
		end := y(l.ratios[len(sizes)-1])
		// Below are as many labels as are left.
		at := min(max(end, last+labelSpace), float64(plotHeight-plotBottom-labelSpace*(len(order)-1-i)))
		last = at
		var points []string
		for k, n := range sizes {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(n), y(l.ratios[k])))
		}
		// Colors of a middle lightness are visible on white and on black.
		color := fmt.Sprintf("hsl(%d 65%% 50%%)", i*360/len(order))
		right := plotWidth - plotRight
		fmt.Fprintf(&b, `<polyline stroke="%s" points="%s"/><path stroke="%s" fill="none" opacity="0.5" d="M%d %.1fL%d %.1f"/><circle fill="%s" cx="%d" cy="%.1f" r="3"/><text x="%d" y="%.1f">%s %.2f</text>`+"\n",
			color, strings.Join(points, " "), color, right, end, right+20, at, color, right+22, at, right+28, at+4, l.name, l.ratios[len(sizes)-1])
	}
	b.WriteString("</svg>\n")
	return b.String()
}
