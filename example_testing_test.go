package reducto_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

func TestEachJobIsProcessedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // with virtual time
		srv := reductotest.NewServer(t, reductotest.WithProcessingTime(3*time.Hour))
		secret, err := webhook.NewSecret("a secret for this test")
		require.NoError(t, err)
		handler, err := webhook.NewHandler(secret, func(context.Context, *webhook.Delivery) error { return nil })
		require.NoError(t, err)
		client := srv.Client(
			reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", handler))),
			reducto.WithSubmitHook(secret),
		)
		// Two attempts are lost. The third is delivered three times.
		srv.WebhookFault(reductotest.Combine(reductotest.LoseAttempts(2), reductotest.Duplicate(2)))

		job, err := client.ParseAsync(t.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")})
		require.NoError(t, err)
		_, err = srv.AwaitDeliveries(t.Context(), job.JobID, 3) // three hours later
		require.NoError(t, err)
		require.EqualValues(t, 1, handler.Stats().Calls)
		client.CloseIdleConnections()
	})
}
