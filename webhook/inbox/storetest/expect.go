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
	var jobs []string
	for _, id := range r.JobIDs {
		jobs = append(jobs, wireid.Key(id))
	}
	switch {
	case !slices.Contains(allStates, r.State):
		return "there is no such state"
	case r.Key != wireid.Key(r.SubmissionID) && (r.SubmissionID != "" || !slices.Contains(jobs, r.Key)):
		return "Key must be the submission's id, or the job's, and a UUID in lower case"
	case r.JobID != "" && !slices.Contains(r.JobIDs, r.JobID):
		return "JobID must be one of JobIDs"
	case len(slices.Compact(sorted(jobs))) != len(jobs):
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

func timeless(r inbox.Record) inbox.Record {
	r = normal(r)
	r.SubmittedAt, r.ReceivedAt, r.FinishedAt, r.DueAt, r.ReadAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	r.Token = 0
	return r
}

func (e *env) wantAll(want []inbox.Record) {
	e.Helper()
	got := e.all()
	if !reflect.DeepEqual(withoutReadAt(got), withoutReadAt(want)) {
		e.Fatalf("the store has\n%s\nwant\n%s", describeAll(got), describeAll(want))
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
		name, text := v.Type().Field(i).Name, printed(v.Field(i))
		if at, ok := v.Field(i).Interface().(time.Time); ok && name != "ReadAt" && !at.IsZero() {
			fmt.Fprintf(&b, " %s:%s", name, at.Sub(r.ReadAt).Round(time.Second))
		} else if !ok && !slices.Contains([]string{"", "0", "[]", "false"}, text) {
			fmt.Fprintf(&b, " %s:%s", name, head(text))
		}
	}
	return "{" + strings.TrimPrefix(b.String(), " ") + "}"
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

// describeResult prints a result as scripts do.
func describeResult(r inbox.ReceiveResult) string {
	switch {
	case r == (inbox.ReceiveResult{Kind: inbox.Refused}):
		return "refused"
	case r == (inbox.ReceiveResult{Kind: inbox.Accepted, Key: r.Key, State: received}):
		return "accepted " + r.Key
	case r == (inbox.ReceiveResult{Kind: inbox.Duplicate, Key: r.Key, State: r.State}):
		return fmt.Sprintf("duplicate %s %s", r.Key, r.State)
	case r.Kind == inbox.Duplicate:
		return fmt.Sprintf("duplicate %s %s conflict", r.Key, r.State)
	}
	return fmt.Sprintf("%+v", r)
}

// head returns the beginning of a long text.
func head(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%s... (%d bytes)", s[:60], len(s))
	}
	return s
}
