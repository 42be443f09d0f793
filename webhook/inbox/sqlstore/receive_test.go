package sqlstore_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// notice returns a notification of a job of a submission.
func notice(submission, job string) inbox.Notification {
	n := completed(job)
	n.SubmissionID, n.Hold = submission, time.Minute
	return n
}

func TestReceiveFastReadsNothing(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.MySQL {
			return // it has no fast way
		}
		store := open(t, db, d)
		submit := func(id string, jobs ...string) {
			require.NoError(t, store.Submit(t.Context(), inbox.Submission{ID: id}))
			for _, job := range jobs {
				require.NoError(t, store.Bind(t.Context(), inbox.Answer{SubmissionID: id, JobID: job, Jobs: 1}))
			}
		}
		submit("one", "job-of-one")
		submit("two", "job-of-two", "other-of-two")
		submit("<three>", `job "of" three`)
		submit("early")
		submit("named", "job-of-named")
		require.NoError(t, store.Submit(t.Context(), inbox.Submission{JobID: "tracked"}))
		store.BreakRules()

		list := []inbox.Notification{
			notice("one", "job-of-one"), notice("<three>", `job "of" three`),
			notice("", "tracked"), notice("", "unknown"), notice("elsewhere", "job-of-elsewhere"),
		}
		results, err := store.Receive(t.Context(), list)
		require.NoError(t, err)
		for i, key := range []string{"one", "<three>", "tracked", "unknown", "elsewhere"} {
			assert.Equal(t, inbox.ReceiveResult{Kind: inbox.Accepted, State: inbox.StateReceived, Key: key}, results[i])
			assert.Equal(t, inbox.StateReceived, stateOf(t, store, key))
		}
		for _, n := range []inbox.Notification{
			notice("one", "job-of-one"),      // a duplicate
			notice("two", "job-of-two"),      // the record has another job
			notice("early", "job-of-early"),  // Bind is still to come
			notice("", "job-of-named"),       // its record has another key
			notice("new", "job-of-named"),    // of another submission
			notice("named", "job-of-nobody"), // one too many
			notice("two", ""),
		} {
			_, err := store.Receive(t.Context(), []inbox.Notification{n})
			require.Error(t, err, "%+v", n)
		}
	})
}

// pairOfStores is a store under test and the reference.
type pairOfStores struct {
	t      *testing.T
	stores [2]inbox.Store
}

// do calls a method of both stores, and compares the results.
func (p pairOfStores) do(what string, call func(inbox.Store) (any, error)) {
	p.t.Helper()
	var results [2]any
	for i, store := range p.stores {
		result, err := call(store)
		if err != nil && !errors.Is(err, inbox.ErrConflict) {
			require.NoError(p.t, err, what)
		}
		results[i] = []any{result, errors.Is(err, inbox.ErrConflict)}
	}
	require.Equal(p.t, results[1], results[0], what)
}

// timeless returns records of which times say only whether they are, and whether the
// record is due.
func timeless(records []inbox.Record) []inbox.Record {
	if len(records) == 0 {
		return nil
	}
	for i := range records {
		r := &records[i]
		due := r.DueAt.Sub(r.ReadAt) < 10*time.Second
		for _, at := range []*time.Time{&r.SubmittedAt, &r.ReceivedAt, &r.FinishedAt, &r.DueAt, &r.ReadAt} {
			if !at.IsZero() {
				*at = time.Unix(1, 0)
			}
		}
		if r.Token = min(r.Token, 1); due {
			r.ReadAt = time.Unix(2, 0)
		}
	}
	return records
}

