package webhook

import "errors"

// Permanent marks an error that another delivery cannot mend: a document that
// your code cannot use, a customer that no longer exists. A Func that returns it
// ends the job: the delivery is answered 200, the error is logged, and the
// function is not called for that job again. errors.Is and errors.As see err
// through it. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err is, or wraps, an error made by Permanent.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	return ok
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }
