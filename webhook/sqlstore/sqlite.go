package sqlstore

import "fmt"

// sqliteClock is what time it is, in microseconds that are whole milliseconds. It
// is the machine's, which all who share the file are on.
const sqliteClock = `(SELECT CAST(round((julianday('now') - 2440587.5) * 86400000) AS integer) * 1000)`

// sqliteStatements are the statements for tables in the main database.
//
// SQLite does not know how long a parameter's array is. CROSS JOIN has it go
// through that and look up each element, instead of the other way round.
func sqliteStatements(clock string) *statements {
	element := func(name string) string { return "e.value ->> '" + name + "' AS " + name }
	text := func(text string) string {
		return fill(text,
			"{{records}}", "reducto_records",
			"{{jobs}}", "reducto_jobs",
			"{{locks}}", "reducto_locks",
			"{{now}}", clock,
			"{{columns}}", names(""),
			"{{r.columns}}", names("r."),
			"{{first}}", firstVersion(freshSQLite),
			"{{fresh}}", freshSQLite,
			"{{nothing}}", nothing(),
			"{{assignments}}", assignments(),
			"{{metadata}}", shownMetadata,
			"{{new}}", newlyHeard(clock, "?3", freshSQLite),
			"{{received}}", heardAt(clock, "?3"),
			"{{bound}}", boundJobs,
			"{{heard}}", heard(func(i int, name, _ string) string { return fmt.Sprintf("value ->> %d AS %s", i, name) }),
			"{{elements}}", eachColumn(func(name, _, _ string) string { return element(name) })+", "+element("metadata")+", "+element("given"),
		)
	}
	// An element that is an array is made text anew each time that it is asked for.
	const hears = `
WITH e AS MATERIALIZED (
  SELECT value FROM json_each(?2)
)`
	finish := text(`
WITH i AS MATERIALIZED (
  SELECT r.rowid AS id, e.value ->> 'state' AS state, e.value ->> 'after' AS after, e.value ->> 'keep' AS keep,
    e.value ->> 'outcome' AS outcome, e.value ->> 'error' AS error
  FROM json_each(?2) e CROSS JOIN {{records}} r
    ON r.namespace = ?1 AND r.key = e.value ->> 'key' AND r.token = e.value ->> 'token'
  WHERE r.state = 'claimed'
)
UPDATE {{records}}
SET state = i.state,
    due_at = {{now}} + i.after,
    attempt = attempt - i.keep,
    outcome = CASE WHEN i.outcome <> '' THEN i.outcome ELSE {{records}}.outcome END,
    error = i.error,
    version = version + 1
FROM i WHERE {{records}}.rowid = i.id
RETURNING key, token, true`)
	return &statements{
		param: "?",
		load: text(`
WITH i AS MATERIALIZED (
  SELECT e.value ->> 'key' AS key, e.value ->> 'job' AS job FROM json_each(?2) e
), wanted AS MATERIALIZED (
  SELECT key FROM i
  UNION SELECT job FROM i
  UNION SELECT j.key FROM i CROSS JOIN {{jobs}} j ON j.namespace = ?1 AND j.job = i.job
)
SELECT {{r.columns}}, '', {{now}}
FROM wanted CROSS JOIN {{records}} r ON r.namespace = ?1 AND r.key = wanted.key
UNION ALL SELECT {{nothing}}, '', {{now}}`),

		update: text(`
WITH i AS MATERIALIZED (
  SELECT r.rowid AS id, {{elements}}
  FROM json_each(?2) e CROSS JOIN {{records}} r
    ON r.namespace = ?1 AND r.key = e.value ->> 'key' AND r.version = e.value ->> 'version'
)
UPDATE {{records}}
SET {{assignments}},
    metadata = coalesce(i.metadata, {{records}}.metadata),
    given = coalesce(i.given, {{records}}.given),
    version = {{records}}.version + 1
FROM i WHERE {{records}}.rowid = i.id
RETURNING key`),
		insert: text(`
INSERT INTO {{records}} (namespace, {{columns}}, metadata, given)
SELECT ?1, {{first}}, coalesce(i.metadata, ''), coalesce(i.given, '')
FROM (SELECT {{elements}} FROM json_each(?2) e) i
WHERE true
ON CONFLICT DO NOTHING
RETURNING key`),
		remove: text(`
DELETE FROM {{records}}
WHERE rowid IN (
  SELECT r.rowid FROM json_each(?2) e CROSS JOIN {{records}} r
    ON r.namespace = ?1 AND r.key = e.value ->> 'key' AND r.version = e.value ->> 'version'
)
RETURNING key`),
		take: text(`
INSERT INTO {{jobs}} (namespace, job, key)
SELECT ?1, e.value ->> 'job', e.value ->> 'key' FROM json_each(?2) e
WHERE true
ON CONFLICT DO NOTHING
RETURNING key`),
		free: text(`
DELETE FROM {{jobs}}
WHERE namespace = ?1 AND (job, key) IN (SELECT e.value ->> 'job', e.value ->> 'key' FROM json_each(?2) e)
RETURNING key`),

		hearPending: text(hears + `, pending AS MATERIALIZED (
  SELECT r.rowid AS row, i.*
  FROM (SELECT {{heard}} FROM e) i CROSS JOIN {{records}} r ON r.namespace = ?1 AND r.key = i.key
  WHERE r.state = 'pending' AND NOT r.held AND r.jobs = {{bound}}
)
UPDATE {{records}}
SET state = 'received', due_at = {{now}}, received_at = {{received}}, heard = i.heard,
    status = i.status, outcome = i.outcome, source = i.source, metadata = coalesce(i.metadata, {{records}}.metadata),
    given = CASE WHEN i.metadata IS NULL THEN {{records}}.given ELSE '' END, version = version + 1
FROM pending i WHERE {{records}}.rowid = i.row
RETURNING key, received_at`),
		hearNew: text(hears + `, i AS MATERIALIZED (
  SELECT {{heard}} FROM e
)
INSERT INTO {{records}} (namespace, {{columns}}, metadata, given)
SELECT ?1, {{new}}, coalesce(i.metadata, ''), ''
FROM i
WHERE NOT EXISTS (SELECT 1 FROM {{jobs}} WHERE namespace = ?1 AND job = i.heard)
ON CONFLICT DO NOTHING
RETURNING key, received_at`),
		hearJobs: text(`
INSERT INTO {{jobs}} (namespace, job, key) SELECT ?1, e.key, e.value FROM json_each(?2) e`),

		claim: text(`
UPDATE {{records}}
SET state = 'claimed', due_at = {{now}} + ?3, token = CASE WHEN token = 0 THEN {{fresh}} ELSE token + 1 END, attempt = attempt + 1, version = version + 1
WHERE rowid IN (
  SELECT rowid FROM {{records}}
  WHERE namespace = ?1 AND state IN ('received', 'claimed') AND due_at <= {{now}}
  ORDER BY received_at LIMIT ?2
)
RETURNING {{columns}}, {{metadata}}, {{now}}`),
		next: text(`
SELECT min(due_at) - {{now}} FROM (
  SELECT min(due_at) AS due_at FROM {{records}} WHERE namespace = ?1 AND state = 'received' AND state <> 'pending'
  UNION ALL SELECT min(due_at) FROM {{records}} WHERE namespace = ?1 AND state = 'claimed' AND state <> 'pending'
)`),

		extend: text(`
UPDATE {{records}} SET due_at = {{now}} + ?3, version = version + 1
WHERE rowid IN (
  SELECT r.rowid FROM json_each(?2) e CROSS JOIN {{records}} r
    ON r.namespace = ?1 AND r.key = e.value ->> 'key' AND r.token = e.value ->> 'token'
  WHERE r.state = 'claimed'
)
RETURNING key, token, ?3`),
		held: text(`
SELECT r.key, r.token, r.due_at - {{now}}
FROM json_each(?2) e CROSS JOIN {{records}} r
  ON r.namespace = ?1 AND r.key = e.value ->> 'key' AND r.token = e.value ->> 'token'
WHERE r.state = 'claimed'`),

		finish:     finish,
		finishWait: finish, // one writer at a time: nothing is locked
		finishTx: text(`
UPDATE {{records}}
SET state = ?4,
    due_at = {{now}} + ?5,
    attempt = attempt - ?6,
    outcome = CASE WHEN ?7 <> '' THEN ?7 ELSE outcome END,
    error = ?8,
    version = version + 1
WHERE namespace = ?1 AND key = ?2 AND token = ?3 AND state = 'claimed'`),

		lock: text(`
INSERT INTO {{locks}} AS l (namespace, name, owner, expires_at)
VALUES (?1, ?2, ?3, {{now}} + ?4)
ON CONFLICT (namespace, name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
WHERE l.owner = excluded.owner OR l.expires_at <= {{now}}`),
		unlock: text(`
DELETE FROM {{locks}}
WHERE namespace = ?1 AND name = ?2 AND (owner = ?3 OR expires_at <= {{now}})`),
		expireLocks: text(`DELETE FROM {{locks}} WHERE namespace = ?1 AND expires_at <= {{now}}`),

		rows:     text(`SELECT {{r.columns}}, {{metadata}}, {{now}} FROM {{records}} r WHERE r.namespace = ?1`),
		bareRows: text(`SELECT {{r.columns}}, '', {{now}} FROM {{records}} r WHERE r.namespace = ?1`),

		elements: "SELECT value FROM json_each(" + param + ")",
		owner:    text("SELECT key FROM {{jobs}} WHERE namespace = ?1 AND job = " + param),

		// Conditions that always hold say which index to read.
		stats: text(`
SELECT state, count(*), 0, NULL, NULL FROM {{records}}
WHERE namespace = ?1 AND state IN ('done', 'dead') AND state <> 'pending'
GROUP BY state
UNION ALL
SELECT state, count(*), count(*) FILTER (WHERE due_at <= {{now}}),
  {{now}} - min(due_at), {{now}} - min(CASE WHEN submitted_at > 0 THEN submitted_at ELSE received_at END)
FROM {{records}}
WHERE namespace = ?1 AND state IN ('received', 'claimed') AND state <> 'pending'
GROUP BY state
UNION ALL
SELECT state, count(*), 0, NULL, {{now}} - min(CASE WHEN submitted_at > 0 THEN submitted_at ELSE received_at END)
FROM {{records}}
WHERE namespace = ?1 AND webhook IN (false, true) AND state = 'pending'
GROUP BY state`),
	}
}
