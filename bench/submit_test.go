package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSubmittersAreChecked(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(new(submissions))
	defer srv.Close()
	ours, err := byLibrary(srv.URL)
	require.NoError(t, err)
	defer ours.close()
	require.NoError(t, ours.check(t.Context(), srv.URL))
	require.NoError(t, postByHand("by hand", srv.URL, srv.Client(), submittedMetadata, webhookURL).check(t.Context(), srv.URL))

	var mismatch *mismatchError
	says := func(job, body string) submitter {
		return submitter{name: "bad", submit: func(ctx context.Context) (string, error) {
			return job, postRaw(ctx, srv.URL, body)
		}}
	}
	require.ErrorAs(t, says("another", `{}`).check(t.Context(), srv.URL), &mismatch)
	assert.Contains(t, mismatch.Error(), "id")
	require.ErrorAs(t, says(benchJob, `{"input":"x"}`).check(t.Context(), srv.URL), &mismatch)
	assert.Contains(t, mismatch.Error(), "what a submission says")
}

func TestLoadSeesEveryAnswer(t *testing.T) {
	t.Parallel()
	answers := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if answers++; answers == 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, nil)
	require.NoError(t, err)
	raw, err := message(r)
	require.NoError(t, err)
	address := srv.Listener.Addr().String()
	_, err = deliver(t.Context(), address, 1, [][]byte{raw, raw, raw, raw})
	require.ErrorContains(t, err, "503")
	rate, err := deliver(t.Context(), address, 1, [][]byte{raw, raw})
	require.NoError(t, err)
	assert.Positive(t, rate)
}

// postRaw submits a body as it is.
func postRaw(ctx context.Context, base, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+benchKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
