// Command rag makes the passages of a directory of documents, as lines of JSON for a
// search index:
//
//	go run ./examples/rag -dir scans -out passages.jsonl
//	go run ./examples/rag
//
// Each line is a passage with the name of its document. Stop the program with Ctrl-C at
// any time. The next run goes on where it stopped. It skips complete documents, and waits
// for jobs that it submitted. Its state is in the file OUT.state. If the program dies
// while it writes, the next run removes what is incomplete. Do not use an output for two
// runs at a time. A complete document that changes later is not read again: use another
// output.
//
// If the program dies during a submission, or its answer is lost, the next run submits
// the document again, which can cost twice. See examples/batch for a program that asks
// first.
//
// Without REDUCTO_API_KEY it uses a Reducto in its own process, and without -dir its own
// documents. An output belongs to one API. The program refuses the output of another, so
// fake passages do not come among real ones. Without -out, it prints the passages.
//
// Exit status: 0 if all documents are done, 1 if some failed, 2 for a wrong setting, 130
// after an interrupt.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path"
	"strings"
	"syscall"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

//go:embed testdata/*.txt
var ownDocuments embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without os.Exit.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("rag", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "`directory` with the documents (default: documents of the program, without an API key)")
	out := flags.String("out", "", "`file` for the passages (default: standard output)")
	tokens := flags.Int("tokens", 400, "the most tokens of a passage, by an estimate")
	concurrency := flags.Int("c", 8, "the `number` of documents to process at a time")
	usage := func(format string, args ...any) int {
		fmt.Fprintf(stderr, "rag: "+format+"\n", args...)
		return 2
	}
	fake := os.Getenv(reducto.EnvAPIKey) == ""
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		return usage("unexpected argument %q: name the directory with -dir", flags.Arg(0))
	case *concurrency < 1 || *tokens < 1:
		return usage("-c and -tokens must be positive")
	case *dir == "" && !fake:
		return usage("-dir is missing")
	}
	documents, _ := fs.Sub(ownDocuments, "testdata")
	if *dir != "" {
		documents = os.DirFS(*dir)
	}
	names, err := namesOf(documents, *dir, *out)
	if err != nil {
		return usage("%v", err)
	}
	client, api, closeClient, err := connect(fake, stderr)
	if err != nil {
		return usage("%v", err)
	}
	defer closeClient()
	api.Tokens = *tokens
	output := &output{w: stdout, last: map[string]entry{}}
	if *out != "" {
		if output, err = openOutput(*out, api); err != nil {
			return usage("%v", err)
		}
	}
	defer output.close()

	r := &indexer{client: client, documents: documents, output: output, stderr: stderr, tokens: *tokens, total: len(names)}
	failed := r.run(ctx, names, *concurrency)
	switch {
	case ctx.Err() != nil && r.done+failed < len(names):
		fmt.Fprintf(stderr, "rag: interrupted: %d of %d documents are done\n", r.done, len(names))
		return 130
	case failed > 0:
		fmt.Fprintf(stderr, "rag: %d of %d documents failed\n", failed, len(names))
		return 1
	}
	fmt.Fprintf(stderr, "rag: %d documents are done\n", r.done)
	return 0
}

// namesOf returns the names of the documents, with slashes. It leaves out hidden files,
// and the program's own files.
func namesOf(documents fs.FS, dir, out string) ([]string, error) {
	passages, _ := os.Stat(out)
	state, _ := os.Stat(statePath(out))
	var names []string
	err := fs.WalkDir(documents, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := name != "." && strings.HasPrefix(path.Base(name), ".")
		if e.IsDir() && hidden {
			return fs.SkipDir
		}
		if hidden || !e.Type().IsRegular() {
			return nil
		}
		info, err := e.Info()
		if err == nil && !os.SameFile(info, passages) && !os.SameFile(info, state) {
			names = append(names, name)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", dir, err)
	case len(names) == 0:
		return nil, fmt.Errorf("there are no documents in %s", dir)
	}
	return names, nil
}

// connect returns a client of the API, or of a Reducto in this process.
func connect(fake bool, stderr io.Writer) (*reducto.Client, origin, func(), error) {
	if !fake {
		client, err := reducto.NewClient(reducto.WithUserAgent("rag"))
		if err != nil {
			return nil, origin{}, nil, err
		}
		// A client prints as reducto.Client(base URL).
		api := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(client), "reducto.Client("), ")")
		return client, origin{API: api}, func() {}, nil
	}
	fmt.Fprintln(stderr, "rag: REDUCTO_API_KEY is not set: using a Reducto in this process")
	srv, err := reductotest.Start()
	if err != nil {
		return nil, origin{}, nil, err
	}
	return srv.Client(), origin{API: "fake", Fake: true}, srv.Close, nil
}
