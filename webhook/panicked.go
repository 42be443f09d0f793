package webhook

import (
	"fmt"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// panicked says what kind of value somebody else's code panicked with and where, for an
// error or a log. It does not repeat the value, which could hold what the code was
// given. It is for the deferred function that has recovered, while the frames of the
// panic are still there.
func panicked(value any) string {
	text := fmt.Sprintf("%T", value)
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	panicking := false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(frame.Function, "runtime."): // which panics for indices, nil and the like
			return text + " in " + frame.Function + " (" + path.Base(frame.File) + ":" + strconv.Itoa(frame.Line) + ")"
		}
		if !more {
			return text
		}
	}
}
