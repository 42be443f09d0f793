package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

type inboxCmd struct {
	List   inboxListCmd   `cmd:"" help:"List records."`
	Show   inboxShowCmd   `cmd:"" help:"Show a record."`
	Replay inboxReplayCmd `cmd:"" help:"Queue dead records again."`
	Stats  inboxStatsCmd  `cmd:"" help:"Count the records."`
	Export inboxExportCmd `cmd:"" help:"Print all records as JSON Lines."`
}

// record is a record as --json and export print it.
type record struct {
	Key          string            `json:"key"`
	SubmissionID string            `json:"submission_id,omitzero"`
	JobID        string            `json:"job_id,omitzero"`
	JobIDs       []string          `json:"job_ids,omitzero"`
	Type         reducto.JobType   `json:"type,omitzero"`
	State        inbox.State       `json:"state"`
	Status       reducto.JobStatus `json:"status,omitzero"`
	Outcome      webhook.Outcome   `json:"outcome,omitzero"`
	Source       inbox.Source      `json:"source,omitzero"`
	Webhook      bool              `json:"webhook"`
	Attempt      int               `json:"attempt"`
	Polls        int               `json:"polls"`
	Error        string            `json:"error,omitzero"`
	SubmittedAt  time.Time         `json:"submitted_at,omitzero"`
	ReceivedAt   time.Time         `json:"received_at,omitzero"`
	FinishedAt   time.Time         `json:"finished_at,omitzero"`
	DueAt        time.Time         `json:"due_at,omitzero"`
	Metadata     json.RawMessage   `json:"metadata,omitzero"`
	History      []event           `json:"history,omitzero"` // show alone has it
}

// event is an entry of a history.
type event struct {
	At         time.Time         `json:"at"`
	Kind       inbox.HistoryKind `json:"kind"`
	JobID      string            `json:"job_id,omitzero"`
	StatusCode int               `json:"status_code,omitzero"`
	Attempt    int               `json:"attempt,omitzero"`
	Detail     string            `json:"detail,omitzero"`
}

