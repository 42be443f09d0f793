package reducto_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func TestWaitContinuesAfterFaults(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		srv.Fault("GET /job", reductotest.Status(429), reductotest.HTML(502), reductotest.Status(500),
			reductotest.Drop(), reductotest.HTML(200), reductotest.Truncate(4), reductotest.Stall(),
			reductotest.Status(429).Header("Retry-After", "120"))
		job, err := client.ParseAsync(t.Context(), parseRequest())
		require.NoError(t, err)
		start := time.Now()
		_, err = job.Wait(t.Context())
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Since(start), 2*time.Minute, "Retry-After is obeyed")
	})
}

func TestWaitContinuesOnAnUnknownStatus(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		id := srv.SeedJob(reductotest.SeedJob{})
		srv.SetStatus(id, "Reticulating")
		var seen []reducto.JobStatus
		go func() {
			time.Sleep(time.Hour)
			srv.Complete(id)
		}()
		start := time.Now()
		job, err := client.Wait(t.Context(), id, reducto.WithOnUpdate(func(j *reducto.Job) { seen = append(seen, j.Status) }))
		require.NoError(t, err)
		assert.Equal(t, id, job.JobID)
		assert.Contains(t, seen, reducto.JobStatus("Reticulating"))
		assert.Equal(t, reducto.JobStatusCompleted, seen[len(seen)-1])
		assert.InDelta(t, time.Hour.Seconds(), time.Since(start).Seconds(), 40, "the longest pause is 30 s")
		assert.Less(t, len(srv.RequestsTo("GET /job")), 160)
	})
}

func TestWaitEndsWithTheRightError(t *testing.T) {
	t.Run("failed", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			srv.FailNext("the document is broken", "DOCUMENT_CORRUPT")
			h, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			_, err = h.Wait(t.Context())
			var failed *reducto.JobError
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, h.JobID, failed.Job.JobID)
			assert.Equal(t, "the document is broken", failed.Job.FailureReason())
			assert.ErrorContains(t, err, "the document is broken")
		})
	})
	// Scenario 50: a job is cancelled or deleted during the wait.
	t.Run("Scenario50/cancelled", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			srv.Hold()
			h, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			time.AfterFunc(time.Minute, func() { assert.NoError(t, h.Cancel(t.Context())) })
			job, err := client.Wait(t.Context(), h.JobID)
			var ended *reducto.JobError
			require.ErrorAs(t, err, &ended)
			assert.Equal(t, reducto.JobStatusCancelled, job.Status)
			require.NoError(t, h.Cancel(t.Context()), "a job that has ended is not changed")
		})
	})
	t.Run("Scenario50/deleted", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			srv.Hold()
			h, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			time.AfterFunc(time.Minute, func() {
				assert.NoError(t, client.Do(context.Background(), http.MethodDelete, "/job/"+h.JobID, nil, nil))
			})
			_, err = h.Wait(t.Context())
			require.ErrorIs(t, err, reducto.ErrDeleted)
			require.ErrorIs(t, err, reducto.ErrExpired)
		})
	})
	t.Run("expired after it was seen", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			srv.Hold()
			h, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			time.AfterFunc(time.Hour, func() { srv.Expire(h.JobID) })
			_, err = h.Wait(t.Context())
			require.ErrorIs(t, err, reducto.ErrExpired)
			assert.NotErrorIs(t, err, reducto.ErrNotFound)
		})
	})
	t.Run("never known", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			_, err := client.Wait(t.Context(), "0b5f9a52-0000-4000-8000-000000000000")
			require.ErrorIs(t, err, reducto.ErrNotFound)
			assert.Len(t, srv.RequestsTo("GET /job"), 1)
		})
	})
	t.Run("not visible yet", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			h, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			srv.Fault("GET /job", reductotest.Status(404).Times(4))
			_, err = h.Wait(t.Context())
			require.NoError(t, err)
		})
	})
	t.Run("not visible for too long", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			h, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			srv.Fault("GET /job", reductotest.Status(404).Always())
			start := time.Now()
			_, err = h.Wait(t.Context())
			require.ErrorIs(t, err, reducto.ErrNotFound)
			assert.GreaterOrEqual(t, time.Since(start), time.Minute)
		})
	})
	for _, status := range []int{401, 403} {
		t.Run(fmt.Sprint("the key is refused with ", status), func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
				id := srv.SeedJob(reductotest.SeedJob{})
				srv.Fault("GET /job", reductotest.Status(status).Always())
				_, err := client.Wait(t.Context(), id)
				var api *reducto.APIError
				require.ErrorAs(t, err, &api)
				assert.Len(t, srv.RequestsTo("GET /job"), 1)
			})
		})
	}
	t.Run("completed without a result", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			srv.Hold()
			h, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			srv.Fault("GET /job", reductotest.Status(200).JSON(`{"status":"Completed","result":null}`))
			_, err = h.Wait(t.Context())
			require.ErrorIs(t, err, reducto.ErrExpired)
		})
	})
	t.Run("the context ends", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			srv.Hold()
			h, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			start := time.Now()
			job, err := client.Wait(ctx, h.JobID)
			var stopped *reducto.WaitError
			require.ErrorAs(t, err, &stopped)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, h.JobID, stopped.JobID)
			assert.Equal(t, reducto.JobStatusPending, stopped.Last.Status)
			assert.Equal(t, job, stopped.Last)
			assert.Equal(t, 10*time.Minute, time.Since(start))
		})
	})
}

