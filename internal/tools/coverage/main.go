// Command coverage prints the statement coverage of packages and fails when one
// of them is below the minimum.
//
//	coverage -min 90 cover.out example.com/module example.com/module/webhook
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
)

func main() {
	minimum := flag.Float64("min", 90, "least coverage of each package, in percent")
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: coverage [-min percent] profile package...")
		os.Exit(2)
	}
	f, err := os.Open(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(2)
	}
	counts, err := read(f)
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(2)
	}
	enough := true
	for _, name := range flag.Args()[1:] {
		c := counts[name]
		verdict := ""
		if c.percent() < *minimum {
			verdict = fmt.Sprintf("  BELOW %.1f %%", *minimum)
			enough = false
		}
		fmt.Printf("%-50s %5.1f %% of %d statements%s\n", name, c.percent(), c.total, verdict)
	}
	if !enough {
		os.Exit(1)
	}
}

type count struct{ covered, total int }

func (c count) percent() float64 {
	if c.total == 0 {
		return 0 // a package that the profile does not know was not measured
	}
	return 100 * float64(c.covered) / float64(c.total)
}

// read sums a cover profile up by package. With -coverpkg every test binary
// writes every block, so a block counts once, and is covered if any ran it.
func read(r io.Reader) (map[string]count, error) {
	type block struct {
		statements int
		covered    bool
	}
	blocks := map[string]block{} // by file and position
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "mode: ") {
			continue
		}
		fields := strings.Fields(line) // file:from,to statements runs
		if len(fields) != 3 {
			return nil, fmt.Errorf("not a line of a profile: %q", line)
		}
		statements, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, fmt.Errorf("not a line of a profile: %q", line)
		}
		b := block{statements, blocks[fields[0]].covered || fields[2] != "0"}
		blocks[fields[0]] = b
	}
	counts := map[string]count{}
	for position, b := range blocks {
		file, _, _ := strings.Cut(position, ":")
		c := counts[path.Dir(file)]
		c.total += b.statements
		if b.covered {
			c.covered += b.statements
		}
		counts[path.Dir(file)] = c
	}
	return counts, lines.Err()
}
