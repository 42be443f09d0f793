package sqlstore

import (
	"encoding/json"
	"strconv"
)

// heardRow is a row as it is after an arrival at a store that knew nothing: it has
// one job, is received, and has nothing in the columns that are not heardColumns.
// Times are relative: it is due now, and received_at counts from the first row of
// the call.
type heardRow struct{ *row }

// heardColumns are what a heardRow has. It travels as an array of them, which is
// faster to write and to take apart than an object.
var heardColumns = []struct{ name, pgType string }{
	{"key", "text"},
	{"heard", "text"},
	{"jobs", "text"},
	{"bound", "text"}, // what the column jobs is of a record that was bound to this job alone
	{"submission_id", "text"},
	{"open_sends", "bigint"},
	{"sent", "bigint"},
	{"status", "text"},
	{"outcome", "text"},
	{"source", "text"},
	{"metadata", "text"}, // null: none came
	{"received_at", "bigint"},
}

// heardJSON is rows as one parameter.
func heardJSON(rows []heardRow) string {
	text := make([]byte, 0, 512*len(rows)+2)
	text = append(text, '[')
	for i, r := range rows {
		if i > 0 {
			text = append(text, ',')
		}
		text = r.append(text)
	}
	return string(append(text, ']'))
}

func (r heardRow) append(to []byte) []byte {
	// As json.Marshal writes a jobList.
	id := string(appendString([]byte(`[{"id":`), r.Jobs[0].ID))
	jobs, bound := id+`}]`, id+`,"bound":true}]`
	if r.Jobs[0].Bound {
		jobs = bound
	}
	to = append(to, '[')
	for _, text := range [...]string{r.Key, r.Heard, jobs, bound, r.SubmissionID} {
		to = append(appendString(to, text), ',')
	}
	to = append(strconv.AppendInt(to, int64(r.Open), 10), ',')
	to = append(strconv.AppendInt(to, int64(r.Sent), 10), ',')
	for _, text := range [...]string{string(r.Status), string(r.Outcome), string(r.Source)} {
		to = append(appendString(to, text), ',')
	}
	if r.Metadata == nil {
		to = append(to, "null,"...)
	} else {
		to = append(appendString(to, *r.Metadata), ',')
	}
	return append(strconv.AppendInt(to, r.ReceivedAt, 10), ']')
}

// appendString appends what json.Marshal makes of a string.
func appendString(to []byte, s string) []byte {
	start := len(to)
	to = append(to, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			to = append(to, '\\', c)
		case c < ' ' || c > '~' || c == '<' || c == '>' || c == '&':
			text, _ := json.Marshal(s) // which cannot fail
			return append(to[:start], text...)
		default:
			to = append(to, c)
		}
	}
	return append(to, '"')
}
