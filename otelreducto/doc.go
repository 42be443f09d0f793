// Package otelreducto traces and measures with OpenTelemetry. Its Telemetry goes into the
// client, the Inbox and the routes:
//
//	tel, err := otelreducto.New(nil, nil) // the global providers
//	in, err := inbox.New(secret, store, tel.Func(process), inbox.WithObserver(tel), inbox.WithTracer(tel))
//	client, err := reducto.NewClient(reducto.WithTracer(tel), reducto.WithSubmitHook(in))
//	mux.Handle("POST /webhook", tel.Handler(in))
//
// A submission and the calls of your function for its job are one trace, across hours and
// processes. The submission's span travels in the metadata of the webhook, as the member
// "traceparent". An Inbox also keeps it in its store, so a lost webhook does not break
// the trace. A job without a webhook has its trace in the store only.
//
// # Spans
//
//	reducto ParseAsync      a submission, with its retries; so for each method of the client
//	reducto Upload          an upload, with the requests to storage
//	reducto Wait            a wait, with all of its polls
//	reducto delivery        a request of Handler, linked to the submission
//	reducto Confirm         asks the API how the job ended, a child of the submission
//	reducto process         a call of the function, a child of the submission
//	reducto Reconcile       a pass of the reconciler that has jobs to poll
//	reducto Reconciled      a job that ended without a delivery, linked to the submission
//
// The client sends no header traceparent to Reducto. For a span of each HTTP request, give
// reducto.WithHTTPClient a transport of otelhttp.
//
// Spans have ids, statuses and outcomes of jobs. They have no metadata, secrets, keys,
// documents or URLs. The text of an error of your function is not recorded either; its
// type is.
//
// # Metrics
//
// All begin with reducto.inbox. Counters are deliveries, unauthorized, keys, handled,
// outcomes, fenced, conflicts, dead, reconciled and polls. Histograms are intake.duration,
// queue.duration, function.duration, webhook.lag and job.duration. Gauges are records,
// oldest_due.age, oldest_pending.age, nearest_expiry, active_leases and oldest_call.age. The
// constants of package inbox have their meaning. grafana.json is a dashboard for them, with the alerts of
// docs/operations.md. It expects the names of OpenTelemetry's Prometheus exporter.
package otelreducto
