package sqlstore_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

func TestIDKey(t *testing.T) {
	t.Parallel()
	const id = "0F8FAD5B-D9CB-469F-A165-70867728950E"
	assert.Equal(t, strings.ToLower(id), sqlstore.IDKey(id))
	for _, other := range []string{
		"", "Job", id[:35], id + "0", strings.Replace(id, "-", "_", 1), strings.Replace(id, "F", "G", 1), "{" + id[:34] + "}",
	} {
		assert.Equal(t, other, sqlstore.IDKey(other))
	}
	assert.Equal(t, "a\uFFFDb", sqlstore.IDKey("a\x00b"))
}

func TestMicros(t *testing.T) {
	t.Parallel()
	assert.EqualValues(t, 0, sqlstore.Micros(-time.Hour))
	assert.EqualValues(t, 0, sqlstore.Micros(0))
	assert.EqualValues(t, 1, sqlstore.Micros(1))
	assert.EqualValues(t, 1, sqlstore.Micros(time.Microsecond))
	assert.EqualValues(t, 2, sqlstore.Micros(time.Microsecond+1))
}

func TestOrderOfReceipt(t *testing.T) {
	t.Parallel()
	stamp := sqlstore.Stamp()
	assert.EqualValues(t, 5_000_000, stamp(5_000_000, 1))
	assert.EqualValues(t, 5_000_001, stamp(5_000_000, 1)) // a coarse clock
	assert.EqualValues(t, 5_000_002, stamp(4_999_999, 1)) // another processor's
	assert.EqualValues(t, 6_000_000, stamp(6_000_000, 1))
	assert.EqualValues(t, 1_000_000, stamp(1_000_000, 1)) // it was set
}

func TestVersionNumber(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 3_045_001, sqlstore.VersionNumber("3.45.1"))
	assert.Equal(t, 3_038_000, sqlstore.VersionNumber("3.38"))
	assert.Zero(t, sqlstore.VersionNumber("unknown"))
}

type coded int

func (c coded) Error() string { return "some words" }
func (c coded) Code() int     { return int(c) }

func TestBusy(t *testing.T) {
	t.Parallel()
	for _, err := range []error{coded(5), coded(6), coded(517), errors.New("database is locked (5)"), errors.New("database table is locked: t")} {
		assert.True(t, sqlstore.Busy(err), err)
	}
	for _, err := range []error{nil, coded(13), errors.New("disk I/O error")} {
		assert.False(t, sqlstore.Busy(err), err)
	}
}

func TestDialectString(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "PostgreSQL", sqlstore.PostgreSQL.String())
	assert.Equal(t, "SQLite", sqlstore.SQLite.String())
	assert.Equal(t, "MySQL", sqlstore.MySQL.String())
	assert.Equal(t, "Dialect(9)", sqlstore.Dialect(9).String())
}

// What no database takes as text must not spoil a batch: the others in it are as
// good as ever.
func TestPoison(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		store := open(t, db, d)
		texts := []string{"{\"a\":\"\xff\xfe\"}", "\"\\u0000\"", "base64:x", "\x00", `{"b":2}`}
		list := []inbox.Notification{completed("a\x00"), completed("b\xff"), completed("c"), completed("d"), completed("e")}
		for i, text := range texts {
			list[i].Metadata = json.RawMessage(text)
		}
		list[2].Status, list[2].Outcome, list[2].Source = "\x00", "\xff", "\x00"
		results, err := store.Receive(t.Context(), list)
		require.NoError(t, err)
		again, err := store.Receive(t.Context(), list)
		require.NoError(t, err)
		for i := range results {
			assert.Equal(t, inbox.Accepted, results[i].Kind)
			assert.Equal(t, inbox.Duplicate, again[i].Kind)
			assert.Equal(t, results[i].Key, again[i].Key)
			assert.False(t, again[i].Conflict)
		}
		records, err := store.List(t.Context(), inbox.Filter{})
		require.NoError(t, err)
		for i, r := range records {
			assert.Equal(t, texts[i], string(r.Metadata))
		}
		completions := []inbox.Completion{}
		for _, r := range claim(t, store, 5) {
			completions = append(completions, inbox.Completion{Lease: leaseOf(r), State: inbox.StateDead, Error: "\x00\xff", Outcome: "\x00"})
		}
		held, err := store.Finish(t.Context(), completions)
		require.NoError(t, err)
		assert.NotContains(t, held, false)
		_, err = store.Lock(t.Context(), "\x00", "\xff", time.Hour)
		require.NoError(t, err)
		_, err = store.List(t.Context(), inbox.Filter{States: []inbox.State{"\x00"}, Keys: []string{"\x00"}, JobID: "\xff", After: "\x00"})
		require.NoError(t, err)
	})
}

// Many or large list are received in several commits.
func TestLargeBatch(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		store := open(t, db, d)
		list := make([]inbox.Notification, 2500)
		for i := range list {
			list[i] = completed("job-" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + "-" + time.Duration(i).String())
		}
		large := json.RawMessage(`"` + strings.Repeat("x", 5<<20) + `"`)
		list[3].Metadata, list[4].Metadata, list[5].Metadata = large, large, large
		results, err := store.Receive(t.Context(), list)
		require.NoError(t, err)
		for i, r := range results {
			require.Equal(t, inbox.Accepted, r.Kind)
			require.Equal(t, list[i].JobID, r.Key)
		}
		claimed, next, err := store.Claim(t.Context(), 5000, time.Hour)
		require.NoError(t, err)
		assert.Len(t, claimed, 1000) // as many as one commit takes
		assert.Zero(t, next)
		for i, r := range claimed {
			require.Equal(t, list[i].JobID, r.Key)
		}
		assert.Len(t, claimed[3].Metadata, len(large))
		assert.Equal(t, inbox.Capabilities{Concurrent: d != sqlstore.SQLite}, store.Capabilities())
	})
}
