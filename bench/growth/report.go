package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// report is what a part found.
type report struct {
	note   string
	tables [][][]string // each begins with its head
	plot   string       // SVG, or nothing
}

// text returns the report for a terminal.
func (f report) text(r *run) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s", f.note, r.origin())
	for _, t := range f.tables {
		b.WriteString("\n")
		columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range t {
			fmt.Fprintln(columns, strings.Join(row, "\t"))
		}
		_ = columns.Flush() // a Builder never fails
	}
	return b.String() + "\n"
}

// markdown returns the report for a page.
func (f report) markdown(r *run) string {
	var b strings.Builder
	for _, paragraph := range []string{f.note, r.origin()} {
		b.WriteString(wrap(paragraph) + "\n")
	}
	if f.plot != "" {
		b.WriteString("\n![The cost of each operation beside that of the small table](growth.svg)\n")
	}
	for _, t := range f.tables {
		b.WriteString("\n")
		for i, row := range t {
			b.WriteString("| " + strings.Join(row, " | ") + " |\n")
			if i == 0 {
				b.WriteString("| ---" + strings.Repeat(" | ---:", len(row)-2) + " | --- |\n")
			}
		}
	}
	return b.String()
}

// origin says where the figures are from.
func (r *run) origin() string {
	if r.quick {
		return "-quick: small tables and few calls. The figures mean nothing.\n"
	}
	return fmt.Sprintf("Measured on %s at revision %s, with %s on %s/%s, %d cores.\n",
		time.Now().UTC().Format(time.DateOnly), revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}

// revision is that of the code. It is read once, because the pages that are written
// make the work tree dirty.
var revision = sync.OnceValue(func() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "none"
	}
	return strings.TrimSpace(string(out))
})

// rewrite replaces a part's section of a page, which is between two comments.
func rewrite(path, part, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := "<!-- growth "+part+" -->\n", "<!-- end of growth "+part+" -->\n"
	before, rest, ok := bytes.Cut(page, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("%s has no lines %q and %q: add them where the section belongs", path, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(path, slices.Concat(before, []byte(begin+"\n"+text+"\n"+end), after), 0o644)
}

// wrap breaks a paragraph into lines like those of the pages.
func wrap(text string) string {
	var b strings.Builder
	width := 0
	for _, word := range strings.Fields(text) {
		if width > 0 && width+1+len(word) > 140 {
			b.WriteString("\n")
			width = 0
		} else if width > 0 {
			b.WriteString(" ")
			width++
		}
		b.WriteString(word)
		width += len(word)
	}
	return b.String()
}

func verdictOf(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

// grouped returns a number with commas.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
