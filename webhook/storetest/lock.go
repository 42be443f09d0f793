package storetest

import (
	"time"
)

var lockChecks = []check{
	{name: "HasOneOwner", run: func(e *env) {
		e.lock("l", "a", lease, true)
		e.lock("l", "b", lease, false)
		e.lock("other", "b", lease, true)
		e.lock("other", "a", lease, false)
	}},
	{name: "IsRenewed", run: func(e *env) {
		e.lock("l", "a", lease, true)
		for range 3 {
			e.Advance(50 * time.Minute)
			e.lock("l", "a", lease, true)
			e.lock("l", "b", lease, false)
		}
	}},
	{name: "RenewedFromNow", run: func(e *env) {
		e.lock("l", "a", 10*lease, true)
		e.lock("l", "a", lease, true)
		e.Advance(lease + 2*time.Minute)
		e.lock("l", "b", lease, true)
	}},
	{name: "Ends", run: func(e *env) {
		e.lock("l", "a", lease, true)
		e.Advance(lease - 2*time.Minute)
		e.lock("l", "b", lease, false)
		e.Advance(4 * time.Minute)
		e.lock("l", "b", lease, true)
		e.lock("l", "a", lease, false)
	}},
	{name: "IsGivenUp", run: func(e *env) {
		e.lock("l", "a", lease, true)
		e.lock("l", "a", 0, false)
		e.lock("l", "b", lease, true)
		e.lock("l", "b", 0, false)
		e.lock("l", "b", 0, false)
	}},
	{name: "IsGivenUpByItsOwnerAlone", run: func(e *env) {
		e.lock("l", "a", lease, true)
		e.lock("l", "b", 0, false)
		e.lock("l", "c", lease, false)
		e.lock("l", "a", lease, true)
	}},
	{name: "IsNoRecord", run: func(e *env) {
		e.lock("l", "a", lease, true)
		equal(e, "number of records", len(e.all()), 0)
	}},
}

func (e *env) lock(name, owner string, d time.Duration, want bool) {
	e.Helper()
	got, err := e.Store.Lock(e.ctx, name, owner, d)
	e.ok(err)
	if got != want {
		e.Errorf("lock %s, owner %s, for %v: %v, want %v", name, owner, d, got, want)
	}
}
