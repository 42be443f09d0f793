package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
)

// Verifier decides whether a request is a genuine delivery. Secret, Signer and Svix
// are verifiers.
//
// Verify uses only the headers and the body. It does no I/O, is safe for concurrent use,
// and changes neither. The Event shares no memory with the body. Each error matches
// ErrMalformed or ErrUnauthorized by errors.Is, and contains no data of the request.
type Verifier interface {
	Verify(h http.Header, body []byte) (Event, error)
}

// checkVerifier refuses a verifier that cannot verify, such as a nil *Secret.
func checkVerifier(v Verifier) error {
	if v == nil {
		return errors.New("it is nil: make a Secret with NewSecret")
	}
	if isNil(v) {
		return fmt.Errorf("it is a nil %T: check the error of its constructor", v)
	}
	if c, ok := v.(interface{ check() error }); ok {
		return c.check()
	}
	return nil
}

// isNil reports whether v is nil or holds a nil pointer.
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
