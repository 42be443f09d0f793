package inbox_test

import (
	"context"
	"net/http"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// A method of the store that panics has failed. Nothing else stops, and when it works
// again all jobs are processed.
func TestStoreThatPanicsHasFailed(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		var broken atomic.Value
		broken.Store("")
		var running <-chan struct{}
		p := e.Process(e.Then(func(context.Context, *webhook.Delivery) error { <-running; return nil }), inbox.WithLease(3*time.Second))
		p.Start()
		p.Spy.Before(func(_ context.Context, method string) error {
			if broken.Load() == method {
				panic(Canary)
			}
			return nil
		})
		jobs := 0
		for _, method := range []string{"Overdue", "Lock", "Purge", "Stats", "Claim", "Extend", "Finish", "Receive", "List", "Bind", "Submit"} {
			gate, finish := Gate(t)
			running = gate
			held := p.Submit(reducto.Async{})
			rest(time.Second)
			jobs++
			broken.Store(method)
			finish()
			e.Srv.WebhookFault(reductotest.Lose())
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // for Bind
			if _, err := p.Client.ParseAsync(ctx, Document); method != "Submit" {
				require.NoError(t, err)
				jobs++
			} else {
				require.ErrorContains(t, err, "the store panicked")
			}
			cancel()
			code := Post(p, Genuine(held.JobID))
			assert.Equal(t, method == "Receive", code == http.StatusServiceUnavailable, "%s: %d", method, code)
			_, err := p.Stats(t.Context())
			assert.Equal(t, method == "Stats", err != nil, method)
			unready := method == "List" || method == "Receive"
			assert.Equal(t, unready, storePanicked(p.Ready(t.Context())), method)
			rest(5 * time.Minute)
			broken.Store("")
			rest(20 * time.Minute)
			require.NoError(t, p.Healthy(), method)
			assert.Len(t, e.Records(inbox.StateDone), jobs, method)
		}
		assert.False(t, e.Log.Has(Canary))
	})
}

var panickedHere = regexp.MustCompile(`^inbox: (the store does not answer: inbox: )?the store panicked: string in .*\(safestore_test\.go:\d+\)$`)

// storePanicked reports whether an error says that the store panicked, and where.
func storePanicked(err error) bool { return err != nil && panickedHere.MatchString(err.Error()) }
