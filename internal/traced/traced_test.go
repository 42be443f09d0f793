package traced

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

type key struct{}

var errFailed = errors.New("failed")

func TestStartCallsStartAndEnd(t *testing.T) {
	t.Parallel()
	var ended []error
	ctx, end := Start(t.Context(), new("Parse"), func(ctx context.Context, op *string) (context.Context, func(error)) {
		return context.WithValue(ctx, key{}, *op), func(err error) { ended = append(ended, err) }
	}, nil)
	assert.Equal(t, "Parse", ctx.Value(key{}))
	end(errFailed)
	assert.Equal(t, []error{errFailed}, ended)
}

func TestStartRecoversFromPanics(t *testing.T) {
	t.Parallel()
	var panics []any
	note := func(p any) { panics = append(panics, p) }
	ctx, end := Start(t.Context(), new(1), func(context.Context, *int) (context.Context, func(error)) { panic("start") }, note)
	assert.Equal(t, t.Context(), ctx)
	end(nil)
	_, end = Start(t.Context(), new(1), func(ctx context.Context, _ *int) (context.Context, func(error)) {
		return ctx, func(error) { panic("end") }
	}, note)
	end(nil)
	assert.Equal(t, []any{"start", "end"}, panics)
}

func TestStartIgnoresAnEmptyAnswer(t *testing.T) {
	t.Parallel()
	ctx, end := Start(t.Context(), new(1), func(context.Context, *int) (context.Context, func(error)) { return nil, nil }, nil)
	assert.Equal(t, t.Context(), ctx)
	end(nil)
}
