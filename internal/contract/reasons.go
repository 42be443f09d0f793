package main

import (
	"bufio"
	_ "embed"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// reviewed are the deliberate differences, one a line. See the file.
//
//go:embed reasons.txt
var reviewed string

// reason explains the differences that match it.
type reason struct {
	line    int
	scope   string // "*", "node", a version, or "<" and the first version that it does not hold for
	missing bool
	subject string // a pattern in which * stands for anything but a slash
	text    string
}

func (r reason) String() string {
	kind := "extra"
	if r.missing {
		kind = "missing"
	}
	return fmt.Sprintf("reasons.txt:%d: %s | %s | %s", r.line, r.scope, kind, r.subject)
}

// readReasons parses the list.
func readReasons(text string) ([]reason, error) {
	var reasons []reason
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.Split(line, "|")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		if len(parts) != 4 || slices.Contains(parts, "") || parts[1] != "missing" && parts[1] != "extra" {
			return nil, fmt.Errorf("reasons.txt:%d: want: version | missing or extra | what | why", n)
		}
		r := reason{line: n, scope: parts[0], missing: parts[1] == "missing", subject: parts[2], text: parts[3]}
		if _, err := path.Match(r.pattern(), ""); err != nil {
			return nil, fmt.Errorf("reasons.txt:%d: %q is no pattern", n, r.subject)
		}
		if _, err := before(strings.TrimPrefix(r.scope, "<"), "v0"); r.scope != "*" && r.scope != nodeScope && err != nil {
			return nil, fmt.Errorf("reasons.txt:%d: %w", n, err)
		}
		reasons = append(reasons, r)
	}
	return reasons, lines.Err()
}

// pattern is the subject as path.Match takes it: endpoints have slashes, which are
// nothing special here.
func (r reason) pattern() string { return strings.ReplaceAll(r.subject, "/", "\x00") }

func (r reason) explains(d difference) bool {
	ok, _ := path.Match(r.pattern(), strings.ReplaceAll(d.subject, "/", "\x00"))
	return ok && r.missing == d.missing
}

// nodeScope is the scope of the Node SDK, and the beginning of its version.
const nodeScope = "node"

// applies reports whether the reason holds for a version of the API. The Node SDK is
// older than what newer servers have.
func (r reason) applies(version string) bool {
	node := strings.HasPrefix(version, nodeScope+" ")
	switch {
	case r.scope == nodeScope || node:
		return node && (r.scope == nodeScope || r.scope == "*" || r.scope[0] == '<')
	case r.scope == "*":
		return true
	case r.scope[0] == '<':
		older, err := before(version, r.scope[1:])
		return err == nil && older
	}
	return version == r.scope || strings.HasPrefix(version, r.scope+"-")
}

// needed reports whether the reason must explain something in a document. The SDK
// declares less than the API's documents, so only its own reasons must.
func (r reason) needed(version string) bool {
	return r.applies(version) && (r.scope == nodeScope || !strings.HasPrefix(version, nodeScope+" "))
}

// before compares versions such as v1.11.57-53-gd264b2c6d by the numbers at their
// beginning.
func before(a, b string) (bool, error) {
	va, err := numbers(a)
	if err != nil {
		return false, err
	}
	vb, err := numbers(b)
	return slices.Compare(va, vb) < 0, err
}

func numbers(version string) (out []int, err error) {
	text, ok := strings.CutPrefix(version, "v")
	if !ok {
		return nil, fmt.Errorf("%q is no version", version)
	}
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == '.' || r == '-' }) {
		n, err := strconv.Atoi(part)
		if err != nil {
			break // the commit
		}
		out = append(out, n)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%q is no version", version)
	}
	return out, nil
}

// judge parts the differences that nothing explains, and the reasons that hold for
// this document and explain nothing.
func judge(version string, found []difference, reasons []reason) (unexplained []difference, stale []reason) {
	used := map[int]bool{}
	for _, d := range found {
		explained := false
		for _, r := range reasons {
			if r.applies(version) && r.explains(d) {
				used[r.line], explained = true, true
			}
		}
		if !explained {
			unexplained = append(unexplained, d)
		}
	}
	for _, r := range reasons {
		if r.needed(version) && !used[r.line] {
			stale = append(stale, r)
		}
	}
	return unexplained, stale
}
