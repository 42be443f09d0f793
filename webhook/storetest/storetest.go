// Package storetest checks that a webhook.Store keeps the rules of its interface,
// whatever it is made of.
//
// Whoever writes a store calls Run from a test:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Harness {
//			store := open(t)
//			return storetest.Harness{Store: store, Advance: store.advance}
//		})
//	}
//
// Most of the tests tell a short story that a sentence of the interface promises.
// One is of another kind: it makes up histories at random, and compares every
// answer of the store, and what it holds, with a small model. A history that goes
// wrong is shortened and printed. Two variables of the environment govern it:
//
//	STORETEST_SEED   begin with this history: the one that a failure names
//	STORETEST_TIME   how long to go on, such as 10m, instead of about two seconds
//
// The package links nothing but the standard library and this module.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// Harness is a store to be tested, with what is needed to put it into situations.
type Harness struct {
	// Store is empty and belongs to one test alone. It is closed in the Cleanup of
	// the test that it was opened for.
	Store webhook.Store

	// Advance moves the time of the store forward, for all its handles: those that
	// are open and those that Reopen makes later. A store that takes its time from a
	// server adds to that.
	Advance func(d time.Duration)

	// Reopen makes another handle on what Store keeps, as another process would, or
	// the same one after it died: it may not take anything from a handle's memory.
	// The others go on to be used, unless Features.Exclusive. It is nil for a store
	// whose records are gone with the process, and for no other.
	Reopen func() webhook.Store

	// Break makes every method fail, as if the server or the disk were away, until
	// restore is called; within a second or so, or else with the caller's context.
	// Nil: it is not tested that the store gets over that.
	Break func() (restore func())

	// Begin begins a transaction on the store's database. It must be there if Store
	// is a webhook.TxStore.
	Begin func() Tx
	// Effect is a statement, without arguments, that adds a row to some table of
	// yours, as a user's function would within the transaction, and Effects counts
	// the rows that are committed. They go with Begin.
	Effect  string
	Effects func() int

	Features Features
}

// Tx is a transaction of a user's.
type Tx struct {
	webhook.Execer
	Commit, Rollback func() error
}

// Features is what a store cannot do by its nature, and is not asked to.
type Features struct {
	// Exclusive: only the handle that was opened last can be used. Default: all can
	// at the same time, as a store must that processes share.
	Exclusive bool
	// OneWriter: while a user's transaction is open, all others who want to change
	// something wait until it ends, or until their context does. Default: only those
	// wait who need what the transaction has changed.
	OneWriter bool
}

// Run tests the stores that open opens, a new one for every test. The tests run in
// parallel. What a harness leaves out is not tested, and is logged.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	run(t, open, historiesFromEnv(t))
}

func run(t *testing.T, open func(t *testing.T) Harness, h histories) {
	absent := inspect(t, open(t))
	for _, g := range groups() {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.checks {
				if lacking := c.needs & absent; lacking != 0 {
					t.Logf("not tested: %s needs %s", c.name, lacking)
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(newEnv(t, open(t)))
				})
			}
		})
	}
	t.Run("Histories", func(t *testing.T) {
		t.Parallel()
		h.run(t, open)
	})
}

// group has the checks of one subject.
type group struct {
	name   string
	checks []check
}

func groups() []group {
	return []group{
		{"Submit", submitChecks},
		{"Bind", bindChecks},
		{"Withdraw", withdrawChecks},
		{"Receive", receiveChecks},
		{"Strangers", strangerChecks},
		{"Jobs", jobChecks},
		{"Claim", claimChecks},
		{"Extend", extendChecks},
		{"Finish", finishChecks},
		{"Overdue", overdueChecks},
		{"Lock", lockChecks},
		{"List", listChecks},
		{"Replay", replayChecks},
		{"Stats", statsChecks},
		{"Purge", purgeChecks},
		{"Data", dataChecks},
		{"Time", timeChecks},
		{"Context", contextChecks},
		{"Failure", failureChecks},
		{"Concurrency", concurrencyChecks},
		{"Tx", txChecks},
		{"Notify", notifyChecks},
	}
}

// check is one test. It can be run by whatever takes its complaints, so that it
// can itself be tested on stores that are wrong.
type check struct {
	name  string
	needs need
	run   func(e *env)
}

// need is what a check needs of a harness.
type need uint

const (
	needReopen need = 1 << iota
	needShared
	needBreak
	needTx
	needManyWriters
	needNotify
)

func (n need) String() string {
	switch {
	case n&needReopen != 0:
		return "Reopen"
	case n&needShared != 0:
		return "a store that is not exclusive"
	case n&needBreak != 0:
		return "Break"
	case n&needTx != 0:
		return "a TxStore"
	case n&needManyWriters != 0:
		return "a store with more than one writer"
	case n&needNotify != 0:
		return "a Notifier"
	}
	return "nothing"
}

// inspect refuses a harness that leaves out what its store has, and returns what
// it may lack.
func inspect(t tb, h Harness) (absent need) {
	t.Helper()
	if h.Store == nil || h.Advance == nil {
		t.Fatalf("the harness needs Store and Advance")
	}
	durability := webhook.Durable
	if d, ok := h.Store.(webhook.Durabler); ok {
		durability = d.Durability()
	}
	if durability != webhook.Volatile && h.Reopen == nil {
		t.Fatalf("the store is durable, so the harness needs Reopen; a store that is not says so as a webhook.Durabler")
	}
	if h.Reopen == nil {
		absent |= needReopen | needShared
	}
	if h.Features.Exclusive {
		absent |= needShared
	}
	if h.Break == nil {
		absent |= needBreak
	}
	if _, ok := h.Store.(webhook.TxStore); !ok {
		absent |= needTx
	} else if h.Begin == nil || h.Effect == "" || h.Effects == nil {
		t.Fatalf("the store is a TxStore, so the harness needs Begin, Effect and Effects")
	}
	if h.Features.OneWriter {
		absent |= needManyWriters
	}
	if _, ok := h.Store.(webhook.Notifier); !ok {
		absent |= needNotify
	}
	records, err := h.Store.List(t.Context(), webhook.Filter{})
	if err != nil || len(records) > 0 {
		t.Fatalf("the store that was opened has records %v, error %v: it must be empty", records, err)
	}
	return absent
}

// tb is what a check needs of a testing.T.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	Context() context.Context
}
