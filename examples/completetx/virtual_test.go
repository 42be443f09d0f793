package main

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

func TestLostWebhookIsEnteredOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	synctest.Test(t, func(t *testing.T) { // time is virtual here, also for SQLite
		srv := reductotest.NewServer(t, reductotest.WithProcessingTime(3*time.Hour))
		l, err := openSQLite(t.Context(), file) // open and close it in the bubble
		require.NoError(t, err)
		defer l.close()
		store, err := sqlstore.Open(t.Context(), l.db, sqlstore.SQLite)
		require.NoError(t, err)
		secret, err := webhook.NewSecret("a secret for this test")
		require.NoError(t, err)
		in, err := inbox.New(secret, store, l.process)
		require.NoError(t, err)
		client := srv.Client(
			reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", in))),
			reducto.WithSubmitHook(in),
		)
		ran := make(chan error, 1)
		go func() { ran <- in.Run(t.Context(), client) }()

		srv.WebhookFault(reductotest.Lose()) // no delivery arrives
		job, err := client.ParseAsync(t.Context(), reducto.ParseRequest{
			Input: reducto.URL("https://example.com/a.pdf"),
			Async: reducto.Async{Metadata: map[string]string{"customer": "c-1"}},
		})
		require.NoError(t, err)
		_, err = in.Wait(t.Context(), job.JobID) // the reconciler finds it, some three hours later
		require.NoError(t, err)
		time.Sleep(time.Minute)

		var entries int
		require.NoError(t, l.db.QueryRowContext(t.Context(), `SELECT count(*) FROM ledger WHERE job_id = ?`, job.JobID).Scan(&entries))
		require.Equal(t, 1, entries)
		require.NoError(t, in.Shutdown(t.Context()))
		require.NoError(t, <-ran)
		client.CloseIdleConnections()
	})
}
