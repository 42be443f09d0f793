// Command chaos tests the guarantees of an Inbox while processes crash. It runs a
// simulated Reducto and starts processes that have an Inbox on one database and submit
// jobs. Meanwhile it attacks:
//
//   - It loses, duplicates, reorders, delays, damages and forges deliveries.
//   - It answers requests to the API with errors, late, or not at all.
//   - It kills processes, pauses them for longer than their leases, and breaks their
//     connections to the database.
//   - It terminates all sessions of a server, as a restart does, and makes it read-only
//     for a time, as a failover does. Deliveries must be taken in again within a second
//     of its return.
//   - With -own the database is the run's own, and its faults are real. A PostgreSQL server
//     crashes and starts again. SQLite is on a small disk that is full for a time.
//
// After the attack it waits until every submission has ended, and prints a ledger.
// Every submission must have an outcome, and the guarantees of the configuration must
// hold. If they do not, the exit code is 1 and the logs are kept.
//
//	chaos -store sqlite -tx            one run
//	chaos -store mysql                 one run on MySQL or MariaDB, which has no other runs
//	chaos -store postgres -own         one run on a server that crashes
//	chaos -store sqlite -own           one run on a disk that is full at times
//	chaos -ci                          all four configurations, within -budget
//	chaos -long                        the same, with 2,000 jobs and 100 kills each
//
// A seed reproduces the faults and their times. It does not reproduce how processes
// interleave.
//
// A token of one submission is replayed for other jobs only if the answer to that
// submission is known. If a token leaks while the answer is lost, the Inbox cannot
// tell the jobs apart. That risk is documented, and not tested here.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// childFlag makes this program a child.
const childFlag = "-child"

func main() {
	if len(os.Args) == 2 && os.Args[1] == childFlag {
		os.Exit(childMain())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// command runs the program with its arguments.
func command(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	store := flags.String("store", onSQLite, "`database` of a single run: sqlite, postgres (see TEST_POSTGRES_URL), or mysql (see TEST_MYSQL_URL)")
	tx := flags.Bool("tx", false, "complete with CompleteTx")
	own := flags.Bool("own", false, "make a database for a single run: a server of PostgreSQL that crashes, or for sqlite a small disk that fills (root on Linux)")
	jobs := flags.Int("jobs", 300, "submissions")
	kills := flags.Int("kills", 15, "kills")
	duration := flags.Duration("duration", 10*time.Minute, "time after which a single run has failed")
	seed := flags.Uint64("seed", 0, "seed of the faults (0: a random one)")
	dir := flags.String("out", "", "`directory` for logs and ledgers (default: a temporary one that is kept after a failure)")
	ci := flags.Bool("ci", false, "all four configurations at once, within -budget")
	budget := flags.Duration("budget", 4*time.Minute, "time of all runs of -ci")
	long := flags.Bool("long", false, "all four configurations, with at least 2,000 jobs and 100 kills each")
	parallel := flags.Int("parallel", 2, "runs at a time of -long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !slices.Contains([]string{onSQLite, onPostgres, onMySQL}, *store) || flags.NArg() > 0 || *ci && *long || *own && (*ci || *long || *store == onMySQL) || *jobs < 1 || *kills < 0 || *parallel < 1 {
		flags.Usage()
		return flag.ErrHelp
	}
	if *seed == 0 {
		*seed = rand.Uint64N(1_000_000_000)
	}
	fmt.Fprintf(out, "seed %d\n", *seed)

	var runs []run
	atATime := 1
	switch {
	case *ci:
		window := longestWindow(*budget)
		if window == 0 {
			return fmt.Errorf("-budget %v is too short: %v is the least", *budget, leastFor(profile{Window: leastWindow}))
		}
		kills := int(window / (2500 * time.Millisecond))
		runs, atATime = four(*seed, 8*int(window/time.Second), kills, window, *budget), 4
	case *long:
		*jobs, *kills = max(*jobs, 2000), max(*kills, 100)
		window := windowFor(*jobs, *kills)
		runs, atATime = four(*seed, *jobs, *kills, window, window+15*time.Minute), *parallel
	default:
		p := profileFor(*store, *jobs, *kills, windowFor(*jobs, *kills))
		switch faults := max(2, *kills/3); {
		case *own && *store == onSQLite:
			p.FullDisks = faults
		case *own:
			p.Restarts = faults
		}
		if least := leastFor(p); *duration < least {
			return fmt.Errorf("-duration %v is too short for %d jobs and %d kills: %v is the least", *duration, *jobs, *kills, least)
		}
		runs = []run{{options: options{Store: *store, Own: *own, Tx: *tx, Unsteady: true}, Profile: p, Seed: *seed, Limit: *duration}}
	}
	return keeping(*dir, out, func(dir string) error {
		began := time.Now()
		err := doAll(ctx, runs, atATime, dir, out)
		fmt.Fprintf(out, "seed %d, %v in all\n", *seed, time.Since(began).Round(time.Second))
		return err
	})
}

// keeping calls f with a directory. It keeps the directory if the user named it, or if f
// fails.
func keeping(dir string, out io.Writer, f func(dir string) error) error {
	temporary := dir == ""
	if temporary {
		made, err := os.MkdirTemp("", "chaos-")
		if err != nil {
			return err
		}
		dir = made
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	err = f(dir)
	if temporary && err == nil {
		return os.RemoveAll(dir)
	}
	fmt.Fprintf(out, "logs and ledgers: %s\n", dir)
	return err
}
