// Package reducto is a client of Reducto's asynchronous document API.
//
// A Client submits documents to parse, extract, split or run through a pipeline.
// Each submission returns a Handle at once. Handle.Wait returns the typed result.
// A service sets a webhook (WithWebhook) instead and receives each result with
// package webhook, which verifies, deduplicates and answers deliveries. You can use
// both together.
//
//	client, err := reducto.NewClient() // REDUCTO_API_KEY
//	job, err := client.ParseAsync(ctx, reducto.ParseRequest{
//		Input: reducto.URL("https://example.com/document.pdf"),
//	})
//	result, err := job.Wait(ctx)
//	for block, err := range result.Blocks(ctx) {
//		...
//	}
//
// # Submitting once
//
// The API has no idempotency key. A submission that is sent twice can become two jobs
// and be billed twice. The client retries a submission only if the service certainly
// did not accept it. If the outcome is unknown, the client returns an
// *UnknownOutcomeError. With WithResubmit, it retries in that case too.
//
// # Errors
//
// An error that the API answers is an *APIError. A request that the client refuses
// before it sends anything is a *RequestError. A connection that fails is a
// *ConnectionError. The sentinel errors (ErrNotFound, ErrRateLimited and so on) work
// with errors.Is.
//
// # Secrets
//
// The API key, webhook secrets and presigned URLs appear in no error, log record
// or formatted value of this package.
package reducto
