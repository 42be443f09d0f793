package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto/internal/wireid"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// inconsistent says what no record may be, or returns "".
func inconsistent(r inbox.Record) string {
	ended := r.State == done || r.State == dead
	jobs := make([]string, 0, len(r.JobIDs))
	for _, id := range r.JobIDs {
		jobs = append(jobs, wireid.Key(id))
	}
	slices.Sort(jobs)
	id := r.SubmissionID
	if id == "" && len(r.JobIDs) > 0 {
		id = r.Key // one of the jobs
		if !slices.Contains(jobs, r.Key) {
			return "without a submission, Key must be one of JobIDs"
		}
	}
	switch {
	case !slices.Contains(allStates, r.State):
		return "there is no such state"
	case r.Key == "" || r.Key != wireid.Key(id):
		return "Key must be the submission's id, or the job's, and a UUID in lower case"
	case r.JobID != "" && !slices.Contains(r.JobIDs, r.JobID):
		return "JobID must be one of JobIDs"
	case len(slices.Compact(slices.Clone(jobs))) != len(jobs):
		return "a job must be in JobIDs once"
	case r.Token != 0 && r.State == pending, r.Token == 0 && r.State != pending && r.State != received:
		return "Token must be zero before the first claim, and only then"
	case r.ReceivedAt.IsZero() != (r.State == pending):
		return "ReceivedAt must be zero while the record is pending, and only then"
	case r.FinishedAt.IsZero() == ended:
		return "FinishedAt must be set when the record is done or dead, and only then"
	case r.DueAt.IsZero() != ended:
		return "DueAt must be zero when the record is done or dead, and only then"
	case r.ReadAt.IsZero():
		return "ReadAt must be set"
	}
	return ""
}

// wantRecord compares the record with want, except for its times and token.
func (e *env) wantRecord(want inbox.Record) {
	e.Helper()
	if got, w := describe(timeless(e.record(want.Key))), describe(timeless(want)); got != w {
		e.Errorf("there is %s\nwant     %s", got, w)
	}
}

func timeless(r inbox.Record) inbox.Record {
	r = normal(r)
	r.SubmittedAt, r.ReceivedAt, r.FinishedAt, r.DueAt, r.ReadAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	r.Token = 0
	return r
}

func (e *env) wantState(key string, want inbox.State) {
	e.Helper()
	if got := e.record(key).State; got != want {
		e.Errorf("%s is %s, want %s", key, got, want)
	}
}

func (e *env) wantNone(keys ...string) {
	e.Helper()
	for _, key := range keys {
		if r := e.find(key); r != nil {
			e.Errorf("there is %s, want no such record", describe(*r))
		}
	}
}

// wantJobs compares the jobs of a record. The first is JobID, empty if there is none.
func (e *env) wantJobs(key, jobID string, others ...string) {
	e.Helper()
	r := e.record(key)
	equal(e, "JobID of "+key, r.JobID, jobID)
	want := others
	if jobID != "" {
		want = append([]string{jobID}, others...)
	}
	equalAll(e, "JobIDs of "+key, sorted(r.JobIDs), sorted(want))
}

// wantDueIn compares the time until the record's DueAt.
func (e *env) wantDueIn(key string, want time.Duration) {
	e.Helper()
	r := e.record(key)
	near(e, "time until "+key+" is due", r.DueAt.Sub(r.ReadAt), want)
}

func (e *env) wantOverdue(keys ...string) {
	e.Helper()
	equalAll(e, "overdue", keysOf(e.overdue(len(keys)+10, 9*time.Hour)), keys)
}

// unchanged wants f to change no record, and to remove those with these keys.
func (e *env) unchanged(f func(), removed ...string) {
	e.Helper()
	want := slices.DeleteFunc(e.all(), func(r inbox.Record) bool { return slices.Contains(removed, r.Key) })
	f()
	e.wantAll(want)
}

func (e *env) wantAll(want []inbox.Record) {
	e.Helper()
	got := e.all()
	if !reflect.DeepEqual(withoutReadAt(got), withoutReadAt(want)) {
		e.Errorf("the store has\n%s\nwant\n%s", describeAll(got), describeAll(want))
	}
}

func equal[T comparable](e *env, what string, got, want T) {
	e.Helper()
	if got != want {
		e.Errorf("%s: %v, want %v", what, got, want)
	}
}

func equalAll[T comparable](e *env, what string, got, want []T) {
	e.Helper()
	if !slices.Equal(got, want) {
		e.Errorf("%s: %v, want %v", what, got, want)
	}
}

func near(e *env, what string, got, want time.Duration) {
	e.Helper()
	if (got - want).Abs() > slack {
		e.Errorf("%s: %v, want %v", what, got, want)
	}
}

// normal returns the record in a form in which equal records are deeply equal.
func normal(r inbox.Record) inbox.Record {
	for _, t := range []*time.Time{&r.SubmittedAt, &r.ReceivedAt, &r.FinishedAt, &r.DueAt, &r.ReadAt} {
		*t = t.UTC().Round(0)
	}
	if r.JobIDs = sorted(r.JobIDs); len(r.JobIDs) == 0 {
		r.JobIDs = nil
	}
	if len(r.Metadata) == 0 {
		r.Metadata = nil
	}
	return r
}

func withoutReadAt(records []inbox.Record) []inbox.Record {
	records = slices.Clone(records)
	for i := range records {
		records[i].ReadAt = time.Time{}
	}
	return records
}

// describe prints the fields that are not zero. Times are relative to ReadAt.
func describe(r inbox.Record) string {
	var b strings.Builder
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		name, field := v.Type().Field(i).Name, v.Field(i)
		switch value := field.Interface().(type) {
		case time.Time:
			if !value.IsZero() && name != "ReadAt" {
				fmt.Fprintf(&b, " %s:%s", name, value.Sub(r.ReadAt).Round(time.Second))
			}
		default:
			if field.Kind() == reflect.Slice && field.Len() > 0 || field.Kind() != reflect.Slice && !field.IsZero() {
				fmt.Fprintf(&b, " %s:%s", name, head(fmt.Sprintf("%s", printable(value))))
			}
		}
	}
	return "{" + strings.TrimPrefix(b.String(), " ") + "}"
}

// printable returns v so that %s prints it.
func printable(v any) any {
	switch v.(type) {
	case int, int64, bool:
		return fmt.Sprint(v)
	}
	return v
}

func describeAll(records []inbox.Record) string {
	lines := make([]string, 0, len(records))
	for _, r := range records {
		lines = append(lines, "  "+describe(r))
	}
	return strings.Join(lines, "\n")
}

func describeNotification(n inbox.Notification) string {
	return fmt.Sprintf("{JobID:%s SubmissionID:%s Status:%s Outcome:%s Metadata:%s Source:%s Hold:%v}",
		n.JobID, n.SubmissionID, n.Status, n.Outcome, head(string(n.Metadata)), n.Source, n.Hold)
}

func describeResult(r inbox.ReceiveResult) string {
	kind := map[inbox.ReceiveKind]string{inbox.Accepted: "Accepted", inbox.Duplicate: "Duplicate", inbox.Refused: "Refused"}[r.Kind]
	if kind == "" {
		kind = fmt.Sprintf("ReceiveKind(%d)", r.Kind)
	}
	return fmt.Sprintf("{%s Conflict:%v Key:%s State:%s}", kind, r.Conflict, r.Key, r.State)
}

// head returns the beginning of a long text.
func head(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%s... (%d bytes)", s[:60], len(s))
	}
	return s
}
