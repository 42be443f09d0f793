package sqlstore

import (
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// record is a row of reducto_records. PostgreSQL gets it as JSON with the names of
// the columns. Times are microseconds since 1970, zero if there is none.
type record struct {
	Key          string            `json:"key"`
	Version      int64             `json:"version"` // 0: not in the table yet
	SubmissionID string            `json:"submission_id"`
	Type         reducto.JobType   `json:"type"`
	Webhook      bool              `json:"webhook"`
	State        inbox.State       `json:"state"`
	DueAt        int64             `json:"due_at"` // of done and dead records: when they were finished
	SubmittedAt  int64             `json:"submitted_at"`
	ReceivedAt   int64             `json:"received_at"`
	Jobs         jobList           `json:"jobs"`
	Open         int               `json:"open_sends"` // sends whose answer is expected
	Sent         int               `json:"sent"`       // jobs that the other sends may have made
	Received     string            `json:"heard"`      // key of the job that the record was received for
	Hold         bool              `json:"held"`       // received, and waiting for Bind
	Status       reducto.JobStatus `json:"status"`
	Outcome      webhook.Outcome   `json:"outcome"`
	Source       inbox.Source      `json:"source"`
	Attempt      int               `json:"attempt"`
	Token        int64             `json:"token"`
	Polls        int               `json:"looks"`
	Error        string            `json:"error"`

	// Metadata is the notification's. Given is the submission's, and counts if there is
	// any. They can be large, so the rules never read them. Given is written with a new
	// record alone. Metadata is not written if it is nil, or if the record has Given.
	Metadata *string `json:"metadata"`
	Given    string  `json:"given"`
	shown    string  // the one that counts, if it was read

	Removed bool `json:"removed"`
}

// columns are the columns of a record without the metadata, in the order of
// record.fields. pgType is their type in PostgreSQL, and none is an empty value.
var columns = []struct{ name, pgType, none string }{
	{"key", "text", "''"},
	{"version", "bigint", "0"},
	{"submission_id", "text", "''"},
	{"type", "text", "''"},
	{"webhook", "boolean", "false"},
	{"state", "text", "''"},
	{"due_at", "bigint", "0"},
	{"submitted_at", "bigint", "0"},
	{"received_at", "bigint", "0"},
	{"jobs", "text", "'[]'"},
	{"open_sends", "bigint", "0"},
	{"sent", "bigint", "0"},
	{"heard", "text", "''"},
	{"held", "boolean", "false"},
	{"status", "text", "''"},
	{"outcome", "text", "''"},
	{"source", "text", "''"},
	{"attempt", "bigint", "0"},
	{"token", "bigint", "0"},
	{"looks", "bigint", "0"},
	{"error", "text", "''"},
}

// fields are what the columns are read into and written from.
func (r *record) fields() []any {
	return []any{
		&r.Key, &r.Version, &r.SubmissionID, &r.Type, &r.Webhook, &r.State, &r.DueAt,
		&r.SubmittedAt, &r.ReceivedAt, &r.Jobs, &r.Open, &r.Sent, &r.Received, &r.Hold,
		&r.Status, &r.Outcome, &r.Source, &r.Attempt, &r.Token, &r.Polls, &r.Error,
	}
}

// readRecords reads rows of the columns, the metadata and the time, and closes
// them. A row without a key has only the time.
func readRecords(rows *sql.Rows, err error) (found []*record, now int64, _ error) {
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		r := new(record)
		if err := rows.Scan(append(r.fields(), &r.shown, &now)...); err != nil {
			return nil, 0, err
		}
		if r.Key == "" {
			continue
		}
		// Earlier releases left these in other states, too.
		r.Hold = r.Hold && r.State == inbox.StateReceived && r.job(r.Received) != nil
		if r.State == inbox.StatePending {
			r.Received = ""
		}
		found = append(found, r)
	}
	return found, now, rows.Err()
}

// job is a job of a record.
type job struct {
	ID    string `json:"id"`
	Named bool   `json:"bound,omitzero"` // by the API or the user, not only by a delivery

	Answer bool `json:"answer,omitzero"` // an answer named it, which ended a send
}

// jobList is kept as JSON text.
type jobList []job

// Scan implements sql.Scanner. It drops jobs that an earlier release marked as free.
// They belong to no record.
func (l *jobList) Scan(src any) error {
	*l = nil
	var text []byte
	switch src := src.(type) {
	case string:
		text = []byte(src)
	case []byte:
		text = src
	default:
		return fmt.Errorf("the jobs of a record are a %T", src)
	}
	if string(text) == "[]" {
		return nil
	}
	var jobs []struct {
		job
		Free bool `json:"free"`
	}
	if err := json.Unmarshal(text, &jobs); err != nil {
		return fmt.Errorf("the jobs of a record: %w", err)
	}
	for _, j := range jobs {
		if !j.Free {
			*l = append(*l, j.job)
		}
	}
	return nil
}

