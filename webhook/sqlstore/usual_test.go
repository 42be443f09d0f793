package sqlstore_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/sqlstore"
)

// heardOf is an arrival of a job of a submission.
func heardOf(submission, job string) webhook.Arrival {
	a := completed(job)
	a.SubmissionID, a.Hold = submission, time.Minute
	return a
}

// What is usual is received without being read, and what is not is read.
func TestUsual(t *testing.T) {
	both(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		store := open(t, db, d)
		submit := func(id string, jobs ...string) {
			require.NoError(t, store.Submit(t.Context(), webhook.Submitted{ID: id}))
			for _, job := range jobs {
				require.NoError(t, store.Bind(t.Context(), id, job, 1))
			}
		}
		submit("one", "job-of-one")
		submit("two", "job-of-two", "other-of-two")
		submit("<three>", `job "of" three`)
		submit("early")
		submit("named", "job-of-named")
		require.NoError(t, store.Submit(t.Context(), webhook.Submitted{JobID: "tracked"}))
		store.ForgetReading()

		receipts, err := store.Receive(t.Context(), []webhook.Arrival{
			heardOf("one", "job-of-one"), heardOf("<three>", `job "of" three`),
			heardOf("", "tracked"), heardOf("", "unknown"), heardOf("elsewhere", "job-of-elsewhere"),
		})
		require.NoError(t, err)
		for i, key := range []string{"one", "<three>", "tracked", "unknown", "elsewhere"} {
			assert.Equal(t, webhook.Receipt{Kind: webhook.ReceiptAccepted, State: webhook.StateReceived, Key: key}, receipts[i])
			assert.Equal(t, webhook.StateReceived, stateOf(t, store, key))
		}
		for _, unusual := range []webhook.Arrival{
			heardOf("one", "job-of-one"),      // a duplicate
			heardOf("two", "job-of-two"),      // there is another job
			heardOf("early", "job-of-early"),  // Bind is still to come
			heardOf("", "job-of-named"),       // its record has another key
			heardOf("new", "job-of-named"),    // of another submission
			heardOf("named", "job-of-nobody"), // one too many
			heardOf("named", ""),
		} {
			_, err := store.Receive(t.Context(), []webhook.Arrival{unusual})
			assert.ErrorContains(t, err, "sqlstore: receive: ", unusual)
		}
	})
}

// So it is whichever kind came before, and where both kinds come together.
func TestUsualInTurns(t *testing.T) {
	both(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		store := open(t, db, d)
		var known, unknown [9]webhook.Arrival
		for i := range known {
			known[i] = heardOf(fmt.Sprint("s-", i), fmt.Sprint("job-", i))
			unknown[i] = heardOf(fmt.Sprint("t-", i), fmt.Sprint("other-", i))
			require.NoError(t, submitted(t, store, known[i].SubmissionID, known[i].JobID))
		}
		store.ForgetReading()
		for _, arrivals := range [][]webhook.Arrival{
			known[:2], unknown[:2], unknown[2:4], known[2:4], known[4:5],
			{unknown[4], known[5], unknown[5]}, {known[6], unknown[6], known[7]}, {unknown[7], known[8]}, unknown[8:],
		} {
			receipts, err := store.Receive(t.Context(), arrivals)
			require.NoError(t, err)
			for i, a := range arrivals {
				assert.Equal(t, webhook.Receipt{Kind: webhook.ReceiptAccepted, State: webhook.StateReceived, Key: a.SubmissionID}, receipts[i])
			}
		}
	})
}

