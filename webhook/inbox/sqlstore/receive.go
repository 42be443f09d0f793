package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// Bounds of what is written in one commit.
const (
	batchElements = 1000
	batchBytes    = 8 << 20
)

// batch returns the bounds for the database. A statement of MySQL must fit into a packet
// of minPacket, also if the driver escapes every byte.
func (s *Store) batch() (elements, bytes int) {
	if s.dialect == MySQL {
		return mysqlList, minPacket / 4
	}
	return batchElements, batchBytes
}

// Receive implements inbox.Store. It needs one commit for a call. It needs two if some
// notifications are neither for a new job nor for the only job of a submission. A very
// large call needs more commits.
func (s *Store) Receive(ctx context.Context, list []inbox.Notification) ([]inbox.ReceiveResult, error) {
	results := make([]inbox.ReceiveResult, len(list))
	maxElements, maxBytes := s.batch()
	for begin := 0; begin < len(list); {
		end, size := begin, 0
		for end < len(list) && end-begin < maxElements && (size == 0 || size+len(list[end].Metadata) <= maxBytes) {
			size += len(list[end].Metadata)
			end++
		}
		batch, results := list[begin:end], results[begin:end]
		if err := s.receiveFast(ctx, batch, results); err != nil {
			return nil, failed(ctx, "receive", err)
		}
		var rest []int
		for i := range results {
			if results[i].Kind == 0 {
				rest = append(rest, i)
			}
		}
		err := s.change(ctx, len(rest),
			func(i int) reference {
				n := &batch[rest[i]]
				return reference{Key: idKey(n.SubmissionID), Job: idKey(n.JobID)}
			},
			func(snap *snapshot, i int) { results[rest[i]] = snap.receive(&batch[rest[i]]) })
		if err != nil {
			return nil, failed(ctx, "receive", err)
		}
		begin = end
	}
	return results, nil
}

// received is a notification as the fast way takes it in.
type received struct {
	i        int // in the batch
	key, job string
	id       []byte // the job's id as JSON
	*inbox.Notification
}

// receiveFast takes in notifications without reading the records first. It fills in
// the results of those of which one of these is true, which are nearly all:
//
//   - No record has the job, and no record has the key that this one would have.
//   - The record of that key is pending, and the API has named the job, and no other.
//
// MySQL has no such way: its statements do not return the rows that they have changed.
//
// The statements check that. The rules of snapshot.receive come to the same in both
// cases. Notifications that share a submission or a job with an earlier one of the
// batch are left to the rules, and so are all if one has no job: it may be for the
// record of another one.
func (s *Store) receiveFast(ctx context.Context, batch []inbox.Notification, results []inbox.ReceiveResult) error {
	if s.careful || s.dialect == MySQL {
		return nil
	}
	list := make([]received, 0, len(batch))
	seen := make(map[string]bool, 2*len(batch))
	for i := range batch {
		n := &batch[i]
		if n.JobID == "" {
			return nil
		}
		r := received{i: i, job: idKey(n.JobID), Notification: n}
		if r.key = r.job; n.SubmissionID != "" {
			r.key = idKey(n.SubmissionID)
		}
		if !seen[r.job] && !seen[r.key] {
			r.id = appendString(nil, storable(n.JobID))
			list = append(list, r)
		}
		seen[r.job], seen[r.key] = true, true
	}
	accept := func(r *received) {
		results[r.i] = inbox.ReceiveResult{Kind: inbox.Accepted, Key: r.key, State: inbox.StateReceived}
	}
	if s.dialect == SQLite {
		return s.receiveSQLite(ctx, list, accept)
	}
	var keys map[string]bool
	text := receivedJSON(list)
	err := s.write(ctx, func(q querier) (err error) {
		keys, err = readKeys(q.QueryContext(ctx, s.sql.receive, s.args(text)...))
		return err
	})
	if uniqueViolation(err) {
		return nil // another process has just got a job: the rules know what follows
	}
	for i := range list {
		if keys[list[i].key] {
			accept(&list[i])
		}
	}
	return err
}

// duplicatePatience is how long Receive waits for another writer to SQLite before it
// looks whether the notifications are duplicates, which need no writing.
const duplicatePatience = 20 * time.Millisecond

func (s *Store) receiveSQLite(ctx context.Context, list []received, accept func(*received)) error {
	var done []*received
	err := s.writeWithin(ctx, duplicatePatience, func(q querier) error {
		args := s.args()
		done = done[:0]
		stamp := s.order.stamp(args[1].(int64), len(list))
		isNew := false // what the one before was, as the next one is most likely the same
		for i := range list {
			ok, err := s.receiveOne(ctx, q, args, &list[i], stamp+int64(i), isNew)
			if err == nil && !ok {
				if ok, err = s.receiveOne(ctx, q, args, &list[i], stamp+int64(i), !isNew); ok {
					isNew = !isNew
				}
			}
			if err != nil {
				return err
			}
			if ok {
				done = append(done, &list[i])
			}
		}
		return nil
	})
	if errors.Is(err, errLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, r := range done {
		accept(r)
	}
	return nil
}

// receiveOne takes in a notification, and reports whether it could.
func (s *Store) receiveOne(ctx context.Context, q querier, args []any, r *received, at int64, isNew bool) (bool, error) {
	var metadata any
	if len(r.Metadata) > 0 {
		metadata = encodeMetadata(r.Metadata)
	}
	args = append(args, r.key, at, r.job, string(storable(r.Status)), string(storable(r.Outcome)), string(storable(r.Source)), metadata)
	start := `[{"id":` + string(r.id)
	if !isNew {
		return execOne(ctx, q, s.sql.receivePending, append(args, start+`,"bound":true,"answer":true}]`, start+`,"bound":true}]`)...)
	}
	jobs := start + `}]`
	if r.SubmissionID == "" {
		jobs = start + `,"bound":true}]`
	}
	ok, err := execOne(ctx, q, s.sql.receiveNew, append(args, jobs, storable(r.SubmissionID))...)
	if err != nil || !ok {
		return false, err
	}
	return execOne(ctx, q, s.sql.take, append(args[:2:2], r.job, r.key)...)
}

// receivedJSON returns notifications as the parameter of statements.receive: arrays,
// which are shorter than objects and faster to read and write. An element is null if
// it is the same as another one, or empty.
func receivedJSON(list []received) string {
	text := make([]byte, 0, 320*len(list)+2)
	add := func(s string, null bool) {
		if null {
			text = append(text, "null,"...)
		} else {
			text = append(appendString(text, s), ',')
		}
	}
	for i := range list {
		r := &list[i]
		text = append(text, '[')
		add(r.key, false)
		add(r.job, false)
		add(string(r.id), string(r.id) == `"`+r.job+`"`)
		add(storable(r.SubmissionID), r.SubmissionID == r.key)
		add(string(storable(r.Status)), false)
		add(string(storable(r.Outcome)), false)
		add(string(storable(r.Source)), false)
		add(encodeMetadata(r.Metadata), len(r.Metadata) == 0)
		text[len(text)-1] = ']'
		text = append(text, ',')
	}
	return "[" + string(bytes.TrimSuffix(text, []byte(","))) + "]"
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
			text, _ := json.Marshal(s) // it cannot fail
			return append(to[:start], text...)
		default:
			to = append(to, c)
		}
	}
	return append(to, '"')
}
