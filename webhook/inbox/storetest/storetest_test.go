package storetest

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

func TestRunOnASharedStore(t *testing.T) {
	t.Parallel()
	run(t, openServer, histories{first: 1, most: 30, time: time.Second})
}

func TestRunOnAnExclusiveStore(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T) Harness {
		h := openServer(t)
		h.Features = Features{Exclusive: true, OneWriter: true}
		return h
	}, histories{first: 1, most: 10, time: time.Second})
}

func TestIncompleteHarnessFails(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(h *Harness){
		"no Store":   func(h *Harness) { h.Store = nil },
		"no Advance": func(h *Harness) { h.Advance = nil },
		"no Reopen":  func(h *Harness) { h.Reopen = nil },
		"no Begin":   func(h *Harness) { h.Begin = nil },
		"no Effect":  func(h *Harness) { h.Effect = "" },
		"no Effects": func(h *Harness) { h.Effects = nil },
		"not empty":  func(h *Harness) { _ = h.Store.Submit(t.Context(), inbox.Submission{ID: "s"}) },
	} {
		h := openServer(t)
		change(&h)
		if failures := record(t.Context(), func(r *recorder) { inspect(r, h) }); len(failures) == 0 {
			t.Errorf("%s: no failure", name)
		}
	}
}

// A check names a sentence of the contract, and that is one.
func TestRulesAreInTheContract(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, name := range []string{"../store.go", "../record.go", "../history.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(source)
	}
	contract := strings.Join(strings.Fields(strings.ReplaceAll(text.String(), "//", " ")), " ")
	seen := map[string]bool{}
	for _, g := range groups {
		for _, c := range g.checks {
			if name := g.name + "/" + c.name; seen[name] {
				t.Errorf("two checks have the name %s", name)
			} else {
				seen[name] = true
			}
			if c.rule == "" || !strings.Contains(contract, c.rule) {
				t.Errorf("%s/%s: the contract does not say %q", g.name, c.name, c.rule)
			}
		}
	}
}

func TestHistoriesFromEnv(t *testing.T) {
	t.Setenv("STORETEST_SEED", "42")
	t.Setenv("STORETEST_TIME", "3m")
	if got, want := historiesFromEnv(t), (histories{first: 42, time: 3 * time.Minute}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, name := range []string{"STORETEST_SEED", "STORETEST_TIME"} {
		t.Setenv(name, "nonsense")
		if failures := record(t.Context(), func(r *recorder) { historiesFromEnv(r) }); len(failures) == 0 {
			t.Errorf("%s: nonsense does not fail", name)
		}
		t.Setenv(name, "")
	}
}

func TestSameSeedMakesSameHistory(t *testing.T) {
	t.Parallel()
	var lines [2][]string
	for i := range lines {
		p := newPlayer(t.Context(), openServer(t))
		p.play(makeHistory(7, stepsPerHistory))
		lines[i] = slices.DeleteFunc(p.lines, func(line string) bool { return strings.HasPrefix(line, "  = ") })
	}
	if len(lines[0]) == 0 || !slices.Equal(lines[0], lines[1]) {
		t.Errorf("the same seed makes\n%q\nand\n%q", lines[0], lines[1])
	}
}

// recorder is the tb of a check that is expected to fail.
type recorder struct {
	ctx      context.Context
	mu       sync.Mutex
	failures []string
}

// record runs f until it returns or fails, and returns the failures.
func record(ctx context.Context, f func(r *recorder)) []string {
	r := &recorder{ctx: ctx}
	var group sync.WaitGroup
	group.Go(func() { f(r) })
	group.Wait()
	return r.failures
}

func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Helper()                  {}
func (r *recorder) Logf(string, ...any)      {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
