package sqlstore

import "strings"

// postgresNow is the time of the server in microseconds, when the statement began. It
// moves on within a transaction. What is added to it is zero outside of tests.
const postgresNow = "((extract(epoch FROM statement_timestamp()) * 1000000)::bigint + $2::bigint)"

// postgresStatements returns the statements for tables in that schema, which is
// quoted.
//
// The planner's statistics are always out of date, because a queue changes faster,
// and plans are cached. So each statement is written such that the planner has one
// way only:
//
//   - LATERAL with FOR UPDATE or OFFSET 0 looks up one element after the other by key.
//   - Locked rows are changed by their ctid. The statement does not find a row that
//     was changed after the statement began. It counts as changed by another process.
//   - A condition IS TRUE uses no index.
//   - With key || ” = key the planner expects one element, and not a hundred. So it
//     goes from the element to the row.
//
// A statement that changes several rows locks them in the order of their keys, or
// skips locked rows.
func postgresStatements(schema string) *statements {
	s, text := newStatements(PostgreSQL, schema+".")
	s.elements = "= ANY (ARRAY(SELECT json_array_elements_text({}::text::json)))"
	s.load = text(`
WITH i AS MATERIALIZED (
  SELECT * FROM json_to_recordset($3::text::json) AS i(key text, job text)
), wanted AS MATERIALIZED (
  SELECT key FROM i
  UNION SELECT job FROM i
  UNION SELECT j.key FROM i CROSS JOIN LATERAL (
    SELECT key FROM {{jobs}} WHERE namespace = $1::text AND job = i.job OFFSET 0
  ) j
)
SELECT {{columns}}, '', {{now}}
FROM (SELECT key AS wanted FROM wanted) w CROSS JOIN LATERAL (
  SELECT * FROM {{records}} WHERE namespace = $1::text AND key = w.wanted OFFSET 0
) r
UNION ALL SELECT ` + eachColumn(func(_, _, none string) string { return none }) + `, '', {{now}}`)

	// A job can go from one record to another: its row is freed before it is taken.
	s.save = text(`
WITH i AS MATERIALIZED (
  SELECT * FROM json_to_recordset($3::text::json)
    AS i(` + eachColumn(func(name, pgType, _ string) string { return name + " " + pgType }) + `, metadata text, given text, removed boolean)
  WHERE key || '' = key AND $2::bigint IS NOT NULL
), kept AS MATERIALIZED (
  SELECT i.*, r.place FROM (SELECT * FROM i WHERE version > 0 ORDER BY key) i CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {{records}}
    WHERE namespace = $1::text AND key = i.key AND version = i.version
    FOR UPDATE SKIP LOCKED
  ) r
), updated AS (
  UPDATE {{records}} r
  SET ` + eachColumn(func(name, _, _ string) string {
		if name == "key" || name == "version" {
			return ""
		}
		return name + " = i." + name
	}) + `,
      metadata = CASE WHEN r.given = '' THEN coalesce(i.metadata, r.metadata) ELSE r.metadata END,
      version = r.version + 1
  FROM kept i WHERE r.ctid = i.place AND NOT i.removed
  RETURNING r.key
), removed AS (
  DELETE FROM {{records}} r USING kept i WHERE r.ctid = i.place AND i.removed
  RETURNING r.key
), inserted AS (
  INSERT INTO {{records}} (namespace, {{columns}}, metadata, given)
  SELECT $1::text, ` + eachColumn(func(name, _, _ string) string {
		if name == "version" {
			return "{{random}}"
		}
		return "i." + name
	}) + `, CASE WHEN i.given = '' THEN coalesce(i.metadata, '') ELSE '' END, i.given
  FROM (SELECT * FROM i WHERE version = 0) i
  ORDER BY i.key
  ON CONFLICT DO NOTHING
  RETURNING key
), saved AS (
  SELECT key FROM updated UNION ALL SELECT key FROM removed UNION ALL SELECT key FROM inserted
), free AS MATERIALIZED (
  SELECT j.place FROM json_to_recordset($5::text::json) AS f(job text, key text) CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {{jobs}} WHERE namespace = $1::text AND job = f.job AND key = f.key OFFSET 0
  ) j
  WHERE (f.key IN (SELECT key FROM saved)) IS TRUE AND f.key || '' = f.key
), freed AS (
  DELETE FROM {{jobs}} j USING free WHERE j.ctid = free.place
  RETURNING 1
), taken AS (
  INSERT INTO {{jobs}} (namespace, job, key)
  SELECT $1::text, t.job, t.key FROM json_to_recordset($4::text::json) AS t(job text, key text)
  WHERE (t.key IN (SELECT key FROM saved)) IS TRUE AND (SELECT count(*) FROM freed) >= 0
  ORDER BY t.job
)
SELECT key FROM saved`)

	// Records are looked up also for a job that has none: to insert a record whose key a
	// transaction has locked would wait for that transaction.
	const job = `coalesce(i.id, '"' || i.job || '"')`
	received := map[string]string{
		"key": "i.key", "version": "{{random}}", "submission_id": "coalesce(i.submission_id, i.key)",
		"state": "'received'", "due_at": "i.now", "received_at": "i.now + i.n",
		"jobs":       `'[{"id":' || ` + job + ` || CASE WHEN i.submission_id = '' THEN ',"bound":true}]' ELSE '}]' END`,
		"open_sends": "CASE WHEN i.submission_id = '' THEN 0 ELSE 1 END", "sent": "CASE WHEN i.submission_id = '' THEN 1 ELSE 0 END",
		"heard": "i.job", "status": "i.status", "outcome": "i.outcome", "source": "i.source",
	}
	s.receive = text(`
WITH i AS MATERIALIZED (
  SELECT e ->> 0 AS key, e ->> 1 AS job, e ->> 2 AS id, e ->> 3 AS submission_id, e ->> 4 AS status, e ->> 5 AS outcome,
    e ->> 6 AS source, e ->> 7 AS metadata, n, {{now}} AS now,
    EXISTS (SELECT FROM {{jobs}} WHERE namespace = $1::text AND job = e ->> 1 OFFSET 0) AS known
  FROM jsonb_array_elements($3::text::jsonb) WITH ORDINALITY AS t(e, n) WHERE (e ->> 0) || '' = e ->> 0
), pending AS MATERIALIZED (
  SELECT i.*, r.place FROM (SELECT * FROM i WHERE known) i CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {{records}}
    WHERE namespace = $1::text AND key = i.key AND (state = 'pending' AND jobs IN (
      '[{"id":' || ` + job + ` || ',"bound":true,"answer":true}]', '[{"id":' || ` + job + ` || ',"bound":true}]')) IS TRUE
    FOR UPDATE SKIP LOCKED
  ) r
), updated AS (
  UPDATE {{records}} r
  SET state = 'received', due_at = i.now, received_at = i.now + i.n, heard = i.job, held = false,
      status = i.status, outcome = i.outcome, source = i.source, version = r.version + 1,
      metadata = CASE WHEN r.given = '' THEN coalesce(i.metadata, r.metadata) ELSE r.metadata END
  FROM pending i WHERE r.ctid = i.place
  RETURNING r.key
), inserted AS (
  INSERT INTO {{records}} (namespace, {{columns}}, metadata, given)
  SELECT $1::text, ` + eachColumn(func(name, _, none string) string {
		if text, ok := received[name]; ok {
			return text
		}
		return none
	}) + `, coalesce(i.metadata, ''), ''
  FROM (SELECT * FROM i WHERE NOT known ORDER BY key) i
  WHERE NOT EXISTS (SELECT FROM {{records}} WHERE namespace = $1::text AND key = i.key OFFSET 0)
  ON CONFLICT DO NOTHING
  RETURNING key, heard
), taken AS (
  INSERT INTO {{jobs}} (namespace, job, key)
  SELECT $1::text, heard, key FROM inserted ORDER BY heard
)
SELECT key FROM updated UNION ALL SELECT key FROM inserted`)

	// As above, it does not insert a record whose key exists.
	submitted := map[string]string{
		"key": "$3::text", "version": "{{random}}", "submission_id": "$4::text", "type": "$5::text", "webhook": "$6::boolean",
		"state": "'pending'", "due_at": "{{now}} + $7::bigint", "submitted_at": "{{now}}", "open_sends": "1",
	}
	s.submitNew = text(`
INSERT INTO {{records}} (namespace, {{columns}}, metadata, given)
SELECT $1::text, ` + eachColumn(func(name, _, none string) string {
		if text, ok := submitted[name]; ok {
			return text
		}
		return none
	}) + `, '', $8::text
WHERE NOT EXISTS (SELECT FROM {{records}} WHERE namespace = $1::text AND key = $3::text OFFSET 0)
ON CONFLICT DO NOTHING`)

	s.bindFirst = text(`
WITH pending AS MATERIALIZED (
  SELECT ctid AS place FROM {{records}}
  WHERE namespace = $1::text AND key = $3::text AND (state = 'pending' AND jobs = '[]') IS TRUE AND $2::bigint IS NOT NULL
    AND NOT EXISTS (SELECT FROM {{jobs}} WHERE namespace = $1::text AND job = $4::text OFFSET 0)
  FOR UPDATE SKIP LOCKED
), updated AS (
  UPDATE {{records}} r
  SET jobs = $5::text, open_sends = greatest(open_sends - 1, 0), sent = sent + $6::bigint, version = r.version + 1
  FROM pending WHERE r.ctid = pending.place
  RETURNING r.key
)
INSERT INTO {{jobs}} (namespace, job, key) SELECT $1::text, $4::text, key FROM updated`)

	// The last SELECT sees the records as they were before the statement, so a locked one
	// is held, too.
	s.extend = text(`
WITH i AS MATERIALIZED (
  SELECT * FROM json_to_recordset($3::text::json) AS i(n bigint, key text, token bigint)
  WHERE key || '' = key
), free AS MATERIALIZED (
  SELECT r.place FROM i CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {{records}}
    WHERE namespace = $1::text AND key = i.key AND token = i.token AND (state = 'claimed') IS TRUE
    FOR UPDATE SKIP LOCKED
  ) r
), extended AS (
  UPDATE {{records}} r SET due_at = {{now}} + $4::bigint, version = r.version + 1
  FROM free WHERE r.ctid = free.place
)
SELECT i.n FROM i CROSS JOIN LATERAL (
  SELECT FROM {{records}}
  WHERE namespace = $1::text AND key = i.key AND token = i.token AND (state = 'claimed') IS TRUE OFFSET 0
) r`)

	s.finishAll = text(`
WITH i AS MATERIALIZED (
  SELECT * FROM json_to_recordset($3::text::json)
    AS i(n bigint, key text, token bigint, state text, after bigint, attempt bigint, outcome text, error text)
  WHERE key || '' = key
), free AS MATERIALIZED (
  SELECT i.*, r.place FROM i CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {{records}}
    WHERE namespace = $1::text AND key = i.key AND token = i.token
      AND (state = 'claimed' OR state = 'dead' AND i.state = 'received') IS TRUE
    FOR UPDATE SKIP LOCKED
  ) r
)
UPDATE {{records}} r
SET state = i.state, due_at = {{now}} + i.after, attempt = i.attempt,
    outcome = CASE WHEN i.outcome <> '' THEN i.outcome ELSE r.outcome END, error = i.error, version = r.version + 1
FROM free i WHERE r.ctid = i.place
RETURNING i.n`)

	s.addHistory = text(`
INSERT INTO {{history}} (namespace, key, at, kind, job, code, attempt, detail)
SELECT $1::text, i.key, i.at, i.kind, i.job, i.code, i.attempt, i.detail
FROM json_to_recordset($3::text::json)
  AS i(n bigint, key text, at bigint, kind text, job text, code bigint, attempt bigint, detail text)
CROSS JOIN LATERAL (SELECT FROM {{records}} WHERE namespace = $1::text AND key = i.key OFFSET 0) r
WHERE i.key || '' = i.key AND $2::bigint IS NOT NULL
ORDER BY i.n`)
	s.trimHistory = text(`
DELETE FROM {{history}} h USING (
  SELECT x.place
  FROM json_array_elements_text($3::text::json) AS i(key) CROSS JOIN LATERAL (
    SELECT ctid AS place, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS total FROM {{history}}
    WHERE namespace = $1::text AND key = i.key OFFSET 0
  ) x
  WHERE i.key || '' = i.key AND x.n > $4::bigint AND x.n <= x.total - $5::bigint AND $2::bigint IS NOT NULL
) old WHERE h.ctid = old.place`)
	s.forget = text(`
DELETE FROM {{history}} h USING (
  SELECT x.place FROM json_array_elements_text($3::text::json) AS i(key) CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {{history}} WHERE namespace = $1::text AND key = i.key OFFSET 0
  ) x
  WHERE i.key || '' = i.key AND $2::bigint IS NOT NULL
) old WHERE h.ctid = old.place`)
	s.forgetOld = text(`
DELETE FROM {{history}} h USING (
  SELECT o.place FROM (SELECT ctid AS place, key, at FROM {{history}} WHERE namespace = $1::text ORDER BY id LIMIT ` + forgetBatch + `) o
  WHERE o.at < {{now}} - $3::bigint AND NOT EXISTS (SELECT FROM {{records}} WHERE namespace = $1::text AND key = o.key OFFSET 0)
) old WHERE h.ctid = old.place`)
	return &s
}

// quoted returns a name as an identifier.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
