package fetch

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

func TestFetchSaysThatAJobIsGone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		job  *reducto.Job
		err  error
		gone bool
	}{
		"completed":         {&reducto.Job{Status: reducto.StatusCompleted, Result: new(reducto.ParseResult)}, nil, false},
		"without a result":  {&reducto.Job{Status: reducto.StatusCompleted}, nil, true},
		"failed":            {&reducto.Job{Status: reducto.StatusFailed}, nil, false},
		"ErrExpired":        {nil, reducto.ErrExpired, true},
		"404":               {nil, &reducto.APIError{StatusCode: 404}, true},
		"410":               {nil, &reducto.APIError{StatusCode: 410}, true},
		"422":               {nil, &reducto.APIError{StatusCode: 422}, true},
		"500":               {nil, &reducto.APIError{StatusCode: 500}, false},
		"a page with a 404": {nil, &reducto.APIError{StatusCode: 404, ContentType: "text/html"}, false},
		"no answer":         {nil, errors.New("connection refused"), false},
	} {
		job, err := GetJob(func(context.Context, string) (*reducto.Job, error) { return tt.job, tt.err }).Fetch(t.Context(), "job_1")
		assert.Equal(t, tt.gone, errors.Is(err, reducto.ErrExpired), name)
		if tt.gone {
			assert.Nil(t, job, name)
			require.ErrorContains(t, err, "webhook: job job_1 is gone: ", name)
		} else {
			assert.Equal(t, tt.job, job, name)
			assert.Equal(t, tt.err, err, name)
		}
	}
}

func TestOnceKeepsTheJobAndThatItIsGone(t *testing.T) {
	t.Parallel()
	requests, failure := 0, errors.New("unavailable")
	var job *reducto.Job
	get := func(context.Context, string) (*reducto.Job, error) { requests++; return job, failure }
	once := NewOnce(get, "job_1", nil)
	_, err := once.Job(t.Context())
	require.ErrorIs(t, err, failure, "this is not kept")
	job, failure = &reducto.Job{Status: reducto.StatusFailed}, nil
	for range 2 {
		got, err := once.Job(t.Context())
		require.NoError(t, err)
		assert.Same(t, job, got)
	}
	assert.Equal(t, 2, requests)

	failure = reducto.ErrExpired
	once = NewOnce(get, "job_2", nil)
	for range 2 {
		_, err := once.Job(t.Context())
		require.ErrorIs(t, err, reducto.ErrExpired)
	}
	assert.Equal(t, 3, requests)

	known := NewOnce(nil, "job_3", job)
	got, err := known.Job(t.Context())
	require.NoError(t, err)
	assert.Same(t, job, got)
	_, err = Failing(failure).Job(t.Context())
	require.ErrorIs(t, err, failure)

}

func TestOnceServesConcurrentCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests, job := 0, new(reducto.Job)
		once := NewOnce(func(context.Context, string) (*reducto.Job, error) {
			requests++
			time.Sleep(time.Second)
			return job, nil
		}, "job_1", nil)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				got, err := once.Job(t.Context())
				assert.NoError(t, err)
				assert.Same(t, job, got)
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("enough")
		cancel(cause)
		_, err := once.Job(ctx)
		require.ErrorIs(t, err, cause, "a caller's context ends its wait")
		all.Wait()
		assert.Equal(t, 1, requests)
	})
}

func TestMadeAtReadsUUIDsOfVersion7(t *testing.T) {
	t.Parallel()
	v7 := uuid.Must(uuid.NewV7()).String()
	at, ok := MadeAt(v7)
	assert.True(t, ok)
	assert.WithinDuration(t, time.Now(), at, time.Minute)
	for _, id := range []string{"", "order-17", uuid.NewString(), "{" + v7 + "}", v7[1:], "x" + v7[1:]} {
		_, ok := MadeAt(id)
		assert.False(t, ok, id)
	}
}
