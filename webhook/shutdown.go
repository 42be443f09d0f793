package webhook

import (
	"context"
	"errors"
	"fmt"
)

// ErrShutdown is the cause (context.Cause) with which the context of a Func ends
// when Shutdown has waited for it long enough.
var ErrShutdown = errors.New("webhook: shutting down")

// ShutdownError says that Shutdown did not wait to the end.
type ShutdownError struct {
	// Remaining is how many calls of the function were still running. Their contexts
	// are cancelled. It is zero if only the logger was in the way.
	Remaining int
	// Err is why the wait ended: the context's error.
	Err error
}

// Error implements error.
func (e *ShutdownError) Error() string {
	if e.Remaining == 0 {
		return fmt.Sprintf("webhook: shutdown: log records remain unwritten: %v", e.Err)
	}
	return fmt.Sprintf("webhook: shutdown: %d calls remain: %v", e.Remaining, e.Err)
}

// Unwrap returns the context's error.
func (e *ShutdownError) Unwrap() error { return e.Err }

// Shutdown waits until no call is running and no goroutine of the handler is left.
// Call it after http.Server.Shutdown, which does not wait for the calls whose
// senders have gone.
//
// From its beginning on, deliveries that would start a call are answered 503, so
// that the service tries again later; duplicates of running and of finished jobs
// are answered as before. If ctx ends first, the calls' contexts are cancelled with
// the cause ErrShutdown and the error is a *ShutdownError: calls that heed their
// context end soon after. It can be called again, and at any time.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.memory.close()
	select {
	case <-h.memory.drained:
	default:
		select {
		case <-h.memory.drained:
		case <-ctx.Done():
			if remaining := h.memory.giveUp(ErrShutdown); remaining > 0 {
				return &ShutdownError{Remaining: remaining, Err: ctx.Err()}
			}
		}
	}
	if err := h.log.wait(ctx); err != nil {
		return &ShutdownError{Err: err}
	}
	return nil
}
