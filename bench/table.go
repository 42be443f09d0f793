package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"
)

// peerTable is what all contestants of a comparison cost, for readers who wonder
// how others do.
type peerTable struct {
	area   string
	title  string
	header []string
	rows   [][]string
	note   string
	main   bool // it is printed as Markdown, too
}

func (r *run) printText(out io.Writer, areas []string) error {
	var b strings.Builder
	r.head(&b, areas)
	b.WriteString("\n")
	rows := [][]string{{"goal", "", "here", "spread", ""}}
	for _, g := range goals {
		if slices.Contains(areas, g.area) {
			rows = append(rows, append([]string{g.what, g.String()}, r.shown(g)...))
		}
	}
	align(&b, rows)
	for _, t := range r.peers {
		fmt.Fprintf(&b, "\n%s\n", t.title)
		align(&b, append([][]string{t.header}, t.rows...))
		if t.note != "" {
			b.WriteString(t.note + "\n")
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// printMarkdown prints the main rows and tables.
func (r *run) printMarkdown(out io.Writer, areas []string) error {
	var b strings.Builder
	b.WriteString("| | goal | here | spread | |\n| --- | ---: | ---: | ---: | --- |\n")
	for _, g := range goals {
		if g.main && slices.Contains(areas, g.area) {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", g.what, g, strings.Join(r.shown(g), " | "))
		}
	}
	for _, t := range r.peers {
		if t.main && slices.Contains(areas, t.area) {
			t.markdown(&b)
		}
	}
	b.WriteString("\n")
	r.head(&b, areas)
	_, err := io.WriteString(out, b.String())
	return err
}

func (t *peerTable) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s:\n\n| %s |\n| ---%s |\n", t.title, strings.Join(t.header, " | "), strings.Repeat(" | ---:", len(t.header)-1))
	for _, row := range t.rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
	if t.note != "" {
		b.WriteString("\n" + t.note + "\n")
	}
}

// head says where the figures are from and how to read them.
func (r *run) head(b *strings.Builder, areas []string) {
	fmt.Fprintf(b, "Measured by `go run ./bench` with %s on %s/%s, %d cores: medians of at least %d interleaved rounds\n"+
		"(%d for 200 MB, %d for other queues), least to most. x: times as fast (≥), or times the cost (≤), of the peer in the same run.\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), r.rounds, r.longRounds, r.peerRounds)
	if slices.Contains(areas, "decode") {
		b.WriteString("Decoding: beside encoding/json into plain structs of the same fields; this library reads through its\n" +
			"HTTP client, out of memory, the others are given the bytes.\n")
	}
	if !cpuMeasured {
		b.WriteString("CPU time is not measured on this system: its ratios are of the clock's time.\n")
	}
	if r.quick {
		b.WriteString("-quick: small documents and single repetitions. The figures mean nothing.\n")
	}
}

// shown is a goal's figure, its spread and the verdict.
func (r *run) shown(g goal) []string {
	f := r.figures[g.id]
	if f.absent != "" {
		return []string{"", "", f.absent}
	}
	verdict := "missed"
	if g.met(f.spread) {
		verdict = "met"
	}
	between := ""
	if f.rounds > 1 {
		between = fmt.Sprintf("%.3g to %.3g", f.least, f.most)
	}
	return []string{g.number(f.median), between, verdict}
}

// align writes rows in columns, the first aligned to the left.
func align(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case i == 0:
				line.WriteString(cell + space)
			case i == len(row)-1 && len(widths) > 2 && widths[i] > 0 && rows[0][i] == "":
				line.WriteString("  " + cell)
			default:
				line.WriteString("  " + space + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
