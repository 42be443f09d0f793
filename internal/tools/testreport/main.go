// Command testreport makes the output of go test -json readable and strict: it
// prints a line a package and everything a failed test wrote, and it fails when a
// test was skipped, because a skipped test is one that nobody runs.
//
//	go test -json ./... | testreport [-name module] [-tally file]
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	name := flag.String("name", ".", "what was tested, for the closing line")
	tallyFile := flag.String("tally", "", "append the three numbers to this `file`")
	flag.Parse()

	t, err := report(os.Stdin, os.Stdout)
	if err == nil && *tallyFile != "" {
		err = appendTally(*tallyFile, t)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	fmt.Printf("%s: %s\n", *name, t)
	if t.failed > 0 || t.skipped > 0 {
		os.Exit(1)
	}
}

func appendTally(file string, t tally) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, t.passed, t.failed, t.skipped); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
