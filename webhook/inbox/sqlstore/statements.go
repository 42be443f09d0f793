package sqlstore

import "strings"

// statements are the SQL of a dialect. In each of them $1 is the namespace, and $2
// belongs to the clock: see Store.args. Comments give the other parameters and the
// result.
type statements struct {
	load      string // references as JSON -> records, and a row with the time alone
	claim     string // number, lease -> records
	next      string // -> the time until a record may be due, null if there is none
	finish    string // key, token, state, after, attempt, outcome, error
	overdue   string // number -> records
	list      string // -> records; conditions follow
	listBare  string // -> records without metadata; conditions follow
	purgeable string // -> records without metadata; conditions follow
	count     string // -> number of records; conditions and a limit follow
	elements  string // the condition that a key is in the JSON array {}
	owner     string // a subquery of the key of the record that has the job {}
	anyKey    string // the key of a record r, as an expression that no index has
	stats     string
	lock      string // name, owner, time
	unlock    string // name, owner

	addHistory  string // entries
	trimHistory string // keys, number of first entries, number of latest entries
	history     string // key -> entries
	forget      string // keys
	forgetOld   string // age

	// PostgreSQL writes a batch with one statement. Its parameters are JSON, because
	// arrays of SQL are different in every driver.
	save      string // records, jobs to take, jobs to free -> keys of the records written
	receive   string // arrays of receivedColumns -> numbers of those received
	submitNew string // key, submission, type, webhook, time until the first poll, metadata
	bindFirst string // key, job, jobs, number of jobs
	extend    string // leases, time -> numbers of those held
	finishAll string // completions -> numbers of those that ended

	// SQLite, which is in this process, writes a batch with a statement for each row.
	insert, update, remove     string // columns, metadata, given
	take, free                 string // job, key
	receivePending, receiveNew string // see receiveArgs
	extendOne                  string // key, token, time
	left                       string // key, token -> what is left of the lease

	// MySQL writes a batch with a few statements in a transaction. Parameters are lists and
	// rows: see expand. Its statement load has two lists, of keys and of jobs.
	readRows   string // keys -> records
	lockRows   string // keys -> records that were not locked
	claimAgain string // number -> records whose lease has ended
	insertRows string // rows
	updateRows string // rows, whose metadata is not written
	updateAll  string // rows
	removeRows string // keys
	takeRows   string // rows
	freeRows   string // jobs, keys
	existing   string // keys -> keys of those that exist; addHistory has rows
	locked     string // name, owner -> 1 if the owner has the lock
}

