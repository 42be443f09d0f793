package main

import "slices"

// spread is a figure over its rounds.
type spread struct {
	median, least, most float64
	rounds              int
}

// spreadOf is the spread of values, of which there is at least one.
func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{
		median: (sorted[(n-1)/2] + sorted[n/2]) / 2,
		least:  sorted[0], most: sorted[n-1],
		rounds: n,
	}
}

// ratios divides round by round: what slows a round down slows both.
func ratios(of, by []float64) spread {
	values := make([]float64, len(of))
	for i := range of {
		values[i] = of[i] / by[i]
	}
	return spreadOf(values)
}
