package storetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// The suite as it runs on a store with everything: several handles, failures,
// transactions, notifications.
func TestRunOnASharedStore(t *testing.T) {
	t.Parallel()
	run(t, openServer, histories{first: 1, most: 50, time: time.Second})
}

func TestRunOnAnExclusiveStore(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T) Harness {
		h := openServer(t)
		h.Features = Features{Exclusive: true, OneWriter: true}
		return h
	}, histories{first: 1, most: 20, time: time.Second})
}

func TestHarnessIsInspected(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(h *Harness){
		"no Store":   func(h *Harness) { h.Store = nil },
		"no Advance": func(h *Harness) { h.Advance = nil },
		"no Reopen":  func(h *Harness) { h.Reopen = nil },
		"no Begin":   func(h *Harness) { h.Begin = nil },
		"no Effect":  func(h *Harness) { h.Effect = "" },
		"no Effects": func(h *Harness) { h.Effects = nil },
		"not empty": func(h *Harness) {
			_ = h.Store.Submit(t.Context(), webhook.Submitted{ID: "s"})
		},
	} {
		h := openServer(t)
		change(&h)
		if failures := record(t.Context(), func(r *recorder) { inspect(r, h) }); len(failures) == 0 {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestEveryNeedHasAName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, g := range groups() {
		for _, c := range g.checks {
			if name := g.name + "/" + c.name; seen[name] {
				t.Errorf("two checks are %s", name)
			} else {
				seen[name] = true
			}
			if c.needs != 0 && c.needs.String() == need(0).String() {
				t.Errorf("what %s needs has no name", c.name)
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
			t.Errorf("%s: nonsense is accepted", name)
		}
		t.Setenv(name, "")
	}
}

func TestAHistoryIsReproducible(t *testing.T) {
	t.Parallel()
	var calls [2][]string
	for i := range calls {
		p := newPlayer(t.Context(), openServer(t))
		p.play(makeUp(7, stepsPerHistory))
		// Answers, and what refers to them, depend on the store.
		for _, line := range p.lines {
			for _, name := range []string{"Submit(", "Bind(", "Withdraw(", "Receive(", "Lock(", "Purge("} {
				if strings.HasPrefix(line, name) {
					calls[i] = append(calls[i], line)
				}
			}
		}
	}
	if len(calls[0]) == 0 || !slices.Equal(calls[0], calls[1]) {
		t.Errorf("the same seed makes\n%q\nand\n%q", calls[0], calls[1])
	}
}

// recorder takes the complaints of a check that is expected to have some.
type recorder struct {
	ctx      context.Context
	mu       sync.Mutex
	failures []string
}

// record runs f until it returns or fails for good.
func record(ctx context.Context, f func(r *recorder)) []string {
	r := &recorder{ctx: ctx}
	var done sync.WaitGroup
	done.Go(func() { f(r) })
	done.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
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
