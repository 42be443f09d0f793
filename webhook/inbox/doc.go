// Package inbox is the durable receiver of Reducto's webhooks. It keeps deliveries and
// submissions in a Store, calls your function for each job that has ended until the
// function succeeds, and polls the API for jobs whose delivery did not come.
//
//	secret, err := webhook.NewSecret(os.Getenv("WEBHOOK_SECRET"))
//	store, err := sqlstore.Open(ctx, db, sqlstore.PostgreSQL) // or sqlstore.SQLite
//	in, err := inbox.New(secret, store, process)
//	client, err := reducto.NewClient(
//		reducto.WithWebhook(reducto.DirectWebhook("https://your-app.com/webhook")),
//		reducto.WithSubmitHook(in), // in the place of the secret
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
// Beside them, batch.go joins deliveries into one commit, lease.go keeps claims alive,
// rate.go limits the polling, run.go and serve.go start and stop all this, and health.go
// and observer.go report on it. The interface for authors of stores is in store.go.
//
// # What an Inbox guarantees
//
//   - After a 200 the delivery is in the store. It survives the process, and with a
//     database that commits to disk also a power failure. With a MemoryStore nothing
//     survives, so the Inbox answers after your function.
//   - Each submission ends in one outcome that your function is called with: completed,
//     failed, cancelled, expired or unknown. Unknown means that the answer to the
//     submission was lost, and no delivery and no job was found for a day; it is also the
//     outcome of a job that was announced and never ends.
//   - The API decides the outcome, not the delivery. WithoutRefetch changes that.
//   - If your function returns an error or panics, the Inbox calls it again with
//     exponential backoff. One hour before the job expires it gives up and marks the
//     record dead. List shows dead records, and Replay queues one again.
//   - One call for a job holds the lease at a time, over all processes. If a process is
//     paused for longer than its lease, the next call can overlap with it. The store then
//     refuses its completion, but nothing can undo its effects.
//   - Effects are at least once, as the process can end between your effect and the
//     completion. Make the effect idempotent, or use Delivery.CompleteTx, which commits
//     both in one transaction of the store's database.
//   - After the completion your function is not called for that job again while the
//     record is kept (WithDoneRetention).
//   - While the store fails, deliveries are answered 503 and submissions are not sent.
//     While the API refuses the key, work pauses and no record is changed.
//
// # Which record a job belongs to
//
// A job belongs to at most one record, and a record to one submission. The API's answer
// to the submission names the job. A delivery can arrive before that answer. Then it is
// committed and answered 200, and waits for the answer for up to two minutes (WithHold).
// The answer makes it due at once. If the answer names another job, the delivery is
// dropped and its record is pending again. After the hold, the delivery is believed.
// Later contradictions are logged as errors and counted (MetricConflicts).
//
// A delivery for a job of another record is answered 401. So is one for a job that its
// submission does not have, once all answers to the submission are known.
//
// A token that leaks can bring another job to its submission, if the answer to that
// submission is lost or takes longer than the hold. Rotate the key then, and use a
// longer hold if answers are slow.
//
// # What your function has to do
//
// It must return when its context ends: after WithFuncTimeout, after a Shutdown, or when
// the lease is lost. A function that ignores its context keeps its worker, and by default
// eight of them stop all work. Healthy, Stats.OldestCall and MetricOldestCallSeconds
// report this.
package inbox
