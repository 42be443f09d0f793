package reducto_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func TestEveryEndpointSendsAsyncOptions(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		ctx := t.Context()
		async := reducto.Async{
			Webhook:  reducto.DirectWebhook("https://receiver.example/hook"),
			Metadata: map[string]any{"user": 7},
			Priority: true,
		}
		_, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: document, Async: async})
		require.NoError(t, err)
		_, err = client.ExtractAsync(ctx, reducto.ExtractRequest{Input: document, Instructions: instructions, Async: async})
		require.NoError(t, err)
		_, err = client.SplitAsync(ctx, reducto.SplitRequest{
			Input: document, Async: async,
			SplitDescription: []reducto.SplitCategory{{Name: "A", Description: "the first part"}},
		})
		require.NoError(t, err)
		_, err = client.PipelineAsync(ctx, reducto.PipelineRequest{Input: document, PipelineID: "p1", Async: async})
		require.NoError(t, err)

		for _, path := range []string{"/parse_async", "/extract_async", "/split_async", "/pipeline_async"} {
			sent := srv.RequestsTo("POST " + path)
			require.Len(t, sent, 1, path)
			var body struct {
				Async json.RawMessage `json:"async"`
				Input string          `json:"input"`
			}
			require.NoError(t, json.Unmarshal(sent[0].Body, &body))
			assert.JSONEq(t, `{"metadata":{"user":7},"priority":true,
				"webhook":{"mode":"direct","url":"https://receiver.example/hook"}}`, string(body.Async), path)
			assert.Equal(t, "https://example.com/document.pdf", body.Input)
			assert.True(t, sent[0].Authorized)
			assert.Contains(t, sent[0].Header.Get("User-Agent"), "reducto-go/")
			assert.Empty(t, sent[0].Header.Values("Idempotency-Key"))
		}
	})
}

func TestHandleWaitReturnsTheTypedResult(t *testing.T) {
	bubble(t, func(t *testing.T, _ *reductotest.Server, client *reducto.Client) {
		job, err := client.ParseAsync(t.Context(), parseRequest())
		require.NoError(t, err)
		require.NotEmpty(t, job.JobID)
		require.NotEmpty(t, job.SubmissionID)
		result, err := job.Wait(t.Context())
		require.NoError(t, err)
		chunks, err := result.Load(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, chunks)

		_, err = reducto.Attach[*reducto.SplitResult](client, job.JobID).Wait(t.Context())
		var mismatch *reducto.ResultTypeError
		require.ErrorAs(t, err, &mismatch)
		assert.Equal(t, "*reducto.ParseResult", mismatch.Got)

		any, err := reducto.Attach[reducto.Result](client, job.JobID).Wait(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "parse", any.ResponseType())
	})
}

func TestWebhookDefaultAndOptOut(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, _ *reducto.Client) {
		client := srv.Client(reducto.WithWebhook(reducto.SvixWebhook("invoices")))
		defer client.CloseIdleConnections()
		_, err := client.ParseAsync(t.Context(), parseRequest())
		require.NoError(t, err)
		req := parseRequest()
		req.Async.Webhook = reducto.NoWebhook()
		_, err = client.ParseAsync(t.Context(), req)
		require.NoError(t, err)

		sent := srv.RequestsTo("POST /parse_async")
		assert.Contains(t, string(sent[0].Body), `"webhook":{"mode":"svix","channels":["invoices"]}`)
		assert.NotContains(t, string(sent[1].Body), "webhook")
	})
}

