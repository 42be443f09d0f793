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
// A Handler is the simple form. In production use an Inbox, which takes the same
// verifier and the same function, and keeps what it knows in a Store:
//
//	store, err := sqlstore.Open(ctx, db, sqlstore.PostgreSQL) // or sqlstore.SQLite
//	inbox, err := webhook.NewInbox(secret, store, process)
//	client, err := reducto.NewClient(reducto.WithSubmitHook(inbox), ...) // in the secret's place
//	http.Handle("POST /webhook", inbox)
//	err = inbox.Run(ctx, client)
//
// Secret, Signer and Svix are the verifiers.
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
//     reducto.Client.Wait, or an Inbox.
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
// # What an Inbox guarantees
//
//   - With a store on disk a 200 says that the delivery is there, and nothing of your
//     function. It survives the process, and with a disk that tells the truth the power
//     supply. With a MemoryStore nothing survives, so the 200 comes after your function
//     has succeeded or given up, 500 after it failed, 503 if that takes too long.
//   - Every submission that was made through the Inbox (as the client's SubmitHook), and
//     every job that it was told of with Track, ends in exactly one outcome that your
//     function is called with, until it returns nil or gives up: completed, failed or
//     cancelled, as the API says; expired, if the job or its result was gone first;
//     unknown, if the answer to the submission was lost and no job of it is seen for a
//     day (after an hour an error is logged), or a job that was announced never ends.
//     A function that fails is called again, in growing pauses, until the job is about
//     to expire, three times at least. Then the record is dead, which is logged, listed
//     (List) and can be undone (Replay).
//   - That does not depend on deliveries. A job whose delivery is overdue is looked for
//     through the API, by one process at a time. While the API refuses the key, work
//     pauses, and nothing is marked.
//   - One function at a time holds a live lease for a job, over all processes that share
//     the store. One that is paused for longer than its lease (WithLease) can overlap with
//     the next: its completion is refused, the effects that it had are not undone. Its
//     context ends with ErrLeaseLost as soon as it can be known.
//   - After a completion the function is not called for that job again while the record
//     is kept (WithRetention), and for a duplicate that comes later only if the API
//     still has the job.
//   - Effects are at least once, as with a Handler, but for those that are made in a
//     transaction on the store's own database and completed there with
//     Delivery.CompleteTx: they are committed together with the completion, or not at
//     all, and so exactly once.
//   - Direct webhooks are authenticated by the possession of a secret or token, as above.
//     With a Signer, whoever saw one body can announce jobs of that one submission, and
//     the Inbox accepts no other than the submission's own, which the answer to it names;
//     where that was lost, the API may be the only one to tell. Status and result come
//     from the API; metadata does not.
//   - A store is as good as its database: one that loses commits which it confirmed, in
//     a failover to a replica that lags or with SQLite below synchronous=FULL (which
//     sqlstore refuses), loses records, and can have a claim made twice. Sweeps find
//     only jobs whose submission is still recorded.
//
// docs/guarantees.md in the repository has all of this by configuration, with the
// tests that hold it.
//
// # With a client and without
//
// An Inbox always has a client: that of Run. This is about a Handler.
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
// An Inbox answers 200 when the delivery is in the store, now or before, and 503 when
// the store failed or took too long; 401 also to a job that is none of those that its
// submission made. It does not wait for the API or for your function, and takes
// deliveries in during Shutdown too.
//
// The service repeats whatever is not answered 2xx.
package webhook
