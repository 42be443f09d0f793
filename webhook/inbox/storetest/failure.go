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
	{"Submit", func(ctx context.Context, s inbox.Store) error {
		return s.Submit(ctx, submission("new"))
	}},
	{"Bind", func(ctx context.Context, s inbox.Store) error {
		return s.Bind(ctx, inbox.Answer{SubmissionID: "pending", JobID: "second", Jobs: 1})
	}},
	{"Receive", func(ctx context.Context, s inbox.Store) error {
		_, err := s.Receive(ctx, []inbox.Notification{completed("job-pending", "pending"), completed("new-job", "")})
		return err
	}},
	{"Claim", func(ctx context.Context, s inbox.Store) error {
		_, _, err := s.Claim(ctx, 1, lease)
		return err
	}},
	{"Extend", func(ctx context.Context, s inbox.Store) error {
		_, err := s.Extend(ctx, []inbox.Lease{{Key: "claimed", Token: 1}}, lease)
		return err
	}},
	{"Finish", func(ctx context.Context, s inbox.Store) error {
		_, err := s.Finish(ctx, []inbox.Completion{{Lease: inbox.Lease{Key: "claimed", Token: 1}, State: done}})
		return err
	}},
	{"Overdue", func(ctx context.Context, s inbox.Store) error {
		_, err := s.Overdue(ctx, 1, func(*inbox.Record) time.Duration { return time.Hour })
		return err
	}},
	{"List", func(ctx context.Context, s inbox.Store) error {
		_, err := s.List(ctx, inbox.Filter{})
		return err
	}},
	{"Stats", func(ctx context.Context, s inbox.Store) error {
		_, err := s.Stats(ctx)
		return err
	}},
	{"Purge", func(ctx context.Context, s inbox.Store) error {
		_, err := s.Purge(ctx, 0, 0, 1)
		return err
	}},
	{"Lock", func(ctx context.Context, s inbox.Store) error {
		locker, ok := s.(inbox.Locker)
		if !ok {
			return ctx.Err()
		}
		_, err := locker.Lock(ctx, "l", "a", lease)
		return err
	}},
}

// soon is how long a method may take after its context ended.
const soon = 3 * time.Second

const (
	ruleContext = "A method returns soon after its context ends."
	ruleDurable = "A nil error means that the changes are durable."
	ruleError   = "After an error the caller does not know which elements were changed, and may call again."
	ruleShared  = "All methods are safe for concurrent use, also by several processes."
)

var contextChecks = []check{
	{name: "Ended", rule: ruleContext, run: func(e *env) {
		cancelled, cancel := context.WithCancel(e.ctx)
		cancel()
		expired, cancel := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
		defer cancel()
		e.everyState()
		e.unchanged(func() {
			for _, c := range calls {
				for _, ctx := range []context.Context{cancelled, expired} {
					began := time.Now()
					if err := c.do(ctx, e.Store); !errors.Is(err, ctx.Err()) {
						e.Errorf("%s: error %v, want %v", c.name, err, ctx.Err())
					}
					if took := time.Since(began); took > soon {
						e.Errorf("%s returned after %v", c.name, took)
					}
				}
			}
		})
	}},
	{name: "EndsAfterACall", rule: ruleContext, run: func(e *env) {
		ctx, cancel := context.WithCancel(e.ctx)
		e.ok(e.Store.Submit(ctx, submission("s")))
		cancel()
		_ = e.Store.Submit(ctx, submission("t"))
		e.wantState("s", pending)
		e.bind("s", "j", 1)
		e.accepted(completed("j", "s"), "s")
	}},
	{name: "EndsDuringACall", rule: ruleDurable, run: func(e *env) {
		for i, id := range ids("s", 20) {
			ctx, cancel := context.WithTimeout(e.ctx, time.Duration(i*20)*time.Microsecond)
			err := e.Store.Submit(ctx, submission(id))
			cancel()
			if err == nil {
				e.wantState(id, pending)
			} else if !errors.Is(err, context.DeadlineExceeded) {
				e.Errorf("Submit: error %v, want the context's", err)
			}
		}
		e.submit("after")
		e.wantState("after", pending)
	}},
}

