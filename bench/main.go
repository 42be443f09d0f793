//go:debug x509usefallbackroots=1

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if isChild(os.Args) {
		os.Exit(childMain())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// area is a part of the goals that can be measured by itself.
type area struct {
	name    string
	measure func(context.Context, *run) error
}

var areas = []area{
	{"decode", measureDecode},
	{"webhook", measureWebhook},
	{"submit", measureSubmit},
	{"durable", measureDurable},
	{"peers", measurePeers},
}

func areaNames() []string {
	names := make([]string, len(areas))
	for i, a := range areas {
		names[i] = a.name
	}
	return names
}

// command does what the arguments say. It prints tables to out and what it is
// doing to progress.
func command(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	only := flags.String("only", strings.Join(areaNames(), ","), "`areas` to measure")
	markdown := flags.Bool("markdown", false, "print the main rows as a table for a README")
	quick := flags.Bool("quick", false, "show in seconds that it works; the figures mean nothing")
	dir := flags.String("dir", "", "`directory` for databases, on the disk that is to be measured (default: the temporary one)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen := strings.Split(*only, ",")
	for _, name := range chosen {
		if !slices.Contains(areaNames(), name) || flags.NArg() > 0 {
			flags.Usage()
			return flag.ErrHelp
		}
	}
	scale := fullScale
	if *quick {
		scale = quickScale
	}
	r := newRun(scale, *dir, progress)
	for _, a := range areas {
		if !slices.Contains(chosen, a.name) {
			continue
		}
		if err := a.measure(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	r.log("%v in all", time.Since(r.began).Round(time.Second))
	if err := r.complete(chosen); err != nil {
		return err
	}
	if *markdown {
		return r.printMarkdown(out, chosen)
	}
	return r.printText(out, chosen)
}
