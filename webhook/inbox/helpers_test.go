package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// TestMain also looks for goroutines that the tests left.
func TestMain(m *testing.M) {
	_ = uuid.Must(uuid.NewV7()) // they never go back in time, so those of all bubbles have this time
	code := m.Run()
	if left := leftovers(5 * time.Second); left != "" {
		fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leftovers waits for goroutines of package inbox to end, and returns the others.
func leftovers(patience time.Duration) string {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		var own []string
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "reducto/webhook/inbox.") && !strings.Contains(g, "testing.tRunner(") {
				own = append(own, g)
			}
		}
		if len(own) == 0 || time.Now().After(deadline) {
			return strings.Join(own, "\n\n")
		}
	}
}

var (
	errNotNow = errors.New("not now")
	completed = reductotest.SeedJob{Status: "Completed"}
)

func nothing(context.Context, *webhook.Delivery) error { return nil }

// inBubble runs a test in virtual time, with an Env on a MemoryStore.
func inBubble(t *testing.T, test func(t *testing.T, e *Env), opts ...reductotest.Option) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, OnMemory(t, opts...)) })
}

// eachInBubble is inBubble for each case of a table.
func eachInBubble[C any](t *testing.T, cases map[string]C, test func(t *testing.T, e *Env, c C), opts ...reductotest.Option) {
	t.Helper()
	t.Parallel()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, e *Env) { test(t, e, c) }, opts...)
		})
	}
}

// rest lets time pass, until nothing happens any more.
func rest(d time.Duration) { Rest(d) }

// seeded posts a delivery of a job that has ended.
func seeded(e *Env, h http.Handler, id string) int {
	e.Srv.SeedJob(reductotest.SeedJob{ID: id, Status: "Completed"})
	return Post(h, Genuine(id))
}

// takes returns a function that takes the time d, unless its context ends.
func takes(d time.Duration) webhook.Func {
	return func(ctx context.Context, _ *webhook.Delivery) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
