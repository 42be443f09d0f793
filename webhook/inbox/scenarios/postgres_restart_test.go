package scenarios_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/pgcluster"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// newCluster starts a PostgreSQL server that the test may restart. Without its programs
// the test is skipped, but in CI it fails.
func newCluster(t *testing.T) *pgcluster.Cluster {
	t.Helper()
	c, err := pgcluster.New(t.Context())
	if errors.Is(err, pgcluster.ErrMissing) && os.Getenv("CI") == "" && os.Getenv("REDUCTO_CI") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

// onCluster returns the store on a server of the test's own. The Inbox and its function
// share a pool.
func onCluster(t *testing.T, address string) inboxtest.Backend {
	t.Helper()
	config, err := pgx.ParseConfig(address)
	require.NoError(t, err)
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(13) // DefaultWorkers and five
	db.SetMaxIdleConns(13)
	t.Cleanup(func() { _ = db.Close() })
	return inboxtest.Backend{DB: db, Open: func() inbox.Store { return open(t, db, sqlstore.PostgreSQL) }}
}

// The mode "fast" is how an administrator restarts the server, "immediate" is a crash.
func TestPostgresRestartLosesNoDelivery(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"fast", "immediate"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			s := openStream(t, onCluster(t, c.URL()), 0)
			for range 2 {
				s.awaitAccepted(50)
				require.NoError(t, c.Stop(t.Context(), mode))
				s.awaitRefused(8)
				require.NoError(t, c.Start(t.Context()))
			}
			s.awaitAccepted(50)
			s.end()
		})
	}
}

// The standby has each commit before the client has its answer. The address names both
// servers.
func TestPostgresFailoverLosesNoDelivery(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*testing.T, *pgcluster.Cluster) error{
		"primary dies": func(t *testing.T, c *pgcluster.Cluster) error { return c.Stop(t.Context(), "immediate") },
		"primary becomes read-only": func(t *testing.T, c *pgcluster.Cluster) error {
			return c.Set(t.Context(), "default_transaction_read_only", "on")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := newCluster(t)
			standby, err := primary.Standby(t.Context())
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, standby.Close()) })
			s := openStream(t, onCluster(t, fmt.Sprintf(
				"postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write",
				primary.Port, standby.Port)), 0)
			s.awaitAccepted(50)
			require.NoError(t, fail(t, primary))
			s.awaitRefused(8)
			require.NoError(t, standby.Promote(t.Context()))
			s.awaitAccepted(100)
			s.end()
		})
	}
}
