// Command contract compares this library with OpenAPI documents of the API, and with
// the types that the official Node SDK declares. From the repository's root:
//
//	go run ./internal/contract ../shared/openapi/* conformance/node_modules/reductoai
//
// The TypeScript compiler reads the SDK's types. It needs Node 20 or later, and that
// npm ci --ignore-scripts ran in conformance.
//
// The command prints a line for every endpoint, request field, response field and enum value
// that only one of the two has and that reasons.txt does not explain, and for every
// reason that explains nothing any more; then it ends with exit code 1. What it
// compared is what the library really sends, and what it makes of an answer. Of each
// field it also compares the type: the kinds of JSON, null, and whether it is required.
//
//	go run ./internal/contract -table > docs/endpoints.md
//
// prints the table of endpoints and of the methods that call them.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	table := flag.Bool("table", false, "print the table of endpoints and methods, and compare nothing")
	dir := flag.String("root", ".", "a directory in the repository")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: contract [-table] [-root directory] document or SDK...")
		flag.PrintDefaults()
	}
	flag.Parse()
	ok, err := run(os.Stdout, *dir, *table, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "contract:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run reports whether the library and the documents agree.
func run(out io.Writer, dir string, table bool, paths []string) (bool, error) {
	root, err := findRoot(dir)
	if err != nil {
		return false, err
	}
	w, err := observe(root)
	if err != nil {
		return false, err
	}
	if table {
		return true, writeTable(out, w)
	}
	if len(paths) == 0 {
		return false, fmt.Errorf("no document: give the paths of OpenAPI documents, in JSON or YAML, or of the Node SDK")
	}
	reasons, err := readReasons(reviewed)
	if err != nil {
		return false, err
	}
	ok := true
	var all counts
	for _, path := range paths {
		d, err := load(path)
		if err != nil {
			return false, err
		}
		agrees, n, err := report(out, d, w, reasons)
		if err != nil {
			return false, err
		}
		ok, all = ok && agrees, all.plus(n)
	}
	_, err = fmt.Fprintf(out, "compared: %s, in %d documents\n", all, len(paths))
	return ok, err
}

// report prints what is wrong with one document.
func report(out io.Writer, d *document, w *world, reasons []reason) (bool, counts, error) {
	found, n, err := compare(d, w)
	if err != nil {
		return false, n, fmt.Errorf("%s: %w", d.name, err)
	}
	unexplained, stale := judge(d.version, found, reasons)
	for _, diff := range unexplained {
		fmt.Fprintf(out, "%s: %s\n", d.name, diff)
	}
	for _, r := range stale {
		fmt.Fprintf(out, "%s: stale reason, it explains nothing: %s\n", d.name, r)
	}
	_, err = fmt.Fprintf(out, "%s (%s): %s; %d differences explained, %d not, %d reasons stale\n",
		d.name, d.version, n, len(found)-len(unexplained), len(unexplained), len(stale))
	return len(unexplained)+len(stale) == 0, n, err
}
