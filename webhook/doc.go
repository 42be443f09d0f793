// Package webhook is the receiving side of Reducto's asynchronous document API:
// it verifies the webhooks that announce the end of a job, makes one piece of work
// out of however many deliveries arrive, and answers each as the service needs to
// hear it.
//
//	secret, err := webhook.NewSecret(os.Getenv("WEBHOOK_SECRET"))
//	client, err := reducto.NewClient(
//		reducto.WithWebhook(reducto.DirectWebhook("https://your-app.com/webhook")),
//		reducto.WithSubmitHook(secret), // every submission carries the secret
//	)
//	handler, err := webhook.NewHandler(secret, process, webhook.WithClient(client))
//	http.Handle("POST /webhook", handler)
//
// A direct webhook is an unsigned POST of {"status","job_id","metadata"}. It is
// tried four times at most, within seconds, and the job expires after twelve hours.
// See https://docs.reducto.ai/workflows/direct-webhooks.
//
// # What a Handler guarantees
//
// A Handler does the work within the request and keeps what it knows in memory:
// it is for one process, and for jobs whose loss you would notice otherwise.
//
//   - A 200 says that your function returned nil, that it gave the job up
//     (Permanent, or an error that is reducto.ErrExpired), or that this happened
//     before. It is never sent for work that is still to be done.
//   - While one call of your function for a job is running in this process, no
//     other begins. After it succeeded none begins for as long as the job is
//     remembered (WithRemember, 48 hours). Two processes know nothing of each other,
//     and a process that restarts knows nothing.
//   - So effects are at least once: a process can die between your effect and the
//     200. Make the effect idempotent.
//   - A job whose four deliveries all fail, because the process is down or your
//     function fails, is not delivered again. Nothing here looks for it: use
//     reducto.Client.Wait, or a receiver with a durable store.
//   - Direct webhooks are authenticated by the possession of a secret, and not
//     protected against change: whoever saw one body can replay it and make others.
//     Use https, and WithClient: status and result then come from the API.
//   - The sender going away does not end a call, and does not repeat it: the next
//     delivery joins it, or finds the job done.
//
// Deliveries that carry the id of their submission (those of jobs submitted with
// a Secret as the client's SubmitHook do) are one piece of work for all jobs of
// that submission: the first job to end is processed, the others are duplicates.
//
// # With a client and without
//
// With WithClient the job is fetched before your function is called, and the API
// decides: how the job ended, also where the delivery says otherwise or a status
// that nobody knows; that a job is gone (404, 410, 422, or completed without a
// result), in which case the delivery is answered 200, an error is logged and your
// function is not called; and that it still runs, in which case the handler looks
// again for some four seconds and then has it delivered again. So a duplicate that
// arrives when its job has been forgotten costs one request to the API. A job
// submitted less than a minute ago is never taken to be gone because it is not
// found.
//
// Without a client the first delivery's status is believed, and a duplicate of a
// forgotten job calls your function again.
//
// # Answers
//
//	200  processed, now or before; or nothing that a repetition could help
//	400  not a delivery: malformed, ambiguous, or an illegal job id
//	401  the secret is missing or wrong; the answer does not tell which
//	405  not a POST
//	413  larger than WithMaxBodyBytes
//	415  not JSON, with WithRequireJSON
//	500  your function failed or panicked; or a middleware had read the body
//	503  not now: the API did not confirm the job, a call is running, or Shutdown
//
// The service repeats whatever is not answered 2xx.
package webhook
