package sqlstore

import "fmt"

// postgresClock is what time it is where a statement begins, in microseconds. It
// is the server's, and moves on within a transaction.
const postgresClock = `(extract(epoch FROM statement_timestamp()) * 1000000)::bigint`

// postgresStatements are the statements for tables in that schema, which is quoted.
// Columns of keys compare byte by byte, so that their order is Go's.
//
// The planner's idea of these tables is always old, because what is in a queue
// changes faster than statistics, and plans are kept. What must not depend on it
// is written so that there is one way only. LATERAL with a fence (FOR UPDATE,
// OFFSET 0) looks up one element after the other by its key. Rows that were locked
// are changed by their ctid; one that is younger than the statement is not found,
// and counts as changed by somebody else. A condition IS TRUE is for no index. That
// a key is itself with nothing appended has the planner expect one element where
// it would expect a hundred, so that it goes from element to row, and never the
// other way round.
//
// Whoever changes several records locks them in the order of their keys, or does
// not wait for locks.
func postgresStatements(schema, clock string) *statements {
	once := "(SELECT " + clock + ")" // not for every row
	text := func(text string) string {
		return fill(text,
			"{{records}}", schema+".reducto_records",
			"{{jobs}}", schema+".reducto_jobs",
			"{{locks}}", schema+".reducto_locks",
			"{{now}}", clock,
			"{{columns}}", names(""),
			"{{r.columns}}", names("r."),
			"{{first}}", firstVersion(freshPostgres),
			"{{fresh}}", freshPostgres,
			"{{nothing}}", nothing(),
			"{{assignments}}", assignments(),
			"{{metadata}}", shownMetadata,
			"{{once}}", once,
			"{{new}}", newlyHeard(once, "$3::bigint", freshPostgres),
			"{{received}}", heardAt(once, "$3::bigint"),
			"{{bound}}", boundJobs,
			"{{heard}}", heard(func(i int, name, pgType string) string { return fmt.Sprintf("(e ->> %d)::%s AS %s", i, pgType, name) }),
			"{{types}}", eachColumn(func(name, pgType, _ string) string { return name + " " + pgType }),
		)
	}
	const verdicts = `
WITH i AS MATERIALIZED (
  SELECT * FROM json_to_recordset($2::text::json)
    AS i(key text, token bigint, state text, after bigint, keep boolean, outcome text, error text)
  WHERE key || '' = key
), held AS MATERIALIZED (
  SELECT i.*, r.tid FROM (SELECT * FROM i ORDER BY key) i CROSS JOIN LATERAL (
    SELECT ctid AS tid FROM {{records}}
    WHERE namespace = $1::text AND key = i.key AND token = i.token AND (state = 'claimed') IS TRUE
    FOR UPDATE {{skip}}
  ) r
), ended AS (
  UPDATE {{records}} r
  SET state = i.state,
      due_at = {{now}} + i.after,
      attempt = r.attempt - CASE WHEN i.keep THEN 1 ELSE 0 END,
      outcome = CASE WHEN i.outcome <> '' THEN i.outcome ELSE r.outcome END,
      error = i.error,
      version = r.version + 1
  FROM held i WHERE r.ctid = i.tid
  RETURNING r.key
)
SELECT i.key, i.token, i.key IN (SELECT key FROM ended)
FROM i CROSS JOIN LATERAL (
  SELECT FROM {{records}}
  WHERE namespace = $1::text AND key = i.key AND token = i.token AND (state = 'claimed') IS TRUE OFFSET 0
) r`
	return &statements{
		param: "$",
		load: text(`
WITH i AS MATERIALIZED (
  SELECT * FROM json_to_recordset($2::text::json) AS i(key text, job text)
), wanted AS MATERIALIZED (
  SELECT key FROM i
  UNION SELECT job FROM i
  UNION SELECT j.key FROM i CROSS JOIN LATERAL (
    SELECT key FROM {{jobs}} WHERE namespace = $1::text AND job = i.job OFFSET 0
  ) j
)
SELECT {{r.columns}}, '', {{now}}
FROM wanted CROSS JOIN LATERAL (
  SELECT * FROM {{records}} WHERE namespace = $1::text AND key = wanted.key OFFSET 0
) r
UNION ALL SELECT {{nothing}}, '', {{now}}`),

		save: text(`
WITH i AS MATERIALIZED (
  SELECT * FROM json_to_recordset($2::text::json) AS i({{types}}, metadata text, given text, gone boolean)
  WHERE key || '' = key
), kept AS MATERIALIZED (
  SELECT i.*, r.tid FROM (SELECT * FROM i WHERE version > 0 ORDER BY key) i CROSS JOIN LATERAL (
    SELECT ctid AS tid FROM {{records}}
    WHERE namespace = $1::text AND key = i.key AND version = i.version
    FOR UPDATE SKIP LOCKED
  ) r
), updated AS (
  UPDATE {{records}} r
  SET {{assignments}}, metadata = coalesce(i.metadata, r.metadata), given = coalesce(i.given, r.given),
      version = r.version + 1
  FROM kept i WHERE r.ctid = i.tid AND NOT i.gone
  RETURNING r.key
), removed AS (
  DELETE FROM {{records}} r USING kept i WHERE r.ctid = i.tid AND i.gone
  RETURNING r.key
), inserted AS (
  INSERT INTO {{records}} (namespace, {{columns}}, metadata, given)
  SELECT $1::text, {{first}}, coalesce(i.metadata, ''), coalesce(i.given, '')
  FROM (SELECT * FROM i WHERE version = 0) i
  ORDER BY i.key
  ON CONFLICT DO NOTHING
  RETURNING key
), saved AS (
  SELECT key FROM updated UNION ALL SELECT key FROM removed UNION ALL SELECT key FROM inserted
), taken AS (
  INSERT INTO {{jobs}} (namespace, job, key)
  SELECT $1::text, t.job, t.key FROM json_to_recordset($3::text::json) AS t(job text, key text)
  WHERE (t.key IN (SELECT key FROM saved)) IS TRUE
  ORDER BY t.job
), free AS MATERIALIZED (
  SELECT j.tid FROM json_to_recordset($4::text::json) AS f(job text, key text) CROSS JOIN LATERAL (
    SELECT ctid AS tid FROM {{jobs}} WHERE namespace = $1::text AND job = f.job AND key = f.key OFFSET 0
  ) j
  WHERE (f.key IN (SELECT key FROM saved)) IS TRUE AND f.key || '' = f.key
), freed AS (
  DELETE FROM {{jobs}} j USING free WHERE j.ctid = free.tid
)
SELECT key FROM saved`),

		// Only a job that is in reducto_jobs can be one that a record was bound to. Records are
		// looked at, too, for a job that is not there: to insert one whose key a
		// transaction has locked would wait for that.
		hear: text(`
WITH i AS MATERIALIZED (
  SELECT {{heard}}, EXISTS (SELECT FROM {{jobs}} WHERE namespace = $1::text AND job = e ->> 1 OFFSET 0) AS known
  FROM jsonb_array_elements($2::text::jsonb) e WHERE (e ->> 0) || '' = e ->> 0
), pending AS MATERIALIZED (
  SELECT i.*, r.tid FROM (SELECT * FROM i WHERE known) i CROSS JOIN LATERAL (
    SELECT ctid AS tid FROM {{records}}
    WHERE namespace = $1::text AND key = i.key AND (state = 'pending') IS TRUE AND NOT held AND (jobs = {{bound}}) IS TRUE
    FOR UPDATE SKIP LOCKED
  ) r
), updated AS (
  UPDATE {{records}} r
  SET state = 'received', due_at = {{once}}, received_at = {{received}}, heard = i.heard,
      status = i.status, outcome = i.outcome, source = i.source, metadata = coalesce(i.metadata, r.metadata),
      given = CASE WHEN i.metadata IS NULL THEN r.given ELSE '' END, version = r.version + 1
  FROM pending i WHERE r.ctid = i.tid
  RETURNING r.key, r.received_at
), inserted AS (
  INSERT INTO {{records}} (namespace, {{columns}}, metadata, given)
  SELECT $1::text, {{new}}, coalesce(i.metadata, ''), ''
  FROM (SELECT * FROM i WHERE NOT known ORDER BY key) i
  WHERE NOT EXISTS (SELECT FROM {{records}} WHERE namespace = $1::text AND key = i.key OFFSET 0)
  ON CONFLICT DO NOTHING
  RETURNING key, heard, received_at
), taken AS (
  INSERT INTO {{jobs}} (namespace, job, key)
  SELECT $1::text, heard, key FROM inserted ORDER BY heard
)
SELECT key, received_at FROM updated UNION ALL SELECT key, received_at FROM inserted`),

		claim: text(`
WITH turn AS MATERIALIZED (
  SELECT ctid AS tid FROM {{records}}
  WHERE namespace = $1::text AND state IN ('received', 'claimed') AND due_at <= {{now}}
  ORDER BY received_at LIMIT $2::bigint
  FOR UPDATE SKIP LOCKED
)
UPDATE {{records}} r
SET state = 'claimed', due_at = {{now}} + $3::bigint, token = CASE WHEN r.token = 0 THEN {{fresh}} ELSE r.token + 1 END, attempt = r.attempt + 1,
    version = r.version + 1
FROM turn WHERE r.ctid = turn.tid
RETURNING {{r.columns}}, {{metadata}}, {{now}}`),

		next: text(`
SELECT min(due_at) - {{now}} FROM (
  SELECT min(due_at) AS due_at FROM {{records}} WHERE namespace = $1::text AND state = 'received' AND due_at > 0
  UNION ALL SELECT min(due_at) FROM {{records}} WHERE namespace = $1::text AND state = 'claimed' AND due_at > 0
) soonest`),

		// Whether a lease holds is from before this statement, in which a record may be
		// locked by somebody who is just changing it.
		extend: text(`
WITH i AS MATERIALIZED (
  SELECT * FROM json_to_recordset($2::text::json) AS i(key text, token bigint)
  WHERE key || '' = key
), free AS MATERIALIZED (
  SELECT r.tid FROM i CROSS JOIN LATERAL (
    SELECT ctid AS tid FROM {{records}}
    WHERE namespace = $1::text AND key = i.key AND token = i.token AND (state = 'claimed') IS TRUE
    FOR UPDATE SKIP LOCKED
  ) r
), extended AS (
  UPDATE {{records}} r SET due_at = {{now}} + $3::bigint, version = r.version + 1
  FROM free WHERE r.ctid = free.tid
  RETURNING r.key
)
SELECT i.key, i.token, CASE WHEN i.key IN (SELECT key FROM extended) THEN $3::bigint ELSE r.due_at - {{now}} END
FROM i CROSS JOIN LATERAL (
  SELECT due_at FROM {{records}}
  WHERE namespace = $1::text AND key = i.key AND token = i.token AND (state = 'claimed') IS TRUE OFFSET 0
) r`),

		finish:     text(fill(verdicts, "{{skip}}", "SKIP LOCKED")),
		finishWait: text(fill(verdicts, "{{skip}}", "")),

		finishTx: text(`
UPDATE {{records}}
SET state = $4::text,
    due_at = {{now}} + $5::bigint,
    attempt = attempt - $6::bigint,
    outcome = CASE WHEN $7::text <> '' THEN $7::text ELSE outcome END,
    error = $8::text,
    version = version + 1
WHERE namespace = $1::text AND key = $2::text AND token = $3::bigint AND (state = 'claimed') IS TRUE`),

		lock: text(`
INSERT INTO {{locks}} AS l (namespace, name, owner, expires_at)
VALUES ($1::text, $2::text, $3::text, {{now}} + $4::bigint)
ON CONFLICT (namespace, name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
WHERE l.owner = excluded.owner OR l.expires_at <= {{now}}`),
		unlock: text(`
DELETE FROM {{locks}}
WHERE namespace = $1::text AND name = $2::text AND (owner = $3::text OR expires_at <= {{now}})`),
		expireLocks: text(`DELETE FROM {{locks}} WHERE namespace = $1::text AND expires_at <= {{now}}`),

		rows:     text(`SELECT {{r.columns}}, {{metadata}}, {{now}} FROM {{records}} r WHERE r.namespace = $1::text`),
		bareRows: text(`SELECT {{r.columns}}, '', {{now}} FROM {{records}} r WHERE r.namespace = $1::text`),

		elements: "SELECT json_array_elements_text(" + param + "::text::json)",
		owner:    text("SELECT key FROM {{jobs}} WHERE namespace = $1::text AND job = " + param + "::text"),

		stats: text(`
SELECT state, count(*), 0, NULL::bigint, NULL::bigint FROM {{records}}
WHERE namespace = $1::text AND state IN ('done', 'dead') AND due_at > 0
GROUP BY state
UNION ALL
SELECT state, count(*), count(*) FILTER (WHERE due_at <= {{now}}),
  {{now}} - min(due_at), {{now}} - min(CASE WHEN submitted_at > 0 THEN submitted_at ELSE received_at END)
FROM {{records}}
WHERE namespace = $1::text AND state IN ('received', 'claimed') AND due_at > 0
GROUP BY state
UNION ALL
SELECT state, count(*), 0, NULL::bigint, {{now}} - min(CASE WHEN submitted_at > 0 THEN submitted_at ELSE received_at END)
FROM {{records}}
WHERE namespace = $1::text AND state = 'pending'
GROUP BY state`),
	}
}