var failureChecks = []check{
	{name: "EveryMethodFails", rule: ruleDurable, needs: needBreak, run: func(e *env) {
		e.everyState()
		before := e.all()
		restore := e.Break()
		for _, c := range calls {
			if _, ok := e.Store.(inbox.Locker); c.name == "Lock" && !ok {
				continue
			}
			ctx, cancel := context.WithTimeout(e.ctx, time.Second)
			began := time.Now()
			if err := c.do(ctx, e.Store); err == nil {
				e.Errorf("%s returns no error while the store is broken", c.name)
			}
			cancel()
			if took := time.Since(began); took > time.Second+soon {
				e.Errorf("%s returned after %v", c.name, took)
			}
		}
		restore()
		e.recover()
		for _, want := range before { // a method that failed may have changed the record
			if r := e.find(want.Key); r == nil && want.State != done && want.State != dead {
				e.Errorf("after the store was restored there is no record %s", want.Key)
			}
		}
		for _, c := range calls {
			e.ok(c.do(e.ctx, e.Store))
		}
	}},
	{name: "CalledAgain", rule: ruleError, needs: needBreak, run: func(e *env) {
		e.receiveJobs("j")
		c := completion(e.claimOne("j"), done)
		e.submit("s")
		restore := e.Break()
		ctx, cancel := context.WithTimeout(e.ctx, 2*time.Second)
		defer cancel()
		_ = e.Store.Bind(ctx, inbox.Answer{SubmissionID: "s", JobID: "js", Jobs: 1})
		_, _ = e.Store.Receive(ctx, []inbox.Notification{completed("new", "")})
		_, _ = e.Store.Finish(ctx, []inbox.Completion{c})
		restore()
		e.recover()
		e.bind("s", "js", 1)
		e.wantJobs("s", "js")
		e.refused(completed("other", "s"))
		if got := e.receive(completed("new", ""))[0]; got.Kind == inbox.Refused || got.Key != "new" {
			e.Errorf("Receive returns %s when it is called again", describeResult(got))
		}
		e.finish(c) // false if the first call finished it
		e.wantState("j", done)
		e.claimOne("new")
	}},
	{name: "AnotherHandleHasAll", rule: ruleDurable, needs: needReopen, run: func(e *env) {
		all := e.everyState()
		e.submit("waits", "mistaken")
		e.accepted(completed("j", "waits"), "waits")
		e.accepted(withMetadata(completed("k", "mistaken"), "1"), "mistaken")
		e.lock("l", "a", lease, true)
		before := e.all()
		other := e.with(e.Reopen())
		other.wantAll(before)
		other.lock("l", "b", lease, false)
		other.lock("l", "a", lease, true)
		for _, s := range all {
			if s.state == claimed { // the token is valid in every process
				other.finishOne(inbox.Completion{Lease: s.lease, State: done})
			}
			if s.state != pending {
				other.duplicate(completed(s.job, s.key), s.key, other.record(s.key).State)
			}
			other.refused(completed("stranger", s.key))
		}
		other.bind("waits", "j", 1)
		other.bind("mistaken", "own", 1)
		other.wantState("mistaken", pending)
		equal(e, "Metadata", string(other.record("mistaken").Metadata), "")
		other.Advance(2 * time.Minute)
		equalAll(e, "claimed", sorted(keysOf(other.claim(10))), []string{"received", "waits"})
	}},
	{name: "AnotherHandleAfterEveryStep", rule: ruleDurable, needs: needReopen, run: func(e *env) {
		var r inbox.Record
		for _, step := range []func(e *env){
			func(e *env) { e.submit("s") },
			func(e *env) { e.submit("s") },
			func(e *env) { e.accepted(completed(uuid2, "s"), "s") },
			func(e *env) { e.bind("s", uuid1, 1) },
			func(e *env) { e.bind("s", "", 0) },
			func(e *env) { e.Advance(2 * time.Minute); e.wantOverdue("s") },
			func(e *env) { e.accepted(completed(uuid1, "s"), "s") },
			func(e *env) { r = e.claimOne("s") },
			func(e *env) { e.extend(2*lease, leaseOf(r)) },
			func(e *env) { e.end(r, dead) },
			func(e *env) { e.end(r, received) },
			func(e *env) { r = e.claimOne("s") },
			func(e *env) { e.end(r, done) },
			func(e *env) { e.Advance(time.Hour); e.purge(0, 0, 1) },
		} {
			step(e)
			want := e.all()
			e = e.with(e.Reopen())
			e.wantAll(want)
		}
		equal(e, "number of records", len(e.all()), 0)
	}},
	{name: "TwoHandles", rule: ruleShared, needs: needShared, run: func(e *env) {
		a, b := e, e.with(e.Reopen())
		a.receiveJobs("j1", "j2")
		b.receiveJobs("j3")
		r := a.only(a.claim(1))
		b.claimKeys("j2", "j3")
		equalAll(e, "held", b.extend(lease, leaseOf(r)), []bool{true})
		b.end(r, done)
		equalAll(e, "held", a.extend(lease, leaseOf(r)), []bool{false})
		a.duplicate(completed("j3", ""), "j3", claimed)
		e.Advance(2 * lease)
		a.claimKeys("j2", "j3")
		b.claimKeys()
		a.lock("l", "a", lease, true)
		b.lock("l", "b", lease, false)
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
