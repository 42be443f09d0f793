package conformance_test

import (
	"os"
	"testing"
)

// missing skips a test for want of something, and says what to do. In CI nothing
// may be missing.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}
