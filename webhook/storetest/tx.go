package storetest

import (
	"context"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var txChecks = []check{
	{name: "CommitHasEffectAndCompletion", needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		tx := e.begin()
		e.effect(tx)
		e.finishTx(tx, webhook.Verdict{
			Lease: leaseOf(r), State: webhook.StateDone, Outcome: webhook.OutcomeFailed, Error: "because",
		}, true)
		e.ok(tx.Commit())
		equal(e, "number of effects", e.Effects(), 1)
		got := e.record("j")
		equal(e, "State", got.State, webhook.StateDone)
		equal(e, "Outcome", got.Outcome, webhook.OutcomeFailed)
		equal(e, "Error", got.Error, "because")
		near(e, "time since FinishedAt", got.ReadAt.Sub(got.FinishedAt), 0)
		equalBools(e, "held", e.extend(lease, leaseOf(r)), false)
	}},
	{name: "RollbackHasNeither", needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		before := e.all()
		tx := e.begin()
		e.effect(tx)
		e.finishTx(tx, webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDone}, true)
		e.ok(tx.Rollback())
		equal(e, "number of effects", e.Effects(), 0)
		e.wantAll(before)
		equalBools(e, "held", e.extend(lease, leaseOf(r)), true)
		e.end(r, webhook.StateDone)
	}},
	{name: "NothingIsSeenBeforeCommit", needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		before := e.all()
		tx := e.begin()
		e.effect(tx)
		e.finishTx(tx, webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDone}, true)
		e.wantAll(before)
		equal(e, "number of effects", e.Effects(), 0)
		e.ok(tx.Commit())
	}},
	{name: "OldToken", needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		old := e.claimOne("j")
		e.Advance(2 * lease)
		current := e.claimOne("j")
		e.unchanged(func() {
			for _, l := range []webhook.Lease{leaseOf(old), {Key: "unknown", Token: 1}, {Key: "j"}} {
				tx := e.begin()
				e.finishTx(tx, webhook.Verdict{Lease: l, State: webhook.StateDone}, false)
				e.effect(tx) // it is the user's to roll back, and the transaction is in order
				e.ok(tx.Rollback())

				tx = e.begin()
				e.finishTx(tx, webhook.Verdict{Lease: l, State: webhook.StateDone}, false)
				e.ok(tx.Commit())
			}
		})
		equal(e, "number of effects", e.Effects(), 0)
		e.end(current, webhook.StateDone)
	}},
	{name: "SeveralInOneTransaction", needs: needTx, run: func(e *env) {
		e.receiveJobs("a", "b")
		claimed := e.claimKeys("a", "b")
		tx := e.begin()
		e.finishTx(tx, webhook.Verdict{Lease: leaseOf(claimed[0]), State: webhook.StateDone}, true)
		e.finishTx(tx, webhook.Verdict{Lease: leaseOf(claimed[1]), State: webhook.StateDead}, true)
		e.finishTx(tx, webhook.Verdict{Lease: leaseOf(claimed[0]), State: webhook.StateDead}, false)
		e.ok(tx.Commit())
		e.wantState("a", webhook.StateDone)
		e.wantState("b", webhook.StateDead)
	}},
	{name: "LeaseIsOverAndNobodyElseHasClaimed", needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.Advance(2 * lease)
		tx := e.begin()
		e.finishTx(tx, webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDone}, true)
		e.ok(tx.Commit())
		e.claimKeys()
	}},
	{name: "HeldWhileTheTransactionIsOpen", needs: needTx | needManyWriters, run: func(e *env) {
		e.receiveJobs("j", "other")
		claimed := e.claimKeys("j", "other")
		tx := e.begin()
		e.finishTx(tx, webhook.Verdict{Lease: leaseOf(claimed[0]), State: webhook.StateDone}, true)
		e.promptly("Extend", func() {
			equalBools(e, "held", e.extend(lease, leaseOf(claimed[0]), leaseOf(claimed[1])), true, true)
			equalBools(e, "held", e.extend(lease, leaseOf(claimed[1])), true)
		})
		e.Advance(2 * lease)
		e.promptly("Claim", func() { e.claimKeys("other") })
		e.promptly("Extend", func() { equalBools(e, "held", e.extend(lease, leaseOf(claimed[0])), true) })
		e.ok(tx.Commit())
		e.wantState("j", webhook.StateDone)
		e.Advance(2 * lease)
		e.claimKeys("other")
	}},
	{name: "OthersGoOnMeanwhile", needs: needTx | needManyWriters, run: func(e *env) {
		e.receiveJobs("j", "other", "third")
		claimed := e.claimKeys("j", "other", "third")
		tx := e.begin()
		e.finishTx(tx, webhook.Verdict{Lease: leaseOf(claimed[0]), State: webhook.StateDone}, true)
		e.promptly("everything else", func() {
			e.submit("s")
			e.bind("s", "js", 1)
			e.accepted(heard("js", "s"), "s")
			e.end(e.claimOne("s"), webhook.StateDone)
			e.end(claimed[1], webhook.StateDead)
			equalBools(e, "found", e.replay("other"), true)
			e.lock("l", "a", lease, true)
			e.stats()
			e.Advance(10 * time.Hour)
			e.purge(time.Hour, time.Hour, 10)
		})
		e.ok(tx.Rollback())
		e.Advance(2 * lease)
		e.claimKeys("j", "other", "third")
	}},
	{name: "RolledBackCanBeClaimed", needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		tx := e.begin()
		e.finishTx(tx, webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDone}, true)
		e.ok(tx.Rollback())
		e.Advance(2 * lease)
		again := e.claimOne("j")
		tx = e.begin()
		e.finishTx(tx, webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDone}, false)
		e.ok(tx.Rollback())
		e.end(again, webhook.StateDone)
	}},
	{name: "ContextEnds", needs: needTx, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		tx := e.begin()
		store := e.Store.(webhook.TxStore)
		if _, err := store.FinishTx(ctx, tx, webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDone}); err == nil {
			e.Errorf("no error")
		}
		_ = tx.Rollback() // an error may have ended it
		e.end(r, webhook.StateDone)
	}},
}

func (e *env) begin() Tx {
	e.Helper()
	tx := e.Begin()
	if tx.Execer == nil || tx.Commit == nil || tx.Rollback == nil {
		e.Fatalf("Begin has begun no transaction")
	}
	return tx
}

// effect is what the user's function does within the transaction.
func (e *env) effect(tx Tx) {
	e.Helper()
	_, err := tx.ExecContext(e.ctx, e.Effect)
	e.ok(err)
}

func (e *env) finishTx(tx Tx, v webhook.Verdict, want bool) {
	e.Helper()
	held, err := e.Store.(webhook.TxStore).FinishTx(e.ctx, tx.Execer, v)
	e.ok(err)
	if held != want {
		e.Fatalf("FinishTx on %s with token %d: held %v, want %v", v.Key, v.Token, held, want)
	}
}

// promptly wants f not to wait for a transaction that is open.
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