// With and without the fast way, a store comes to the same as the MemoryStore, for ids
// that collide in every way.
func TestStoreAgreesWithMemoryStore(t *testing.T) {
	const upper = "0F8FAD5B-D9CB-469F-A165-70867728950E"
	const odd = "\t<j> & \"\\'\" \u00fc\u2028😀" // JSON, SQL or a database has to escape these
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		for round := range 60 {
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			opts := []sqlstore.Option{sqlstore.WithNamespace(fmt.Sprint(round))}
			if round%3 == 0 {
				opts = append(opts, sqlstore.Careful)
			}
			p := pairOfStores{t, [2]inbox.Store{open(t, db, d, opts...), inbox.NewMemoryStore()}}
			pick := func(list ...string) string { return list[random.IntN(len(list))] }
			id := func() string { return pick("s", "r", "j", upper, strings.ToLower(upper)) }
			job := func() string { return pick("j", "k", "s", upper, strings.ToLower(upper), odd) }
			metadata := func() json.RawMessage {
				return [][]byte{nil, []byte(`{"a":"<b> \"\u00fc\\ ü"}`), []byte("\"\xff\"")}[random.IntN(3)]
			}
			var tokens [2]map[string]int64
			for i := range tokens {
				tokens[i] = map[string]int64{}
			}
			for step := range 25 {
				what := fmt.Sprintf("seed %d, step %d: ", seed, step)
				switch random.IntN(10) {
				case 0, 1:
					s := inbox.Submission{ID: id(), Type: reducto.JobTypeParse, Webhook: random.IntN(2) > 0, Metadata: metadata(), PollAfter: time.Hour}
					if random.IntN(4) == 0 {
						s.ID, s.JobID = "", job()
					}
					p.do(what+fmt.Sprintf("Submit %+v", s), func(store inbox.Store) (any, error) { return nil, store.Submit(t.Context(), s) })
				case 2, 3:
					a := inbox.Answer{SubmissionID: id(), JobID: job(), Jobs: random.IntN(3)}
					if random.IntN(4) == 0 {
						a.JobID = ""
					}
					p.do(what+fmt.Sprintf("Bind %+v", a), func(store inbox.Store) (any, error) { return nil, store.Bind(t.Context(), a) })
				case 4, 5, 6, 7:
					var list []inbox.Notification
					for range 1 + random.IntN(4) {
						n := notice(pick("", id()), job())
						n.Metadata, n.Source = metadata(), inbox.SourcePoll
						if random.IntN(8) == 0 {
							n.JobID = ""
						}
						if random.IntN(4) == 0 {
							n.Status, n.Outcome, n.Hold = reducto.JobStatusFailed, webhook.OutcomeFailed, 0
						}
						list = append(list, n)
					}
					p.do(what+fmt.Sprintf("Receive %+v", list), func(store inbox.Store) (any, error) { return store.Receive(t.Context(), list) })
				case 8:
					lease := time.Duration(random.IntN(2)) * time.Hour
					i := 0
					p.do(what+"Claim", func(store inbox.Store) (any, error) {
						claimed, next, err := store.Claim(t.Context(), 100, lease)
						for _, r := range claimed {
							tokens[i][r.Key] = r.Token
						}
						i++
						slices.SortFunc(claimed, func(a, b inbox.Record) int { return strings.Compare(a.Key, b.Key) })
						return []any{timeless(claimed), len(claimed) == 0 && next < 0}, err
					})
				case 9:
					c := inbox.Completion{State: inbox.State(pick("done", "dead", "received")), Attempt: random.IntN(3), Error: "why"}
					c.Key = strings.ToLower(id())
					i := 0
					p.do(what+"Finish", func(store inbox.Store) (any, error) {
						c.Token = tokens[i][c.Key]
						i++
						return store.Finish(t.Context(), []inbox.Completion{c, c})
					})
				}
				p.do(what+"List", func(store inbox.Store) (any, error) {
					records, err := store.List(t.Context(), inbox.Filter{})
					return timeless(records), err
				})
			}
		}
	})
}

// Receipts have the order of the calls, in both ways of Receive.
func TestOrderOfReceipts(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		store := open(t, db, d)
		var want []string
		for i := range 20 {
			a, b := fmt.Sprint("a-", i), fmt.Sprint("b-", i)
			receive(t, store, a, b)
			want = append(want, a, b)
			if i == 10 { // it waits for Bind
				require.NoError(t, store.Submit(t.Context(), inbox.Submission{ID: "s"}))
				_, err := store.Receive(t.Context(), []inbox.Notification{notice("s", "job")})
				require.NoError(t, err)
				require.NoError(t, store.Bind(t.Context(), inbox.Answer{SubmissionID: "s", JobID: "job", Jobs: 1}))
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
