// Package reductotest is a fake of Reducto for tests. It has uploads, jobs, results and
// webhooks, served by net/http over connections in memory. The fake is stateful: a
// submitted job runs through its life cycle, sends its webhook with retries, and expires.
// The result of an uploaded text is that text.
//
//	synctest.Test(t, func(t *testing.T) { // virtual time
//		srv := reductotest.NewServer(t)
//		hook := srv.Mount("/webhook", handler)
//		srv.WebhookFault(reductotest.LoseAttempts(2)) // the third attempt arrives
//		srv.Fault("GET /job", reductotest.HTML(502).Times(3))
//		job, err := srv.Client().ParseAsync(ctx, reducto.ParseRequest{
//			Input: reducto.URL(srv.PutFile("a.txt", []byte("Dear reader"))),
//			Async: reducto.Async{Webhook: reducto.DirectWebhook(hook)},
//		})
//		deliveries, err := srv.AwaitDeliveries(ctx, job.JobID, 1)
//	})
//
// A server belongs to the testing/synctest bubble in which it was made, if there is one.
// In a bubble, clients must use the transport of the server: [Server.Client] has it, and
// [Server.HTTPClient] gives it to other clients. For other programs, [OnTCP] listens on
// loopback.
//
// Tests control jobs ([Server.Hold], [Server.Complete], [Server.FailNext],
// [Server.SetResult]). They break requests ([Server.Fault]) and webhooks
// ([Server.WebhookFault]). They inspect what happened ([Server.Requests],
// [Server.Deliveries], [Server.Jobs], [Server.Violations], [Server.UnknownFields]).
//
// A [GeneratedDocument] is a result of any size, which is not held in memory. A [Flow]
// holds the body of a response at a byte until the test continues it.
//
// # Differences from the service
//
// The fake follows the documentation of the service, not its source.
//
// Simple rules make the results. A form feed in a text ends a page, a paragraph is a
// block, and each block has the confidence "high". In a PDF, the fake reads only text
// in plain streams and in streams compressed by Flate. Any other binary file is one
// Figure. The fake does not download a document on the web. It uses a generated text
// unless [Server.PutDocument] sets it.
//
// Extraction fills a schema from lines "key: value" and Markdown tables. The rows of a
// table become a list of objects. If the schema has a map with the name of the first
// column, they become the entries of that map. Commas divide a list, and semicolons
// divide a list of lists. A value is null if it does not fit the type, format, enum,
// minimum or maximum of the schema. A citation has the box of its line, or of its cell.
//
// Splitting looks for the names of the categories in the pages. Classification counts
// words. Editing appends the instructions to a text. [Server.DefinePipeline] sets the
// steps of a pipeline.
//
// There are no images, OCR data, charts or spreadsheets, and the settings for them have
// no effect. A [GeneratedDocument] can have OCR data. It ignores all settings except
// force_url_result, and its link does not support range requests.
//
// If a fault loses an attempt of a webhook, the attempt fails at once instead of after
// its timeout. If a fault breaks its connection, the attempt fails when the receiver has
// responded.
//
// The fake checks requests against the published schemas, with two differences. The
// fake refuses a value of the wrong type, although the service may convert it.
// [Server.UnknownFields] reports unknown members. The fake accepts the older form of
// requests, with document_url, but uses only parts of it.
//
// There is no limit on the rate of requests, on running jobs, or on the 15 minutes of a
// synchronous call. Use faults instead. Priorities have no effect.
//
// The service does not document some of its behavior. The fake chooses this:
//
//   - A direct webhook is retried after 1 s, 2 s and 4 s. An attempt times out after
//     15 s. Redirects are not followed and count as failures.
//   - Without metadata in the submission the webhook has "metadata": null.
//   - A cancelled or deleted job sends no webhook. A failed job does.
//   - A job expires 12 hours after its submission. Then the API responds 404.
//   - Deleting a job cancels it if it runs, and also deletes persisted results.
//   - POST /cancel responds null. POST /split, /pipeline, /edit and /classify ignore an
//     "async" object. Only /parse and /extract document one.
//   - The HTTP status and "code" of an error name, such as DOCUMENT_CORRUPT, follow the
//     descriptions of the status codes.
//   - A direct upload above the limit gets the 413 page of the proxy.
//   - A PUT to a presigned URL without Content-Length gets a 501, as with S3.
//
// There is no TLS and no HTTP/2. Ids, links and Svix secrets are random. Everything else
// is deterministic. Jobs with the same end time end in the order of their submission.
package reductotest
