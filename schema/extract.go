package schema

import (
	"context"
	"reflect"

	"github.com/reducto-go/reducto"
)

// Option changes an Extract.
type Option func(*options)

type options struct {
	request []func(*reducto.ExtractRequest)
}

// WithRequest calls f to set other fields of the request, such as
// Instructions.SystemPrompt or Settings.PageRange. Extract sets Input and
// Instructions.Schema after it.
func WithRequest(f func(*reducto.ExtractRequest)) Option {
	return func(o *options) { o.request = append(o.request, f) }
}

// Extract extracts data from a document into a T, which must be a struct. It waits for the
// result on the same connection, as Client.Extract does. For an asynchronous extraction,
// use For, Client.ExtractAsync and ExtractResult.Decode.
//
// If T contains a reducto.Cited, Extract enables Settings.Citations.
//
// Its errors are those of For, Client.Extract and ExtractResult.Decode.
func Extract[T any](ctx context.Context, client *reducto.Client, input reducto.Input, opts ...Option) (T, error) {
	var value, none T
	raw, cited, err := build(reflect.TypeFor[T]())
	if err != nil {
		return none, err
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	var req reducto.ExtractRequest
	for _, set := range o.request {
		set(&req)
	}
	req.Input = input
	req.Instructions.Schema = raw
	if cited {
		req.Settings.Citations.Enabled = true
	}
	result, err := client.Extract(ctx, req)
	if err != nil {
		return none, err
	}
	if err := result.Decode(ctx, &value); err != nil {
		return none, err
	}
	return value, nil
}
