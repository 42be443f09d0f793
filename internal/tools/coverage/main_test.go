package main

import (
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	counts, err := read(strings.NewReader(`mode: atomic
m/a.go:1.1,2.2 3 0
m/a.go:3.1,4.2 1 7
m/webhook/b.go:1.1,2.2 2 0
m/a.go:1.1,2.2 3 1
m/a.go:3.1,4.2 1 0
`))
	if err != nil {
		t.Fatal(err)
	}
	if got := counts["m"]; got != (count{4, 4}) || got.percent() != 100 {
		t.Errorf("m: %+v", got)
	}
	if got := counts["m/webhook"]; got != (count{0, 2}) || got.percent() != 0 {
		t.Errorf("m/webhook: %+v", got)
	}
	if got := counts["m/missing"].percent(); got != 0 {
		t.Errorf("a package that was not measured has %v %%", got)
	}
	if _, err := read(strings.NewReader("nonsense\n")); err == nil {
		t.Error("nonsense was read")
	}
}
