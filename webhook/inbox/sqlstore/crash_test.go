package sqlstore_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// childFile is the environment variable that makes of the test binary a process
// that receives jobs until it is killed.
const childFile = "SQLSTORE_TEST_CHILD_FILE"

func TestMain(m *testing.M) {
	if file := os.Getenv(childFile); file != "" {
		if err := child(file); err != nil {
			fmt.Println(err)
		}
		os.Exit(1)
	}
	// Most tests wait for a disk or a server, so more run at a time than there are cores.
	// With the race detector SQLite is too slow for that.
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	parallel := "6"
	if raceEnabled {
		parallel = "2"
	}
	if !given {
		if err := flag.Set("test.parallel", parallel); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// child says what has been received, as soon as it has been.
func child(file string) error {
	db, err := openPool(sqliteDSN(file))
	if err != nil {
		return err
	}
	ctx := context.Background()
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		results, err := store.Receive(ctx, []inbox.Notification{completed(fmt.Sprintf("job-%d-a", i)), completed(fmt.Sprintf("job-%d-b", i))})
		if err != nil {
			return err
		}
		for _, r := range results {
			fmt.Println("received", r.Key)
		}
	}
}

// What Receive has answered survives the process, wherever it was when it was
// killed, and it leaves no lock behind.
func TestSQLiteProcessIsKilled(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "inbox.db")
	received := map[string]bool{}
	for round := range 5 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childFile+"="+file)
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(stdout)
		for n := 0; lines.Scan(); n++ {
			key, ok := strings.CutPrefix(lines.Text(), "received ")
			require.True(t, ok, lines.Text())
			received[key] = true
			if n == 10*round {
				require.NoError(t, cmd.Process.Kill()) // and read what it has said
			}
		}
		require.Error(t, cmd.Wait())
	}
	require.NotEmpty(t, received)

	store := open(t, sqlitePool(t, sqliteDSN(file)), sqlstore.SQLite)
	records, err := store.List(within(t, 10*time.Second), inbox.Filter{Limit: 100_000})
	require.NoError(t, err)
	keys := map[string]bool{}
	for _, r := range records {
		keys[r.Key] = true
		assert.Equal(t, inbox.StateReceived, r.State)
	}
	for key := range received {
		assert.True(t, keys[key], "%s was received and is lost", key)
	}
	// A batch is there or it is not.
	for key := range keys {
		other := strings.TrimSuffix(key, "-a") + "-b"
		if strings.HasSuffix(key, "-b") {
			other = strings.TrimSuffix(key, "-b") + "-a"
		}
		assert.True(t, keys[other], "%s is there without %s", key, other)
	}
	receive(t, store, "after")
}
