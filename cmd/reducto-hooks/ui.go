package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"github.com/charmbracelet/x/term"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// ui writes the output of a command: for people on a terminal, as plain lines elsewhere,
// or as JSON.
type ui struct {
	json     bool
	people   bool // stdout is a terminal
	progress bool // stderr is a terminal
	style    *lipgloss.Renderer
}

func newUI(jsonLines bool) *ui {
	return &ui{
		json:     jsonLines,
		people:   !jsonLines && isTerminal(os.Stdout),
		progress: isTerminal(os.Stderr),
		style:    lipgloss.NewRenderer(os.Stdout),
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb" }

// note prints a line for people on stderr.
func (u *ui) note(format string, args ...any) {
	fmt.Fprintln(os.Stderr, "reducto-hooks: "+clean(fmt.Sprintf(format, args...)))
}

// object prints a value as one line of JSON.
func (u *ui) object(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// colours are those of states, statuses and outcomes. They are among the terminal's own
// sixteen, so that they fit light and dark.
var colours = map[string]lipgloss.Color{
	"done": "2", "completed": "2", "replayed": "2",
	"dead": "1", "failed": "1", "expired": "1", "unknown": "1",
	"claimed": "3", "inprogress": "3", "completing": "3", "received": "3", "cancelled": "3",
}

// paint returns a style with the colour of a state.
func (u *ui) paint(text string) lipgloss.Style {
	s := u.style.NewStyle()
	if c, ok := colours[strings.ToLower(text)]; ok {
		s = s.Foreground(c)
	}
	return s
}

// rows prints records: a table on a terminal, lines of fields with tabs between them, or
// JSON.
type rows struct {
	*ui
	columns []string
	cells   [][]string // with people, until flush
	out     *bufio.Writer
}

func (u *ui) rows(columns ...string) *rows {
	return &rows{ui: u, columns: columns, out: bufio.NewWriter(os.Stdout)}
}

// add prints a record, v as JSON and the cells otherwise.
func (r *rows) add(v any, cells ...string) error {
	if r.json {
		return r.object(v)
	}
	for i, c := range cells {
		cells[i] = clean(c)
	}
	if r.people {
		r.cells = append(r.cells, cells)
		return nil
	}
	_, err := r.out.WriteString(strings.Join(cells, "\t") + "\n")
	return errors.Join(err, r.out.Flush())
}

// maxCell is the number of characters that a table has of a text.
const maxCell = 60

// flush prints the table. none is printed for people if there are no records.
func (r *rows) flush(none string) error {
	if len(r.cells) == 0 {
		if r.people && none != "" {
			r.note("%s", none)
		}
		return nil
	}
	t := table.New().Headers(r.columns...).Border(lipgloss.HiddenBorder()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).BorderHeader(false).
		StyleFunc(func(row, col int) lipgloss.Style {
			if row == table.HeaderRow {
				return r.style.NewStyle().Bold(true).PaddingRight(2)
			}
			return r.paint(r.cells[row][col]).PaddingRight(2)
		})
	for _, cells := range r.cells {
		for i, c := range cells {
			if short := []rune(c); len(short) > maxCell {
				cells[i] = string(short[:maxCell-1]) + "…"
			}
		}
		t.Row(cells...)
	}
	width, _, err := term.GetSize(os.Stdout.Fd())
	if err != nil || width < 40 {
		width = 1000 // unknown
	}
	_, err = fmt.Fprintln(os.Stdout, r.style.NewStyle().MaxWidth(width).Render(t.String()))
	return err
}

// field is a line of the description of one record.
type field struct{ name, value string }

// describe prints one record, v as JSON and the fields otherwise. Empty fields are left out.
func (u *ui) describe(v any, fields ...field) error {
	if u.json {
		return u.object(v)
	}
	name := u.style.NewStyle().Faint(true).Width(16)
	for _, f := range fields {
		value := clean(f.value)
		switch {
		case value == "":
		case u.people:
			fmt.Println(name.Render(f.name) + u.paint(value).Render(value))
		default:
			fmt.Println(f.name + "\t" + value)
		}
	}
	return nil
}

// when returns a time: how long ago for people, else in RFC 3339. The zero time is empty.
func (u *ui) when(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case !u.people:
		return t.UTC().Format(time.RFC3339)
	}
	d := time.Until(t)
	if d > 0 {
		return "in " + span(d)
	}
	return span(-d) + " ago"
}

// span returns a duration with one unit.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// clean replaces control characters. Texts from outside could otherwise control the
// terminal, or break a line.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, text)
}

// bar shows the progress of long work on stderr, if that is a terminal. The zero bar
// shows nothing. A total of zero is unknown.
type bar struct {
	all *mpb.Progress
	bar *mpb.Bar
}

func (u *ui) bar(name string, total int) *bar {
	if !u.progress {
		return new(bar)
	}
	counters := decor.CountersNoUnit("%d/%d")
	if total == 0 {
		counters = decor.CurrentNoUnit("%d")
	}
	all := mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(48))
	b := all.AddBar(0,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(name+" ")),
		mpb.AppendDecorators(counters, decor.Elapsed(decor.ET_STYLE_GO, decor.WC{W: 8})),
	)
	b.SetTotal(int64(total), false)
	return &bar{all, b}
}

func (b *bar) add() {
	if b.bar != nil {
		b.bar.Increment()
	}
}

// close removes the bar. Call it before other output.
func (b *bar) close() {
	if b.bar != nil {
		b.bar.Abort(true)
		b.all.Wait()
	}
}
