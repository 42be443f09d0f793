//go:build race

package reducto

const raceEnabled = true
