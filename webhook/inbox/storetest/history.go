package storetest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	ruleAppend  = "AppendHistory adds entries to the histories of their records."
	ruleHistory = "History returns the entries of a record by time. Entries of one time are in the order in which they were added."
	ruleKept    = "Of each record it keeps the first HistoryFirst and the latest HistoryLatest entries."
)

// noted returns an entry. Its detail shows its place.
func noted(key string, at time.Time, n int) inbox.HistoryEntry {
	return inbox.HistoryEntry{Key: key, At: at, Kind: inbox.HistoryFailed, Detail: fmt.Sprint(n)}
}

func (e *env) appendHistory(list ...inbox.HistoryEntry) {
	e.Helper()
	e.ok(e.Store.(inbox.HistoryStore).AppendHistory(e.ctx, list))
}

func (e *env) history(key string) []inbox.HistoryEntry {
	e.Helper()
	list, err := e.Store.(inbox.HistoryStore).History(e.ctx, key)
	e.ok(err)
	return list
}

// details returns the details of a record's entries.
func (e *env) details(key string) string {
	e.Helper()
	var details []string
	for _, entry := range e.history(key) {
		details = append(details, entry.Detail)
	}
	return strings.Join(details, " ")
}

var historyChecks = []check{
	{"AllFieldsAreKept", ruleAppend, needHistory, func(e *env) {
		e.do("track {a}; deliver j = accepted j")
		at := time.Date(2026, 11, 29, 12, 0, 0, 123_456_000, time.UTC)
		entry := inbox.HistoryEntry{
			Key: uuid1, At: at, Kind: "dreamt", JobID: "job", StatusCode: 503, Attempt: 7, Detail: `it's "\u00fc" ü; --`,
		}
		same := entry
		same.Key = strings.ToUpper(uuid1) // the same id
		e.appendHistory(same, noted("j", at, 1))
		if list := e.history(strings.ToUpper(uuid1)); len(list) != 1 || !list[0].At.Equal(at) {
			e.Fatalf("History returns %+v", list)
		} else if list[0].At = at; list[0] != entry {
			e.Errorf("History returns %+v, want %+v", list[0], entry)
		}
		equal(e, "entries of j", e.details("j"), "1")
		e.do("mark")
		e.appendHistory()
		e.do("same") // a history changes no record
	}},
	{"OrderedByTime", ruleHistory, needHistory, func(e *env) {
		e.do("deliver j = accepted j")
		at := time.Now()
		e.appendHistory(noted("j", at.Add(time.Second), 3), noted("j", at, 1))
		e.appendHistory(noted("j", at, 2), noted("j", at.Add(time.Second), 4))
		equal(e, "entries", e.details("j"), "1 2 3 4")
	}},
	{"EntriesWithoutARecordAreDropped", "It drops entries of records that do not exist.", needHistory, func(e *env) {
		e.do("deliver j = accepted j")
		e.appendHistory(noted("k", time.Now(), 1), noted("j", time.Now(), 2))
		e.do("deliver k = accepted k")
		equal(e, "entries of k", e.details("k"), "")
		equal(e, "entries of j", e.details("j"), "2")
		equal(e, "entries of an unknown key", e.details("unknown"), "")
	}},
	{"TheMiddleIsDropped", ruleKept, needHistory, func(e *env) {
		e.do("deliver j = accepted j; deliver k = accepted k")
		const most = inbox.HistoryFirst + inbox.HistoryLatest
		at, n := time.Now(), 0
		for _, size := range []int{most, 1, 20, 256} {
			var list []inbox.HistoryEntry
			for range size {
				n++
				list = append(list, noted("j", at.Add(time.Duration(n)*time.Millisecond), n))
			}
			e.appendHistory(append(list, noted("k", at, n))...)
			var want []string
			for i := 1; i <= n; i++ {
				if i <= inbox.HistoryFirst || i > n-inbox.HistoryLatest {
					want = append(want, fmt.Sprint(i))
				}
			}
			equal(e, fmt.Sprintf("entries after %d", n), e.details("j"), strings.Join(want, " "))
		}
		equal(e, "entries of k", e.details("k"), "64 65 85 341")
	}},
	{"RemovedWithItsRecord", "When a record is removed, its history is removed.", needHistory, func(e *env) {
		e.do("deliver j = accepted j; claim = j; end j done; deliver k = accepted k; submit s")
		at := time.Now()
		e.appendHistory(noted("j", at, 1), noted("k", at, 2), noted("s", at, 3))
		e.do("bind s - 0; pass 10h; purge 1h 1h 10 = 1; submit s; deliver j = accepted j")
		equal(e, "entries of a new j", e.details("j"), "")
		equal(e, "entries of a new s", e.details("s"), "")
		equal(e, "entries of k", e.details("k"), "2")
	}},
	{"ContextEnded", "A method returns soon after its context ends.", needHistory, func(e *env) {
		e.do("deliver j = accepted j")
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		s := e.Store.(inbox.HistoryStore)
		if _, err := s.History(ctx, "j"); err == nil {
			e.Errorf("History returns no error")
		}
		if err := s.AppendHistory(ctx, []inbox.HistoryEntry{noted("j", time.Now(), 1)}); err == nil {
			e.Errorf("AppendHistory returns no error")
		}
	}},
}
