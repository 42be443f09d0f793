package sqlstore

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// row is a row of reducto_records. It travels to the database as JSON under the
// names of its columns; times are microseconds since 1970, zero is none.
type row struct {
	Key          string            `json:"key"`
	Version      int64             `json:"version"` // 0: not in the table yet
	SubmissionID string            `json:"submission_id"`
	Type         reducto.JobType   `json:"type"`
	Webhook      bool              `json:"webhook"`
	State        webhook.State     `json:"state"`
	DueAt        int64             `json:"due_at"` // done, dead: since when
	SubmittedAt  int64             `json:"submitted_at"`
	ReceivedAt   int64             `json:"received_at"`
	Jobs         jobList           `json:"jobs"`
	Open         int               `json:"open_sends"` // sends of which nobody has said what became of them
	Sent         int               `json:"sent"`       // how many jobs the other sends may have made
	Heard        string            `json:"heard"`      // the job whose end was received, folded
	Held         bool              `json:"held"`       // received before any of its jobs was known, and not confirmed since
	Status       reducto.JobStatus `json:"status"`
	Outcome      webhook.Outcome   `json:"outcome"`
	Source       webhook.Source    `json:"source"`
	Attempt      int               `json:"attempt"`
	Token        int64             `json:"token"`
	Looks        int               `json:"looks"`
	Error        string            `json:"error"`

	// Metadata is the accepted arrival's, Given what Submit recorded. They are
	// written only: nil leaves them as they are, empty is none.
	Metadata *string `json:"metadata"`
	Given    *string `json:"given"`
	// shown is the one that counts, if it was asked for.
	shown string

	// Gone removes the row.
	Gone bool `json:"gone"`
}

// columns are the columns that a row is read from and written to, in the order of
// fields, with their PostgreSQL type and an expression for none. Metadata, which
// can be large, is apart.
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

// fields are where the columns are read to.
func (r *row) fields() []any {
	return []any{
		&r.Key, &r.Version, &r.SubmissionID, &r.Type, &r.Webhook, &r.State, &r.DueAt,
		&r.SubmittedAt, &r.ReceivedAt, &r.Jobs, &r.Open, &r.Sent, &r.Heard, &r.Held,
		&r.Status, &r.Outcome, &r.Source, &r.Attempt, &r.Token, &r.Looks, &r.Error,
	}
}

// readRows reads rows of the columns, the metadata and the time, and closes them.
// A row without a key only says what time it is.
func readRows(rows *sql.Rows, err error) (found []*row, now int64, _ error) {
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		r := new(row)
		if err := rows.Scan(append(r.fields(), &r.shown, &now)...); err != nil {
			return nil, 0, err
		}
		if r.Key == "" {
			continue
		}
		found = append(found, r)
	}
	return found, now, rows.Err()
}

// job is a job that is known to be, or believed to be, a record's. The record has it,
// so that no other can, and reducto_jobs says so, unless it is free: then it is a
// candidate, that only a duplicate named, and another record may get it.
type job struct {
	ID    string `json:"id"`
	Bound bool   `json:"bound,omitzero"` // Bind or Submit said so, not just an arrival
	Free  bool   `json:"free,omitzero"`
}

// jobList is kept as JSON within a JSON string, so that the column is text.
type jobList []job

// Scan implements sql.Scanner.
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
	return json.Unmarshal(text, (*[]job)(l))
}

// MarshalJSON implements json.Marshaler.
func (l jobList) MarshalJSON() ([]byte, error) {
	if len(l) == 0 {
		return []byte(`"[]"`), nil
	}
	text, err := json.Marshal([]job(l))
	if err != nil {
		return nil, err
	}
	return json.Marshal(string(text))
}

func (r *row) job(key string) *job {
	for i := range r.Jobs {
		if fold(r.Jobs[i].ID) == key {
			return &r.Jobs[i]
		}
	}
	return nil
}

// keep makes a job one that the record knows, a candidate if it is new to it.
func (r *row) keep(jobID string) *job {
	key := fold(jobID)
	if r.job(key) == nil {
		r.Jobs = append(r.Jobs, job{ID: storable(jobID), Free: true})
	}
	return r.job(key)
}

// had is how many jobs the record has.
func (r *row) had() int {
	n := 0
	for _, j := range r.Jobs {
		if !j.Free {
			n++
		}
	}
	return n
}

func (r *row) bound() int {
	n := 0
	for _, j := range r.Jobs {
		if j.Bound {
			n++
		}
	}
	return n
}

// full reports whether the record has all the jobs that it can have.
func (r *row) full() bool { return r.Open == 0 && r.had() >= r.Sent }

// doubtful reports whether nothing but deliveries says that a job is the record's:
// it waits for Bind, or its submission was never recorded.
func (r *row) doubtful() bool {
	return r.Held || r.SubmissionID != "" && r.SubmittedAt == 0 && r.bound() == 0
}

// busy reports whether the record can keep no other job, one of which may be its
// own.
func (r *row) busy() bool {
	return r.doubtful() && !r.keeps() && r.unfinished()
}

// keeps reports whether a job that a duplicate names is kept. While the number of
// jobs is not known, nothing else would bound theirs.
func (r *row) keeps() bool {
	return r.Open == 0 || r.doubtful() && len(r.Jobs) < webhook.MaxUnconfirmed
}

// unfinished reports whether the user's function is still to see the record's end.
func (r *row) unfinished() bool {
	return r.State == webhook.StateReceived || r.State == webhook.StateClaimed
}

func (r *row) finished() bool { return r.State == webhook.StateDone || r.State == webhook.StateDead }

// record is the row as others see it.
func (r *row) record(now int64) webhook.Record {
	v := webhook.Record{
		Key:          r.Key,
		SubmissionID: r.SubmissionID,
		Type:         r.Type,
		State:        r.State,
		Status:       r.Status,
		Outcome:      r.Outcome,
		Source:       r.Source,
		Webhook:      r.Webhook,
		Attempt:      r.Attempt,
		Token:        r.Token,
		Looks:        r.Looks,
		Error:        r.Error,
		SubmittedAt:  fromMicros(r.SubmittedAt),
		ReceivedAt:   fromMicros(r.ReceivedAt),
		ReadAt:       fromMicros(now),
	}
	if r.finished() {
		v.FinishedAt = fromMicros(r.DueAt)
	} else {
		v.DueAt = fromMicros(r.DueAt)
	}
	v.Metadata = decodeMetadata(r.shown)
	for _, j := range r.Jobs {
		v.JobIDs = append(v.JobIDs, j.ID)
		if !j.Bound {
			v.Unconfirmed = append(v.Unconfirmed, j.ID)
		}
		if r.Heard != "" && fold(j.ID) == r.Heard {
			v.JobID = j.ID
		}
	}
	if i := slices.IndexFunc(r.Jobs, func(j job) bool { return j.Bound }); v.State == webhook.StatePending && i >= 0 {
		v.JobID = r.Jobs[i].ID
	}
	return v
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// micros is d in microseconds, not negative. What is shorter than one is not none.
func micros(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Microsecond) + 1
}

// base64Prefix marks metadata that is kept as base64. No JSON begins like this.
const base64Prefix = "base64:"

// encodeMetadata is metadata as text. JSON can hold bytes that are not UTF-8, and
// is to come back as it was.
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
