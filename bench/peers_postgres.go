package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// scratch is a database of PostgreSQL for one contestant and round. It is a database, and
// not a schema, because the server counts the commits of each database.
type scratch struct {
	admin *sql.DB // connected to another database
	name  string
	url   string
}

// createScratch makes a database with the table of effects.
func createScratch(ctx context.Context, admin *sql.DB, server *url.URL) (*scratch, error) {
	s := &scratch{admin: admin, name: "bench_" + strings.ToLower(rand.Text()[:12])}
	if _, err := admin.ExecContext(ctx, `CREATE DATABASE `+s.name); err != nil {
		return nil, fmt.Errorf("the role of %s needs CREATEDB: %w", postgresVariable, err)
	}
	u := *server
	u.Path = "/" + s.name
	s.url = u.String()
	err := s.use(ctx, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, createEffects)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, s.drop(ctx))
	}
	return s, nil
}

// use calls f with a pool on the database, and closes it.
func (s *scratch) use(ctx context.Context, f func(db *sql.DB) error) error {
	db, err := sql.Open("pgx", s.url)
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}

func (s *scratch) drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, err := s.admin.ExecContext(ctx, `DROP DATABASE `+s.name+` WITH (FORCE)`)
	return err
}

// commits returns how many transactions the server has committed in the database. It
// waits until no connection is left, because the server counts some commits only then.
func (s *scratch) commits(ctx context.Context) (n float64, err error) {
	for left := -1; left != 0; {
		err := s.admin.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = $1`, s.name).Scan(&left)
		if err != nil {
			return 0, err
		}
		if wait(ctx, 10*time.Millisecond); ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
	}
	err = s.admin.QueryRowContext(ctx, `SELECT xact_commit FROM pg_stat_database WHERE datname = $1`, s.name).Scan(&n)
	return n, err
}

// backends is the CPU time of the server's processes for the open connections.
type backends map[int]time.Duration

// errNoBackends says that this system does not show it.
var errNoBackends = errors.New("the CPU time of PostgreSQL is only known on Linux, on the server's machine")

// backends returns the CPU time that the connections of the database have used so far.
func (s *scratch) backends(ctx context.Context) (backends, error) {
	rows, err := s.admin.QueryContext(ctx, `SELECT pid FROM pg_stat_activity WHERE datname = $1`, s.name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	b := backends{}
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			return nil, err
		}
		if b[pid], err = postgresCPU(pid); err != nil {
			return nil, err
		}
	}
	return b, rows.Err()
}

// since returns the CPU time that was used since an earlier state.
func (b backends) since(before backends) (total time.Duration) {
	for pid, used := range b {
		total += used - before[pid]
	}
	return total
}

// postgresCPU returns the CPU time of a process of PostgreSQL in nanoseconds, as the
// scheduler of Linux counts it.
func postgresCPU(pid int) (time.Duration, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	name, err := os.ReadFile(dir + "/comm")
	if err != nil || strings.TrimSpace(string(name)) != "postgres" {
		return 0, errNoBackends
	}
	stat, err := os.ReadFile(dir + "/schedstat")
	if err != nil {
		return 0, errNoBackends
	}
	var used int64
	if _, err := fmt.Sscan(string(stat), &used); err != nil {
		return 0, errNoBackends
	}
	return time.Duration(used), nil
}
