package reducto

import "context"

// ParseAsync submits a document to be parsed.
//
// The errors of this and the other submitting methods: a *RequestError if nothing
// was sent, an *APIError if the service refused, a *ConnectionError if it could
// not be reached, and an *UnknownOutcomeError if nobody can tell.
func (c *Client) ParseAsync(ctx context.Context, req ParseRequest, opts ...SubmitOption) (*Handle[*ParseResult], error) {
	return submit[*ParseResult](ctx, c, "ParseAsync", "/parse_async", JobParse, &req, req.Async, opts)
}

// ExtractAsync submits a document whose data is to be extracted under a schema.
// See ParseAsync for its errors.
func (c *Client) ExtractAsync(ctx context.Context, req ExtractRequest, opts ...SubmitOption) (*Handle[*ExtractResult], error) {
	return submit[*ExtractResult](ctx, c, "ExtractAsync", "/extract_async", JobExtract, &req, req.Async, opts)
}

// SplitAsync submits a document to be split into sections. See ParseAsync for its
// errors.
func (c *Client) SplitAsync(ctx context.Context, req SplitRequest, opts ...SubmitOption) (*Handle[*SplitResult], error) {
	return submit[*SplitResult](ctx, c, "SplitAsync", "/split_async", JobSplit, &req, req.Async, opts)
}

// PipelineAsync submits a document to a pipeline that was configured in Reducto's
// studio. See ParseAsync for its errors.
//
// Newer servers call this endpoint deprecated. Submit the pipeline's steps with
// ParseAsync, ExtractAsync and SplitAsync instead, with FromJob for those that build
// on a parsed document.
func (c *Client) PipelineAsync(ctx context.Context, req PipelineRequest, opts ...SubmitOption) (*Handle[*PipelineResult], error) {
	return submit[*PipelineResult](ctx, c, "PipelineAsync", "/pipeline_async", JobPipeline, &req, req.Async, opts)
}
