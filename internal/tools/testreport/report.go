package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is a line of go test -json; see go doc test2json and go help buildjson.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of what was built; builds have no Package
	Test        string // empty for what concerns the package
	Elapsed     float64
	Output      string
	FailedBuild string
}

// tally counts tests, subtests, examples and fuzz targets. A package that fails
// without a failed test (it does not build, it panics, its TestMain fails) is one
// failure.
type tally struct{ passed, failed, skipped int }

func (t tally) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed, t.failed, t.skipped)
}

// pkg is what is known of a package until its last event.
type pkg struct {
	tally
	output  []event
	suspect map[string]bool // tests that have not passed
}

// report reads events and writes a line a package, with everything that tests
// wrote which did not pass.
func report(r io.Reader, w io.Writer) (tally, error) {
	var total tally
	pkgs := map[string]*pkg{}
	builds := map[string]*strings.Builder{}

	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			switch {
			case json.Unmarshal(line, &e) != nil || e.Action == "":
				fmt.Fprintf(w, "%s\n", bytes.TrimRight(line, "\n")) // the go command's own words
			case e.Package == "":
				if builds[e.ImportPath] == nil {
					builds[e.ImportPath] = new(strings.Builder)
				}
				builds[e.ImportPath].WriteString(e.Output)
			default:
				p := pkgs[e.Package]
				if p == nil {
					p = &pkg{suspect: map[string]bool{}}
					pkgs[e.Package] = p
				}
				if p.add(e) {
					p.close(w, e, builds)
					total.passed += p.passed
					total.failed += p.failed
					total.skipped += p.skipped
					delete(pkgs, e.Package)
				}
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return total, err
		}
	}
	for name, p := range pkgs {
		fmt.Fprintf(w, "FAIL  %s: no result\n", name)
		p.print(w)
		total.failed++
	}
	return total, nil
}

// add takes an event and reports whether it is the package's last.
func (p *pkg) add(e event) bool {
	switch e.Action {
	case "run":
		p.suspect[e.Test] = true
	case "output":
		p.output = append(p.output, e)
	case "pass", "fail", "skip":
		if e.Test == "" {
			return true
		}
		switch e.Action {
		case "pass":
			p.passed++
			delete(p.suspect, e.Test)
		case "fail":
			p.failed++
		case "skip":
			p.skipped++
		}
	}
	return false
}

// close judges the package whose last event is e.
func (p *pkg) close(w io.Writer, e event, builds map[string]*strings.Builder) {
	if e.Action == "fail" && p.failed == 0 {
		p.failed++
		for _, o := range p.output { // a timeout's panic may be told as that of any test
			p.suspect[o.Test] = true
		}
	}
	switch {
	case p.failed > 0:
		fmt.Fprintf(w, "FAIL  %s %.1fs\n", e.Package, e.Elapsed)
	case p.skipped > 0:
		fmt.Fprintf(w, "SKIP  %s %.1fs: skipped tests are failures here\n", e.Package, e.Elapsed)
	case e.Action == "skip":
		fmt.Fprintf(w, "      %s: no tests\n", e.Package)
		return
	default:
		fmt.Fprintf(w, "ok    %s %.1fs, %d tests\n", e.Package, e.Elapsed, p.passed)
		return
	}
	if b := builds[e.FailedBuild]; b != nil {
		io.WriteString(w, b.String())
	}
	p.print(w)
}

// print writes the output of what did not pass, in the order in which it came.
func (p *pkg) print(w io.Writer) {
	for _, e := range p.output {
		if e.Test != "" && !p.suspect[e.Test] || isProgress(e.Output) {
			continue
		}
		io.WriteString(w, e.Output)
	}
}

// isProgress recognises the lines in which a test says that it starts, waits or
// goes on.
func isProgress(line string) bool {
	for _, prefix := range []string{"=== RUN ", "=== PAUSE ", "=== CONT ", "=== NAME "} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}
