package storetest

import (
	"context"
	"time"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	ruleTx     = "FinishTx is Finish for one completion within tx, a transaction on the store's database."
	ruleTxHeld = "Until tx ends, the record is held, whatever its lease says."
	ruleTxWait = "A record in an open transaction of FinishTx is held; Extend does not wait for it."
)

var txChecks = []check{
	{name: "Commit", rule: ruleTx, needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		tx := e.begin()
		e.effect(tx)
		c := completion(r, done)
		c.Outcome, c.Error = webhook.OutcomeFailed, "because"
		e.finishTx(tx, c, true)
		e.ok(tx.Commit())
		equal(e, "number of effects", e.Effects(), 1)
		want := r
		want.State, want.Outcome, want.Error = done, c.Outcome, c.Error
		e.wantRecord(want)
		got := e.record("j")
		near(e, "time since FinishedAt", got.ReadAt.Sub(got.FinishedAt), 0)
		e.wantNotHeld(leaseOf(r))
	}},
	{name: "Rollback", rule: ruleTx, needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.unchanged(func() {
			tx := e.begin()
			e.effect(tx)
			e.finishTx(tx, completion(r, done), true)
			e.ok(tx.Rollback())
		})
		equal(e, "number of effects", e.Effects(), 0)
		equalAll(e, "held", e.extend(lease, leaseOf(r)), []bool{true})
		e.Advance(2 * lease)
		again := e.claimOne("j")
		tx := e.begin()
		e.finishTx(tx, completion(r, done), false)
		e.ok(tx.Rollback())
		e.end(again, done)
	}},
	{name: "NothingIsSeenBeforeCommit", rule: ruleTx, needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		tx := e.begin()
		e.unchanged(func() {
			e.effect(tx)
			e.finishTx(tx, completion(r, done), true)
		})
		equal(e, "number of effects", e.Effects(), 0)
		e.ok(tx.Commit())
	}},
	{name: "OldToken", rule: ruleTx, needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		old := e.claimOne("j")
		e.Advance(2 * lease)
		current := e.claimOne("j")
		e.unchanged(func() {
			for _, l := range []inbox.Lease{leaseOf(old), {Key: "unknown", Token: 1}, {Key: "j"}} {
				for _, end := range []func(tx Tx) error{
					func(tx Tx) error { e.effect(tx); return tx.Rollback() }, // the transaction still works
					func(tx Tx) error { return tx.Commit() },
				} {
					tx := e.begin()
					e.finishTx(tx, inbox.Completion{Lease: l, State: done}, false)
					e.ok(end(tx))
				}
			}
		})
		equal(e, "number of effects", e.Effects(), 0)
		e.end(current, done)
	}},
	{name: "SeveralInOneTransaction", rule: ruleTx, needs: needTx, run: func(e *env) {
		e.receiveJobs("a", "b", "c")
		records := e.claimKeys("a", "b", "c")
		tx := e.begin()
		e.finishTx(tx, completion(records[0], done), true)
		e.finishTx(tx, completion(records[1], dead), true)
		e.finishTx(tx, completion(records[2], received), true)
		e.finishTx(tx, completion(records[0], dead), false)
		e.ok(tx.Commit())
		for key, state := range map[string]inbox.State{"a": done, "b": dead, "c": received} {
			e.wantState(key, state)
		}
	}},
	{name: "LeaseHasEnded", rule: ruleTx, needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.Advance(2 * lease)
		tx := e.begin()
		e.finishTx(tx, completion(r, done), true)
		e.ok(tx.Commit())
		e.claimKeys()
	}},
	{name: "HeldUntilTheTransactionEnds", rule: ruleTxHeld, needs: needTx | needManyWriters, run: func(e *env) {
		e.receiveJobs("j", "other")
		records := e.claimKeys("j", "other")
		tx := e.begin()
		e.finishTx(tx, completion(records[0], done), true)
		e.Advance(2 * lease)
		e.promptly("Claim", func() { e.claimKeys("other") })
		e.ok(tx.Commit())
		e.wantState("j", done)
		e.Advance(2 * lease)
		e.claimKeys("other")
	}},
	{name: "ExtendDoesNotWait", rule: ruleTxWait, needs: needTx | needManyWriters, run: func(e *env) {
		e.receiveJobs("j", "other")
		records := e.claimKeys("j", "other")
		tx := e.begin()
		e.finishTx(tx, completion(records[0], done), true)
		for range 2 {
			e.promptly("Extend", func() {
				equalAll(e, "held", e.extend(lease, leaseOf(records[0]), leaseOf(records[1])), []bool{true, true})
				equalAll(e, "held", e.extend(lease, leaseOf(records[0])), []bool{true})
			})
			e.Advance(2 * lease)
		}
		e.ok(tx.Commit())
	}},
	{name: "OthersDoNotWait", rule: ruleTx, needs: needTx | needManyWriters, run: func(e *env) {
		e.receiveJobs("j", "other", "third")
		records := e.claimKeys("j", "other", "third")
		tx := e.begin()
		e.finishTx(tx, completion(records[0], done), true)
		e.promptly("another call", func() {
			e.submit("s")
			e.bind("s", "js", 1)
			e.accepted(completed("js", "s"), "s")
			e.end(e.claimOne("s"), done)
			e.end(records[1], dead)
			e.end(records[1], received)
			e.lock("l", "a", lease, true)
			e.stats()
			e.Advance(10 * time.Hour)
			e.purge(time.Hour, time.Hour, 10)
		})
		e.ok(tx.Rollback())
		e.Advance(2 * lease)
		e.claimKeys("j", "other", "third")
	}},
	{name: "ContextEnds", rule: ruleContext, needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		tx := e.begin()
		if _, err := e.Store.(inbox.TxStore).FinishTx(ctx, tx, completion(r, done)); err == nil {
			e.Errorf("FinishTx returns no error")
		}
		_ = tx.Rollback() // an error may have ended it
		e.end(r, done)
	}},
}

func (e *env) begin() Tx {
	e.Helper()
	tx := e.Begin()
	if tx.Execer == nil || tx.Commit == nil || tx.Rollback == nil {
		e.Fatalf("Begin returns no transaction")
	}
	return tx
}

// effect inserts a row in the transaction.
func (e *env) effect(tx Tx) {
	e.Helper()
	_, err := tx.ExecContext(e.ctx, e.Effect)
	e.ok(err)
}

func (e *env) finishTx(tx Tx, c inbox.Completion, want bool) {
	e.Helper()
	held, err := e.Store.(inbox.TxStore).FinishTx(e.ctx, tx.Execer, c)
	e.ok(err)
	if held != want {
		e.Fatalf("FinishTx of %s with token %d returns %v, want %v", c.Key, c.Token, held, want)
	}
}

// promptly wants f not to wait for an open transaction.
func (e *env) promptly(what string, f func()) {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
	defer cancel()
	outer := e.ctx
	e.ctx = ctx
	f()
	e.ctx = outer
	if ctx.Err() != nil {
		e.Errorf("%s waits for the transaction", what)
	}
}
