// Command chaos breaks the inbox to see whether anything is lost. It plays
// Reducto, starts processes with an Inbox on one database, has them submit jobs,
// and meanwhile loses, repeats, delays, damages and forges webhooks, answers
// requests with errors or not at all, and kills and stops those processes and
// breaks their connections. When all is calm again it makes an account: every
// submission has to have one outcome, and what each configuration promises has to
// hold. If it does not, the exit code is 1 and the logs are kept.
//
//	chaos -store sqlite -tx            one run
//	chaos -ci                          all four configurations, within -budget
//	chaos -long                        the same, with 2,000 jobs and 100 kills each
//
// A seed reproduces what goes wrong and when, not how processes interleave.
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
	"syscall"
	"time"
)

// childFlag is how a parent starts this program as a child.
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

// command does what the arguments say.
func command(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	store := flags.String("store", onSQLite, "`database` of a single run: sqlite, or postgres (see REDUCTO_TEST_POSTGRES)")
	tx := flags.Bool("tx", false, "complete with CompleteTx")
	jobs := flags.Int("jobs", 300, "submissions")
	kills := flags.Int("kills", 15, "kills")
	duration := flags.Duration("duration", 10*time.Minute, "time after which a run has failed")
	seed := flags.Uint64("seed", 0, "seed of everything that goes wrong (0: a new one)")
	dir := flags.String("out", "", "`directory` for logs and ledgers, which are kept then (default: a temporary one, kept after a failure)")
	ci := flags.Bool("ci", false, "all four configurations at once, within -budget")
	budget := flags.Duration("budget", 4*time.Minute, "time of all runs of -ci")
	long := flags.Bool("long", false, "all four configurations, with at least 2,000 jobs and 100 kills each")
	parallel := flags.Int("parallel", 2, "runs at a time of -long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *store != onSQLite && *store != onPostgres || flags.NArg() > 0 || *ci && *long || *jobs < 1 || *kills < 0 || *parallel < 1 {
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
		window := *budget - calm - 20*time.Second
		if window < 10*time.Second {
			return fmt.Errorf("-budget %v is too short: %v is the least", *budget, calm+30*time.Second)
		}
		kills := int(window / (2500 * time.Millisecond))
		runs, atATime = four(*seed, 8*int(window/time.Second), kills, window, *budget-5*time.Second), 4
	case *long:
		*jobs, *kills = max(*jobs, 2000), max(*kills, 100)
		window := windowFor(*jobs, *kills)
		runs, atATime = four(*seed, *jobs, *kills, window, window+15*time.Minute), *parallel
	default:
		window := min(windowFor(*jobs, *kills), *duration/2)
		runs = []run{{
			options: options{Store: *store, Tx: *tx, Unsteady: true},
			Profile: profileFor(*store, *jobs, *kills, window), Seed: *seed, Limit: *duration,
		}}
	}
	return keeping(*dir, out, func(dir string) error {
		began := time.Now()
		err := doAll(ctx, runs, atATime, dir, out)
		fmt.Fprintf(out, "seed %d, %v in all\n", *seed, time.Since(began).Round(time.Second))
		return err
	})
}

// keeping has f work in a directory, which is kept if it was asked for, or if f
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
