// Package reductotest is a Reducto inside the test: the whole asynchronous API
// with uploads, jobs, results behind links and webhooks, served by a real
// net/http server over connections in memory. It keeps state: a job that is
// submitted runs through its life cycle, sends its webhook with retries, and
// expires. Text that is uploaded comes back as the text that was uploaded.
//
//	synctest.Test(t, func(t *testing.T) { // time is virtual in here
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
// A server belongs to the testing/synctest bubble that it was made in, or to
// none. In a bubble nothing may wait for the network, so that clients need the
// server's own transport: [Server.Client] has it, and [Server.HTTPClient] gives
// it to other clients. [OnTCP] listens on loopback for other programs.
//
// Tests drive jobs ([Server.Hold], [Server.Complete], [Server.FailNext],
// [Server.SetResult]), break requests ([Server.Fault]) and webhooks
// ([Server.WebhookFault]), and look at what arrived ([Server.Requests],
// [Server.Deliveries], [Server.Jobs], [Server.Violations],
// [Server.UnknownFields]).
//
// A [GeneratedDocument] is a result of any size, hundreds of megabytes too, which
// nothing holds in memory. A [Flow] stops the body of an answer at a byte and
// lets the test decide how it goes on.
//
// # Where it differs from the service
//
// It was written from the documentation, not from the service's source.
//
// Results are made by simple rules, not by models. A page of a text ends at a
// form feed, a block is a paragraph, and each block has the confidence "high".
// Of a PDF it reads text in plain or Flate-compressed streams; any other binary
// file is one Figure. A document on the web is not downloaded: it is a generated
// text unless [Server.PutDocument] gave one. Extraction fills a schema from
// lines "key: value" and from Markdown tables; splitting finds the names of the
// categories in the pages; classification counts words; editing appends the
// instructions to a text. What a pipeline does is told by
// [Server.DefinePipeline]. There are no images, OCR data, charts or
// spreadsheets, and settings that ask for them do nothing; a [GeneratedDocument]
// can have OCR data, and obeys no setting but force_url_result. Its link serves
// no ranges.
//
// A webhook attempt that a fault loses fails at once instead of after its
// timeout, and one whose connection breaks does so when the receiver has answered.
//
// Requests are checked against the published schemas with two differences: a
// value of another type is refused where the service may convert it, and members
// that are not known are reported by [Server.UnknownFields]. The older form of
// requests, with document_url, is accepted, and little of it is used.
//
// There is no limit on the rate of requests, on the number of jobs that run, or
// on the 15 minutes of a synchronous call. Priorities do nothing. Faults stand in
// for all of these.
//
// Where the service's behaviour is not documented, this is the choice:
//
//   - A direct webhook is retried after 1 s, 2 s and 4 s; an attempt times out
//     after 15 s; redirects are not followed and count as a failure.
//   - Without metadata in the submission the webhook has "metadata": null.
//   - A job that is cancelled or deleted sends no webhook. One that fails does.
//   - A job expires 12 hours after its submission and then answers 404.
//   - Deleting a job cancels it if it runs, and deletes persisted results too.
//   - POST /cancel answers null. POST /split, /pipeline, /edit and /classify
//     ignore an "async" object, which only /parse and /extract document.
//   - The HTTP status and "code" for a name of an error, such as
//     DOCUMENT_CORRUPT, follow the descriptions of the status codes.
//   - Above the limit of direct uploads the answer is the proxy's page for 413.
//   - A PUT to a presigned URL without Content-Length is 501, as S3 has it.
//
// There is no TLS and no HTTP/2. Ids, links and Svix secrets are random;
// everything else is deterministic. In particular jobs whose time is over at the
// same instant end in the order of their submission.
package reductotest
