package sqlstore

import (
	"slices"
	"strconv"
	"strings"
)

// statements are the SQL of a dialect. The first parameter of each is the
// namespace. Batches are one parameter, a JSON array: arrays of SQL are another
// thing for every driver.
type statements struct {
	load string // refs -> rows, and a row without a key that only has the time

	// Save: rows, taken and freed jobs -> keys of the rows written.
	save string
	// SQLite cannot write in several tables with one statement.
	update, insert, remove, take, free string

	// Hear: heardRows, the time that was handed out last -> key and time of those of
	// which a usual case is true, which are written.
	hear string
	// For SQLite: of the records that are pending, of those that are new, and the jobs
	// of the latter.
	hearPending, hearNew, hearJobs string

	claim  string // number, lease -> rows
	next   string // -> the time until something is due, null if nothing is
	extend string // leases, time -> leases that hold, and how long
	held   string // leases -> the same without extending them, for SQLite
	// Verdicts -> leases that hold, and whether they were ended: not if somebody
	// else has locked the record. finishWait waits for them.
	finish, finishWait string
	finishTx           string // key, token, state, after, not an attempt, outcome, error

	lock, unlock string // name, owner, time
	expireLocks  string

	rows     string // rows; conditions follow
	bareRows string // the same without metadata
	stats    string
	elements string // a parameter's elements, as a subquery
	owner    string // the key of the record that has the job that is a parameter, as a subquery
	param    string // what parameters begin with
}

// all are the statements that are complete.
func (s *statements) all() []string {
	list := []string{
		s.load, s.save, s.hear, s.hearPending, s.hearNew, s.hearJobs, s.update, s.insert, s.remove, s.take, s.free, s.claim, s.next, s.extend, s.held,
		s.finish, s.lock, s.unlock, s.expireLocks, s.stats,
	}
	return slices.DeleteFunc(list, func(text string) bool { return text == "" })
}

// fill puts in names and expressions that are used all over.
func fill(text string, names ...string) string {
	return strings.TrimSpace(strings.NewReplacer(names...).Replace(text))
}

// shownMetadata is the metadata of a record: the arrival's if it had any.
const shownMetadata = `CASE WHEN metadata <> '' THEN metadata ELSE given END`

// eachColumn joins what f makes of every column.
func eachColumn(f func(name, pgType, none string) string) string {
	list := make([]string, 0, len(columns))
	for _, c := range columns {
		if text := f(c.name, c.pgType, c.none); text != "" {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

// names lists the columns, each with a prefix.
func names(prefix string) string {
	return eachColumn(func(name, _, _ string) string { return prefix + name })
}

// nothing lists none of every column.
func nothing() string {
	return eachColumn(func(_, _, none string) string { return none })
}

// assignments sets every column but the key and the version to that of i.
func assignments() string {
	return eachColumn(func(name, _, _ string) string {
		if name == "key" || name == "version" {
			return ""
		}
		return name + " = i." + name
	})
}

// heard lists the elements of a heardRow, each as f has it.
func heard(f func(i int, name, pgType string) string) string {
	list := make([]string, len(heardColumns))
	for i, c := range heardColumns {
		list[i] = f(i, c.name, c.pgType)
	}
	return strings.Join(list, ", ")
}

// heardAt is when i, which is a heardRow, is received, as order.stamp would have it
// after it has handed out since.
func heardAt(clock, since string) string {
	return fill("i.received_at + CASE WHEN {{now}} > {{since}} OR {{since}} - {{now}} > {{back}} THEN {{now}} ELSE {{since}} + 1 END",
		"{{now}}", clock, "{{since}}", since, "{{back}}", strconv.FormatInt(clockSetBack.Microseconds(), 10))
}

// newlyHeard lists the columns of i, which is a heardRow, for a record that is new.
func newlyHeard(clock, since, fresh string) string {
	return eachColumn(func(name, _, none string) string {
		switch name {
		case "version":
			return fresh
		case "state":
			return "'received'"
		case "due_at":
			return clock
		case "received_at":
			return heardAt(clock, since)
		case "jobs":
			return heardJobs
		case "submission_id":
			return "coalesce(i.submission_id, i.key)"
		}
		for _, c := range heardColumns {
			if c.name == name {
				return "i." + name
			}
		}
		return none
	})
}

// What versions and tokens begin with: never with the same again, for a record can be
// removed and made anew while somebody still has the former one's.
const (
	freshPostgres = "(1 + random() * 1e12)::bigint"
	freshSQLite   = "(1 + (random() & 0xffffffffff))"
)

// firstVersion lists the columns of i for a row that is new.
func firstVersion(fresh string) string {
	return eachColumn(func(name, _, _ string) string {
		if name == "version" {
			return fresh
		}
		return "i." + name
	})
}
