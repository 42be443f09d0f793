package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// normal is the record with times, and what is empty or in no order, in a form in
// which equal records are deeply equal.
func normal(r webhook.Record) webhook.Record {
	for _, t := range []*time.Time{&r.SubmittedAt, &r.ReceivedAt, &r.FinishedAt, &r.DueAt, &r.ReadAt} {
		*t = t.UTC().Round(0)
	}
	if r.JobIDs = sorted(r.JobIDs); len(r.JobIDs) == 0 {
		r.JobIDs = nil
	}
	if r.Unconfirmed = sorted(r.Unconfirmed); len(r.Unconfirmed) == 0 {
		r.Unconfirmed = nil
	}
	if len(r.Metadata) == 0 {
		r.Metadata = nil
	}
	return r
}

func withoutReadAt(records []webhook.Record) []webhook.Record {
	records = slices.Clone(records)
	for i := range records {
		records[i].ReadAt = time.Time{}
	}
	return records
}

func describe(r webhook.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Key, r.State)
	add := func(name string, value any) {
		if !reflect.ValueOf(value).IsZero() {
			fmt.Fprintf(&b, " %s=%v", name, value)
		}
	}
	add("submission", r.SubmissionID)
	add("job", r.JobID)
	if len(r.JobIDs) > 0 {
		add("jobs", r.JobIDs)
	}
	if len(r.Unconfirmed) > 0 {
		add("unconfirmed", r.Unconfirmed)
	}
	add("type", r.Type)
	add("status", r.Status)
	add("outcome", r.Outcome)
	add("metadata", head(string(r.Metadata)))
	add("source", r.Source)
	add("webhook", r.Webhook)
	add("attempt", r.Attempt)
	add("token", r.Token)
	add("looks", r.Looks)
	add("error", head(r.Error))
	for _, t := range []struct {
		name string
		at   time.Time
	}{{"submitted", r.SubmittedAt}, {"received", r.ReceivedAt}, {"finished", r.FinishedAt}, {"due", r.DueAt}} {
		if !t.at.IsZero() {
			fmt.Fprintf(&b, " %s=%s", t.name, t.at.Sub(r.ReadAt).Round(time.Second))
		}
	}
	return b.String()
}

func describeAll(records []webhook.Record) string {
	lines := make([]string, 0, len(records))
	for _, r := range records {
		lines = append(lines, "  "+describe(r))
	}
	return strings.Join(lines, "\n")
}

func describeArrival(a webhook.Arrival) string {
	return fmt.Sprintf("{job=%s submission=%s status=%s outcome=%s metadata=%s source=%s confirmed=%v hold=%v}",
		a.JobID, a.SubmissionID, a.Status, a.Outcome, head(string(a.Metadata)), a.Source, a.Confirmed, a.Hold)
}

func describeReceipt(r webhook.Receipt) string {
	kind := map[webhook.ReceiptKind]string{
		webhook.ReceiptAccepted:  "accepted",
		webhook.ReceiptDuplicate: "duplicate",
		webhook.ReceiptRefused:   "refused",
	}[r.Kind]
	if kind == "" {
		kind = fmt.Sprintf("ReceiptKind(%d)", r.Kind)
	}
	return fmt.Sprintf("{%s conflict=%v state=%s key=%s}", kind, r.Conflict, r.State, r.Key)
}

// head is the beginning of what may be long.
func head(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%s... (%d bytes)", s[:60], len(s))
	}
	return s
}
