package storetest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// commands are the calls and comparisons of scripts. Each returns what it got, which
// must be what the script has after " = ", or else nothing. An empty id is written "-",
// and {a}, {A}, {b}, {B} are two UUIDs in lower and upper case.
var commands = map[string]func(e *env, args []string) string{
	"submit":  (*env).doSubmit,  // submit ID... [meta=JSON]
	"track":   (*env).doTrack,   // track JOB...
	"bind":    (*env).doBind,    // bind SUBMISSION JOB JOBS = [conflict]
	"deliver": (*env).doDeliver, // deliver JOB[/SUBMISSION] [failed] [hold=D] [meta=JSON] = accepted KEY | duplicate KEY STATE [conflict] | refused
	"claim":   (*env).doClaim,   // claim [N] = KEY...
	"next":    (*env).doNext,    // next D: claims, and next is at most D, or "none"
	"extend":  (*env).doExtend,  // extend KEY D [old | wrong] = [lost]
	"end":     (*env).doEnd,     // end KEY STATE [old | wrong] [after=D] [attempt=N] [outcome=O] [error=E] = [lost]
	"overdue": (*env).doOverdue, // overdue [N] = KEY...
	"purge":   (*env).doPurge,   // purge DONEFOR DEADFOR N = REMOVED
	"lock":    (*env).doLock,    // lock NAME OWNER D = yes | no
	"pass":    (*env).doPass,    // pass D: time passes
	"state":   (*env).doState,   // state KEY = STATE [JOB OTHERJOB...] | none
	"has":     (*env).doHas,     // has KEY FIELD=VALUE...
	"due":     (*env).doDue,     // due KEY D: DueAt is D from now
	"ago":     (*env).doAgo,     // ago KEY FIELD D: the time is D ago
	"keys":    (*env).doKeys,    // keys = KEY...
	"job":     (*env).doJob,     // job JOB = KEY
	"count":   (*env).doCount,   // count = [STATE=N...] due=N
	"oldest":  (*env).doOldest,  // oldest DUE PENDING UNFINISHED
	"mark":    (*env).doMark,    // mark: keeps all records for same
	"same":    (*env).doSame,    // same [REMOVED...]: all records are as at mark
}

// script is a check whose calls are commands.
func script(text string) func(e *env) { return func(e *env) { e.do(text) } }

// do runs commands, which end with a semicolon or a line.
func (e *env) do(text string, args ...any) {
	e.Helper()
	text = strings.NewReplacer("{a}", uuid1, "{A}", strings.ToUpper(uuid1), "{b}", uuid2, "{B}", strings.ToUpper(uuid2)).Replace(fmt.Sprintf(text, args...))
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		line = strings.Join(strings.Fields(line), " ")
		if line == "" {
			continue
		}
		e.calls = append(e.calls, line)
		call, want, _ := strings.Cut(line+" ", " = ")
		words := strings.Fields(call)
		if got := commands[words[0]](e, words[1:]); got != strings.TrimSpace(want) {
			e.Fatalf("%s: got %q, want %q", strings.TrimSpace(call), got, strings.TrimSpace(want))
		}
	}
}

// id returns the id that a word stands for.
func id(word string) string { return strings.TrimPrefix(word, "-") }

// option returns the value of the word that begins with the name.
func option(args []string, name string) string {
	for _, arg := range args {
		if value, ok := strings.CutPrefix(arg, name); ok {
			return value
		}
	}
	return ""
}

// number returns the number that a word is, and limit the number of a command that
// takes all unless it says how many. A missing duration is zero.
func number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		panic(err)
	}
	return n
}

func limit(args []string) int { return number(append(args, "1000")[0]) }

func duration(word string) time.Duration {
	d, err := time.ParseDuration(cmp.Or(word, "0s"))
	if err != nil {
		panic(err)
	}
	return d
}

func (e *env) doSubmit(args []string) string {
	for _, id := range args {
		if s := submission(id); !strings.HasPrefix(id, "meta=") {
			s.Metadata = json.RawMessage(option(args, "meta="))
			e.ok(e.Store.Submit(e.ctx, s))
		}
	}
	return ""
}

func (e *env) doTrack(args []string) string {
	for _, id := range args {
		e.ok(e.Store.Submit(e.ctx, inbox.Submission{JobID: id, Webhook: true, PollAfter: pollAfter}))
	}
	return ""
}

func (e *env) doBind(args []string) string {
	err := e.Store.Bind(e.ctx, inbox.Answer{SubmissionID: args[0], JobID: id(args[1]), Jobs: number(args[2])})
	if errors.Is(err, inbox.ErrConflict) {
		return "conflict"
	}
	e.ok(err)
	return ""
}

func (e *env) doDeliver(args []string) string {
	job, submission, _ := strings.Cut(args[0], "/")
	n := completed(id(job), submission)
	switch {
	case n.JobID == "":
		n.Status, n.Outcome, n.Source = "", webhook.OutcomeUnknown, inbox.SourcePoll
	case slices.Contains(args, "failed"):
		n.Status, n.Outcome = reducto.StatusFailed, webhook.OutcomeFailed
	}
	if d := option(args, "hold="); d != "" {
		n.Hold = duration(d)
	}
	n.Metadata = json.RawMessage(option(args, "meta="))
	return describeResult(e.receive(n)[0])
}

