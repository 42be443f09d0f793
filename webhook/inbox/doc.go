// Package inbox is the durable receiver of Reducto's webhooks. It keeps deliveries and
// submissions in a Store. It calls your function for each job that has ended, until the
// function succeeds. If a delivery does not arrive, it polls the API for the job.
//
//	secret, err := webhook.NewSecret(os.Getenv("WEBHOOK_SECRET"))
//	store, err := sqlstore.Open(ctx, db, sqlstore.PostgreSQL) // or MySQL, SQLite
//	in, err := inbox.New(secret, store, process)
//	client, err := reducto.NewClient(
//		reducto.WithWebhook(reducto.DirectWebhook("https://your-app.com/webhook")),
//		reducto.WithSubmitHook(in), // instead of the secret
//	)
//	mux := http.NewServeMux()
//	mux.Handle("POST /webhook", in)
//	err = in.Serve(ctx, &http.Server{Addr: ":8080", Handler: mux}, client)
//
// Package sqlstore has the Store for databases. MemoryStore is for tests. Any number of
// processes can share a database. Without a webhook the Inbox polls, so a program
// without a public URL can use it too.
//
// # The life of a job
//
//	file           what happens                                          state after it
//	submit.go      the submission is recorded, then sent, then answered  pending
//	intake.go      a delivery is verified, committed and answered        received
//	worker.go      the job is fetched and your function is called        claimed
//	complete.go    your function commits its effect with the completion  done
//	reconcile.go   the API is polled for jobs without a delivery         received
//	admin.go       you list, wait for, count and replay records          received
//
// batch.go joins deliveries into one commit, lease.go renews leases, and rate.go limits
// the rate of polls. run.go and serve.go start and stop the Inbox. health.go and
// observer.go report its state. history.go keeps what happened, for package dashboard.
// The interfaces for authors of stores are in store.go and history.go.
//
// # What an Inbox guarantees
//
//   - After a 200 the delivery is in the store. It survives a restart, and with a
//     database that commits to disk also a power failure. A MemoryStore does not
//     survive a restart, so the Inbox then answers after your function.
//   - The Inbox calls your function with one outcome for each submission: completed,
//     failed, cancelled, expired or unknown. The outcome is unknown if the answer to
//     the submission was lost, and no delivery or job was found within a day. It is
//     also unknown if a delivery announced the end, but the API still reports the job
//     as running after three times WithJobExpiry.
//   - The API decides the outcome, not the delivery. WithoutRefetch changes that.
//   - If your function returns an error or panics, the Inbox calls it again with
//     exponential backoff. It gives up one hour before the job expires, but not before
//     the third call. Then it marks the record dead. List shows dead records, and
//     Replay queues one again.
//   - Across all processes, only one call for a job holds the lease at a time. If a
//     process is paused for longer than its lease, the next call can overlap with it.
//     The store then refuses the completion of the first call, but nothing can undo its
//     effects.
//   - Effects happen at least once, because the process can end between your effect and
//     the completion. Make the effect idempotent, or use Delivery.CompleteTx, which
//     commits both in one transaction of the store's database.
//   - After the completion, the Inbox does not call your function for that job again
//     while it keeps the record (WithDoneRetention).
//   - While the store fails, the Inbox answers 503 to deliveries, and the client sends
//     no submissions. While the API refuses the key, work pauses and no record changes.
//
// # Which record a job belongs to
//
// A job belongs to at most one record, and a record belongs to one submission. The
// API's answer to the submission names the job. A delivery can arrive before that
// answer. Then the Inbox commits the delivery and answers 200. The delivery waits for
// the answer to the submission for up to two minutes (WithHold). If that answer names
// the job, the record is due at once. If it names another job, the Inbox drops the
// delivery, and the record is pending again. If there is no answer after the hold, the
// Inbox accepts the delivery. It logs later contradictions as errors and counts them
// (MetricConflicts).
//
// The Inbox answers 401 to a delivery for a job of another record. If all answers to a
// submission are known, it also answers 401 to a delivery that names another job.
//
// With a stolen token, someone can assign another job to the submission. This works
// only if the answer to the submission is lost or takes longer than the hold. Rotate
// the key then, and use a longer hold if answers are slow.
//
// # What your function has to do
//
// It must return when its context ends: after WithFuncTimeout, after a Shutdown, or when
// the lease is lost. A function that ignores its context keeps its worker, and by default
// eight of them stop all work. Healthy, Stats.OldestCall and MetricOldestCallSeconds
// report this.
package inbox
