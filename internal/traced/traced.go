// Package traced calls a reducto.Tracer. A panic of a Tracer ends no operation, and no
// goroutine of the library.
package traced

import "context"

// Start begins an operation with start. If start or the function that it returns panics,
// Start calls panicked, and the operation goes on without a span.
func Start[Op any](
	ctx context.Context, op *Op, start func(context.Context, *Op) (context.Context, func(error)), panicked func(value any),
) (_ context.Context, end func(error)) {
	contained := func() {
		if p := recover(); p != nil {
			panicked(p)
		}
	}
	traced, stop := ctx, func(error) {}
	func() {
		defer contained()
		if c, f := start(ctx, op); c != nil && f != nil {
			traced, stop = c, f
		}
	}()
	return traced, func(err error) {
		defer contained()
		stop(err)
	}
}
