// Package run calls the user's function and says how it ended.
package run

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/redact"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// Result is how a call of the function ended. It shares nothing with the function.
type Result struct {
	Kind  Kind
	Text  string // of the error or the panic
	Stack string // of the panic
}

// Kind is how a call of the function ended.
type Kind int

// The kinds of Result.
const (
	Succeeded Kind = iota
	Failed         // with an error
	Panicked       // or ended its goroutine
	Expired        // with an error that is reducto.ErrExpired
	Permanent      // with an error that is permanent
)

// String returns the kind as a metric's label.
func (k Kind) String() string {
	return [...]string{"done", "failed", "panicked", "expired", "permanent"}[k]
}

// ErrTimeout is the cause with which a context ends if its call takes too long.
var ErrTimeout = fmt.Errorf("webhook: the function took too long: %w", context.DeadlineExceeded)

// PermanentError is the error that webhook.Permanent makes.
type PermanentError struct{ Err error }

func (e *PermanentError) Error() string { return e.Err.Error() }
func (e *PermanentError) Unwrap() error { return e.Err }

// Func calls f on this goroutine and then done, even if f panics or ends the
// goroutine. It also contains panics of the error's methods.
func Func(f func() error, done func(Result)) {
	r := Result{Kind: Panicked, Text: "the function ended its goroutine with runtime.Goexit"}
	defer func() { done(r) }()
	defer func() {
		if p := recover(); p != nil {
			r.Stack = safe.Head(string(debug.Stack()), 16<<10)
			r.Text = "the function panicked: " + safe.Head(redact.Text(fmt.Sprint(p)), 1<<10)
		}
	}()
	r = resultOf(f())
}

func resultOf(err error) Result {
	if err == nil {
		return Result{}
	}
	r := Result{Kind: Failed, Text: safe.Head(redact.Text(fmt.Sprint(err)), safe.MaxText)}
	if errors.Is(err, reducto.ErrExpired) {
		r.Kind = Expired
	} else if _, ok := errors.AsType[*PermanentError](err); ok {
		r.Kind = Permanent
	}
	return r
}
