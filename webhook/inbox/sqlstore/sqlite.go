package sqlstore

import "fmt"

// sqliteStatements returns the statements for tables in the main database.
func sqliteStatements() *statements {
	s, text := newStatements(SQLite, "")
	s.elements = "IN (SELECT value FROM json_each({}))"
	// CROSS JOIN keeps SQLite from reading the table before the elements.
	s.load = text(`
WITH i AS MATERIALIZED (
  SELECT e.value ->> 'key' AS key, e.value ->> 'job' AS job FROM json_each($3) e
), wanted AS MATERIALIZED (
  SELECT key AS wanted FROM i
  UNION SELECT job FROM i
  UNION SELECT j.key FROM i CROSS JOIN {{jobs}} j ON j.namespace = $1 AND j.job = i.job
)
SELECT {{columns}}, '', {{now}}
FROM wanted CROSS JOIN {{records}} r ON r.namespace = $1 AND r.key = wanted
UNION ALL SELECT ` + eachColumn(func(_, _, none string) string { return none }) + `, '', {{now}}`)

	// Parameters from $3 are record.fields: the key, the version, and so on.
	n := 2
	values := eachColumn(func(name, _, _ string) string {
		if n++; name == "version" {
			return "{{random}}"
		}
		return fmt.Sprintf("$%d", n)
	})
	n = 2
	assignments := eachColumn(func(name, _, _ string) string {
		if n++; name == "key" || name == "version" {
			return ""
		}
		return fmt.Sprintf("%s = $%d", name, n)
	})
	metadata, given := fmt.Sprintf("$%d", n+1), fmt.Sprintf("$%d", n+2)
	s.insert = text(`
INSERT INTO {{records}} (namespace, {{columns}}, metadata, given)
VALUES ($1, ` + values + `, CASE WHEN ` + given + ` = '' THEN coalesce(` + metadata + `, '') ELSE '' END, ` + given + `)
ON CONFLICT DO NOTHING`)
	s.update = text(`
UPDATE {{records}}
SET ` + assignments + `, version = version + 1,
    metadata = CASE WHEN given = '' THEN coalesce(` + metadata + `, metadata) ELSE metadata END
WHERE namespace = $1 AND key = $3 AND version = $4 AND ` + given + ` IS NOT NULL`)
	s.remove = text(`DELETE FROM {{records}} WHERE namespace = $1 AND key = $3 AND version = $4`)
	s.take = text(`INSERT INTO {{jobs}} (namespace, job, key) VALUES ($1, $3, $4) ON CONFLICT DO NOTHING`)
	s.free = text(`DELETE FROM {{jobs}} WHERE namespace = $1 AND job = $3 AND key = $4`)

	s.receivePending = text(`
UPDATE {{records}}
SET state = 'received', due_at = {{now}}, received_at = $4, heard = $5, held = false, status = $6, outcome = $7, source = $8,
    metadata = CASE WHEN given = '' THEN coalesce($9, metadata) ELSE metadata END, version = version + 1
WHERE namespace = $1 AND key = $3 AND state = 'pending' AND jobs IN ($10, $11)`)
	received := map[string]string{
		"key": "$3", "version": "{{random}}", "state": "'received'", "due_at": "{{now}}", "received_at": "$4", "heard": "$5",
		"status": "$6", "outcome": "$7", "source": "$8", "jobs": "$10", "submission_id": "$11", "open_sends": "$11 <> ''", "sent": "$11 = ''",
	}
	s.receiveNew = text(`
INSERT INTO {{records}} (namespace, {{columns}}, metadata, given)
SELECT $1, ` + eachColumn(func(name, _, none string) string {
		if text, ok := received[name]; ok {
			return text
		}
		return none
	}) + `, coalesce($9, ''), ''
WHERE NOT EXISTS (SELECT 1 FROM {{jobs}} WHERE namespace = $1 AND job = $5)
ON CONFLICT DO NOTHING`)

	s.extendOne = text(`
UPDATE {{records}} SET due_at = {{now}} + $5, version = version + 1
WHERE namespace = $1 AND key = $3 AND token = $4 AND state = 'claimed'`)
	s.left = text(`SELECT due_at - {{now}} FROM {{records}} WHERE namespace = $1 AND key = $3 AND token = $4 AND state = 'claimed'`)

	s.addHistory = text(`
INSERT INTO {{history}} (namespace, key, at, kind, job, code, attempt, detail)
SELECT $1, r.key, e.value ->> 'at', e.value ->> 'kind', e.value ->> 'job', e.value ->> 'code', e.value ->> 'attempt', e.value ->> 'detail'
FROM json_each($3) e CROSS JOIN {{records}} r ON r.namespace = $1 AND r.key = e.value ->> 'key'
ORDER BY e.key`)
	s.trimHistory = text(`
DELETE FROM {{history}} WHERE id IN (
  SELECT id FROM (
    SELECT h.id, row_number() OVER (PARTITION BY h.key ORDER BY h.id) AS n, count(*) OVER (PARTITION BY h.key) AS total
    FROM json_each($3) e CROSS JOIN {{history}} h ON h.namespace = $1 AND h.key = e.value
  ) WHERE n > $4 AND n <= total - $5)`)
	s.forget = text(`DELETE FROM {{history}} WHERE namespace = $1 AND key IN (SELECT value FROM json_each($3))`)
	s.forgetOld = text(`
DELETE FROM {{history}} WHERE id IN (
  SELECT id FROM (SELECT id, key, at FROM {{history}} WHERE namespace = $1 ORDER BY id LIMIT ` + forgetBatch + `) o
  WHERE at < {{now}} - $3 AND NOT EXISTS (SELECT 1 FROM {{records}} r WHERE r.namespace = $1 AND r.key = o.key))`)
	return &s
}
