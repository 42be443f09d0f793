//go:build !race

package reducto

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// accepting is a transport that answers every submission.
type accepting struct{}

func (accepting) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader([]byte(`{"job_id":"3d4b0e5a-9c1f-4f63-8a57-1f0c6f6f1a01"}`))),
	}, nil
}

// What a submission allocates beyond one by hand is the same on every machine, and
// easily lost. One by hand makes some 80 over a network, so that 3 are a 27th. The
// race detector would make pools forget.
func TestSubmitAllocations(t *testing.T) { // not parallel: it counts
	hand := &http.Client{Transport: accepting{}}
	client := newTestClient(t, WithHTTPClient(hand))
	ours := testing.AllocsPerRun(500, func() {
		_, err := client.ParseAsync(t.Context(), benchRequest())
		require.NoError(t, err)
	})
	theirs := testing.AllocsPerRun(500, func() {
		_, err := submitByHand(t.Context(), hand, "https://example.com", "key", client.agent, benchRequest())
		require.NoError(t, err)
	})
	t.Logf("%v allocations, %v by hand", ours, theirs)
	assert.LessOrEqual(t, ours-theirs, 3.0)
}
