package main

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/pgcluster"
	"github.com/reducto-go/reducto/webhook/inbox"
)

func TestOwnServerCrashes(t *testing.T) {
	t.Parallel()
	d, err := newDatabase(t.Context(), options{Store: onPostgres, Own: true}, t.TempDir())
	if errors.Is(err, pgcluster.ErrMissing) && !inCI() {
		t.Skip(err)
	}
	require.NoError(t, err)
	defer func() { assert.NoError(t, d.close()) }()
	child, err := d.open(d.application(0))
	require.NoError(t, err)
	defer child.Close()
	require.NoError(t, child.PingContext(t.Context()))
	var before, after time.Time
	const started = `SELECT pg_postmaster_start_time()`
	require.NoError(t, d.server.QueryRowContext(t.Context(), started).Scan(&before))
	n, err := d.dropAll(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	require.NoError(t, d.server.QueryRowContext(t.Context(), started).Scan(&after))
	assert.NotEqual(t, before, after)
	require.NoError(t, d.store.Submit(t.Context(), inbox.Submission{ID: "s"}))
}

func TestOwnDiskIsFullForATime(t *testing.T) {
	t.Parallel()
	d, err := newDatabase(t.Context(), options{Store: onSQLite, Own: true}, t.TempDir())
	if errors.Is(err, errNoMount) && !inCI() {
		t.Skip(err)
	}
	require.NoError(t, err)
	defer func() { assert.NoError(t, d.close()) }()
	filled := make(chan error, 1)
	go func() { filled <- d.fillDisk(t.Context(), 300*time.Millisecond) }()
	require.Eventually(t, func() bool {
		err := d.store.Submit(t.Context(), inbox.Submission{ID: "s"})
		return err != nil && assert.ErrorContains(t, err, "no space left")
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, <-filled)
	require.NoError(t, d.store.Submit(t.Context(), inbox.Submission{ID: "s"}))
	files, err := os.ReadDir(d.own.disk)
	require.NoError(t, err)
	for _, file := range files {
		assert.Contains(t, file.Name(), "inbox.db")
	}
}
