package storetest

import (
	"fmt"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var extendChecks = []check{
	{name: "Renews", run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		for range 3 {
			e.Advance(50 * time.Minute)
			equalBools(e, "held", e.extend(lease, leaseOf(r)), true)
			e.wantDueIn("j", lease)
			e.claimKeys()
		}
		equal(e, "Attempt", e.record("j").Attempt, 1)
		equal(e, "Token", e.record("j").Token, r.Token)
	}},
	{name: "Shortens", run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		equalBools(e, "held", e.extend(10*time.Minute, leaseOf(r)), true)
		e.Advance(11 * time.Minute)
		e.claimOne("j")
	}},
	{name: "LeaseIsOverAndNobodyElseHasClaimed", run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.Advance(5 * time.Hour)
		equalBools(e, "held", e.extend(lease, leaseOf(r)), true)
		e.wantDueIn("j", lease)
		e.claimKeys()
	}},
	{name: "LeaseIsOverAndAnotherHasClaimed", run: func(e *env) {
		e.receiveJobs("j")
		old := e.claimOne("j")
		e.Advance(2 * lease)
		e.claimOne("j")
		e.unchanged(func() { equalBools(e, "held", e.extend(9*lease, leaseOf(old)), false) })
	}},
	{name: "WhatIsNotHeldStaysAsItIs", run: func(e *env) {
		all := e.everyState()
		e.unchanged(func() {
			for _, s := range all {
				l := s.lease
				if s.state == webhook.StateClaimed || l.Key == "" {
					l = webhook.Lease{Key: s.key, Token: s.lease.Token + 1}
				}
				equalBools(e, "held "+s.key, e.extend(9*lease, l), false)
				equalBools(e, "held "+s.key+" by nobody", e.extend(9*lease, webhook.Lease{Key: s.key}), false)
			}
			equalBools(e, "held unknown", e.extend(9*lease, webhook.Lease{Key: "unknown", Token: 1}), false)
		})
	}},
	{name: "GivenBackIsNotHeld", run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.end(r, webhook.StateReceived)
		e.unchanged(func() { equalBools(e, "held", e.extend(lease, leaseOf(r)), false) })
	}},
	{name: "Batches", run: func(e *env) {
		for _, n := range []int{0, 1, 2, 500} {
			keys := ids(fmt.Sprintf("of%d", n), n)
			claimed := e.receiveAndClaim(keys)
			want := make([]bool, n)
			leases := leasesOf(claimed)
			for i := range leases {
				if want[i] = i%3 != 1; !want[i] {
					leases[i].Token++
				}
			}
			equalBools(e, "held", e.extend(2*lease, leases...), want...)
		}
	}},
}
