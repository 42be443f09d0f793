package conformance_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
)

// missing skips a test for want of something, and says what to do. In CI nothing
// may be missing: there it fails.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
		t.Fatal(what)
		return
	}
	t.Skip(what)
}

// ended notes how a test was ended.
type ended struct {
	testing.TB
	how string
}

func (e *ended) Helper()      {}
func (e *ended) Fatal(...any) { e.how = "failed" }
func (e *ended) Skip(...any)  { e.how = "skipped" }

func TestNothingMayBeMissingInCI(t *testing.T) {
	for _, test := range []struct{ ci, reductoCI, want string }{
		{"", "", "skipped"},
		{"true", "", "failed"},
		{"", "1", "failed"},
	} {
		t.Setenv("CI", test.ci)
		t.Setenv("REDUCTO_CI", test.reductoCI)
		e := new(ended)
		missing(e, "what to do")
		assert.Equal(t, test.want, e.how, "CI=%q REDUCTO_CI=%q", test.ci, test.reductoCI)
	}
}
