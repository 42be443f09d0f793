package sqlstore

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/reducto-go/reducto/webhook"
)

// A record that is removed and made anew, between reading and writing, is another one.
func TestRecordMadeAnewMeanwhile(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, other := openTwice(t)
	sub := webhook.Submitted{ID: "s", Webhook: true, LookAfter: time.Hour}
	require.NoError(t, s.Submit(ctx, sub))
	first := true
	require.NoError(t, s.change(ctx, 1, func(int) ref { return ref{Key: "s"} }, func(b *book, _ int) {
		if b.submit(sub); first {
			first = false
			require.NoError(t, other.Withdraw(ctx, "s"))
			receipts, err := other.Receive(ctx, []webhook.Arrival{{JobID: "j", SubmissionID: "s", Status: "Completed"}})
			require.NoError(t, err)
			require.Equal(t, webhook.ReceiptAccepted, receipts[0].Kind)
		}
	}))
	records, err := s.List(ctx, webhook.Filter{})
	require.NoError(t, err)
	require.Len(t, records, 1)
	assert.Equal(t, webhook.StateReceived, records[0].State)
	assert.Equal(t, "j", records[0].JobID)
}

// openTwice opens a new database twice, as two processes do.
func openTwice(t *testing.T) (s, other *Store) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "inbox.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s, err = Open(t.Context(), db, SQLite)
	require.NoError(t, err)
	other, err = Open(t.Context(), db, SQLite)
	require.NoError(t, err)
	return s, other
}
