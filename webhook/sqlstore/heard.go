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
// faster to write and to take apart than an object, and shorter: what nearly always
// follows from another element is null then.
var heardColumns = []struct{ name, pgType string }{
	{"key", "text"},
	{"heard", "text"},
	{"id", "text"}, // the job as it is in the column jobs, null: heardID
	{"bound", "boolean"},
	{"submission_id", "text"}, // null: the key
	{"open_sends", "bigint"},
	{"sent", "bigint"},
	{"status", "text"},
	{"outcome", "text"},
	{"source", "text"},
	{"metadata", "text"}, // null: none came
	{"received_at", "bigint"},
}

// heardID is the job of i, which is a heardRow, as json.Marshal writes a string.
const heardID = `coalesce(i.id, '"' || i.heard || '"')`

// What the column jobs is of i, and what it is of a record that was bound to its job
// alone, as json.Marshal writes a jobList.
const (
	heardJobs = `'[{"id":' || ` + heardID + ` || CASE WHEN i.bound THEN ',"bound":true}]' ELSE '}]' END`
	boundJobs = `'[{"id":' || ` + heardID + ` || ',"bound":true}]'`
)

// heardJSON is rows as one parameter.
func heardJSON(rows []heardRow) string {
	text := make([]byte, 0, 320*len(rows)+2)
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
	to = append(appendString(append(to, '['), r.Key), ',')
	start := len(to)
	to = appendString(to, r.Heard)
	if id := r.Jobs[0].ID; id == r.Heard && len(to)-start == len(id)+len(`""`) { // nothing is escaped
		to = append(to, ",null,"...)
	} else {
		to = append(appendString(append(to, ','), string(appendString(nil, id))), ',')
	}
	to = append(strconv.AppendBool(to, r.Jobs[0].Bound), ',')
	if r.SubmissionID == r.Key {
		to = append(to, "null,"...)
	} else {
		to = append(appendString(to, r.SubmissionID), ',')
	}
	to = append(strconv.AppendInt(to, int64(r.Open), 10), ',')
	to = append(strconv.AppendInt(to, int64(r.Sent), 10), ',')
	to = append(appendString(to, string(r.Status)), ',')
	to = append(appendString(to, string(r.Outcome)), ',')
	to = append(appendString(to, string(r.Source)), ',')
	if r.Metadata == nil {
		to = append(to, "null,"...)
	} else {
		to = append(appendString(to, *r.Metadata), ',')
	}
	return append(strconv.AppendInt(to, r.ReceivedAt, 10), ']')
}

// jobsJSON is whose the jobs of rows are, as one parameter: an object, which has
// nothing in it that would have to be taken apart in its turn.
func jobsJSON(rows []heardRow) string {
	text := make([]byte, 0, 80*len(rows)+2)
	text = append(text, '{')
	for i, r := range rows {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendString(append(appendString(text, r.Heard), ':'), r.Key)
	}
	return string(append(text, '}'))
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
