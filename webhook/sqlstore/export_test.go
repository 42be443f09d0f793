package sqlstore

import (
	"context"
	"io/fs"
	"testing/fstest"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// WithClock has a Store take another expression than its dialect's for what time
// it is, in microseconds.
func WithClock(expression string) Option {
	return func(c *config) error {
		c.clock = expression
		return nil
	}
}

// Careful has a Store take nothing to be as usual: every arrival is received after
// reading what is known.
func Careful(c *config) error {
	c.careful = true
	return nil
}

// ForgetReading has a Store fail to read what it would have to know to receive what
// is not as usual.
func (s *Store) ForgetReading() { s.sql.load = "SELECT 'not to be read'" }

// The clocks of the dialects.
const (
	PostgresClock = postgresClock
	SQLiteClock   = sqliteClock
)

// WithRelease has a program be of a later release of this package, whose schema
// has another version, with what it takes to get there in both dialects.
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
		for _, dir := range []string{"postgres", "sqlite"} {
			files["migrations/"+dir+"/later.sql"] = &fstest.MapFile{Data: []byte(statements)}
		}
		later := migration{version: c.schema.version() + 1, file: "later.sql", compatibleFrom: compatibleFrom}
		c.schema = &schema{files: files, migrations: append(c.schema.migrations, later)}
		return err
	}
}

// What is tested by itself.
var (
	Fold          = fold
	Storable      = storable
	Micros        = micros
	VersionNumber = versionNumber
	Again         = again
	Busy          = busy
	AppendString  = appendString
	HeardAt       = heardAt
)

// SubmitAndBind is Submit and then Bind of many submissions, each with one job, with
// few commits.
func (s *Store) SubmitAndBind(ctx context.Context, submissions, jobs []string) error {
	for begin := 0; begin < len(jobs); begin += batchElements {
		n := min(batchElements, len(jobs)-begin)
		ids, jobs := submissions[begin:begin+n], jobs[begin:begin+n]
		err := s.change(ctx, n,
			func(i int) ref { return ref{Key: fold(ids[i]), Job: fold(jobs[i])} },
			func(b *book, i int) {
				b.submit(webhook.Submitted{ID: ids[i], Type: reducto.JobTypeParse, Webhook: true, LookAfter: time.Hour})
				b.bind(ids[i], jobs[i], 1)
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// Stamp makes a clock of order's.
func Stamp() func(now int64) int64 { return new(order).stamp }

// Plans are the statements that have to go from the elements of a batch to the
// rows, with parameters for them, by name.
func (s *Store) Plans() map[string]Plan {
	plans := map[string]Plan{
		"load":   {s.sql.load, []any{s.namespace, "[]"}},
		"save":   {s.sql.save, []any{s.namespace, "[]", "[]", "[]"}},
		"hear":   {s.sql.hear, []any{s.namespace, "[]", 0}},
		"claim":  {s.sql.claim, []any{s.namespace, 1, 1}},
		"next":   {s.sql.next, []any{s.namespace}},
		"extend": {s.sql.extend, []any{s.namespace, "[]", 1}},
		"finish": {s.sql.finish, []any{s.namespace, "[]"}},
	}
	if s.dialect == SQLite {
		delete(plans, "save")
		delete(plans, "hear")
		plans["hearPending"] = Plan{s.sql.hearPending, []any{s.namespace, "[]", 0}}
		plans["hearNew"] = Plan{s.sql.hearNew, []any{s.namespace, "[]", 0}}
		for name, statement := range map[string]string{
			"update": s.sql.update, "remove": s.sql.remove, "free": s.sql.free, "held": s.sql.held,
		} {
			plans[name] = Plan{statement, []any{s.namespace, "[]"}}
		}
	}
	return plans
}

// Plan is a statement to be explained.
type Plan struct {
	Statement string
	Args      []any
}