// With and without what is done where all is as usual, whatever is known and
// whatever arrives, answers and records are the same.
func TestUsualAgrees(t *testing.T) {
	const upper, lower = "0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5b-d9cb-469f-a165-70867728950e"
	const odd = "\t<j> & \"\\'\" \u00fc\u2028\xff\x00😀" // what JSON, SQL or a database has to have written otherwise
	both(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		before := map[string]func(s *sqlstore.Store) error{
			"nothing":           func(*sqlstore.Store) error { return nil },
			"submitted":         func(s *sqlstore.Store) error { return submitted(t, s, "s") },
			"bound":             func(s *sqlstore.Store) error { return submitted(t, s, "s", lower) },
			"bound to another":  func(s *sqlstore.Store) error { return submitted(t, s, "s", "other") },
			"bound to both":     func(s *sqlstore.Store) error { return submitted(t, s, "s", "other", lower) },
			"job of another":    func(s *sqlstore.Store) error { return submitted(t, s, "another", lower) },
			"other of another":  func(s *sqlstore.Store) error { return submitted(t, s, "another", "other") },
			"tracked":           func(s *sqlstore.Store) error { return s.Submit(t.Context(), webhook.Submitted{JobID: upper}) },
			"named like a job":  func(s *sqlstore.Store) error { return submitted(t, s, lower, "other") },
			"named like, bound": func(s *sqlstore.Store) error { return submitted(t, s, lower, lower) },
			"bound, odd":        func(s *sqlstore.Store) error { return submitted(t, s, "<s>", odd) },
			"bound, upper":      func(s *sqlstore.Store) error { return submitted(t, s, upper, upper) },
			"received":          func(s *sqlstore.Store) error { return received(t, s, heardOf("", lower)) },
			"received, named":   func(s *sqlstore.Store) error { return received(t, s, heardOf("s", lower)) },
			"received early": func(s *sqlstore.Store) error {
				return errors.Join(submitted(t, s, "s"), received(t, s, heardOf("s", lower)))
			},
			"disowned": func(s *sqlstore.Store) error {
				return errors.Join(submitted(t, s, "s"), received(t, s, heardOf("s", lower)), s.Bind(t.Context(), "s", "other", 1))
			},
			"dead": func(s *sqlstore.Store) error {
				err := errors.Join(submitted(t, s, "s", lower), received(t, s, heardOf("s", lower)))
				r := claim(t, s, 1)[0]
				_, finish := s.Finish(t.Context(), []webhook.Verdict{{Lease: leaseOf(r), State: webhook.StateDead, Error: "no"}})
				return errors.Join(err, finish)
			},
		}
		failed := heardOf("s", lower)
		failed.Status, failed.Outcome, failed.Source = reducto.JobStatusFailed, webhook.OutcomeFailed, webhook.SourceSweep
		rich := heardOf("s", lower)
		rich.Metadata = json.RawMessage(`{"a":"<b> \"\u00fc\\ ü"}`)
		nobody := heardOf("s", "")
		nobody.Outcome = webhook.OutcomeUnknown
		arrivals := map[string][]webhook.Arrival{
			"the job":                 {heardOf("", lower)},
			"upper":                   {heardOf("", upper)},
			"both":                    {heardOf("s", lower)},
			"failed":                  {failed},
			"metadata":                {rich},
			"no job":                  {nobody},
			"another":                 {heardOf("another", lower)},
			"itself":                  {heardOf(lower, lower)},
			"twice":                   {heardOf("s", lower), failed},
			"mixed":                   {heardOf("", lower), heardOf("s", "other"), heardOf("s", lower), heardOf("", "new")},
			"odd":                     {heardOf("", odd)},
			"odd, both":               {heardOf("<s>", odd)},
			"upper, both":             {heardOf(upper, upper)},
			"no job, before":          {nobody, heardOf("s", lower)},
			"job, then named like it": {heardOf("", "other"), heardOf("other", lower)},
		}
		n := 0
		for situation, prepare := range before {
			for what, list := range arrivals {
				n++
				var answers [2][]webhook.Receipt
				var lists [2][]webhook.Record
				var kept [2][]string
				for i, opts := range [][]sqlstore.Option{nil, {sqlstore.Careful}} {
					store := open(t, db, d, append(opts, sqlstore.WithNamespace(fmt.Sprint(n, "-", i)))...)
					require.NoError(t, prepare(store), situation)
					var err error
					answers[i], err = store.Receive(t.Context(), list)
					require.NoError(t, err)
					lists[i], err = store.List(t.Context(), webhook.Filter{})
					require.NoError(t, err)
					for j := range lists[i] {
						timeless(&lists[i][j])
					}
					kept[i] = columns(t, db, fmt.Sprint(n, "-", i))
				}
				assert.Equal(t, answers[1], answers[0], "%s: %s", situation, what)
				assert.Equal(t, lists[1], lists[0], "%s: %s", situation, what)
				assert.Equal(t, kept[1], kept[0], "%s: %s", situation, what)
			}
		}
	})
}

