package webhook

import (
	"errors"
	"fmt"

	"github.com/reducto-go/reducto/webhook/internal/body"
	"github.com/reducto-go/reducto/webhook/internal/run"
)

// Reasons to refuse a request, for errors.Is. The response does not contain the reason.
var (
	// ErrMalformed: the body is not a webhook, or is ambiguous. The answer is 400.
	ErrMalformed = body.ErrMalformed
	// ErrTooLarge: the body is larger than WithMaxBodyBytes. The answer is 413.
	ErrTooLarge = errors.New("webhook: the body is too large")
	// ErrUnauthorized: the delivery is not genuine. The answer is 401. The errors
	// below are ErrUnauthorized too.
	ErrUnauthorized = errors.New("webhook: unauthorized")
	// ErrNoSecret: the metadata has no secret, several secrets, or one that is not a
	// string.
	ErrNoSecret = fmt.Errorf("%w: no secret in the metadata", ErrUnauthorized)
	// ErrWrongSecret: the secret is not one of the configured secrets.
	ErrWrongSecret = fmt.Errorf("%w: wrong secret", ErrUnauthorized)
	// ErrExpiredToken: a Signer's token has expired.
	ErrExpiredToken = fmt.Errorf("%w: the token has expired", ErrUnauthorized)
	// ErrUnknownKey: no key of the Signer has the id that the token names.
	ErrUnknownKey = fmt.Errorf("%w: unknown key", ErrUnauthorized)
	// ErrNoSignature: the signature headers of a Svix are missing.
	ErrNoSignature = fmt.Errorf("%w: not signed", ErrUnauthorized)
	// ErrBadSignature: no signature matches a secret of the Svix.
	ErrBadSignature = fmt.Errorf("%w: wrong signature", ErrUnauthorized)
	// ErrTimestamp: a Svix signature is more than five minutes old, or from the future.
	ErrTimestamp = fmt.Errorf("%w: timestamp out of tolerance", ErrUnauthorized)
)

// Errors that a Func can get.
var (
	// ErrNoClient: Delivery.Job needs a client, and there is none.
	ErrNoClient = errors.New("webhook: no client to fetch the job with: give the handler one by WithClient")
	// ErrTxUnsupported: Delivery.CompleteTx needs an Inbox with a store that has
	// transactions.
	ErrTxUnsupported = errors.New("webhook: this delivery cannot be completed in a transaction: use an Inbox with package sqlstore")
	// ErrShutdown is the cause (context.Cause) of a Func's context if the context of
	// Shutdown ended before the call did.
	ErrShutdown = errors.New("webhook: shutting down")
)

// Permanent marks an error that another attempt cannot fix, such as a document that
// your code cannot use. If a Func returns it, the function is not called again for that
// job. A Handler answers 200; an Inbox marks the record dead. errors.Is and errors.As
// see err. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &run.PermanentError{Err: err}
}

// IsPermanent reports whether err is, or wraps, an error made by Permanent.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*run.PermanentError](err)
	return ok
}

// ShutdownError is the error of a Shutdown whose context ended too early. Use it to log
// how many calls were still running.
type ShutdownError struct {
	// Remaining is how many calls of the function were still running. It is zero if
	// only log records were left to write.
	Remaining int
	// Err is the error of Shutdown's context.
	Err error
}

// Error implements error.
func (e *ShutdownError) Error() string {
	if e.Remaining == 0 {
		return fmt.Sprintf("webhook: shutdown: log records were not written: %v", e.Err)
	}
	return fmt.Sprintf("webhook: shutdown: %d calls of the function are still running: %v", e.Remaining, e.Err)
}

// Unwrap returns Err.
func (e *ShutdownError) Unwrap() error { return e.Err }