// A submission may be retried only if the service certainly did not accept it.
func TestSubmissionIsRetriedOnlyIfNotAccepted(t *testing.T) {
	tests := []struct {
		name    string
		fault   reductotest.Fault
		resent  bool
		unknown bool
	}{
		{"rate limited", reductotest.Status(429), true, false},
		{"batch queue saturated", reductotest.Status(503).Header("Retry-After", "300"), true, false},
		{"internal error", reductotest.Status(500), false, true},
		{"bad gateway page", reductotest.HTML(502), false, true},
		{"gateway timeout", reductotest.Status(504), false, true},
		{"request timeout", reductotest.Status(408), false, true},
		{"dropped", reductotest.Drop(), false, true},
		{"answer lost", reductotest.LoseAnswer(), false, true},
		{"answer truncated", reductotest.Truncate(5), false, true},
		{"answer stalls", reductotest.Stall(), false, true},
		{"a page instead of JSON", reductotest.HTML(200), false, true},
		{"bad request", reductotest.Status(400), false, false},
		{"unauthorized", reductotest.Status(401), false, false},
		{"unprocessable", reductotest.Status(422), false, false},
		{"redirect", reductotest.Redirect(307, "http://reducto.test/elsewhere"), false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *reductotest.Server, _ *reducto.Client) {
				hook := &recordingHook{}
				client := srv.Client(reducto.WithSubmitHook(hook))
				defer client.CloseIdleConnections()
				srv.Fault("POST /parse_async", tt.fault)
				job, err := client.ParseAsync(t.Context(), parseRequest())

				want := 1
				if tt.resent {
					want = 2
				}
				assert.Len(t, srv.RequestsTo("POST /parse_async"), want)
				require.Len(t, hook.after, 1)
				var unknown *reducto.UnknownOutcomeError
				switch {
				case tt.resent:
					require.NoError(t, err)
					assert.Equal(t, reducto.SubmitOutcomeAccepted, hook.after[0].Outcome)
					assert.Equal(t, job.JobID, hook.after[0].JobID)
				case tt.unknown:
					require.ErrorAs(t, err, &unknown)
					assert.Equal(t, hook.before[0], unknown.SubmissionID)
					assert.Equal(t, reducto.SubmitOutcomeUnknown, hook.after[0].Outcome)
				default:
					require.Error(t, err)
					assert.NotErrorAs(t, err, &unknown)
					assert.Equal(t, reducto.SubmitOutcomeRejected, hook.after[0].Outcome)
				}
			})
		})
	}
}

func TestUnreachableServiceIsNoUnknownOutcome(t *testing.T) {
	client, err := reducto.NewClient(
		reducto.WithAPIKey("a-key-for-nobody"), reducto.WithBaseURL("http://127.0.0.1:1"), reducto.WithMaxRetries(0))
	require.NoError(t, err)
	_, err = client.ParseAsync(t.Context(), parseRequest())
	var lost *reducto.ConnectionError
	require.ErrorAs(t, err, &lost)
	var unknown *reducto.UnknownOutcomeError
	assert.NotErrorAs(t, err, &unknown)
}

func TestResubmitKeepsTheSubmissionID(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, _ *reducto.Client) {
		hook := &recordingHook{mark: true}
		client := srv.Client(reducto.WithSubmitHook(hook))
		defer client.CloseIdleConnections()
		srv.Fault("POST /parse_async", reductotest.LoseAnswer())
		job, err := client.ParseAsync(t.Context(), parseRequest(), reducto.WithResubmit())
		require.NoError(t, err)
		assert.Len(t, hook.before, 1, "hooks run once a submission")
		sent := srv.RequestsTo("POST /parse_async")
		require.Len(t, sent, 2)
		assert.Equal(t, sent[0].Body, sent[1].Body)
		assert.Contains(t, string(sent[0].Body), job.SubmissionID)
		assert.Len(t, srv.Jobs(), 2)
		assert.Equal(t, 2, hook.after[0].Sent, "a receiver has to expect two jobs")
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	t.Run("seconds", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			srv.Fault("POST /parse_async", reductotest.Status(503).Header("Retry-After", "300"))
			start := time.Now()
			_, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			assert.InDelta(t, 300, time.Since(start).Seconds(), 1)
		})
	})
	t.Run("date", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			at := time.Now().Add(2 * time.Minute).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
			srv.Fault("GET /job", reductotest.Status(429).Header("Retry-After", at))
			id := srv.SeedJob(reductotest.SeedJob{})
			start := time.Now()
			_, err := client.GetJob(t.Context(), id)
			require.NoError(t, err)
			assert.InDelta(t, 120, time.Since(start).Seconds(), 2)
		})
	})
	// The server's clock differs from ours by an hour. Its Date tells.
	for name, skew := range map[string]time.Duration{"a clock ahead": time.Hour, "a clock behind": -time.Hour} {
		t.Run("date of "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
				now := time.Now().Add(skew).UTC()
				srv.Fault("POST /parse_async", reductotest.Status(503).
					Header("Date", now.Format(http.TimeFormat)).Header("Retry-After", now.Add(2*time.Minute).Format(http.TimeFormat)))
				start := time.Now()
				_, err := client.ParseAsync(t.Context(), parseRequest())
				require.NoError(t, err)
				assert.InDelta(t, 120, time.Since(start).Seconds(), 2)
			})
		})
	}
	t.Run("beyond the cap", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			srv.Fault("POST /parse_async", reductotest.Status(503).Header("Retry-After", "7200"))
			start := time.Now()
			_, err := client.ParseAsync(t.Context(), parseRequest())
			var api *reducto.APIError
			require.ErrorAs(t, err, &api)
			assert.Equal(t, 2*time.Hour, api.RetryAfter)
			assert.ErrorIs(t, err, reducto.ErrUnavailable)
			assert.Zero(t, time.Since(start))
		})
	})
	t.Run("beyond the context", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			srv.Fault("POST /parse_async", reductotest.Status(503).Header("Retry-After", "300"))
			_, err := client.ParseAsync(ctx, parseRequest())
			assert.ErrorIs(t, err, reducto.ErrUnavailable)
		})
	})
}

func TestReadsAreRetriedUntilTheContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		id := srv.SeedJob(reductotest.SeedJob{})
		srv.Fault("GET /job", reductotest.HTML(502), reductotest.Truncate(3), reductotest.HTML(200))
		_, err := client.GetJob(t.Context(), id)
		require.NoError(t, err)
		assert.Len(t, srv.RequestsTo("GET /job"), 4)

		srv.Fault("GET /job", reductotest.Status(500).Always())
		_, err = client.GetJob(t.Context(), id)
		var api *reducto.APIError
		require.ErrorAs(t, err, &api)
		assert.Len(t, srv.RequestsTo("GET /job"), 8, "the last failure is returned after the retries")
		srv.ClearFaults()

		srv.Fault("GET /job", reductotest.Stall())
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("the user went away")
		time.AfterFunc(time.Second, func() { cancel(reason) })
		_, err = client.GetJob(ctx, id)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, reason)
	})
}

func TestConcurrentSubmissionsShareConnections(t *testing.T) {
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	client, err := reducto.NewClient(reducto.WithAPIKey(srv.APIKey()), reducto.WithBaseURL(srv.URL()))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	const workers, each = 16, 20
	errs := make(chan error, workers)
	for range workers {
		go func() {
			var err error
			for range each {
				_, e := client.ParseAsync(context.Background(), parseRequest())
				err = errors.Join(err, e)
			}
			errs <- err
		}()
	}
	for range workers {
		require.NoError(t, <-errs)
	}
	// The standard transport keeps two connections and dials again for most others. The
	// number of first dials depends on timing.
	assert.Less(t, srv.NewConnections(), workers*each/4)
}

// recordingHook records the calls of a SubmitHook, and may misbehave.
type recordingHook struct {
	name   string
	log    *[]string
	mark   bool
	refuse error
	panics bool

	before []string
	after  []reducto.SubmitResult
	ctxErr error
	left   time.Duration
}

func (h *recordingHook) BeforeSubmit(_ context.Context, s *reducto.Submission) error {
	h.before = append(h.before, s.ID)
	if h.log != nil {
		*h.log = append(*h.log, "before "+h.name)
	}
	if h.mark {
		if err := s.AddMetadata("mark", s.ID); err != nil {
			return err
		}
	}
	return h.refuse
}

func (h *recordingHook) AfterSubmit(ctx context.Context, _ *reducto.Submission, r reducto.SubmitResult) {
	h.after = append(h.after, r)
	h.ctxErr = ctx.Err()
	if deadline, ok := ctx.Deadline(); ok {
		h.left = time.Until(deadline)
	}
	if h.log != nil {
		*h.log = append(*h.log, "after "+h.name)
	}
	if h.panics {
		panic("a hook's panic")
	}
}

