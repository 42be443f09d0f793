// Command batch parses the files of a directory and writes their text into another:
//
//	batch -dir scans -glob '*.pdf' -out texts
//
// Stop it with Ctrl-C at any time. The next run goes on where it stopped: the state
// file (OUT/batch.jsonl) has a line before and after each submission, so no file is
// submitted twice. The program knows a file by its name in the directory. Do not use a
// state file for two runs at a time. A state file belongs to one API. The program
// refuses the file of another.
//
// If the connection breaks during a submission, it is unknown whether there is a job.
// The program does not submit such a file again, because that can cost twice. With
// -resubmit it does, under the same submission id, which is in the job's metadata too.
//
// Exit status: 0 if all files are done, 1 if some failed, 2 for a wrong setting, 3 if
// the outcome of some submissions is unknown, 130 after an interrupt.
//
// With -fake it uses a Reducto in its own process, which forgets everything at its end.
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
	"strings"
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
	// The first Ctrl-C lets running submissions finish. The second one cancels them. The
	// third one ends the program.
	hard, stopHard := context.WithCancel(context.Background())
	soft, stopSoft := context.WithCancel(hard)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		fmt.Fprintln(os.Stderr, "batch: stopping; press Ctrl-C again to cancel running submissions")
		stopSoft()
		<-signals
		signal.Stop(signals)
		stopHard()
	}()
	os.Exit(run(soft, hard, os.Args[1:], os.Stderr))
}

// run is main without os.Exit. When soft ends, it starts no further submission. When
// hard ends, it cancels the running ones.
func run(soft, hard context.Context, args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("batch", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", ".", "`directory` with the files")
	glob := flags.String("glob", "*", "`pattern` of their names, such as *.pdf or */*.pdf")
	out := flags.String("out", "", "`directory` for the texts")
	state := flags.String("state", "", "state `file` (default: batch.jsonl in the -out directory)")
	concurrency := flags.Int("c", 8, "the `number` of files to upload and submit at a time")
	resubmit := flags.Bool("resubmit", false, "submit files again whose outcome is unknown")
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

	client, api, closeClient, err := connect(*fake)
	if err != nil {
		return usage("%v", err)
	}
	defer closeClient()
	if err := os.MkdirAll(*out, 0o750); err != nil {
		return usage("%v", err)
	}
	journal, err := openJournal(*state, api)
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
		fmt.Fprintln(stderr, "batch: the state file has their names; use -resubmit to submit them again")
		return exitUnknown
	}
	return exitDone
}

// filesOf returns the names of the files to process, with slashes.
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
		return nil, fmt.Errorf("no files match %s in %s", glob, dir)
	}
	return files, nil
}

// connect returns a client of the API, or of a Reducto in this process.
func connect(fake bool) (*reducto.Client, origin, func(), error) {
	if !fake {
		client, err := reducto.NewClient(reducto.WithUserAgent("batch"))
		return client, originOf(client), func() {}, err
	}
	srv, err := reductotest.Start(reductotest.WithProcessingTime(2 * time.Second))
	if err != nil {
		return nil, origin{}, nil, err
	}
	return srv.Client(), origin{API: "fake", Fake: true}, srv.Close, nil
}

// originOf returns the API of a client. A client prints as reducto.Client(base URL).
func originOf(client *reducto.Client) origin {
	text := strings.TrimPrefix(fmt.Sprint(client), "reducto.Client(")
	return origin{API: strings.TrimSuffix(text, ")")}
}
