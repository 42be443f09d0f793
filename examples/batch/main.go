// Command batch parses the files of a directory and writes their text into another:
//
//	batch -dir scans -glob '*.pdf' -out texts
//
// It can be stopped with Ctrl-C at any time, and goes on where it stopped when it
// is started again: what was submitted is written down before and after, in the
// state file (OUT/batch.jsonl), so that nothing is submitted twice. A file is known
// by its name in the directory. Do not run it twice at a time with one state file.
//
// If the connection breaks during a submission, nobody can tell whether there is a
// job. Such files are left alone, since to submit them again can cost twice; with
// -resubmit they are, under the same submission id, which is also in the job's
// metadata.
//
// Exit status: 0 if all files are done, 1 if some failed, 2 for a wrong setting, 3
// if it is unknown whether some were submitted, 130 if it was interrupted.
//
// With -fake it talks to a Reducto in its own process, which forgets everything
// when it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// The exit statuses.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnknown     = 3
	exitInterrupted = 130
)

func main() {
	// The first Ctrl-C begins nothing new and finishes the submissions that are on
	// their way; the second one gives them up; the third ends the program.
	hard, stopHard := context.WithCancel(context.Background())
	soft, stopSoft := context.WithCancel(hard)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		fmt.Fprintln(os.Stderr, "batch: stopping; once more to give up what is being submitted")
		stopSoft()
		<-signals
		signal.Stop(signals)
		stopHard()
	}()
	os.Exit(run(soft, hard, os.Args[1:], os.Stderr))
}

// run is main, and returns the exit status. It begins nothing new when soft has
// ended, and gives everything up when hard has.
func run(soft, hard context.Context, args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("batch", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", ".", "`directory` with the files")
	glob := flags.String("glob", "*", "`pattern` of their names, such as *.pdf or */*.pdf")
	out := flags.String("out", "", "`directory` for the texts")
	state := flags.String("state", "", "state `file` (default: batch.jsonl in the -out directory)")
	concurrency := flags.Int("c", 8, "how many files to upload and submit at a `time`")
	resubmit := flags.Bool("resubmit", false, "submit files again of which it is unknown whether they were submitted")
	fake := flags.Bool("fake", false, "use a Reducto in this process")
	usage := func(format string, args ...any) int {
		fmt.Fprintf(stderr, "batch: "+format+"\n", args...)
		return exitUsage
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	case *out == "":
		return usage("-out is missing")
	case *concurrency < 1:
		return usage("-c must be positive")
	}
	files, err := filesOf(*dir, *glob)
	if err != nil {
		return usage("%v", err)
	}
	if *state == "" {
		*state = filepath.Join(*out, "batch.jsonl")
	}

	client, closeClient, err := connect(*fake)
	if err != nil {
		return usage("%v", err)
	}
	defer closeClient()
	if err := os.MkdirAll(*out, 0o750); err != nil {
		return usage("%v", err)
	}
	journal, err := openJournal(*state)
	if err != nil {
		return usage("%v", err)
	}
	defer journal.close()
	b := &batch{
		client: client, journal: journal, dir: *dir, out: *out,
		concurrency: *concurrency, resubmit: *resubmit,
	}
	b.progress = newProgress(stderr, len(files), journal.count(files))
	summary, err := b.run(soft, hard, files)
	b.progress.close()
	if err != nil && soft.Err() == nil {
		fmt.Fprintln(stderr, "batch:", err)
	}
	fmt.Fprintln(stderr, "batch:", summary)
	switch {
	case soft.Err() != nil && !summary.complete():
		return exitInterrupted
	case err != nil, summary.failed > 0, summary.open > 0, summary.running > 0:
		return exitFailed
	case summary.unknown > 0:
		fmt.Fprintln(stderr, "batch: see the state file for which, and use -resubmit to submit them again")
		return exitUnknown
	}
	return exitDone
}

// filesOf lists the files that are to be processed, with slashes in their names.
func filesOf(dir, glob string) ([]string, error) {
	root := os.DirFS(dir)
	names, err := fs.Glob(root, glob)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, name := range names {
		info, err := fs.Stat(root, name)
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there are no files %s in %s", glob, dir)
	}
	return files, nil
}

// connect makes a client of the service, or of one in this process.
func connect(fake bool) (*reducto.Client, func(), error) {
	if !fake {
		client, err := reducto.NewClient(reducto.WithUserAgent("batch"))
		return client, func() {}, err
	}
	srv, err := reductotest.Start(reductotest.WithProcessingTime(2 * time.Second))
	if err != nil {
		return nil, nil, err
	}
	return srv.Client(), srv.Close, nil
}