func TestSubmitHooksRunInOrder(t *testing.T) {
	t.Run("order, and a refusal", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, _ *reducto.Client) {
			var log []string
			refusal := errors.New("not on a Friday")
			a := &recordingHook{name: "a", log: &log}
			b := &recordingHook{name: "b", log: &log}
			c := &recordingHook{name: "c", log: &log, refuse: refusal}
			client := srv.Client(reducto.WithSubmitHook(a, b, c))
			_, err := client.ParseAsync(t.Context(), parseRequest())
			require.ErrorIs(t, err, refusal)
			var refused *reducto.RequestError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, []string{"before a", "before b", "before c", "after b", "after a"}, log)
			assert.Equal(t, reducto.SubmitOutcomeRejected, a.after[0].Outcome)
			assert.Empty(t, srv.Requests(), "nothing is sent")
		})
	})
	t.Run("a panic cannot lose the job", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, _ *reducto.Client) {
			a, b := &recordingHook{}, &recordingHook{panics: true}
			client := srv.Client(reducto.WithSubmitHook(a, b))
			defer client.CloseIdleConnections()
			job, err := client.ParseAsync(t.Context(), parseRequest())
			require.NoError(t, err)
			assert.Equal(t, job.JobID, a.after[0].JobID)
		})
	})
	t.Run("detached from the caller's context", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server, _ *reducto.Client) {
			h := &recordingHook{}
			client := srv.Client(reducto.WithSubmitHook(h))
			defer client.CloseIdleConnections()
			srv.Fault("POST /parse_async", reductotest.Stall())
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := client.ParseAsync(ctx, parseRequest())
			var unknown *reducto.UnknownOutcomeError
			require.ErrorAs(t, err, &unknown)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.NoError(t, h.ctxErr)
			assert.Equal(t, 2*time.Second, h.left)
		})
	})
}

func TestUsersSubmissionIDIsSent(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		req := parseRequest()
		req.Async.SubmissionID = "order-17"
		job, err := client.ParseAsync(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, "order-17", job.SubmissionID)
		req.Async.SubmissionID = "order.17"
		_, err = client.ParseAsync(t.Context(), req)
		assertRefused(t, srv, err, "SubmissionID", 1)
	})
}

// assertRefused checks that err is a *RequestError about field, and that nothing was
// sent after the first requests.
func assertRefused(t *testing.T, srv *reductotest.Server, err error, field string, before int) {
	t.Helper()
	var refused *reducto.RequestError
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Field, field)
	assert.NotEmpty(t, refused.Op)
	assert.Len(t, srv.Requests(), before)
}

func TestBadSubmissionsAreRefusedBeforeSending(t *testing.T) {
	srv := reductotest.NewServer(t)
	mark := &recordingHook{mark: true}
	client := srv.Client()
	marked := srv.Client(reducto.WithSubmitHook(mark))
	with := func(a reducto.Async) reducto.ParseRequest { return reducto.ParseRequest{Input: document, Async: a} }
	tests := []struct {
		name   string
		client *reducto.Client
		req    reducto.ParseRequest
		field  string
	}{
		{"no input", client, reducto.ParseRequest{}, "Input"},
		{"an empty URL", client, reducto.ParseRequest{Input: reducto.URL("")}, "Input"},
		{"a path", client, reducto.ParseRequest{Input: reducto.URL("/tmp/a.pdf")}, "Input"},
		{"no URLs", client, reducto.ParseRequest{Input: reducto.URLs()}, "Input"},
		{"no upload", client, reducto.ParseRequest{Input: reducto.FromUpload(nil)}, "Input"},
		{"a job id with a slash", client, reducto.ParseRequest{Input: reducto.FromJob("../x")}, "Input"},
		{"a webhook without a host", client, with(reducto.Async{Webhook: reducto.DirectWebhook("https:///hook")}), "Async.Webhook"},
		{"a webhook of another scheme", client, with(reducto.Async{Webhook: reducto.DirectWebhook("ftp://host/hook")}), "Async.Webhook"},
		{"an empty webhook", client, with(reducto.Async{Webhook: reducto.DirectWebhook("")}), "Async.Webhook"},
		{"metadata that does not marshal", client, with(reducto.Async{Metadata: make(chan int)}), "Async.Metadata"},
		{"metadata that is no object, with a hook", marked, with(reducto.Async{Metadata: []int{1}}), "Async.Metadata"},
		{"the reserved key secret, with a hook", marked, with(reducto.Async{Metadata: map[string]any{"secret": "x"}}), "Async.Metadata"},
		{"the reserved key traceparent, with a hook", marked, with(reducto.Async{Metadata: map[string]any{"traceparent": "x"}}), "Async.Metadata"},
		{"the reserved key submission_id, with a hook", marked, with(reducto.Async{Metadata: map[string]any{"submission_id": "x"}}), "Async.Metadata"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.client.ParseAsync(t.Context(), tt.req)
			assertRefused(t, srv, err, tt.field, 0)
		})
	}
	assert.Empty(t, srv.Requests())
}

