package webhook_test

import (
	"runtime"
	"strings"
	"time"
)

// leftovers waits for the goroutines that the package started to end, and shows
// those that do not.
func leftovers(patience time.Duration) string {
	deadline := time.Now().Add(patience)
	for {
		left := goroutines()
		if left == "" || time.Now().After(deadline) {
			return left
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// goroutines are those that the package's own code started, the tests' excluded.
func goroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var own []string
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if _, creator, ok := strings.Cut(g, "created by github.com/reducto-go/reducto/webhook."); ok && !strings.HasPrefix(creator, "Test") {
			own = append(own, g)
		}
	}
	return strings.Join(own, "\n\n")
}