// newStatements makes the statements that the dialects share. It also returns the
// function that completes a text of the dialect.
//
// The texts are in the syntax of PostgreSQL. Conditions that always hold say which
// index to read.
func newStatements(d Dialect, schema string) (s statements, text func(string) string) {
	list := make([]string, 0, len(columns))
	for _, c := range columns {
		list = append(list, c.name)
	}
	words := []string{
		"{{records}}", schema + "reducto_records",
		"{{jobs}}", schema + "reducto_jobs",
		"{{locks}}", schema + "reducto_locks",
		"{{history}}", schema + "reducto_history",
		"{{columns}}", strings.Join(list, ", "),
		"{{metadata}}", "CASE WHEN given <> '' THEN given ELSE metadata END",
	}
	anyKey := "(r.key || '')"
	switch d {
	case PostgreSQL:
		words = append(words, "{{now}}", postgresNow, "{{random}}", "(1 + random() * 1e12)::bigint",
			"{{place}}", "ctid", "{{skip locked}}", "FOR UPDATE SKIP LOCKED")
	case MySQL:
		anyKey = "concat(r.key, '')"
		words = append(words, "{{now}}", mysqlNow, "::text", "", "::bigint", "")
	default:
		words = append(words, "{{now}}", "?2", "{{random}}", "(1 + (random() & 0xffffffffff))",
			"{{place}}", "rowid", "{{skip locked}}", "", "$", "?", "::text", "", "::bigint", "")
	}
	names := strings.NewReplacer(words...)
	text = func(t string) string {
		if t = strings.TrimSpace(names.Replace(t)); d == MySQL {
			t = mysqlKey.ReplaceAllString(t, "`key`")
		}
		return t
	}
	return statements{
		anyKey: anyKey,

		// A token begins with a random number: the record may have been removed and made
		// again while a worker still has a token of the former one.
		claim: text(`
WITH turn AS MATERIALIZED (
  SELECT {{place}} AS place FROM {{records}}
  WHERE namespace = $1::text AND state IN ('received', 'claimed') AND due_at <= {{now}}
  ORDER BY received_at LIMIT $3::bigint {{skip locked}}
)
UPDATE {{records}} AS r
SET state = 'claimed', due_at = {{now}} + $4::bigint, held = false, attempt = attempt + 1, version = version + 1,
    token = CASE WHEN token = 0 THEN {{random}} ELSE token + 1 END
FROM turn WHERE r.{{place}} = turn.place
RETURNING {{columns}}, {{metadata}}, {{now}}`),

		next: text(`
SELECT min(due_at) - {{now}} FROM (
  SELECT min(due_at) AS due_at FROM {{records}} WHERE namespace = $1::text AND state = 'received' AND state <> 'pending' AND due_at > 0
  UNION ALL
  SELECT min(due_at) FROM {{records}} WHERE namespace = $1::text AND state = 'claimed' AND state <> 'pending' AND due_at > 0
) AS soonest`),

		finish: text(`
UPDATE {{records}}
SET state = $5::text, due_at = {{now}} + $6::bigint, attempt = $7::bigint,
    outcome = CASE WHEN $8::text <> '' THEN $8::text ELSE outcome END, error = $9::text, version = version + 1
WHERE namespace = $1::text AND key = $3::text AND token = $4::bigint
  AND (state = 'claimed' OR state = 'dead' AND $5::text = 'received') IS TRUE`),

		overdue: text(`
SELECT {{columns}}, {{metadata}}, {{now}} FROM (
  SELECT * FROM (
    SELECT * FROM {{records}} WHERE namespace = $1::text AND webhook = false AND state = 'pending' AND due_at <= {{now}}
    ORDER BY due_at LIMIT $3::bigint) AS a
  UNION ALL
  SELECT * FROM (
    SELECT * FROM {{records}} WHERE namespace = $1::text AND webhook = true AND state = 'pending' AND due_at <= {{now}}
    ORDER BY due_at LIMIT $3::bigint) AS b
) AS r ORDER BY due_at LIMIT $3::bigint`),

		list:      text(`SELECT {{columns}}, {{metadata}}, {{now}} FROM {{records}} AS r WHERE r.namespace = $1::text`),
		listBare:  text(`SELECT {{columns}}, '', {{now}} FROM {{records}} AS r WHERE r.namespace = $1::text`),
		count:     text(`SELECT count(*) FROM (SELECT 1 FROM {{records}} AS r WHERE r.namespace = $1::text AND $2::bigint IS NOT NULL`),
		purgeable: text(`SELECT {{columns}}, '', {{now}} FROM {{records}} AS r WHERE r.namespace = $1::text AND r.due_at < {{now}}`),
		owner:     text(`SELECT key FROM {{jobs}} WHERE namespace = $1::text AND job = {}`),

		stats: text(`
SELECT 'dead' AS state, n, 0, NULL::bigint, NULL::bigint
FROM (SELECT count(*) AS n FROM {{records}} WHERE namespace = $1::text AND state = 'dead') AS dead WHERE n > 0
UNION ALL
SELECT state, count(*), count(CASE WHEN due_at <= {{now}} THEN 1 END),
  {{now}} - min(due_at), {{now}} - min(CASE WHEN submitted_at > 0 THEN submitted_at ELSE received_at END)
FROM {{records}}
WHERE namespace = $1::text AND state IN ('received', 'claimed') AND state <> 'pending' AND due_at > 0
GROUP BY state
UNION ALL
SELECT state, count(*), 0, NULL::bigint, {{now}} - min(CASE WHEN submitted_at > 0 THEN submitted_at ELSE received_at END)
FROM {{records}}
WHERE namespace = $1::text AND webhook IN (false, true) AND state = 'pending'
GROUP BY state`),

		lock: text(`
INSERT INTO {{locks}} AS l (namespace, name, owner, expires_at)
VALUES ($1::text, $3::text, $4::text, {{now}} + $5::bigint)
ON CONFLICT (namespace, name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
WHERE l.owner = excluded.owner OR l.expires_at <= {{now}}`),
		unlock: text(`
DELETE FROM {{locks}}
WHERE namespace = $1::text AND name = $3::text AND (owner = $4::text OR expires_at <= {{now}})`),

		history: text(`
SELECT at, kind, job, code, attempt, detail FROM {{history}}
WHERE namespace = $1::text AND key = $3::text AND $2::bigint IS NOT NULL ORDER BY at, id`),
	}, text
}

// all returns the statements that are complete.
func (s *statements) all() []string {
	var list []string
	for _, text := range []string{
		s.load, s.claim, s.next, s.finish, s.overdue, s.stats, s.lock, s.unlock,
		s.addHistory, s.trimHistory, s.history, s.forget, s.forgetOld,
		s.save, s.receive, s.submitNew, s.bindFirst, s.extend, s.finishAll,
		s.insert, s.update, s.remove, s.take, s.free, s.receivePending, s.receiveNew, s.extendOne, s.left,
	} {
		if text != "" {
			list = append(list, text)
		}
	}
	return list
}

// eachColumn joins what f returns for every column.
func eachColumn(f func(name, pgType, none string) string) string {
	var list []string
	for _, c := range columns {
		if text := f(c.name, c.pgType, c.none); text != "" {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}
