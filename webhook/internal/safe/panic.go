package safe

import (
	"fmt"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// Panic describes a recovered panic by the type of its value and the place where it
// happened. It does not show the value, which could hold secrets. Call it in the
// deferred function that recovers.
func Panic(value any) string {
	text := fmt.Sprintf("%T", value)
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	panicking := false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(frame.Function, "runtime."): // skips the runtime's own frames
			return text + " in " + frame.Function + " (" + path.Base(frame.File) + ":" + strconv.Itoa(frame.Line) + ")"
		}
		if !more {
			return text
		}
	}
}