func (l jobList) text() []byte {
	if len(l) == 0 {
		return []byte("[]")
	}
	text, _ := json.Marshal([]job(l)) // strings and booleans: it cannot fail
	return text
}

// Value implements driver.Valuer, for SQLite.
func (l jobList) Value() (driver.Value, error) { return string(l.text()), nil }

// MarshalJSON implements json.Marshaler, for PostgreSQL.
func (l jobList) MarshalJSON() ([]byte, error) { return json.Marshal(string(l.text())) }

// job returns the job with that key, or nil.
func (r *record) job(key string) *job {
	for i := range r.Jobs {
		if idKey(r.Jobs[i].ID) == key {
			return &r.Jobs[i]
		}
	}
	return nil
}

func (r *record) named() int {
	n := 0
	for _, j := range r.Jobs {
		if j.Named {
			n++
		}
	}
	return n
}

// full reports whether all jobs of the record are known.
func (r *record) full() bool { return r.Open == 0 && len(r.Jobs) >= r.Sent }

// mistaken reports whether the API has named all jobs of a received record, and not
// the one that it was received for.
func (r *record) mistaken() bool {
	j := r.job(r.Received)
	return j != nil && !j.Named && r.Open == 0 && r.named() > 0 && r.named() >= r.Sent
}

// unmade reports whether the API refused all sends of a pending record.
func (r *record) unmade() bool {
	return r.State == inbox.StatePending && r.Open == 0 && r.Sent == 0 && len(r.Jobs) == 0
}

// view returns the record for a caller.
func (r *record) view(now int64) inbox.Record {
	v := inbox.Record{
		Key: r.Key, SubmissionID: r.SubmissionID, Type: r.Type, State: r.State,
		Status: r.Status, Outcome: r.Outcome, Source: r.Source,
		Metadata: decodeMetadata(r.shown), Webhook: r.Webhook,
		Attempt: r.Attempt, Token: r.Token, Polls: r.Polls, Error: r.Error,
		SubmittedAt: fromMicros(r.SubmittedAt), ReceivedAt: fromMicros(r.ReceivedAt), ReadAt: fromMicros(now),
	}
	if r.State == inbox.StateDone || r.State == inbox.StateDead {
		v.FinishedAt = fromMicros(r.DueAt)
	} else {
		v.DueAt = fromMicros(r.DueAt)
	}
	for _, j := range r.Jobs {
		v.JobIDs = append(v.JobIDs, j.ID)
		if r.Received != "" && idKey(j.ID) == r.Received {
			v.JobID = j.ID
		}
	}
	if i := slices.IndexFunc(r.Jobs, func(j job) bool { return j.Named }); r.State == inbox.StatePending && i >= 0 {
		v.JobID = r.Jobs[i].ID
	}
	return v
}

func views(list []*record, now int64) []inbox.Record {
	records := make([]inbox.Record, 0, len(list))
	for _, r := range list {
		records = append(records, r.view(now))
	}
	return records
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// micros returns d in microseconds, rounded up, and zero if it is negative.
func micros(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Microsecond) + 1
}

// idKey returns the form of an id that keys have.
func idKey(id string) string { return storable(inbox.Key(id)) }

// storable replaces what a database cannot keep as text.
func storable[T ~string](s T) T {
	return T(strings.ReplaceAll(strings.ToValidUTF8(string(s), "\uFFFD"), "\x00", "\uFFFD"))
}

// base64Prefix begins metadata that is kept as base64. No JSON begins like this.
const base64Prefix = "base64:"

// encodeMetadata returns metadata as text. JSON can have bytes that are not UTF-8.
func encodeMetadata(m json.RawMessage) string {
	text := string(m)
	if utf8.ValidString(text) && !strings.Contains(text, "\x00") && !strings.HasPrefix(text, base64Prefix) {
		return text
	}
	return base64Prefix + base64.StdEncoding.EncodeToString(m)
}

func decodeMetadata(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	if encoded, ok := strings.CutPrefix(text, base64Prefix); ok {
		if m, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			return m
		}
	}
	return json.RawMessage(text)
}

// removeJob removes the job with that key from the list.
func (r *record) removeJob(key string) {
	r.Jobs = slices.DeleteFunc(r.Jobs, func(j job) bool { return idKey(j.ID) == key })
}
