package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
)

// Verifier decides whether a request is a genuine delivery. Verify is a pure
// function of the headers and the body: it keeps and changes neither, does no
// I/O, and can be called by any number of goroutines. The Event that it returns
// shares no memory with the body.
//
// Its errors are ErrMalformed for a body that is no delivery, and errors that are
// ErrUnauthorized for one that is not to be believed. Neither repeats anything
// that the request said. *Secret is a Verifier.
type Verifier interface {
	Verify(h http.Header, body []byte) (Event, error)
}

// Errors of a Verifier, for errors.Is. ErrNoSecret and ErrWrongSecret are both
// ErrUnauthorized.
var (
	// ErrMalformed: the body is not a webhook's: not JSON, not an object, or one
	// that readers could understand in more than one way. Answered 400.
	ErrMalformed = errors.New("webhook: malformed body")
	// ErrUnauthorized: the delivery is not to be believed. Answered 401, always with
	// the same body.
	ErrUnauthorized = errors.New("webhook: unauthorized")
	// ErrNoSecret: the metadata has no secret, or not exactly one that is a string.
	ErrNoSecret = fmt.Errorf("%w: the metadata has no usable secret", ErrUnauthorized)
	// ErrWrongSecret: the metadata's secret is none of those configured.
	ErrWrongSecret = fmt.Errorf("%w: wrong secret", ErrUnauthorized)
)

// malformed is an ErrMalformed that says what is wrong, in words of ours: what
// strangers send is not repeated.
type malformed string

func (e malformed) Error() string        { return ErrMalformed.Error() + ": " + string(e) }
func (e malformed) Is(target error) bool { return target == ErrMalformed }

// checkVerifier refuses a verifier that cannot verify. A nil pointer in an
// interface is not nil, and would fail at the first delivery.
func checkVerifier(v Verifier) error {
	if v == nil {
		return errors.New("it is nil: make a Secret with NewSecret")
	}
	if isNil(v) {
		return fmt.Errorf("it is a nil %T: was the error of its constructor ignored?", v)
	}
	if c, ok := v.(interface{ check() error }); ok {
		return c.check()
	}
	return nil
}

// isNil reports whether v is nil, or holds a pointer that is.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return r.IsNil()
	}
	return false
}
