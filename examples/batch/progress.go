package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows the progress of a run. It is safe for concurrent use.
type progress interface {
	submitted(file string)
	finished(file string)
	// say prints a line.
	say(format string, args ...any)
	close()
}

// counts has the numbers of submitted and finished files.
type counts struct{ submitted, finished int }

// newProgress shows bars on a terminal, and plain lines elsewhere.
func newProgress(w io.Writer, total int, already counts) progress {
	if f, ok := w.(*os.File); ok && isTerminal(f) {
		return newBars(total, already, mpb.WithOutput(f))
	}
	return &lines{w: w, total: total, counts: already}
}

// isTerminal reports whether f is a character device, such as a terminal.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// lines prints a line for each step, for log files.
type lines struct {
	mu sync.Mutex
	w  io.Writer
	counts
	total int
}

func (l *lines) submitted(file string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.submitted++
	fmt.Fprintf(l.w, "submitted %d/%d: %s\n", l.counts.submitted, l.total, file)
}

func (l *lines) finished(file string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.finished++
	fmt.Fprintf(l.w, "finished %d/%d: %s\n", l.counts.finished, l.total, file)
}

func (l *lines) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, format+"\n", args...)
}

func (l *lines) close() {}

// bars shows two bars on a terminal, and prints lines above them.
type bars struct {
	all          *mpb.Progress
	submits      *mpb.Bar
	finishedJobs *mpb.Bar
}

func newBars(total int, already counts, options ...mpb.ContainerOption) *bars {
	all := mpb.New(append(options, mpb.WithWidth(60))...)
	bar := func(name string, already int) *mpb.Bar {
		// A bar with a total from the start ends when it is full. With the last bar mpb
		// would stop to draw, and lose later lines.
		b := all.AddBar(0,
			mpb.PrependDecorators(decor.Name(name, decor.WC{C: decor.DindentRight | decor.DextraSpace | decor.DSyncWidth})),
			mpb.AppendDecorators(decor.CountersNoUnit("%d/%d"), decor.Elapsed(decor.ET_STYLE_GO, decor.WC{W: 8})),
		)
		b.SetTotal(int64(total), false)
		b.SetCurrent(int64(already))
		return b
	}
	return &bars{all: all, submits: bar("submitted", already.submitted), finishedJobs: bar("finished", already.finished)}
}

func (b *bars) submitted(string) { b.submits.Increment() }

func (b *bars) finished(string) { b.finishedJobs.Increment() }

func (b *bars) say(format string, args ...any) {
	fmt.Fprintf(b.all, format+"\n", args...)
}

func (b *bars) close() {
	b.submits.Abort(false)
	b.finishedJobs.Abort(false)
	b.all.Wait()
}