func (e event) text() string {
	text := e.At.UTC().Format("2006-01-02T15:04:05.000Z") + " " + string(e.Kind)
	if e.StatusCode > 0 {
		text += fmt.Sprintf(", answered %d", e.StatusCode)
	}
	if e.Attempt > 0 {
		text += fmt.Sprintf(", call %d", e.Attempt)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

func newRecord(r inbox.Record, metadata bool) record {
	out := record{
		Key: r.Key, SubmissionID: r.SubmissionID, JobID: r.JobID, JobIDs: r.JobIDs, Type: r.Type, State: r.State,
		Status: r.Status, Outcome: r.Outcome, Source: r.Source, Webhook: r.Webhook, Attempt: r.Attempt, Polls: r.Polls,
		Error: r.Error, SubmittedAt: r.SubmittedAt, ReceivedAt: r.ReceivedAt, FinishedAt: r.FinishedAt, DueAt: r.DueAt,
	}
	if metadata {
		out.Metadata = r.Metadata
	}
	return out
}

// id returns the job, or the key if the job is not known.
func (r record) id() string {
	if r.JobID != "" {
		return r.JobID
	}
	return r.Key
}

type inboxListCmd struct {
	database
	Limit    int      `short:"n" default:"50" help:"The most records to print, 0 for all."`
	State    []string `enum:"${states}" help:"Only records in these states: ${enum}."`
	Outcome  string   `help:"Only records with this outcome, such as failed."`
	Type     string   `help:"Only records of this type of job, such as Parse."`
	Before   string   `placeholder:"KEY" help:"Only records that are listed after this key."`
	Metadata bool     `help:"Print the metadata too, with --json."`
}

// Help implements kong.HelpProvider.
func (inboxListCmd) Help() string {
	return `It prints the newest submissions first. The first column is the job, or the key of a
submission whose job is not known.

Examples:

    reducto-hooks inbox list --db inbox.db
    reducto-hooks inbox list --db inbox.db --state dead --limit 0
    DATABASE_URL=postgres://app@db/app reducto-hooks inbox list --json`
}

func (c *inboxListCmd) Run(ctx context.Context, u *ui) error {
	in, closeDB, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeDB()
	out, n := u.rows("JOB OR KEY", "TYPE", "STATE", "OUTCOME", "SOURCE", "CALLS", "SUBMITTED", "ERROR"), 0
	f := inbox.Filter{Newest: true, After: c.Before, Limit: 500, WithoutMetadata: !c.Metadata}
	for _, s := range c.State {
		f.States = append(f.States, inbox.State(s))
	}
	if c.Limit > 0 && c.Outcome == "" && c.Type == "" {
		f.Limit = min(f.Limit, c.Limit)
	}
	for got, err := range in.List(ctx, f) {
		if err != nil {
			return errors.Join(out.flush(""), err)
		}
		if c.Outcome != "" && string(got.Outcome) != c.Outcome || c.Type != "" && !strings.EqualFold(string(got.Type), c.Type) {
			continue
		}
		r := newRecord(got, c.Metadata)
		began := r.SubmittedAt
		if began.IsZero() {
			began = r.ReceivedAt
		}
		err := out.add(r, r.id(), string(r.Type), string(r.State), string(r.Outcome), string(r.Source), strconv.Itoa(r.Attempt), u.when(began), r.Error)
		if err != nil {
			return err
		}
		if n++; n == c.Limit {
			break
		}
	}
	return out.flush("no records")
}

type inboxShowCmd struct {
	database
	ID       string `arg:"" help:"A job or a key."`
	Metadata bool   `help:"Print the metadata too."`
}

// Help implements kong.HelpProvider.
func (inboxShowCmd) Help() string {
	return `Examples:

    reducto-hooks inbox show --db inbox.db JOB
    reducto-hooks inbox show --db inbox.db KEY --metadata --json`
}

func (c *inboxShowCmd) Run(ctx context.Context, u *ui) error {
	in, closeDB, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeDB()
	got, err := find(ctx, in, c.ID)
	if err != nil {
		return err
	}
	history, err := in.History(ctx, got.Key)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	r := newRecord(got, c.Metadata)
	fields := []field{
		{"key", r.Key}, {"submission", r.SubmissionID}, {"job", r.JobID},
		{"other jobs", strings.Join(slices.DeleteFunc(slices.Clone(r.JobIDs), func(id string) bool { return id == r.JobID }), " ")},
		{"type", string(r.Type)}, {"state", string(r.State)}, {"status", string(r.Status)},
		{"outcome", string(r.Outcome)}, {"source", string(r.Source)}, {"calls", strconv.Itoa(r.Attempt)},
		{"polls", strconv.Itoa(r.Polls)}, {"submitted", u.when(r.SubmittedAt)}, {"received", u.when(r.ReceivedAt)},
		{"finished", u.when(r.FinishedAt)}, {"due", u.when(r.DueAt)}, {"error", r.Error},
		{"metadata", string(r.Metadata)},
	}
	for _, h := range history {
		e := event{h.At, h.Kind, h.JobID, h.StatusCode, h.Attempt, h.Detail}
		r.History = append(r.History, e)
		fields = append(fields, field{"history", e.text()})
	}
	return u.describe(r, fields...)
}

// find returns the record of a job or a key.
func find(ctx context.Context, in *inbox.Inbox, id string) (inbox.Record, error) {
	r, err := in.Get(ctx, id)
	if !errors.Is(err, reducto.ErrNotFound) {
		return r, err
	}
	for r, err := range in.List(ctx, inbox.Filter{Keys: []string{id}}) {
		return r, err
	}
	return r, &exitError{exitNotFound, fmt.Errorf("the inbox has no job and no key %s", id)}
}

type inboxReplayCmd struct {
	database
	IDs []string `arg:"" optional:"" name:"id" help:"Jobs or keys."`
	All bool     `help:"Replay all dead records."`
}

// Help implements kong.HelpProvider.
func (inboxReplayCmd) Help() string {
	return `The program that runs the Inbox calls its function for these records again, within a
second if it runs, or when it starts.

Examples:

    reducto-hooks inbox replay --db inbox.db JOB
    reducto-hooks inbox replay --db inbox.db --all`
}

func (c *inboxReplayCmd) Run(ctx context.Context, u *ui) error {
	if c.All == (len(c.IDs) > 0) {
		return usageError("name the records to replay, or use --all")
	}
	in, closeDB, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeDB()
	total := len(c.IDs)
	if c.All {
		stats, err := in.Stats(ctx)
		if err != nil {
			return err
		}
		total = stats.Store.Count[inbox.StateDead]
	}
	out, bar := u.rows("JOB OR KEY", "RESULT"), u.bar("replaying", total)
	defer bar.close()
	n, failed := 0, error(nil)
	replay := func(id string, r inbox.Record, err error) error {
		result := "replayed"
		switch {
		case err != nil:
		case r.State != inbox.StateDead:
			err = usageError("record %s is %s: only dead records can be replayed", id, r.State)
		default:
			err = in.Replay(ctx, r.Key)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		bar.add()
		if n++; err != nil {
			failed, result = err, err.Error()
		}
		return out.add(map[string]string{"id": id, "key": r.Key, "result": result}, id, result)
	}
	for _, id := range c.IDs {
		r, err := find(ctx, in, id)
		if err := replay(id, r, err); err != nil {
			return err
		}
	}
	if c.All {
		for r, err := range in.List(ctx, inbox.Filter{States: []inbox.State{inbox.StateDead}, Limit: 500, WithoutMetadata: true}) {
			if err != nil && ctx.Err() == nil {
				return err
			}
			if err := replay(newRecord(r, false).id(), r, nil); err != nil {
				u.note("%d of %d records are replayed; run the command again for the others", n, total)
				return err
			}
		}
	}
	bar.close()
	return errors.Join(out.flush("no dead records"), failed)
}

type inboxStatsCmd struct {
	database
}

// Help implements kong.HelpProvider.
func (inboxStatsCmd) Help() string {
	return `Example:

    reducto-hooks inbox stats --db inbox.db --json | jq .dead`
}

// counts are the numbers of records that are not done, as --json prints them. Times are in seconds.
type counts struct {
	Pending          int     `json:"pending"`
	Received         int     `json:"received"`
	Claimed          int     `json:"claimed"`
	Dead             int     `json:"dead"`
	Due              int     `json:"due"`
	OldestDue        float64 `json:"oldest_due_seconds"`
	OldestPending    float64 `json:"oldest_pending_seconds"`
	OldestUnfinished float64 `json:"oldest_unfinished_seconds"`
}

func (c *inboxStatsCmd) Run(ctx context.Context, u *ui) error {
	in, closeDB, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeDB()
	all, err := in.Stats(ctx)
	if err != nil {
		return err
	}
	s := all.Store
	count := func(state inbox.State) field { return field{string(state), strconv.Itoa(s.Count[state])} }
	return u.describe(counts{
		s.Count[inbox.StatePending], s.Count[inbox.StateReceived], s.Count[inbox.StateClaimed], s.Count[inbox.StateDead],
		s.Due, s.OldestDue.Seconds(), s.OldestPending.Seconds(), s.OldestUnfinished.Seconds(),
	},
		count(inbox.StatePending), count(inbox.StateReceived), count(inbox.StateClaimed), count(inbox.StateDead),
		field{"due", strconv.Itoa(s.Due)}, field{"oldest due", span(s.OldestDue)},
		field{"oldest pending", span(s.OldestPending)}, field{"oldest open", span(s.OldestUnfinished)})
}

type inboxExportCmd struct {
	database
	State    []string `enum:"${states}" help:"Only records in these states: ${enum}."`
	After    string   `placeholder:"KEY" help:"Only records after this key."`
	Metadata bool     `help:"Export the metadata too."`
}

// Help implements kong.HelpProvider.
func (inboxExportCmd) Help() string {
	return `It prints records in the order of their keys, without metadata. Secrets are not in the
database.

Examples:

    reducto-hooks inbox export --db inbox.db > records.jsonl
    reducto-hooks inbox export --db inbox.db --state dead --metadata`
}

func (c *inboxExportCmd) Run(ctx context.Context, u *ui) (err error) {
	in, closeDB, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeDB()
	f := inbox.Filter{After: c.After, Limit: 1000, WithoutMetadata: !c.Metadata}
	for _, s := range c.State {
		f.States = append(f.States, inbox.State(s))
	}
	bar := new(bar)
	if !isTerminal(os.Stdout) {
		bar = u.bar("exporting", 0) // done records are not counted
	}
	defer bar.close()
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	last := c.After
	defer func() {
		err = errors.Join(err, out.Flush())
		if ctx.Err() != nil && last != "" {
			bar.close()
			u.note("go on with --after %s", last)
		}
	}()
	for r, err := range in.List(ctx, f) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if err := e.Encode(newRecord(r, c.Metadata)); err != nil {
			return err
		}
		last = r.Key
		bar.add()
	}
	return nil
}
