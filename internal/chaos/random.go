package main

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// stream returns the random numbers of a seed for one purpose. Each purpose has its own
// stream, so the numbers do not depend on the order in which purposes draw. So a seed
// reproduces its faults, although processes interleave differently each time.
func stream(seed uint64, purpose string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// between returns a random duration from low to high.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)+1))
}

// weighted is a choice with its weight.
type weighted[T any] struct {
	value  T
	weight int
}

// choose returns one of the choices.
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
