package safe

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPanicDescribesTypeAndPlace(t *testing.T) {
	t.Parallel()
	var missing *struct{ JobID string }
	var none []int
	for name, tt := range map[string]struct {
		f    func()
		want string
	}{
		"a value":         {func() { panic("secret") }, `^string in .*TestPanicDescribesTypeAndPlace.*\(panic_test\.go:\d+\)$`},
		"an error":        {func() { panic(errors.New("secret")) }, `^\*errors\.errorString in .*\(panic_test\.go:\d+\)$`},
		"nil":             {func() { panic(nil) }, `^\*runtime\.PanicNilError in .*\(panic_test\.go:\d+\)$`},
		"an index":        {func() { none[len(none)+1]++ }, `^runtime\.boundsError in .*\(panic_test\.go:\d+\)$`},
		"a nil pointer":   {func() { missing.JobID = "" }, `^runtime\.error.* in .*\(panic_test\.go:\d+\)$`},
		"another's panic": {func() { defer func() { panic(recover()) }(); panic(1) }, `^int in .*\(panic_test\.go:\d+\)$`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			func() {
				defer func() { got = Panic(recover()) }()
				tt.f()
			}()
			assert.Regexp(t, tt.want, got)
		})
	}
	assert.Equal(t, "int", Panic(1), "without a panic")
	assert.Equal(t, "*runtime.Func", Panic(new(runtime.Func)))
}
