// Package reducto is a client of Reducto's asynchronous document API.
//
// A Client submits documents to be parsed, extracted, split or run through a
// pipeline. Each submission returns at once with a Handle, whose Wait returns the
// typed result. Services do better to give a webhook (WithWebhook) and to receive
// the end of each job with package webhook, which verifies, deduplicates and
// answers deliveries; both ways can be used together.
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
// The API has no idempotency key, so a submission that is sent twice can become
// two jobs, and be paid twice. The client sends one again only where the service
// certainly took nothing on. Where nobody can tell, it says so with an
// *UnknownOutcomeError, and WithResubmit lets you choose.
//
// # Errors
//
// Errors that the API answers are *APIError, requests refused before anything was
// sent are *RequestError, and connections that failed are *ConnectionError. The
// sentinel errors (ErrNotFound, ErrRateLimited and so on) work with errors.Is.
//
// # Secrets
//
// The API key, webhook secrets and presigned URLs appear in no error, log record
// or formatted value of this package.
package reducto
