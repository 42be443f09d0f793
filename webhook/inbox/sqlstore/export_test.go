package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"testing/fstest"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// WithAhead adds to a Store's clock.
func WithAhead(ahead func() time.Duration) Option {
	return func(c *config) error {
		c.ahead = ahead
		return nil
	}
}

// Careful leaves out the fast ways of Submit, Bind and Receive.
func Careful(c *config) error {
	c.careful = true
	return nil
}

// BreakRules makes a Store fail wherever it has to read records to apply the rules.
func (s *Store) BreakRules() { s.sql.load = "SELECT 'broken'" }

// Use gives a Store another pool of connections to its database.
func (s *Store) Use(db *sql.DB) { s.db = db }

// SleepInSave makes the statements sleep that write changes and answers to PostgreSQL.
func (s *Store) SleepInSave(d time.Duration) {
	s.sql.bindFirst += fmt.Sprintf(" WHERE pg_sleep(%f) IS NOT NULL", d.Seconds())
	s.sql.save += fmt.Sprintf(", pg_sleep(%f)", d.Seconds())
}

// WithRelease has a program be of a later release of this package, whose schema
// has another version, with what it takes to get there in all dialects.
func WithRelease(compatibleFrom int, statements string) Option {
	return func(c *config) error {
		files := fstest.MapFS{}
		err := fs.WalkDir(migrationFiles, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := fs.ReadFile(migrationFiles, path)
			files[path] = &fstest.MapFile{Data: data}
			return err
		})
		for _, dir := range []string{"postgres", "sqlite", "mysql"} {
			files["migrations/"+dir+"/later.sql"] = &fstest.MapFile{Data: []byte(statements)}
		}
		later := migration{version: c.schema.version() + 1, file: "later.sql", compatibleFrom: compatibleFrom}
		c.schema = &schema{files: files, migrations: append(c.schema.migrations, later)}
		return err
	}
}

// Functions that have tests of their own.
var (
	IDKey         = idKey
	Micros        = micros
	VersionNumber = versionNumber
	Again         = again
	Expand        = expand
	MySQLCode     = mysqlCode
	ReadOnly      = readOnly
	Disconnected  = disconnected
	Full          = full
	Busy          = busy
	AppendString  = appendString
)

// Parameters of Expand, and settings of MySQL.
type (
	Values        = values
	Rows          = rows
	MySQLSettings = mysqlSettings
)

// Check checks settings.
func (s *mysqlSettings) Check() error { return s.check() }

// Stamp returns a new clock of receipts.
func Stamp() func(now int64, n int) int64 { return new(order).stamp }

// Plans returns the statements that read or write records, with parameters, by name.
func (s *Store) Plans() map[string]Plan {
	plans := map[string]Plan{
		"load":      {s.sql.load, s.args("[]")},
		"claim":     {s.sql.claim, s.args(1, 1)},
		"next":      {s.sql.next, s.args()},
		"finish":    {s.sql.finish, s.args("k", 1, "done", 0, 0, "", "")},
		"overdue":   {s.sql.overdue, s.args(1)},
		"stats":     {s.sql.stats, s.args()},
		"purgeable": {s.sql.purgeable + " AND r.due_at > 0 AND r.state <> 'pending' AND r.state = 'done' ORDER BY r.due_at LIMIT 5", s.args()},
	}
	plans["addHistory"] = Plan{s.sql.addHistory, s.args("[]")}
	plans["trimHistory"] = Plan{s.sql.trimHistory, s.args("[]", 1, 1)}
	plans["history"] = Plan{s.sql.history, s.args("k")}
	plans["forget"] = Plan{s.sql.forget, s.args("[]")}
	plans["forgetOld"] = Plan{s.sql.forgetOld, s.args(1)}
	plans["listDead"] = Plan{s.sql.list + " AND r.state = 'dead' ORDER BY r.key LIMIT 5", s.args()}
	if s.dialect == MySQL {
		key := values{"k"}
		plans["load"] = Plan{s.sql.load, s.args(key, key)}
		plans["claim"] = Plan{s.sql.claim, s.args(1)}
		plans["claimAgain"] = Plan{s.sql.claimAgain, s.args(1)}
		plans["lockRows"] = Plan{s.sql.lockRows, s.args(key)}
		plans["readRows"] = Plan{s.sql.readRows, s.args(key)}
		plans["removeRows"] = Plan{s.sql.removeRows, s.args(key)}
		delete(plans, "addHistory")
		plans["existing"] = Plan{s.sql.existing, s.args(key)}
		plans["trimHistory"] = Plan{s.sql.trimHistory, s.args(key, 1, 1)}
		plans["forget"] = Plan{s.sql.forget, s.args(key)}
		plans["freeRows"] = Plan{s.sql.freeRows, s.args(key, key)}
		for name, plan := range plans {
			plan.Statement, plan.Args = expand(plan.Statement, plan.Args)
			plans[name] = plan
		}
		return plans
	}
	if s.dialect == PostgreSQL {
		plans["save"] = Plan{s.sql.save, s.args("[]", "[]", "[]")}
		plans["receive"] = Plan{s.sql.receive, s.args("[]")}
		plans["submitNew"] = Plan{s.sql.submitNew, s.args("k", "k", "", true, 1, "")}
		plans["bindFirst"] = Plan{s.sql.bindFirst, s.args("k", "j", "[]", 1)}
		plans["extend"] = Plan{s.sql.extend, s.args("[]", 1)}
		plans["finishAll"] = Plan{s.sql.finishAll, s.args("[]")}
		return plans
	}
	plans["update"] = Plan{s.sql.update, append(s.args(new(record).fields()...), nil, "")}
	plans["remove"] = Plan{s.sql.remove, s.args("k", 1)}
	plans["free"] = Plan{s.sql.free, s.args("j", "k")}
	plans["receivePending"] = Plan{s.sql.receivePending, s.args("k", 0, "j", "", "", "", nil, "[]", "[]")}
	plans["receiveNew"] = Plan{s.sql.receiveNew, s.args("k", 0, "j", "", "", "", nil, "[]", "")}
	plans["extendOne"] = Plan{s.sql.extendOne, s.args("k", 1, 1)}
	plans["left"] = Plan{s.sql.left, s.args("k", 1)}
	return plans
}

// Plan is a statement to be explained.
type Plan struct {
	Statement string
	Args      []any
}

// SubmitAndBind is Submit and Bind of many submissions with one commit.
func (s *Store) SubmitAndBind(ctx context.Context, ids, jobs []string) error {
	return s.change(ctx, len(ids),
		func(i int) reference { return reference{Key: idKey(ids[i]), Job: idKey(jobs[i])} },
		func(snap *snapshot, i int) {
			snap.submit(&inbox.Submission{ID: ids[i], Webhook: true, PollAfter: time.Hour, Metadata: json.RawMessage(`{"given":1}`)})
			snap.bind(&inbox.Answer{SubmissionID: ids[i], JobID: jobs[i], Jobs: 1})
		})
}
