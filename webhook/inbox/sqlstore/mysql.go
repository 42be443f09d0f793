package sqlstore

import (
	"regexp"
	"strings"
)

// mysqlNow is the time of the server in microseconds, when the statement began. It does
// not depend on the session's time zone. What is added to it is zero outside of tests.
const mysqlNow = "(timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6)) + $2)"

// mysqlList bounds the elements of a list in a statement. MariaDB turns a list of 1000
// into a table, and may then read all records to look them up in it.
const mysqlList = 400

// mysqlKey is the name of a column that is a reserved word.
var mysqlKey = regexp.MustCompile(`\bkey\b`)

// mysqlStatements returns the statements for tables in that database, which is quoted.
//
// A statement cannot return the rows that it has changed. So a transaction locks rows
// and reads them, and writes them as a whole. It skips rows that others have locked.
// FORCE INDEX keeps it from locking rows that it only reads.
func mysqlStatements(database string) *statements {
	s, text := newStatements(MySQL, database+".")
	s.load = text(`
SELECT {{columns}}, '', {{now}}
FROM (
  SELECT key AS wanted FROM {{records}} WHERE namespace = $1 AND key IN ($3)
  UNION SELECT key FROM {{jobs}} WHERE namespace = $1 AND job IN ($4)
) AS w STRAIGHT_JOIN {{records}} AS r ON r.namespace = $1 AND r.key = w.wanted
UNION ALL SELECT ` + eachColumn(func(_, _, none string) string { return none }) + `, '', {{now}}`)

	s.claim = text(`
SELECT {{columns}}, {{metadata}}, {{now}} FROM {{records}} FORCE INDEX (reducto_records_queue)
WHERE namespace = $1 AND state = 'received' AND due_at <= {{now}}
ORDER BY received_at LIMIT $3 FOR UPDATE SKIP LOCKED`)
	s.claimAgain = text(`
SELECT {{columns}}, {{metadata}}, {{now}} FROM {{records}} FORCE INDEX (reducto_records_due)
WHERE namespace = $1 AND state = 'claimed' AND due_at <= {{now}}
ORDER BY received_at LIMIT $3 FOR UPDATE SKIP LOCKED`)
	s.readRows = text(`SELECT {{columns}}, '', {{now}} FROM {{records}} FORCE INDEX (PRIMARY) WHERE namespace = $1 AND key IN ($3)`)
	s.lockRows = s.readRows + ` FOR UPDATE SKIP LOCKED`
	s.overdue = text(`
SELECT {{columns}}, {{metadata}}, {{now}} FROM {{records}} FORCE INDEX (reducto_records_due)
WHERE namespace = $1 AND state = 'pending' AND due_at <= {{now}}
ORDER BY due_at LIMIT $3`)

	// MySQL would sort if there are few.
	s.purgeable = strings.Replace(s.purgeable, " AS r ", " AS r FORCE INDEX (reducto_records_due) ", 1)

	s.insertRows = text(`INSERT INTO {{records}} (namespace, {{columns}}, metadata, given) VALUES $3`)
	// MariaDB confuses the old value of a text with the new one if an assignment has both.
	s.updateRows = s.insertRows + text(` ON DUPLICATE KEY UPDATE `+eachColumn(func(name, _, _ string) string {
		if name == "key" || name == "version" {
			return ""
		}
		return name + " = VALUES(" + name + ")"
	})+`, version = version + 1`)
	s.updateAll = s.updateRows + `, metadata = CASE WHEN length(given) = 0 THEN VALUES(metadata) ELSE '' END`
	s.removeRows = text(`DELETE FROM {{records}} WHERE namespace = $1 AND key IN ($3)`)
	s.takeRows = text(`INSERT INTO {{jobs}} (namespace, job, key) VALUES $3`)
	s.freeRows = text(`DELETE FROM {{jobs}} WHERE namespace = $1 AND job IN ($3) AND key IN ($4)`)

	// Assignments see the values of those before them.
	s.lock = text(`
INSERT INTO {{locks}} (namespace, name, owner, expires_at) VALUES ($1, $3, $4, {{now}} + $5)
ON DUPLICATE KEY UPDATE owner = CASE WHEN expires_at <= {{now}} THEN VALUES(owner) ELSE owner END,
  expires_at = CASE WHEN owner = VALUES(owner) THEN VALUES(expires_at) ELSE expires_at END`)
	s.locked = text(`SELECT count(*) FROM {{locks}} WHERE namespace = $1 AND name = $3 AND owner = $4 AND expires_at > {{now}}`)

	s.existing = text(`SELECT key FROM {{records}} WHERE namespace = $1 AND key IN ($3)`)
	s.addHistory = text(`INSERT INTO {{history}} (namespace, key, at, kind, job, code, attempt, detail) VALUES $3`)
	s.trimHistory = text(`
DELETE h FROM (
  SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY key ORDER BY id) AS n, count(*) OVER (PARTITION BY key) AS total
    FROM {{history}} WHERE namespace = $1 AND key IN ($3)
  ) AS x WHERE n > $4 AND n <= total - $5
) AS old STRAIGHT_JOIN {{history}} AS h ON h.id = old.id`)
	s.forget = text(`DELETE FROM {{history}} WHERE namespace = $1 AND key IN ($3)`)
	s.forgetOld = text(`
DELETE h FROM (
  SELECT id FROM (SELECT id, key, at FROM {{history}} WHERE namespace = $1 ORDER BY id LIMIT ` + forgetBatch + `) AS o
  WHERE at < {{now}} - $3 AND NOT EXISTS (SELECT 1 FROM {{records}} AS r WHERE r.namespace = $1 AND r.key = o.key)
) AS old STRAIGHT_JOIN {{history}} AS h ON h.id = old.id`)
	return &s
}
