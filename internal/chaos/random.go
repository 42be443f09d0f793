package main

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// stream is the random numbers that a seed has for one purpose. Each purpose has
// its own, so that what one of them draws does not depend on when another did:
// that is what lets a seed reproduce its faults although processes interleave
// differently each time.
func stream(seed uint64, purpose string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// between is a random duration from low to high.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)+1))
}

// weighted is a choice with its weight.
type weighted[T any] struct {
	value  T
	weight int
}

// choose draws one of the choices.
func choose[T any](r *rand.Rand, choices []weighted[T]) T {
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	n := r.IntN(total)
	for _, c := range choices {
		if n < c.weight {
			return c.value
		}
		n -= c.weight
	}
	panic("unreachable: n is below the total")
}
