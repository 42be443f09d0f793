// Package webhook receives the webhooks that Reducto sends when an asynchronous job
// ends. It verifies each request and calls your function once for each job. If the
// function fails, the response makes Reducto try again.
//
//	secret, err := webhook.NewSecret(os.Getenv("WEBHOOK_SECRET"))
//	client, err := reducto.NewClient(
//		reducto.WithWebhook(reducto.DirectWebhook("https://your-app.com/webhook")),
//		reducto.WithSubmitHook(secret), // adds the secret to every submission
//	)
//	handler, err := webhook.NewHandler(secret, process, webhook.WithClient(client))
//	http.Handle("POST /webhook", handler)
//
// A direct webhook is an unsigned POST of {"status","job_id","metadata"}. Reducto
// retries a delivery up to three times within seconds if the response is not 2xx. See
// https://docs.reducto.ai/workflows/direct-webhooks.
//
// # Which receiver to use
//
//   - Handler calls your function within the request and keeps its state in memory. Use
//     it with one process, and only if you can detect lost jobs in another way.
//   - inbox.Inbox, in package inbox, keeps deliveries in a database. It retries your
//     function for hours and finds jobs whose webhooks were lost. Use it in production.
//   - Receiver only turns requests into verified events. Use it to build your own.
//
// # Which verifier to use
//
//   - Secret puts one secret into the metadata of every submission, as Reducto
//     documents.
//   - Signer puts a token there that is valid for one submission and a limited time.
//     Someone who has seen one body cannot use its token for other submissions.
//   - Svix verifies the signed mode, reducto.SvixWebhook.
//
// # What a Handler guarantees
//
//   - It answers 200 only after your function returned nil or gave up, now or for an
//     earlier delivery. The function gives up with Permanent or an error that matches
//     reducto.ErrExpired. With a client, it also answers 200 if the job no longer
//     exists.
//   - In one process, it runs one call at a time for a job. After a success it does not
//     call your function again for that job within WithDedupWindow (48 hours).
//   - Jobs of one submission count as one job. If a submission has several jobs, the
//     first job to end is processed and the others are duplicates.
//   - Effects happen at least once, because the process can die between your effect and
//     the 200. Make the effect idempotent.
//   - If the sender disconnects, the call continues. The next delivery waits for this
//     call, or is a duplicate of the finished job.
//
// It does not guarantee that your function is called. If all four deliveries fail, the
// Handler does not poll the API for the job. Use reducto.Client.Wait or package inbox
// for that. Processes do not share their state, and a new process remembers no job.
//
// A secret in a direct webhook proves only that the sender knows the secret. Anyone who
// has seen one body can repeat or change it. So use https and WithClient.
//
// # With a client and without
//
// With WithClient, the Handler fetches the job before it calls your function. The API's
// status decides the outcome, even if the delivery has another status. If the job or
// its result no longer exists, the Handler answers 200 and logs an error, and does not
// call your function. If the API says that the job still runs, the Handler asks again
// for four seconds and then answers 503. A duplicate that arrives after WithDedupWindow
// costs one request to the API. In the first minute after a submission, a 404 does not
// count as a job that no longer exists.
//
// Without a client, the status of the first delivery decides the outcome. A duplicate
// that arrives after WithDedupWindow calls your function again.
//
// # Answers
//
//	200  processed, now or before; or a retry cannot help
//	400  not a delivery: malformed, ambiguous, an illegal job id, or damaged gzip
//	401  the secret is missing or wrong; the answer does not say which
//	405  not a POST
//	413  larger than WithMaxBodyBytes
//	415  a Content-Encoding other than gzip; or not JSON, with WithRequireJSON
//	500  your function failed or panicked; or a middleware consumed the body
//	503  not now: the API did not confirm the job, a call is running, or Shutdown
package webhook
