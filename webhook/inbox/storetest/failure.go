package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// call is a call of one method after everyState.
type call struct {
	name string
	do   func(ctx context.Context, s inbox.Store) error
}

var calls = []call{
	{"Submit", func(ctx context.Context, s inbox.Store) error { return s.Submit(ctx, submission("new")) }},
	{"Bind", func(ctx context.Context, s inbox.Store) error {
		return s.Bind(ctx, inbox.Answer{SubmissionID: "pending", JobID: "second", Jobs: 1})
	}},
	{"Receive", func(ctx context.Context, s inbox.Store) error {
		return errorOf(s.Receive(ctx, []inbox.Notification{completed("job-pending", "pending"), completed("new-job", "")}))
	}},
	{"Claim", func(ctx context.Context, s inbox.Store) error {
		_, _, err := s.Claim(ctx, 1, lease)
		return err
	}},
	{"Extend", func(ctx context.Context, s inbox.Store) error {
		return errorOf(s.Extend(ctx, []inbox.Lease{{Key: "claimed", Token: 1}}, lease))
	}},
	{"Finish", func(ctx context.Context, s inbox.Store) error {
		return errorOf(s.Finish(ctx, []inbox.Completion{{Lease: inbox.Lease{Key: "claimed", Token: 1}, State: done}}))
	}},
	{"Overdue", func(ctx context.Context, s inbox.Store) error {
		return errorOf(s.Overdue(ctx, 1, func(*inbox.Record) time.Duration { return time.Hour }))
	}},
	{"List", func(ctx context.Context, s inbox.Store) error { return errorOf(s.List(ctx, inbox.Filter{})) }},
	{"Stats", func(ctx context.Context, s inbox.Store) error { return errorOf(s.Stats(ctx)) }},
	{"Purge", func(ctx context.Context, s inbox.Store) error { return errorOf(s.Purge(ctx, 0, 0, 1)) }},
}

func errorOf[T any](_ T, err error) error { return err }

// soon is how long a method may take after its context ended.
const soon = 3 * time.Second

const (
	ruleContext = "A method returns soon after its context ends."
	ruleDurable = "A nil error means that the changes are durable."
	ruleError   = "After an error the caller does not know which elements were changed, and may call again."
	ruleShared  = "All methods are safe for concurrent use, also by several processes."
)

var contextChecks = []check{
	{"Ended", ruleContext, 0, func(e *env) {
		cancelled, cancel := context.WithCancel(e.ctx)
		cancel()
		expired, cancel := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
		defer cancel()
		e.everyState()
		e.do("mark")
		for _, c := range calls {
			for _, ctx := range []context.Context{cancelled, expired} {
				began := time.Now()
				if err := c.do(ctx, e.Store); !errors.Is(err, ctx.Err()) || time.Since(began) > soon {
					e.Errorf("%s: error %v after %v, want %v soon", c.name, err, time.Since(began), ctx.Err())
				}
			}
		}
		e.do("same")
	}},
	{"EndsDuringACall", ruleDurable, 0, func(e *env) {
		for i, id := range ids("s", 20) {
			ctx, cancel := context.WithTimeout(e.ctx, time.Duration(i*20)*time.Microsecond)
			err := e.Store.Submit(ctx, submission(id))
			cancel()
			if err == nil {
				e.do("state %s = pending", id)
			} else if !errors.Is(err, context.DeadlineExceeded) {
				e.Errorf("Submit: error %v, want the context's", err)
			}
		}
		e.do("submit after; state after = pending")
	}},
}

var failureChecks = []check{
	{"EveryMethodFails", ruleDurable, needBreak, func(e *env) {
		e.everyState()
		restore := e.Break()
		for _, c := range calls {
			ctx, cancel := context.WithTimeout(e.ctx, time.Second)
			began := time.Now()
			if err := c.do(ctx, e.Store); err == nil || time.Since(began) > time.Second+soon {
				e.Errorf("%s: error %v after %v, want one soon, as the store is broken", c.name, err, time.Since(began))
			}
			cancel()
		}
		restore()
		e.recover()
		for _, c := range calls {
			e.ok(c.do(e.ctx, e.Store))
		}
	}},
	{"CalledAgain", ruleError, needBreak, func(e *env) {
		e.do("submit s; deliver j = accepted j")
		c := completion(e.claimOne("j"), done)
		restore := e.Break()
		ctx, cancel := context.WithTimeout(e.ctx, 2*time.Second)
		defer cancel()
		_ = e.Store.Bind(ctx, inbox.Answer{SubmissionID: "s", JobID: "js", Jobs: 1})
		_, _ = e.Store.Receive(ctx, []inbox.Notification{completed("new", "")})
		_, _ = e.Store.Finish(ctx, []inbox.Completion{c})
		restore()
		e.recover()
		e.receive(completed("new", ""))
		e.finish(c) // holds nothing if the first call finished it
		e.do("bind s js 1; state s = pending js; deliver x/s = refused; state j = done j; claim = new")
	}},
	{"AnotherHandleHasAll", ruleDurable, needReopen, func(e *env) {
		e.everyState()
		e.do(`submit waits mistaken; deliver jw/waits = accepted waits; deliver x/mistaken meta=1 = accepted mistaken; mark`)
		e.with(e.Reopen()).do(`same; end claimed done; deliver job-claimed/claimed = duplicate claimed done
			deliver job-dead = duplicate dead dead; end dead received after=9h; deliver x/pending = refused; bind waits jw 1
			bind mistaken own 1; state mistaken = pending own; has mistaken Metadata=; pass 2m; claim = received waits`)
	}},
	{"AnotherHandleAfterEveryStep", ruleDurable, needReopen, func(e *env) {
		for _, step := range []string{
			"submit s", "submit s", "deliver {B}/s = accepted s", "bind s {a} 1", "bind s - 0", "pass 2m; overdue = s",
			"deliver {A}/s = accepted s", "claim = s", "extend s 2h", "end s dead", "end s received", "claim = s", "end s done",
			"pass 1h; purge 0s 0s 10 = 1", "keys =",
		} {
			e.do(step + "; mark")
			e = e.with(e.Reopen())
			e.do("same")
		}
	}},
	{"TwoHandles", ruleShared, needShared, func(e *env) {
		other := e.with(e.Reopen())
		e.do("deliver j1 = accepted j1; pass 2m; deliver j2 = accepted j2; claim 1 = j1")
		other.do("claim = j2; extend j1 1h; end j1 done")
		e.do("extend j1 1h = lost; deliver j2 = duplicate j2 claimed; pass 2h; claim = j2")
		other.do("claim =")
	}},
}

// recover waits until the store works again.
func (e *env) recover() {
	e.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; pause(e.ctx, 20*time.Millisecond) {
		ctx, cancel := context.WithTimeout(e.ctx, time.Second)
		_, err := e.Store.Stats(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			e.Fatalf("10 s after the store was restored: error %v", err)
		}
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
