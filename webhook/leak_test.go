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

// goroutines are those that run the package's own code, whoever started them: most
// are a WaitGroup's.
func goroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var own []string
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "github.com/reducto-go/reducto/webhook.") && !strings.Contains(g, "testing.tRunner(") {
			own = append(own, g)
		}
	}
	return strings.Join(own, "\n\n")
}