func (e *env) doClaim(args []string) string {
	return strings.Join(keysOf(e.claim(limit(args))), " ")
}

func (e *env) doNext(args []string) string {
	_, next, err := e.Store.Claim(e.ctx, 1000, lease)
	e.ok(err)
	if want := args[0]; want == "none" && next >= 0 || want != "none" && (next < 0 || next > duration(want)) {
		return next.String()
	}
	return ""
}

// lease returns the latest lease of the record, an old one, or one with a wrong token.
func (e *env) lease(args []string) inbox.Lease {
	all := e.claims[args[0]]
	switch {
	case slices.Contains(args, "wrong") || len(all) == 0:
		return inbox.Lease{Key: args[0], Token: -1}
	case slices.Contains(args, "old"):
		return leaseOf(all[0])
	}
	return leaseOf(all[len(all)-1])
}

func (e *env) doExtend(args []string) string {
	return map[bool]string{false: "lost"}[e.extend(duration(args[1]), e.lease(args))[0]]
}

func (e *env) doEnd(args []string) string {
	c := inbox.Completion{
		Lease: e.lease(args), State: inbox.State(args[1]), After: duration(option(args, "after=")),
		Outcome: webhook.Outcome(option(args, "outcome=")), Error: option(args, "error="),
	}
	if all := e.claims[args[0]]; len(all) > 0 {
		c.Attempt = all[len(all)-1].Attempt
	}
	if n := option(args, "attempt="); n != "" {
		c.Attempt = number(n)
	}
	return map[bool]string{false: "lost"}[e.finish(c)[0]]
}

func (e *env) doOverdue(args []string) string {
	records, err := e.Store.Overdue(e.ctx, limit(args), func(*inbox.Record) time.Duration { return 9 * time.Hour })
	e.ok(err)
	return strings.Join(keysOf(records), " ")
}

func (e *env) doPurge(args []string) string {
	n, err := e.Store.Purge(e.ctx, duration(args[0]), duration(args[1]), number(args[2]))
	e.ok(err)
	return strconv.Itoa(n)
}

func (e *env) doLock(args []string) string {
	got, err := e.Store.(inbox.Locker).Lock(e.ctx, args[0], args[1], duration(args[2]))
	e.ok(err)
	return map[bool]string{true: "yes", false: "no"}[got]
}

func (e *env) doPass(args []string) string {
	e.Advance(duration(args[0]))
	return ""
}

func (e *env) doState(args []string) string {
	records := e.list(inbox.Filter{Keys: args})
	if len(records) == 0 {
		return "none"
	}
	r := records[0]
	words := []string{string(r.State)}
	if len(r.JobIDs) > 0 {
		words = append(words, cmp.Or(r.JobID, "-"))
	}
	return strings.Join(append(words, slices.DeleteFunc(sorted(r.JobIDs), func(id string) bool { return id == r.JobID })...), " ")
}

func (e *env) doHas(args []string) string {
	v := reflect.ValueOf(e.record(args[0]))
	for _, arg := range args[1:] {
		name, want, _ := strings.Cut(arg, "=")
		if got := printed(v.FieldByName(name)); got != want {
			return name + "=" + got
		}
	}
	return ""
}

// printed prints a field of a Record.
func printed(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case json.RawMessage:
		return string(value)
	case time.Time:
		return map[bool]string{false: "set"}[value.IsZero()]
	}
	return fmt.Sprint(v.Interface())
}

func nearly(got, want time.Duration) string {
	if (got - want).Abs() <= slack {
		return ""
	}
	return got.Round(time.Second).String()
}

func (e *env) doDue(args []string) string {
	r := e.record(args[0])
	return nearly(r.DueAt.Sub(r.ReadAt), duration(args[1]))
}

func (e *env) doAgo(args []string) string {
	r := e.record(args[0])
	at := reflect.ValueOf(r).FieldByName(args[1]).Interface().(time.Time)
	return nearly(r.ReadAt.Sub(at), duration(args[2]))
}

func (e *env) doKeys([]string) string { return strings.Join(keysOf(e.all()), " ") }

func (e *env) doJob(args []string) string {
	return strings.Join(keysOf(e.list(inbox.Filter{JobID: args[0]})), " ")
}

func (e *env) doCount([]string) string {
	s, err := e.Store.Stats(e.ctx)
	e.ok(err)
	var words []string
	for _, state := range allStates {
		if n := s.Count[state]; n != 0 {
			words = append(words, fmt.Sprintf("%s=%d", state, n))
		}
	}
	return strings.Join(append(words, fmt.Sprintf("due=%d", s.Due)), " ")
}

func (e *env) doOldest(args []string) string {
	s, err := e.Store.Stats(e.ctx)
	e.ok(err)
	for i, got := range []time.Duration{s.OldestDue, s.OldestPending, s.OldestUnfinished} {
		if nearly(got, duration(args[i])) != "" {
			return fmt.Sprintf("%v %v %v", s.OldestDue, s.OldestPending, s.OldestUnfinished)
		}
	}
	return ""
}

func (e *env) doMark([]string) string {
	e.marked = e.all()
	return ""
}

func (e *env) doSame(removed []string) string {
	e.wantAll(slices.DeleteFunc(slices.Clone(e.marked), func(r inbox.Record) bool { return slices.Contains(removed, r.Key) }))
	return ""
}