func TestMetadataWithoutAHookIsDeliveredUnchanged(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		req := parseRequest()
		req.Async.Metadata = []any{1, "two"}
		_, err := client.ParseAsync(t.Context(), req)
		require.NoError(t, err)
		assert.Contains(t, string(srv.RequestsTo("POST /parse_async")[0].Body), `"metadata":[1,"two"]`)
	})
}

func TestEditAsyncHidesItsWireShape(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		job, err := client.EditAsync(t.Context(), reducto.EditRequest{
			Input: document, Instructions: "fill it in",
			Async: reducto.Async{Webhook: reducto.NoWebhook(), Metadata: map[string]int{"n": 1}},
		})
		require.NoError(t, err)
		result, err := job.Wait(t.Context())
		require.NoError(t, err)
		assert.NotEmpty(t, result.DocumentURL)
		body := string(srv.RequestsTo("POST /edit_async")[0].Body)
		assert.Contains(t, body, `"mode":"disabled"`)
		assert.Contains(t, body, `"metadata":{"n":1}`)
	})
}

// saturated is the answer of the service while the batch queue is full.
func saturated() reductotest.Fault {
	return reductotest.Status(http.StatusServiceUnavailable).Header("Retry-After", "300").
		JSON(`{"error":{"code":503,"name":"BATCH_QUEUE_FULL","message":"the batch queue is full"},"detail":"the batch queue is full"}`)
}

func batchRequest() reducto.ParseRequest {
	req := parseRequest()
	req.QueuePriority = reducto.QueuePriorityBatch
	return req
}

// A full batch queue asks for five minutes, which is long for other clients. The client
// waits as often as it retries, and makes one job in the end.
func TestBatchSubmissionsWaitForTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		srv.Fault("POST /parse_async", saturated().Times(2))
		began := time.Now()
		job, err := client.ParseAsync(t.Context(), batchRequest())
		require.NoError(t, err)
		assert.NotEmpty(t, job.JobID)
		assert.Len(t, srv.Jobs(), 1)
		assert.Less(t, time.Since(began), 11*time.Minute)

		sent := srv.RequestsTo("POST /parse_async")
		require.Len(t, sent, 3)
		for i, r := range sent {
			assert.Contains(t, string(r.Body), `"queue_priority":"batch"`)
			if i > 0 {
				assert.GreaterOrEqual(t, r.Time.Sub(sent[i-1].Time), 5*time.Minute, "not before the time that was asked for")
			}
		}

		srv.Fault("POST /extract_async", saturated())
		began = time.Now()
		_, err = client.ExtractAsync(t.Context(), reducto.ExtractRequest{
			Input: document, Instructions: instructions, QueuePriority: reducto.QueuePriorityBatch,
		})
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Since(began), 5*time.Minute)
	})
}

// A client that cannot wait so long gets an error at once, with the delay and the fact
// that there is no job.
func TestBatchSubmissionsFailAboveMaxRetryAfter(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		impatient, err := client.With(reducto.WithMaxRetryAfter(time.Minute))
		require.NoError(t, err)
		soon, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for name, try := range map[string]func() error{
			"its context ends before": func() error { _, err := client.ParseAsync(soon, batchRequest()); return err },
			"its limit is lower":      func() error { _, err := impatient.ParseAsync(t.Context(), batchRequest()); return err },
		} {
			srv.Fault("POST /parse_async", saturated())
			began := time.Now()
			err := try()
			var refused *reducto.APIError
			require.ErrorAs(t, err, &refused, name)
			assert.Equal(t, reducto.ErrorNameBatchQueueFull, refused.Name, name)
			assert.True(t, refused.Name.Transient(), name)
			assert.Equal(t, 5*time.Minute, refused.RetryAfter, name)
			require.ErrorIs(t, err, reducto.ErrUnavailable, name)
			assert.Less(t, time.Since(began), time.Second, name)
			assert.Empty(t, srv.Jobs(), name)
		}

		// The end of the context ends the delay.
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Minute, cancel)
		srv.Fault("POST /parse_async", saturated())
		began := time.Now()
		_, err = client.ParseAsync(ctx, batchRequest())
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 2*time.Minute, time.Since(began))
		assert.Empty(t, srv.Jobs())
	})
}
