package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
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
		fmt.Fprintln(os.Stderr, "growth:", err)
		os.Exit(1)
	}
}

// scale is how much a run measures.
type scale struct {
	sizes        []int // of done records, ascending
	pending, due int
	rounds       int
	batch        int // records of a call
	calls        int // in a round, of operations that are not slow

	soak     time.Duration
	kept     time.Duration // the retention during the soak
	counts   []int         // of processes
	work     int           // records that they share
	repeated int           // rounds of processes
}

var (
	fullScale = scale{
		sizes: []int{10_000, 100_000, 1_000_000, 10_000_000}, pending: 100_000, due: 10_000, rounds: 15, batch: 64, calls: 6,
		soak: 20 * time.Minute, kept: time.Minute, counts: []int{1, 2, 4, 8}, work: 100_000, repeated: 3,
	}
	quickScale = scale{
		sizes: []int{500, 1000, 2000}, pending: 400, due: 100, rounds: 1, batch: 8, calls: 2,
		soak: 2 * time.Second, kept: time.Second, counts: []int{1, 2}, work: 100, repeated: 1,
	}
)

// run is one call of the command.
type run struct {
	scale
	quick    bool
	progress io.Writer
	began    time.Time
}

// log says what the command is doing.
func (r *run) log(format string, args ...any) {
	fmt.Fprintf(r.progress, "%6s  "+format+"\n", append([]any{time.Since(r.began).Round(time.Second)}, args...)...)
}

// part is a part that can be measured by itself.
type part struct {
	name    string
	measure func(context.Context, *run) (report, error)
}

var parts = []part{{"sizes", measureSizes}, {"soak", measureSoak}, {"processes", measureProcesses}}

// command does what the arguments say. It prints tables to out and what it is doing to
// progress.
func command(ctx context.Context, args []string, out, progress io.Writer) error {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	flags := flag.NewFlagSet("growth", flag.ContinueOnError)
	flags.SetOutput(progress)
	only := flags.String("only", strings.Join(names, ","), "`parts` to measure")
	quick := flags.Bool("quick", false, "show in seconds that it works; the figures mean nothing")
	soak := flags.Duration("soak", fullScale.soak, "how long the soak lasts")
	largest := flags.Int("max", 10_000_000, "the largest `number` of done records")
	write := flags.String("write", "", "`directory` of performance.md and growth.svg, which are rewritten")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen := strings.Split(*only, ",")
	for _, name := range chosen {
		if !slices.Contains(names, name) || flags.NArg() > 0 {
			flags.Usage()
			return flag.ErrHelp
		}
	}
	r := &run{scale: fullScale, quick: *quick, progress: progress, began: time.Now()}
	r.soak = *soak
	if *quick {
		r.scale = quickScale
	}
	r.sizes = slices.DeleteFunc(slices.Clone(r.sizes), func(n int) bool { return n > *largest })
	if len(r.sizes) < 2 {
		return fmt.Errorf("-max %d leaves no two tables to compare: use at least %d", *largest, fullScale.sizes[1])
	}
	for _, p := range parts {
		if !slices.Contains(chosen, p.name) {
			continue
		}
		found, err := p.measure(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if _, err := io.WriteString(out, found.text(r)); err != nil {
			return err
		}
		if *write == "" {
			continue
		}
		if err := rewrite(filepath.Join(*write, "performance.md"), p.name, found.markdown(r)); err != nil {
			return err
		}
		if found.plot != "" {
			if err := os.WriteFile(filepath.Join(*write, "growth.svg"), []byte(found.plot), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
