package webhook_test

import (
	"context"
	"net/http"
	"regexp"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// A store that panics, whatever it is asked, has failed. Nothing stops, and when it
// works again everything goes on.
func TestScenario63_StoreThatPanicsInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var broken atomic.Pointer[string]
		panics := func(method string) bool { m := broken.Load(); return m != nil && *m == method }
		var f counter
		store := &notifier{fail: make(chan error)}
		p := s.makeOn(func(inner webhook.Store) webhook.Store {
			store.Store = inner
			return panickingNotifier{store, panics}
		}, nil, f.process, webhook.WithLease(3*time.Second))
		p.run()
		p.spy.breaks(func(_ context.Context, method string) error {
			if panics(method) {
				panic(canary)
			}
			return nil
		}, nil)
		jobs := 0
		for _, method := range []string{
			"Overdue", "Lock", "Purge", "Stats", "Notify", "Claim", "Extend", "Finish", "Receive", "List", "Bind", "Withdraw", "Submit", "Replay",
		} {
			running := newGate()
			f.then = func(context.Context, *webhook.Delivery) error { <-running; return nil }
			held := p.submit(reducto.Async{})
			rest(time.Second)
			jobs++
			broken.Store(&method)
			if method == "Notify" {
				store.fail <- errDown // it is called again
			}
			close(running) // Finish
			s.srv.WebhookFault(reductotest.Lose())
			if _, err := p.client.ParseAsync(t.Context(), aDocument()); method != "Submit" {
				require.NoError(t, err)
				jobs++
			} else {
				require.ErrorContains(t, err, "the store panicked")
			}
			s.srv.Fault("POST /parse_async", reductotest.Status(400))
			_, err := p.client.ParseAsync(t.Context(), aDocument())
			require.Error(t, err)
			s.srv.ClearFaults()
			code := post(p, genuine(held.JobID)).Code
			assert.Equal(t, method == "Receive", code == http.StatusServiceUnavailable, "%s: %d", method, code)
			_, err = p.Stats(t.Context())
			assert.Equal(t, method == "Stats", err != nil, method)
			assert.Equal(t, method == "Replay", panicked(p.Replay(t.Context(), "nobody")), method)
			assert.Equal(t, method == "List", panicked(p.Ready(t.Context())), method)
			rest(30 * time.Minute)
			broken.Store(nil)
			rest(30 * time.Minute)
			require.NoError(t, p.Healthy(), method)
			assert.Len(t, s.records(webhook.StateDone), jobs, method)
		}
		assert.NotContains(t, s.log.text.String(), canary, "what it panicked with is not repeated")
	})
}

var panickedHere = regexp.MustCompile(`^webhook: (the store does not answer: webhook: )?the store panicked: string in .*\(safestore_test\.go:\d+\)$`)

// panicked reports whether an error says that the store did, and where.
func panicked(err error) bool {
	return err != nil && panickedHere.MatchString(err.Error())
}

func aDocument() reducto.ParseRequest {
	return reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")}
}

type panickingNotifier struct {
	*notifier
	panics func(method string) bool
}

func (n panickingNotifier) Notify(ctx context.Context, wake func()) error {
	if n.panics("Notify") {
		panic(canary)
	}
	return n.notifier.Notify(ctx, wake)
}