func TestWaitEachYieldsEveryJobOnce(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		const n = 300
		var ids []string
		for i := range n {
			if i == 7 {
				srv.FailNext("broken", "DOCUMENT_CORRUPT")
			}
			h, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			ids = append(ids, h.JobID)
		}
		srv.Hold()
		late, err := client.ParseAsync(t.Context(), parseRequest())
		require.NoError(t, err)
		missing := "0b5f9a52-0000-4000-8000-000000000000"
		ids = append(ids, late.JobID, missing, ids[0], "../cancel/x")
		time.AfterFunc(10*time.Minute, func() { srv.Release() })

		seen := map[string]error{}
		for job, err := range client.WaitEach(t.Context(), ids) {
			require.NotNil(t, job)
			require.NotContains(t, seen, job.JobID, "once each")
			seen[job.JobID] = err
			if err == nil {
				assert.NotNil(t, job.Result)
			}
		}
		assert.Len(t, seen, n+3)
		var failed *reducto.JobError
		assert.ErrorAs(t, seen[ids[7]], &failed)
		assert.ErrorIs(t, seen[missing], reducto.ErrNotFound)
		var refused *reducto.RequestError
		assert.ErrorAs(t, seen["../cancel/x"], &refused)
		assert.NoError(t, seen[late.JobID])
		assert.Less(t, len(srv.RequestsTo("GET /job")), n+60, "running jobs are not asked for one by one")
	})
}

func TestWaitEachEndsWithItsContextAndItsLoop(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		srv.Hold()
		var ids []string
		for range 3 {
			h, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			ids = append(ids, h.JobID)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		n := 0
		for job, err := range client.WaitEach(ctx, ids) {
			var stopped *reducto.WaitError
			require.ErrorAs(t, err, &stopped)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, job.JobID, stopped.JobID)
			n++
		}
		assert.Equal(t, 3, n)

		srv.Complete(ids[1])
		for job, err := range client.WaitEach(t.Context(), ids) {
			require.NoError(t, err)
			assert.Equal(t, ids[1], job.JobID)
			break
		}

		srv.Fault("GET /jobs", reductotest.Status(401).Always())
		n = 0
		for _, err := range client.WaitEach(t.Context(), ids) {
			require.ErrorIs(t, err, reducto.ErrUnauthorized)
			n++
		}
		assert.Equal(t, 3, n)
	})
}

func TestJobsCanBeRangedOverTwice(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		for range 25 {
			srv.SeedJob(reductotest.SeedJob{})
		}
		all := client.Jobs(t.Context(), reducto.ListJobsOptions{Limit: 10, ExcludeConfigs: true})
		for range 2 {
			ids := map[string]bool{}
			for job, err := range all {
				require.NoError(t, err)
				assert.False(t, job.CreatedAt.IsZero())
				assert.Empty(t, job.RawConfig)
				ids[job.JobID] = true
			}
			assert.Len(t, ids, 25)
		}
		requests := srv.RequestsTo("GET /jobs")
		assert.Len(t, requests, 6)
		assert.Equal(t, "10", requests[0].Query.Get("limit"))
		for range all {
			break
		}
		assert.Len(t, srv.RequestsTo("GET /jobs"), 7)

		srv.Fault("GET /jobs", reductotest.Status(200).JSON(`{"jobs":[],"next_cursor":"c"}`).Always())
		var last error
		for _, err := range all {
			last = err
		}
		require.ErrorContains(t, last, "its own cursor")

		_, err := client.ListJobs(t.Context(), reducto.ListJobsOptions{Limit: 501})
		var refused *reducto.RequestError
		require.ErrorAs(t, err, &refused)
	})
}
