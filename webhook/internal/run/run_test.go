package run

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

func TestFuncReportsHowTheCallEnded(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	permanent := &PermanentError{cause}
	require.ErrorIs(t, permanent, cause)
	for name, tt := range map[string]struct {
		f    func() error
		kind Kind
		text string
	}{
		"nil":         {func() error { return nil }, Succeeded, ""},
		"error":       {func() error { return cause }, Failed, "cause"},
		"long error":  {func() error { return errors.New(strings.Repeat("x", 2*safe.MaxText)) }, Failed, strings.Repeat("x", safe.MaxText) + "…"},
		"expired":     {func() error { return fmt.Errorf("late: %w", reducto.ErrExpired) }, Expired, "late: " + reducto.ErrExpired.Error()},
		"permanent":   {func() error { return fmt.Errorf("bad: %w", permanent) }, Permanent, "bad: cause"},
		"panic":       {func() error { panic("boom") }, Panicked, "the function panicked: boom"},
		"panic error": {func() error { panic(cause) }, Panicked, "the function panicked: cause"},
		"URL error":   {func() error { return errors.New(`Get "https://s3.example/a?X-Amz-Signature=b": EOF`) }, Failed, `Get "https://s3.example/a?[redacted]": EOF`},
		"panic URL":   {func() error { panic("dial a://u:p@h/d") }, Panicked, "the function panicked: dial a://h/d"},
		"Goexit":      {func() error { runtime.Goexit(); return nil }, Panicked, "the function ended its goroutine with runtime.Goexit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := make(chan Result, 1)
			go Func(tt.f, func(r Result) { results <- r })
			r := <-results
			assert.Equal(t, tt.kind, r.Kind)
			assert.Equal(t, tt.text, r.Text)
			assert.Equal(t, strings.HasPrefix(name, "panic"), strings.Contains(r.Stack, "run_test.go"))
			assert.NotEmpty(t, r.Kind.String())
		})
	}
}
