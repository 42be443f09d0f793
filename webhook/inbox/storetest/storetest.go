// Package storetest checks that an inbox.Store keeps the rules of its interface.
//
// The author of a store calls Run in a test:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Harness {
//			store := open(t)
//			return storetest.Harness{Store: store, Advance: store.Advance}
//		})
//	}
//
// A failed check prints its calls in a short form, and the sentence of the Store's
// contract that the store broke. The variable commands in script.go explains the short
// form. One check is different: Histories makes random calls, and compares every result
// of the store with inbox.MemoryStore. If they differ, it prints a shortened history of
// the calls. Two environment variables control it:
//
//	STORETEST_SEED   the seed of the first history, as printed by a failure
//	STORETEST_TIME   how long it runs, such as 10m. Default: about two seconds.
//
// The package imports only the standard library and this module.
package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// Harness is a store under test, with functions that control it.
type Harness struct {
	// Store is an empty store for one check. Close it in a Cleanup of the test that
	// it was opened for.
	Store inbox.Store

	// Advance moves the store's clock forward by d, for all open handles and for those
	// that Reopen makes later.
	Advance func(d time.Duration)

	// Reopen opens another handle on the same records, as another process does. The
	// checks also use the earlier handles, unless Features.Exclusive is set. Reopen
	// must be nil if the records end with the process. Otherwise it is required.
	Reopen func() inbox.Store

	// Break makes all methods fail until restore is called, as if the server or the
	// disk were gone. A method must fail within about a second, or when its context
	// ends. If Break is nil, failures are not checked.
	Break func() (restore func())

	// Begin begins a transaction on the store's database. Effect is a statement
	// without arguments that inserts a row into a table of yours. Effects returns how
	// many of these rows are committed. A TxStore needs all three.
	Begin   func() Tx
	Effect  string
	Effects func() int

	Features Features
}

// Tx is a transaction on the store's database.
type Tx struct {
	webhook.Execer
	Commit, Rollback func() error
}

// Features describes the limits of a store. Run leaves out checks that a limit makes
// impossible.
type Features struct {
	// Exclusive says that only the handle that was opened last can be used.
	Exclusive bool
	// OneWriter says that all other writers wait while a transaction is open.
	OneWriter bool
}

// Run checks stores. It calls open once for each check. The checks run in parallel.
// Run logs each check that it leaves out because the harness lacks something.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	run(t, open, historiesFromEnv(t))
}

func run(t *testing.T, open func(t *testing.T) Harness, h histories) {
	absent := inspect(t, open(t))
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.checks {
				if lacking := c.needs & absent; lacking != 0 {
					t.Logf("not checked: %s needs %s", c.name, lacking)
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(newEnv(t, open(t), c.rule))
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

var groups = []group{
	{"Submit", submitChecks},
	{"Bind", bindChecks},
	{"Wait", waitChecks},
	{"Receive", receiveChecks},
	{"Claim", claimChecks},
	{"Extend", extendChecks},
	{"Finish", finishChecks},
	{"Replay", replayChecks},
	{"Overdue", overdueChecks},
	{"List", listChecks},
	{"Stats", statsChecks},
	{"Purge", purgeChecks},
	{"Lock", lockChecks},
	{"Data", dataChecks},
	{"Time", timeChecks},
	{"Context", contextChecks},
	{"Failure", failureChecks},
	{"Concurrency", concurrencyChecks},
	{"Tx", txChecks},
	{"History", historyChecks},
}

// check is one test. It reports to a tb, so that tests of this package can run it on
// stores that are wrong.
type check struct {
	name  string
	rule  string // the sentence of the contract, or a part of it
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
	needLock
	needHistory
)

func (n need) String() string {
	var names []string
	for i, name := range []string{"Reopen", "a store that is not exclusive", "Break", "a TxStore", "more than one writer", "a Locker", "a HistoryStore"} {
		if n&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// inspect fails if the harness is incomplete, and returns what it lacks.
func inspect(t tb, h Harness) (absent need) {
	t.Helper()
	if h.Store == nil || h.Advance == nil {
		t.Fatalf("the harness needs Store and Advance")
	}
	c, _ := h.Store.(inbox.Capable)
	if durable := c == nil || !c.Capabilities().Volatile; durable && h.Reopen == nil {
		t.Fatalf("the harness of a durable store needs Reopen; a store that is not durable has the capability Volatile")
	}
	_, isTx := h.Store.(inbox.TxStore)
	if isTx && (h.Begin == nil || h.Effect == "" || h.Effects == nil) {
		t.Fatalf("the harness of a TxStore needs Begin, Effect and Effects")
	}
	_, isLocker := h.Store.(inbox.Locker)
	_, isHistory := h.Store.(inbox.HistoryStore)
	for _, lacks := range []struct {
		need need
		yes  bool
	}{
		{needReopen, h.Reopen == nil},
		{needShared, h.Reopen == nil || h.Features.Exclusive},
		{needBreak, h.Break == nil},
		{needTx, !isTx},
		{needManyWriters, h.Features.OneWriter},
		{needLock, !isLocker},
		{needHistory, !isHistory},
	} {
		if lacks.yes {
			absent |= lacks.need
		}
	}
	records, err := h.Store.List(t.Context(), inbox.Filter{})
	if err != nil || len(records) > 0 {
		t.Fatalf("a new store has the records %v, error %v: it must be empty", keysOf(records), err)
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
