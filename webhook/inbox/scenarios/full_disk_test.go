package scenarios_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// sqliteFile returns the data source name of a database in a directory.
func sqliteFile(dir string) string {
	return "file:" + filepath.Join(dir, "inbox.db") +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate"
}

func openFile(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", sqliteFile(dir))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// smallFileSystem mounts a file system of 8 MB. Where that is not allowed the test is
// skipped, but in CI it fails.
func smallFileSystem(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if output, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", dir).CombinedOutput(); err != nil {
		text := fmt.Sprintf("no small file system: run this as root on Linux: mount: %v: %s", err, output)
		if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	t.Cleanup(func() {
		output, err := exec.Command("umount", dir).CombinedOutput()
		assert.NoError(t, err, "umount: %s", output)
	})
	return dir
}

// fillFileSystem writes a file until no byte is free.
func fillFileSystem(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "other-program")
	f, err := os.Create(name)
	require.NoError(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 512))
	}
	require.NoError(t, f.Close())
	return func() { require.NoError(t, os.Remove(name)) }
}

// pageLimit opens connections to a file that does not grow beyond a limit of pages.
type pageLimit struct {
	driver driver.Driver
	name   string
	pages  atomic.Int64
}

const manyPages = 1_000_000

// Driver implements driver.Connector.
func (p *pageLimit) Driver() driver.Driver { return p.driver }

// Connect implements driver.Connector.
func (p *pageLimit) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := p.driver.Open(p.name)
	if err != nil {
		return nil, err
	}
	_, err = conn.(driver.ExecerContext).ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", p.pages.Load()), nil)
	return conn, err
}

// set sets the limit for the connection that is open, and for later ones.
func (p *pageLimit) set(t *testing.T, db *sql.DB, pages int64) {
	t.Helper()
	p.pages.Store(pages)
	_, err := db.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	require.NoError(t, err)
}

// onFullDisks runs a test on a disk that Fill fills, with the function's effects on it too.
func onFullDisks(t *testing.T, test func(t *testing.T, b Backend)) {
	t.Parallel()
	backend := func(db *sql.DB, fill func() func()) Backend {
		return Backend{DB: db, Fill: fill, Open: func() inbox.Store { return open(t, db, sqlstore.SQLite) }}
	}
	t.Run("limit of pages", func(t *testing.T) {
		t.Parallel()
		limit := &pageLimit{driver: openFile(t, t.TempDir()).Driver(), name: sqliteFile(t.TempDir())}
		limit.pages.Store(manyPages)
		db := sql.OpenDB(limit)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		db.SetMaxOpenConns(1) // so that set reaches it
		test(t, backend(db, func() func() {
			limit.set(t, db, 1) // the present size counts then
			return func() { limit.set(t, db, manyPages) }
		}))
	})
	t.Run("small file system", func(t *testing.T) {
		t.Parallel()
		dir := smallFileSystem(t)
		test(t, backend(openFile(t, dir), func() func() { return fillFileSystem(t, dir) }))
	})
}

const noSpace = "the database has no space left: free space on its disk"

func TestFullDiskLosesNoDelivery(t *testing.T) {
	onFullDisks(t, func(t *testing.T, b Backend) {
		s := openStream(t, b, 2000)
		for range 2 {
			s.awaitAccepted(30)
			free := b.Fill()
			s.awaitRefused(40)
			require.ErrorContains(t, s.p.Ready(t.Context()), noSpace)
			free()
		}
		s.awaitAccepted(30)
		s.end()
		assert.True(t, s.e.Log.Has("inbox: the store failed; a delivery was answered 503"))
		assert.True(t, s.e.Log.Has(noSpace))
		requireIntact(t, b.DB)
	})
}

// startCall returns an Env in which the function for JobA runs, and ends when end is called.
func startCall(t *testing.T, b Backend, opts ...inbox.Option) (e *Env, end func()) {
	t.Helper()
	e = newEnv(t, backend{open: func(*testing.T) Backend { return b }}, []reductotest.Option{reductotest.OnTCP()})
	began := make(chan struct{}, 2)
	ends, end := Gate(t)
	p := e.Start(e.Then(func(context.Context, *webhook.Delivery) error {
		began <- struct{}{}
		<-ends
		return nil
	}), opts...)
	e.Srv.SeedJob(reductotest.SeedJob{ID: JobA, Status: "Completed"})
	require.Equal(t, http.StatusOK, Post(p, Genuine(JobA)))
	<-began
	return e, end
}

// A completion needs space too. The Inbox records it again within the lease, and does not
// call the function again.
func TestFullDiskDelaysACompletion(t *testing.T) {
	onFullDisks(t, func(t *testing.T, b Backend) {
		e, end := startCall(t, b)
		free := b.Fill()
		end()
		e.Until("the record is done, or its completion failed", func() bool {
			return e.Record(JobA).State == inbox.StateDone || e.Log.Has("the completion is recorded again")
		})
		free()
		e.Until("the record is done", func() bool { return e.Record(JobA).State == inbox.StateDone })
		e.Done(JobA, webhook.OutcomeCompleted)
		requireIntact(t, b.DB)
	})
}

// The Inbox does not keep the completion for longer than the lease.
func TestFullDiskBeyondTheLeaseRepeatsTheCall(t *testing.T) {
	t.Parallel()
	dir := smallFileSystem(t)
	db := openFile(t, dir)
	const lease = 2 * time.Second
	e, end := startCall(t, Backend{DB: db, Open: func() inbox.Store { return open(t, db, sqlstore.SQLite) }}, inbox.WithLease(lease))
	free := fillFileSystem(t, dir)
	end()
	time.Sleep(lease + lease/4)
	assert.Equal(t, inbox.StateClaimed, e.Record(JobA).State)
	assert.Len(t, e.Calls(), 1, "a record that cannot be claimed is not processed")
	free()
	e.Until("the record is done", func() bool { return e.Record(JobA).State == inbox.StateDone })
	assert.Len(t, e.Calls(), 2)
}

func requireIntact(t *testing.T, db *sql.DB) {
	t.Helper()
	var check string
	require.NoError(t, db.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&check))
	require.Equal(t, "ok", check)
}

// SQLite needs space to open a file. Its error does not name the disk.
func TestOpenOnAFullDiskSaysSo(t *testing.T) {
	t.Parallel()
	dir := smallFileSystem(t)
	db := openFile(t, dir)
	open(t, db, sqlstore.SQLite)
	require.NoError(t, db.Close())
	free := fillFileSystem(t, dir)
	db = openFile(t, dir)
	_, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite)
	require.ErrorContains(t, err, noSpace)
	free()
	open(t, db, sqlstore.SQLite)
}
