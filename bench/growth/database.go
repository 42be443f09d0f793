package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// serverVariable names the server, as for tests.
const serverVariable = "TEST_POSTGRES_URL"

// errNoServer says that there is nothing to measure.
var errNoServer = errors.New("no PostgreSQL: set " + serverVariable)

// database is a store in a schema.
type database struct {
	*sql.DB
	store  *sqlstore.Store
	schema string
}

// connect opens the store in a schema, and makes its tables.
func connect(ctx context.Context, schema string) (*database, error) {
	address := os.Getenv(serverVariable)
	if address == "" {
		address = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New(serverVariable + " is no URL") // it may hold a password
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	d := &database{DB: db, schema: schema}
	soon, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := db.PingContext(soon); err != nil {
		return nil, errors.Join(errNoServer, err, db.Close())
	}
	if err := d.do(ctx, `CREATE SCHEMA IF NOT EXISTS `+schema); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if d.store, err = sqlstore.Open(ctx, db, sqlstore.PostgreSQL); err != nil {
		return nil, errors.Join(err, d.drop(ctx))
	}
	return d, nil
}

// create makes a schema with a store.
func create(ctx context.Context) (*database, error) {
	return connect(ctx, "growth_"+strings.ToLower(rand.Text()[:12]))
}

// drop removes the schema and closes the database.
func (d *database) drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return errors.Join(d.do(ctx, `DROP SCHEMA `+d.schema+` CASCADE`), d.Close())
}

func (d *database) do(ctx context.Context, statement string, args ...any) error {
	_, err := d.ExecContext(ctx, statement, args...)
	return err
}

// metadata is what users typically give a submission.
const metadata = `{"customer":"0f8fad5b-d9cb-469f-a165-70867728950e","order":123456}`

// notification announces the end of a submission's job.
func notification(submission, job string) inbox.Notification {
	return inbox.Notification{
		JobID: job, SubmissionID: submission, Status: reducto.JobStatusCompleted, Outcome: webhook.OutcomeCompleted,
		Source: inbox.SourceWebhook, Metadata: []byte(metadata),
	}
}

// submit records a submission and the API's answer to it.
func submit(ctx context.Context, store inbox.Store, submission, job string) error {
	err := store.Submit(ctx, inbox.Submission{ID: submission, Type: reducto.JobTypeParse, Metadata: []byte(metadata), Webhook: true})
	if err != nil {
		return err
	}
	return store.Bind(ctx, inbox.Answer{SubmissionID: submission, JobID: job, Jobs: 1})
}

// finish returns the completions of claimed records.
func finish(claimed []inbox.Record) []inbox.Completion {
	list := make([]inbox.Completion, 0, len(claimed))
	for _, r := range claimed {
		list = append(list, inbox.Completion{Lease: inbox.Lease{Key: r.Key, Token: r.Token}, State: inbox.StateDone, Attempt: r.Attempt})
	}
	return list
}

// lease is longer than a run takes.
const lease = 6 * time.Hour

// original has the store write a record, and returns its key and its job.
func (d *database) original(ctx context.Context, state inbox.State) (key, job string, err error) {
	key, job = newSubmission(), uuid.NewString()
	if err = submit(ctx, d.store, key, job); err != nil || state == inbox.StatePending {
		return key, job, err
	}
	if _, err = d.store.Receive(ctx, []inbox.Notification{notification(key, job)}); err != nil || state == inbox.StateReceived {
		return key, job, err
	}
	claimed, _, err := d.store.Claim(ctx, 1, lease)
	if err != nil {
		return key, job, err
	}
	if len(claimed) != 1 || claimed[0].Key != key {
		return key, job, errors.New("another record is due")
	}
	_, err = d.store.Finish(ctx, finish(claimed))
	return key, job, err
}

// newSubmission returns an id like that of a submission, in the order of time.
func newSubmission() string { return uuid.Must(uuid.NewV7()).String() }

// copies has what the records n of a fill do not share. They are within the time $2, in
// microseconds, before the original. $4 makes their ids different from those of other fills.
const copies = `
SELECT i, shift, substr(ms, 1, 8) || '-' || substr(ms, 9, 4) || '-7' || substr(random, 1, 3) || '-8' || substr(random, 4, 3) || '-' || substr(random, 7, 12) AS key,
  md5(random)::uuid::text AS job
FROM (
  SELECT i, shift, lpad(to_hex(((SELECT submitted_at FROM reducto_records WHERE key = $1::text) + shift) / 1000), 12, '0') AS ms,
    md5($4::text || i) AS random
  FROM (SELECT i, -((($3::bigint - i) * $2::float8 / $3::bigint)::bigint) AS shift FROM generate_series(1, $3::bigint) AS g(i)) g
) m`

// fill makes n records like one that the store writes, spread over a time until now.
func (d *database) fill(ctx context.Context, state inbox.State, n int, over time.Duration) error {
	if n <= 0 {
		return nil
	}
	key, job, err := d.original(ctx, state)
	if err != nil {
		return err
	}
	args := []any{key, over.Microseconds(), n, uuid.NewString()}
	err = d.do(ctx, `
INSERT INTO reducto_records (namespace, key, version, submission_id, type, webhook, state, due_at, submitted_at, received_at, jobs,
  open_sends, sent, heard, held, status, outcome, source, metadata, given, attempt, token, looks, error)
SELECT namespace, c.key, version + i, c.key, type, webhook, state, due_at + shift, submitted_at + shift,
  CASE received_at WHEN 0 THEN 0 ELSE received_at + shift END, replace(jobs, $5::text, c.job),
  open_sends, sent, CASE heard WHEN '' THEN '' ELSE c.job END, held, status, outcome, source, metadata, given, attempt,
  CASE token WHEN 0 THEN 0 ELSE token + i END, looks, error
FROM reducto_records t, (`+copies+`) c WHERE t.key = $1::text`, append(args, job)...)
	if err != nil {
		return err
	}
	return d.do(ctx, `INSERT INTO reducto_jobs (namespace, job, key)
SELECT (SELECT namespace FROM reducto_records WHERE key = $1::text), job, key FROM (`+copies+`) c`, args...)
}
