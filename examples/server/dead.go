package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// administer runs the commands "dead" and "replay". They use only the database, so the
// service may run or not.
func administer(ctx context.Context, command string, args []string, stdout, stderr io.Writer) int {
	c := new(config)
	flags := newFlags("server "+command, c, stderr)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err == nil && c.db == "":
		err = errors.New("no database: use -db or DB_FILE")
	case err == nil && (command == "replay") != (flags.NArg() > 0):
		err = errors.New("replay needs the keys that dead prints; dead takes none")
	}
	if err != nil {
		fmt.Fprintln(stderr, "server:", err)
		return 2
	}
	if err := onRecords(ctx, c.db, command, flags.Args(), stdout); err != nil {
		fmt.Fprintln(stderr, "server:", err)
		return 1
	}
	return 0
}

func onRecords(ctx context.Context, file, command string, keys []string, stdout io.Writer) (err error) {
	if _, err := os.Stat(file); err != nil {
		return err // opening it would make an empty database
	}
	secret, err := webhook.NewSecret(rand.Text()) // this Inbox receives nothing
	if err != nil {
		return err
	}
	db, in, err := openInbox(ctx, file, secret, func(context.Context, *webhook.Delivery) error {
		return errors.New("this process does not run the Inbox")
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if command == "replay" {
		return in.Replay(ctx, keys...)
	}
	out := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for r, err := range in.List(ctx, inbox.Filter{States: []inbox.State{inbox.StateDead}}) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%q\n", r.Key, r.FinishedAt.Format(time.RFC3339), r.JobID, r.Outcome, r.Error)
	}
	return out.Flush()
}