// columns are those of a namespace that List does not show, and whose the jobs are.
func columns(t *testing.T, db *sql.DB, namespace string) (list []string) {
	rows, err := db.Query(`SELECT key || ' ' || jobs || ' ' || open_sends || ' ' || sent || ' ' || heard || ' ' || held || ' ' || given
		FROM reducto_records WHERE namespace = '` + namespace + `'
		UNION ALL SELECT job || ' of ' || key FROM reducto_jobs WHERE namespace = '` + namespace + `' ORDER BY 1`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		list = append(list, text)
	}
	require.NoError(t, rows.Err())
	return list
}

// submitted submits, and binds each job.
func submitted(t *testing.T, s *sqlstore.Store, id string, jobs ...string) error {
	sub := webhook.Submitted{ID: id, Type: reducto.JobTypeParse, Webhook: true, Metadata: json.RawMessage(`{"given":1}`), LookAfter: time.Hour}
	for range max(len(jobs), 1) {
		if err := s.Submit(t.Context(), sub); err != nil {
			return err
		}
	}
	for _, job := range jobs {
		if err := s.Bind(t.Context(), id, job, 1); err != nil {
			return err
		}
	}
	return nil
}

func received(t *testing.T, s *sqlstore.Store, a webhook.Arrival) error {
	_, err := s.Receive(t.Context(), []webhook.Arrival{a})
	return err
}

// timeless leaves of a record's times and token only whether there are any, and of its
// times whether it is due at once.
func timeless(r *webhook.Record) {
	soon := r.DueAt.Sub(r.ReadAt) < 10*time.Second
	for _, at := range []*time.Time{&r.SubmittedAt, &r.ReceivedAt, &r.FinishedAt, &r.DueAt} {
		if !at.IsZero() {
			*at = time.Unix(1, 0)
		}
	}
	r.Token = min(r.Token, 1)
	r.ReadAt = time.Time{}
	if !soon {
		r.ReadAt = time.Unix(2, 0)
	}
}

// What is received is received later than what was before, whichever way.
func TestUsualOrder(t *testing.T) {
	both(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		store := open(t, db, d)
		require.NoError(t, submitted(t, store, "early"))
		var want []string
		for i := range 20 {
			a, b := fmt.Sprint("a-", i), fmt.Sprint("b-", i)
			receive(t, store, a, b)
			want = append(want, a, b)
			if i == 10 {
				require.NoError(t, store.Submit(t.Context(), webhook.Submitted{ID: "s"}))
				require.NoError(t, received(t, store, heardOf("s", "job"))) // held, until it is bound
				require.NoError(t, store.Bind(t.Context(), "s", "job", 1))
				want = append(want, "s")
			}
		}
		var got []string
		for _, r := range claim(t, store, len(want)) {
			got = append(got, r.Key)
		}
		assert.Equal(t, want, got)
	})
}

// A statement hands out times as the clock of order does.
func TestHeardAt(t *testing.T) {
	both(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		for _, c := range []struct{ now, since int64 }{
			{5_000_000, 0}, {5_000_000, 4_999_999}, {5_000_000, 5_000_000}, {5_000_000, 5_000_001},
			{5_000_000, 5_900_000}, {5_000_000, 6_000_001},
		} {
			stamp := sqlstore.Stamp()
			stamp(c.since)
			now, since := fmt.Sprintf("CAST(%d AS bigint)", c.now), fmt.Sprintf("CAST(%d AS bigint)", c.since)
			var first, second int64
			at := sqlstore.HeardAt(now, since)
			require.NoError(t, db.QueryRow("SELECT "+at+" FROM (SELECT 0 AS received_at) i").Scan(&first))
			require.NoError(t, db.QueryRow("SELECT "+at+" FROM (SELECT 1 AS received_at) i").Scan(&second))
			assert.Equal(t, stamp(c.now), first, c)
			assert.Equal(t, stamp(c.now), second, c)
		}
	})
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "a", `"`, `\`, "\n\t\x00\x1f\x7f", "<a href='&'>", "ü", "\u2028\u2029", "\xff", `{"a":"b\\c"}`, strings.Repeat("x", 300), "😀",
	} {
		want, err := json.Marshal(text)
		require.NoError(t, err)
		assert.Equal(t, "before"+string(want), string(sqlstore.AppendString([]byte("before"), text)))
	}
}
