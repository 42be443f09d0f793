package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// call is a method, called with something that there is to do.
type call struct {
	name string
	do   func(ctx context.Context, s webhook.Store) error
}

func allCalls() []call {
	return []call{
		{"Submit", func(ctx context.Context, s webhook.Store) error {
			return s.Submit(ctx, webhook.Submitted{ID: "new", LookAfter: lookAfter})
		}},
		{"Bind", func(ctx context.Context, s webhook.Store) error { return s.Bind(ctx, "pending", "second", 1) }},
		{"Withdraw", func(ctx context.Context, s webhook.Store) error { return s.Withdraw(ctx, "pending") }},
		{"Receive", func(ctx context.Context, s webhook.Store) error {
			_, err := s.Receive(ctx, []webhook.Arrival{heard("job-pending", "pending"), heard("new-job", "")})
			return err
		}},
		{"Claim", func(ctx context.Context, s webhook.Store) error {
			_, _, err := s.Claim(ctx, 1, lease)
			return err
		}},
		{"Extend", func(ctx context.Context, s webhook.Store) error {
			_, err := s.Extend(ctx, []webhook.Lease{{Key: "claimed", Token: 1}}, lease)
			return err
		}},
		{"Finish", func(ctx context.Context, s webhook.Store) error {
			_, err := s.Finish(ctx, []webhook.Verdict{{Lease: webhook.Lease{Key: "claimed", Token: 1}, State: webhook.StateDone}})
			return err
		}},
		{"Overdue", func(ctx context.Context, s webhook.Store) error {
			_, err := s.Overdue(ctx, 1, true, []time.Duration{time.Hour})
			return err
		}},
		{"Lock", func(ctx context.Context, s webhook.Store) error {
			_, err := s.Lock(ctx, "l", "a", lease)
			return err
		}},
		{"List", func(ctx context.Context, s webhook.Store) error {
			_, err := s.List(ctx, webhook.Filter{})
			return err
		}},
		{"Replay", func(ctx context.Context, s webhook.Store) error {
			_, err := s.Replay(ctx, []string{"dead"})
			return err
		}},
		{"Stats", func(ctx context.Context, s webhook.Store) error {
			_, err := s.Stats(ctx)
			return err
		}},
		{"Purge", func(ctx context.Context, s webhook.Store) error {
			_, err := s.Purge(ctx, 0, 0, 1)
			return err
		}},
	}
}

// soon is how long a method may go on after its context has ended.
const soon = 3 * time.Second

var contextChecks = []check{
	{name: "Cancelled", run: func(e *env) {
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		e.everyState()
		for _, c := range allCalls() {
			e.ends(ctx, c, context.Canceled)
		}
	}},
	{name: "DeadlineExceeded", run: func(e *env) {
		ctx, cancel := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
		defer cancel()
		e.everyState()
		for _, c := range allCalls() {
			e.ends(ctx, c, context.DeadlineExceeded)
		}
	}},
	{name: "OtherCallsAreNotAffected", run: func(e *env) {
		ctx, cancel := context.WithCancel(e.ctx)
		e.ok(e.Store.Submit(ctx, webhook.Submitted{ID: "s", LookAfter: lookAfter}))
		cancel()
		e.wantState("s", webhook.StatePending)
		_ = e.Store.Submit(ctx, webhook.Submitted{ID: "t", LookAfter: lookAfter})
		e.bind("s", "j", 1)
		e.accepted(heard("j", "s"), "s")
	}},
	{name: "EndsMeanwhile", run: func(e *env) {
		// Whatever is in flight when the context ends, is made or not made.
		for i, id := range ids("s", 20) {
			ctx, cancel := context.WithTimeout(e.ctx, time.Duration(i*20)*time.Microsecond)
			err := e.Store.Submit(ctx, webhook.Submitted{ID: id, LookAfter: lookAfter})
			cancel()
			if err == nil {
				e.wantState(id, webhook.StatePending)
			} else if !errors.Is(err, context.DeadlineExceeded) {
				e.Errorf("Submit: %v, want the context's error", err)
			}
		}
		e.submit("after")
		e.wantState("after", webhook.StatePending)
	}},
}

func (e *env) ends(ctx context.Context, c call, want error) {
	e.Helper()
	began := time.Now()
	err := c.do(ctx, e.Store)
	if !errors.Is(err, want) {
		e.Errorf("%s: error %v, want %v", c.name, err, want)
	}
	if took := time.Since(began); took > soon {
		e.Errorf("%s: returned after %v", c.name, took)
	}
}
