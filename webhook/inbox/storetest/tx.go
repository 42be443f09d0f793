package storetest

import (
	"context"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	ruleTx     = "FinishTx is Finish for one completion within tx, a transaction on the store's database."
	ruleTxHeld = "Until tx ends, no other worker can claim the record, even if its lease has ended."
	ruleTxWait = "A record in an open transaction of FinishTx counts as held. Extend does not wait for the transaction."
)

var txChecks = []check{
	{"Commit", ruleTx, needTx, func(e *env) {
		e.do("deliver j = accepted j; mark")
		r := e.claimOne("j")
		e.do("mark")
		tx := e.Begin()
		_, err := tx.ExecContext(e.ctx, e.Effect)
		e.ok(err)
		c := completion(r, done)
		c.Outcome, c.Error = "failed", "because"
		e.finishTx(tx, c, true)
		e.do("same")
		equal(e, "number of effects before Commit", e.Effects(), 0)
		e.ok(tx.Commit())
		equal(e, "number of effects", e.Effects(), 1)
		e.do("state j = done j; has j Outcome=failed Error=because Attempt=1; ago j FinishedAt 0s; end j done = lost")
	}},
	{"Rollback", ruleTx, needTx, func(e *env) {
		e.do("deliver j = accepted j")
		r := e.claimOne("j")
		e.do("mark")
		tx := e.Begin()
		_, err := tx.ExecContext(e.ctx, e.Effect)
		e.ok(err)
		e.finishTx(tx, completion(r, done), true)
		e.ok(tx.Rollback())
		equal(e, "number of effects", e.Effects(), 0)
		e.do("same; extend j 1h; pass 2h; claim = j; mark")
		for _, l := range []inbox.Lease{leaseOf(r), {Key: "unknown", Token: 1}, {Key: "j"}} { // the tokens hold nothing
			tx = e.Begin()
			e.finishTx(tx, inbox.Completion{Lease: l, State: done}, false)
			e.ok(tx.Commit())
		}
		e.do("same; end j done")
	}},
	{"SeveralInOneTransaction", ruleTx, needTx, func(e *env) {
		records := e.receiveAndClaim([]string{"a", "b", "c"})
		e.Advance(2 * lease) // the leases have ended
		tx := e.Begin()
		for i, state := range []inbox.State{done, dead, received} {
			e.finishTx(tx, completion(records[i], state), true)
		}
		e.finishTx(tx, completion(records[0], dead), false)
		e.ok(tx.Commit())
		e.do("state %s = done %[1]s; state %s = dead %[2]s; state %s = received %[3]s", records[0].Key, records[1].Key, records[2].Key)
	}},
	{"HeldUntilTheTransactionEnds", ruleTxHeld, needTx | needManyWriters, func(e *env) {
		e.heldTx(func() { e.do("pass 2h; claim = other") })
		e.do("state j = done j; pass 2h; claim = other")
	}},
	{"ExtendDoesNotWait", ruleTxWait, needTx | needManyWriters, func(e *env) {
		e.heldTx(func() {
			for range 2 {
				leases := []inbox.Lease{e.lease([]string{"j"}), e.lease([]string{"other"})}
				equalAll(e, "Extend", e.extend(lease, leases...), []bool{true, true})
				e.do("extend j 1h; pass 2h")
			}
		})
	}},
	{"OthersDoNotWait", ruleTx, needTx | needManyWriters, func(e *env) {
		e.heldTx(func() {
			e.do(`submit s; bind s js 1; deliver js/s = accepted s; claim = s; end s done; end other dead; end other received
				count = received=1 claimed=1 due=1; pass 10h; purge 1h 1h 10 = 1`)
		})
	}},
	{"ContextEnds", ruleContext, needTx, func(e *env) {
		e.do("deliver j = accepted j")
		r := e.claimOne("j")
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		tx := e.Begin()
		if _, err := e.Store.(inbox.TxStore).FinishTx(ctx, tx, completion(r, done)); err == nil {
			e.Errorf("FinishTx returns no error")
		}
		_ = tx.Rollback() // an error may have ended it
		e.do("end j done")
	}},
}

// heldTx calls f while a transaction finishes the record j, and another record is
// claimed. f must not wait for the transaction.
func (e *env) heldTx(f func()) {
	e.Helper()
	e.do("deliver j = accepted j; pass 2m; deliver other = accepted other; claim = j other")
	tx := e.Begin()
	e.finishTx(tx, completion(e.claims["j"][0], done), true)
	outer := e.ctx
	ctx, cancel := context.WithTimeout(outer, 5*time.Second)
	defer cancel()
	e.ctx = ctx
	f()
	if e.ctx = outer; ctx.Err() != nil {
		e.Errorf("a call waits for the transaction")
	}
	e.ok(tx.Commit())
}

func (e *env) finishTx(tx Tx, c inbox.Completion, want bool) {
	e.Helper()
	held, err := e.Store.(inbox.TxStore).FinishTx(e.ctx, tx.Execer, c)
	e.ok(err)
	if held != want {
		e.Fatalf("FinishTx of %s with token %d returns %v, want %v", c.Key, c.Token, held, want)
	}
}
