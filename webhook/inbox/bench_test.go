package inbox_test

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// BenchmarkIntake is the cost of a delivery without a commit: of a duplicate, of a
// first delivery, and of first deliveries that share batches. Package sqlstore has the
// costs of commits.
func BenchmarkIntake(b *testing.B) {
	const id = "204a39e4-dd10-4c83-a978-0cee4af8cde2"
	open := func(b *testing.B) *inbox.Inbox {
		secret, err := webhook.NewSecret(Secret)
		require.NoError(b, err)
		in, err := inbox.New(secret, NewSpy(inbox.NewMemoryStore()), nothing)
		require.NoError(b, err)
		return in
	}
	var jobs atomic.Int64
	deliver := func(b *testing.B, h http.Handler, fresh bool, more func() bool) {
		body := []byte(Genuine(id))
		at := bytes.Index(body, []byte(id))
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://app.test/webhook", nil)
		require.NoError(b, err)
		r.ContentLength = int64(len(body))
		w := &benchWriter{header: http.Header{}}
		reader := new(benchReader)
		for more() {
			if fresh {
				copy(body[at:], strconv.AppendInt(nil, 10_000_000+jobs.Add(1)%90_000_000, 10))
			}
			reader.Reset(body)
			r.Body = reader
			h.ServeHTTP(w, r)
			if w.status != http.StatusOK {
				b.Errorf("answered %d", w.status)
				return
			}
		}
	}
	for name, fresh := range map[string]bool{"duplicate": false, "first": true} {
		b.Run(name, func(b *testing.B) {
			in := open(b)
			b.ReportAllocs()
			deliver(b, in, fresh, b.Loop)
		})
	}
	b.Run("parallel", func(b *testing.B) {
		in := open(b)
		b.ReportAllocs()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) { deliver(b, in, true, pb.Next) })
	})
}

// benchWriter is a ResponseWriter that costs nothing.
type benchWriter struct {
	header http.Header
	status int
}

func (w *benchWriter) Header() http.Header             { return w.header }
func (w *benchWriter) WriteHeader(status int)          { w.status = status }
func (w *benchWriter) Write(p []byte) (int, error)     { return len(p), nil }
func (w *benchWriter) SetReadDeadline(time.Time) error { return nil }

type benchReader struct{ bytes.Reader }

func (*benchReader) Close() error { return nil }
