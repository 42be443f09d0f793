// Command reducto-hooks is for people who build on Reducto's webhooks:
//
//	reducto-hooks dev         a local Reducto, with an app that receives its webhooks
//	reducto-hooks listen      delivers the account's webhooks to a local URL
//	reducto-hooks trigger     sends a webhook to a URL now
//	reducto-hooks jobs        lists, shows, awaits and cancels the account's jobs
//	reducto-hooks inbox       lists, shows, replays, counts and exports the records of an Inbox
//	reducto-hooks completion  prints the completion of a shell
//
// Each command has --help with examples. On a terminal the output has colour and
// tables. In a pipe each line has fields that tabs separate. With --json each line
// is a JSON object. NO_COLOR is obeyed.
//
// The API key comes from REDUCTO_API_KEY, or from ~/.reducto/config.yaml, where
// "reducto login" saves it. The command never prints it.
//
// The exit statuses:
//
//	0    done
//	1    failure, such as an error of the API, the database or the receiver
//	2    a wrong argument or setting, or a record to replay that is not dead
//	3    a job failed or was cancelled
//	4    there is no such job or record
//	130  interrupted before the end
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// The libraries for the terminal are kong, lipgloss and mpb, which are widely used and
// maintained. kong makes the commands, their help and the completion from one struct,
// with half the code of cobra and few dependencies. lipgloss draws tables and colours, and
// obeys NO_COLOR and the terminal's abilities. mpb draws progress beside other output.

// commands are the commands and the flags that all of them have.
type commands struct {
	JSON    bool             `name:"json" help:"Print JSON, one object a line."`
	Version kong.VersionFlag `help:"Print the version."`

	Dev        devCmd        `cmd:"" help:"Run a local Reducto, and an app that receives its webhooks."`
	Listen     listenCmd     `cmd:"" help:"Deliver the account's webhooks to a local URL, without a tunnel."`
	Trigger    triggerCmd    `cmd:"" help:"Send a webhook to a URL now."`
	Jobs       jobsCmd       `cmd:"" help:"List, show, await and cancel jobs."`
	Inbox      inboxCmd      `cmd:"" help:"List, show, replay, count and export the records of an Inbox."`
	Completion completionCmd `cmd:"" help:"Print the completion of a shell."`
}

// The exit statuses.
const (
	exitDone        = 0
	exitFailure     = 1
	exitUsage       = 2
	exitJobFailed   = 3
	exitNotFound    = 4
	exitInterrupted = 130
)

func main() {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores the end of the terminal
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:]))
}

// run is main without os.Exit, except that kong exits after --help and --version.
func run(ctx context.Context, args []string) int {
	var c commands
	parser, err := newParser(&c)
	if err != nil {
		fmt.Fprintln(os.Stderr, "reducto-hooks:", err)
		return exitFailure
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == completeCommand:
		printCandidates(os.Stdout, complete(parser.Model.Node, args[1:]))
		return exitDone
	}
	selected, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "reducto-hooks: %v\nRun %q for help.\n", err, helpFor(err))
		return exitUsage
	}
	u := newUI(c.JSON)
	selected.BindTo(ctx, (*context.Context)(nil))
	err = selected.Run(u, parser)
	if err == nil {
		return exitDone
	}
	code := exitCode(ctx, err)
	if code == exitInterrupted {
		err = errors.New("interrupted")
	}
	fmt.Fprintln(os.Stderr, "reducto-hooks:", clean(err.Error()))
	return code
}

func newParser(c *commands) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("reducto-hooks"),
		kong.Description("Tools for Reducto's webhooks: a local Reducto, test deliveries, jobs and the inbox."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{
			"version":   reducto.LibraryVersion,
			"namespace": sqlstore.DefaultNamespace,
			"states":    "pending,received,claimed,done,dead",
		},
	)
}

// helpFor returns the command that helps with an error of the parser.
func helpFor(err error) string {
	path := "reducto-hooks"
	if e, ok := errors.AsType[*kong.ParseError](err); ok && e.Context != nil && e.Context.Selected() != nil {
		path = cmp.Or(strings.TrimSpace(e.Context.Selected().FullPath()), path)
	}
	return path + " --help"
}

// exitError is an error with its exit status.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }

func (e *exitError) Unwrap() error { return e.err }

// usageError returns an error of an argument or a setting.
func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode returns the exit status for an error that is not nil.
func exitCode(ctx context.Context, err error) int {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	_, jobFailed := errors.AsType[*reducto.JobError](err)
	_, refused := errors.AsType[*reducto.RequestError](err)
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case jobFailed:
		return exitJobFailed
	case errors.Is(err, reducto.ErrNotFound), errors.Is(err, reducto.ErrDeleted), errors.Is(err, reducto.ErrExpired):
		return exitNotFound
	case refused:
		return exitUsage
	}
	return exitFailure
}
