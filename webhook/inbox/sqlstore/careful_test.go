//go:build !race

package sqlstore_test

import (
	"testing"

	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
	"github.com/reducto-go/reducto/webhook/inbox/storetest"
)

// The suite once more, without the fast ways of Submit, Bind and Receive. It runs the same code as the
// other run of the suite, so it is not built with the race detector. CI runs it without.

func TestSQLiteCareful(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness { return sqliteHarness(t, sqlstore.Careful) })
}

func TestPostgreSQLCareful(t *testing.T) {
	t.Parallel()
	runPostgres(t, sqlstore.Careful)
}
