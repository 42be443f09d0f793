package schema

import (
	"context"
	"reflect"

	"github.com/reducto-go/reducto"
)

// Option changes an Extract or an ExtractAsync.
type Option func(*options)

type options struct {
	request []func(*reducto.ExtractRequest)
	submit  []reducto.SubmitOption
}

// WithRequest calls f to set other fields of the request, such as
// Instructions.SystemPrompt, Settings.PageRange or Async. Extract sets Input and
// Instructions.Schema after that.
func WithRequest(f func(*reducto.ExtractRequest)) Option {
	return func(o *options) { o.request = append(o.request, f) }
}

// WithSubmit passes options to Client.ExtractAsync. Extract ignores them.
func WithSubmit(opts ...reducto.SubmitOption) Option {
	return func(o *options) { o.submit = append(o.submit, opts...) }
}

// Extract extracts data from a document into a T, which must be a struct. Like
// Client.Extract, it waits for the result on the same connection. For long documents, use
// ExtractAsync.
//
// If T contains a reducto.Cited, Extract enables Settings.Citations.
//
// Its errors are those of For, Client.Extract and ExtractResult.Decode.
func Extract[T any](ctx context.Context, client *reducto.Client, input reducto.Input, opts ...Option) (T, error) {
	var none T
	req, _, err := request[T](input, opts)
	if err != nil {
		return none, err
	}
	result, err := client.Extract(ctx, req)
	if err != nil {
		return none, err
	}
	return decode[T](ctx, result)
}

// ExtractAsync submits a document for an extraction into a T, which must be a struct. It
// returns when the API has accepted the job. Handle.Wait returns the T.
//
// If T contains a reducto.Cited, ExtractAsync enables Settings.Citations.
//
// Its errors are those of For and Client.ExtractAsync.
func ExtractAsync[T any](ctx context.Context, client *reducto.Client, input reducto.Input, opts ...Option) (*Handle[T], error) {
	req, submit, err := request[T](input, opts)
	if err != nil {
		return nil, err
	}
	job, err := client.ExtractAsync(ctx, req, submit...)
	if err != nil {
		return nil, err
	}
	return &Handle[T]{Handle: *job}, nil
}

// Handle is a submitted extraction into a T. It has the methods and ids of a
// reducto.Handle. To wait in another process, store the JobID and pass it to Attach.
type Handle[T any] struct {
	reducto.Handle[*reducto.ExtractResult]
}

// Attach returns a handle for an extraction that was submitted before.
func Attach[T any](client *reducto.Client, jobID string) *Handle[T] {
	return &Handle[T]{Handle: *reducto.Attach[*reducto.ExtractResult](client, jobID)}
}

// Wait waits until the job ends, and returns its result as a T. Its errors are those of
// reducto.Handle.Wait and ExtractResult.Decode.
func (h *Handle[T]) Wait(ctx context.Context, opts ...reducto.WaitOption) (T, error) {
	result, err := h.Handle.Wait(ctx, opts...)
	if err != nil {
		var none T
		return none, err
	}
	return decode[T](ctx, result)
}

// request returns the request for an extraction into a T.
func request[T any](input reducto.Input, opts []Option) (req reducto.ExtractRequest, submit []reducto.SubmitOption, err error) {
	raw, cited, err := build(reflect.TypeFor[T]())
	if err != nil {
		return req, nil, err
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	for _, set := range o.request {
		set(&req)
	}
	req.Input = input
	req.Instructions.Schema = raw
	if cited {
		req.Settings.Citations.Enabled = true
	}
	return req, o.submit, nil
}

func decode[T any](ctx context.Context, result *reducto.ExtractResult) (T, error) {
	var value, none T
	if err := result.Decode(ctx, &value); err != nil {
		return none, err
	}
	return value, nil
}
