package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const start = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"told by A\n"}
`
	for name, tc := range map[string]struct {
		events string
		want   tally
		shown  []string
		hidden []string
	}{
		"passed": {
			events: start + `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":0.5}`,
			want:   tally{passed: 1},
			shown:  []string{"ok    p 0.5s, 1 tests"},
			hidden: []string{"told by A"},
		},
		"failed": {
			events: start + `{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestB","Output":"told by B\n"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p"}`,
			want:   tally{passed: 1, failed: 1},
			shown:  []string{"FAIL  p", "told by A"},
			hidden: []string{"told by B", "=== RUN"},
		},
		"skipped": {
			events: start + `{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}`,
			want:  tally{skipped: 1},
			shown: []string{"SKIP  p", "told by A"},
		},
		"no tests": {
			events: `{"Action":"start","Package":"p"}
{"Action":"skip","Package":"p"}`,
			shown: []string{"p: no tests"},
		},
		"panicked": {
			events: start + `{"Action":"output","Package":"p","Output":"panic: oh\n"}
{"Action":"fail","Package":"p"}`,
			want:  tally{failed: 1},
			shown: []string{"FAIL  p", "told by A", "panic: oh"},
		},
		"timed out": {
			events: start + `{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"p"}`,
			want:  tally{passed: 1, failed: 1},
			shown: []string{"FAIL  p", "panic: test timed out"},
		},
		"not built": {
			events: `{"ImportPath":"p [p.test]","Action":"build-output","Output":"p.go:1: no\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`,
			want:  tally{failed: 1},
			shown: []string{"FAIL  p", "p.go:1: no"},
		},
		"cut off": {
			events: start,
			want:   tally{failed: 1},
			shown:  []string{"p: no result", "told by A"},
		},
		"not an event": {
			events: "go: cannot find module\n",
			shown:  []string{"go: cannot find module"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			got, err := report(strings.NewReader(tc.events), &out)
			if err != nil || got != tc.want {
				t.Errorf("got %v, %v; want %v", got, err, tc.want)
			}
			for _, s := range tc.shown {
				if !strings.Contains(out.String(), s) {
					t.Errorf("%q is missing in:\n%s", s, out.String())
				}
			}
			for _, s := range tc.hidden {
				if strings.Contains(out.String(), s) {
					t.Errorf("%q should not be in:\n%s", s, out.String())
				}
			}
		})
	}
}
