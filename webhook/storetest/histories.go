package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// histories says which histories are played.
type histories struct {
	first uint64 // its seed; the others follow
	most  int    // how many, zero for any number
	time  time.Duration
}

const (
	// stepsPerHistory is long enough for a record to go all ways, short enough that
	// most histories do not end like all others.
	stepsPerHistory = 80
	// perSubtest is how many stores are open at a time: they are closed with the
	// test that they were opened for.
	perSubtest = 10
)

func historiesFromEnv(t tb) histories {
	h := histories{first: uint64(rand.Uint32()), most: 500, time: 2 * time.Second}
	if s := os.Getenv("STORETEST_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("STORETEST_SEED: %v", err)
		}
		h.first = seed
	}
	if s := os.Getenv("STORETEST_TIME"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("STORETEST_TIME: %v", err)
		}
		h.time, h.most = d, 0
	}
	return h
}

func (h histories) run(t *testing.T, open func(t *testing.T) Harness) {
	deadline := time.Now().Add(h.time)
	played, judged := 0, 0
	for seed := h.first; time.Now().Before(deadline) && (h.most == 0 || played < h.most); seed += perSubtest {
		t.Run(fmt.Sprintf("From%d", seed), func(t *testing.T) {
			for i := range uint64(perSubtest) {
				if time.Now().After(deadline) && played > 0 {
					return
				}
				played++
				report, ok := examine(t.Context(), seed+i, func() Harness { return open(t) })
				if ok {
					judged++
				}
				if report != "" {
					t.Fatal(report)
				}
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d histories from seed %d on, %d of them cut short because the store was too slow", played, h.first, played-judged)
}

// examine plays the history of that seed. If it goes wrong it is shortened, and
// the report tells it. ok is false if it could not be played to its end.
func examine(ctx context.Context, seed uint64, open func() Harness) (report string, ok bool) {
	steps := makeUp(seed, stepsPerHistory)
	p := newPlayer(ctx, open())
	n := p.play(steps)
	if p.slow {
		return "", false
	}
	if p.wrong == "" {
		return "", true
	}
	p = shorten(ctx, steps[:n], p, open)
	return fmt.Sprintf("a history goes wrong; STORETEST_SEED=%d repeats it. Shortened, it is\n%s\n\nand then\n%s",
		seed, strings.Join(p.lines, "\n"), p.wrong), true
}

// shorten looks for steps that do not matter, and returns the player of the
// shortest history that it found to go wrong.
func shorten(ctx context.Context, steps []step, failed *player, open func() Harness) *player {
	deadline := time.Now().Add(5 * time.Second)
	tries := 0
	for size := len(steps) / 2; size > 0; size /= 2 {
		for from := 0; from+size <= len(steps); {
			if tries++; tries > 300 || time.Now().After(deadline) {
				return failed
			}
			fewer := slices.Concat(steps[:from], steps[from+size:])
			p := newPlayer(ctx, open())
			n := p.play(fewer)
			if p.wrong == "" {
				from += size
				continue
			}
			steps, failed = fewer[:n], p
		}
	}
	return failed
}
