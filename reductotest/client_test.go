package reductotest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func TestClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		client := srv.Client()
		job, err := client.ParseAsync(t.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")})
		require.NoError(t, err)
		result, err := job.Wait(t.Context())
		require.NoError(t, err)
		assert.Equal(t, job.JobID, result.JobID)
		assert.Empty(t, srv.UnknownFields())

		_, err = srv.Client(reducto.WithAPIKey("another")).GetJob(t.Context(), job.JobID)
		require.ErrorIs(t, err, reducto.ErrUnauthorized, "later options win")
	})
	var fake fakeTB
	srv := reductotest.NewServer(&fake)
	defer srv.Close()
	assert.Nil(t, srv.Client(reducto.WithBaseURL("no URL")))
	assert.Contains(t, fake.fatal, "Client")
}

func ExampleServer_Client() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	ctx := context.Background()
	job, err := srv.Client().ParseAsync(ctx, reducto.ParseRequest{
		Input: reducto.URL("https://example.com/document.pdf"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := job.Wait(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for block, err := range result.Blocks(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(block.Type, "-", block.Content)
		break
	}
	// Output:
	// Title - # Document from example.com
}
