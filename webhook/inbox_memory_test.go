package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// durable is a store that does not say that it is memory.
type durable struct{ webhook.Store }

// A 200 from memory would promise what ends with the process: it comes after the
// function.
func TestInboxOnMemoryAnswersAfterTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		client := srv.Client()
		defer client.CloseIdleConnections()
		results := make(chan error, 1)
		in, err := webhook.NewInbox(newSecret(t, testSecret), webhook.NewMemoryStore(),
			func(context.Context, *webhook.Delivery) error { return <-results },
			webhook.WithBackoff(time.Hour, time.Hour))
		require.NoError(t, err)
		srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})

		start := time.Now()
		requireAnswer(t, post(in, genuine(jobA)), http.StatusServiceUnavailable)
		assert.Equal(t, webhook.DefaultIntakeTimeout, time.Since(start), "nobody runs: it may be delivered again")

		ran := make(chan error, 1)
		go func() { ran <- in.Run(t.Context(), client) }()
		synctest.Wait()
		start = time.Now()
		requireAnswer(t, post(in, genuine(jobA)), http.StatusServiceUnavailable)
		assert.Equal(t, webhook.DefaultJoinTimeout, time.Since(start), "a duplicate joins for so long")
		results <- errors.New("no luck")
		synctest.Wait()
		requireAnswer(t, post(in, genuine(jobA)), http.StatusInternalServerError)
		time.Sleep(2 * time.Hour) // it is called again
		results <- nil
		synctest.Wait()
		requireAnswer(t, post(in, genuine(jobA)), http.StatusOK)
		require.NoError(t, in.Shutdown(t.Context()))
		require.NoError(t, <-ran)
	})
}
