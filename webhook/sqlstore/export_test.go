package sqlstore

import (
	"io/fs"
	"testing/fstest"
)

// WithClock has a Store take another expression than its dialect's for what time
// it is, in microseconds.
func WithClock(expression string) Option {
	return func(c *config) error {
		c.clock = expression
		return nil
	}
}

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
)

// Stamp makes a clock of order's.
func Stamp() func(now int64) int64 { return new(order).stamp }
