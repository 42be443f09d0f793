package main

import (
	"context"
	"sync"
	"time"
)

// submitter makes the children submit the jobs of a plan. It repeats a submission until
// the service has a job of it, so that every submission must have an outcome.
type submitter struct {
	world *world

	mu      sync.Mutex
	orders  int // orders given to children
	unknown int // orders with an unknown outcome
}

// submitters is how many submissions each child has at a time.
const submitters = 6

// run returns when every submission has a job, or ctx ends.
func (s *submitter) run(ctx context.Context) {
	began := time.Now()
	queue := make(chan submission)
	var all sync.WaitGroup
	for range submitters * s.world.plan.Profile.Children {
		all.Go(func() {
			for sub := range queue {
				s.submit(ctx, sub)
			}
		})
	}
	for _, sub := range s.world.plan.Submissions {
		if !sleep(ctx, time.Until(began.Add(sub.At))) {
			break
		}
		queue <- sub
	}
	close(queue)
	all.Wait()
}

func (s *submitter) submit(ctx context.Context, sub submission) {
	o := order{ID: sub.ID, N: sub.N, Kind: sub.Kind, Resubmit: sub.Resubmit, Silent: sub.Silent}
	again := sub.Again
	for orders := 0; ctx.Err() == nil; {
		child := s.world.fleet.any()
		if child == nil {
			sleep(ctx, 50*time.Millisecond)
			continue
		}
		orders++
		a, err := child.submit(ctx, o)
		s.mu.Lock()
		s.orders++
		if err != nil || a.Unknown {
			s.unknown++
		}
		s.mu.Unlock()
		if err == nil && a.JobID != "" {
			if orders == 1 && a.Answered {
				s.world.service.markAnswered(sub.ID)
			}
			return
		}
		if (err != nil || a.Unknown) && again {
			again = false // at most once
			continue
		}
		// The service must have started the job. A child that did not reply may still
		// submit: then the submission has several jobs.
		if !sleep(ctx, 200*time.Millisecond) || len(s.world.service.jobsOf(sub.ID)) > 0 {
			return
		}
	}
}
