package main

import (
	"context"
	"sync"
	"time"
)

// submitter has children submit the jobs of a plan, and again what the service has
// no job for: so that each submission has one in the end, and nothing is taken for
// lost that never was.
type submitter struct {
	world *world

	mu      sync.Mutex
	orders  int // that children were given
	unknown int // submissions of which nobody could tell what became, each time
}

// submitters is how many submissions are on their way at most, for each child.
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
	for ctx.Err() == nil {
		child := s.world.fleet.any()
		if child == nil {
			sleep(ctx, 50*time.Millisecond)
			continue
		}
		a, err := child.submit(ctx, o)
		s.mu.Lock()
		s.orders++
		if err != nil || a.Unknown {
			s.unknown++
		}
		s.mu.Unlock()
		if err == nil && a.JobID != "" {
			s.world.service.answered(a.JobID)
			return
		}
		if (err != nil || a.Unknown) && again {
			again = false // once: it is to come to an end
			continue
		}
		// The watcher has to have seen what there is. A child that was not heard of may
		// still be at it: then there are more jobs than one, which is what its id is for.
		if !sleep(ctx, 200*time.Millisecond) || len(s.world.service.jobsOf(sub.ID)) > 0 {
			return
		}
	}
}
