package reducto_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// recorder is a Tracer that keeps the operations that ended.
type recorder struct {
	mu    sync.Mutex
	ended []reducto.Operation
	errs  []error
}

type tracedKey struct{}

func (r *recorder) Start(ctx context.Context, op *reducto.Operation) (context.Context, func(error)) {
	return context.WithValue(ctx, tracedKey{}, op.Name), func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended, r.errs = append(r.ended, *op), append(r.errs, err)
	}
}

func (r *recorder) Traceparent(ctx context.Context) string {
	if ctx.Value(tracedKey{}) == nil {
		return ""
	}
	return traceparent
}

func TestTracerObservesOperations(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		ctx, tracer, seen := t.Context(), new(recorder), new(hook)
		traced, err := client.With(reducto.WithTracer(tracer), reducto.WithSubmitHook(seen), reducto.WithMaxDirectUpload(10))
		require.NoError(t, err)

		job, err := traced.ParseAsync(ctx, parseRequest())
		require.NoError(t, err)
		assert.Equal(t, []any{"ParseAsync", traceparent}, seen.got, "the hook has the trace")
		_, err = job.Wait(ctx)
		require.NoError(t, err)
		for _, text := range []string{"small", "larger than ten bytes"} { // directly, and by a presigned URL
			_, err = traced.Upload(ctx, "a.txt", strings.NewReader(text), reducto.UploadOptions{})
			require.NoError(t, err)
		}
		_, err = traced.Parse(ctx, reducto.ParseRequest{Input: document})
		require.NoError(t, err)
		_, err = traced.GetJob(ctx, "unknown")
		require.ErrorIs(t, err, reducto.ErrNotFound)
		for range traced.WaitEach(ctx, []string{job.JobID}) {
			break
		}
		_, err = traced.Upload(ctx, "a.txt", brokenReader{}, reducto.UploadOptions{})
		require.Error(t, err)

		assert.Equal(t, []reducto.Operation{
			{Name: "ParseAsync", JobID: job.JobID, SubmissionID: job.SubmissionID},
			{Name: "Wait", JobID: job.JobID},
			{Name: "Upload"}, {Name: "Upload"}, {Name: "Parse"}, {Name: "GetJob", JobID: "unknown"}, {Name: "WaitEach"}, {Name: "Upload"},
		}, tracer.ended)
		for i, err := range tracer.errs {
			assert.Equal(t, i == 5 || i == 7, err != nil, tracer.ended[i].Name)
		}
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

// hook keeps what the context and the submission have of the trace.
type hook struct{ got []any }

func (h *hook) BeforeSubmit(ctx context.Context, s *reducto.Submission) error {
	h.got = []any{ctx.Value(tracedKey{}), s.Traceparent}
	return nil
}

func (h *hook) AfterSubmit(context.Context, *reducto.Submission, reducto.SubmitResult) {}

func TestSubmissionCarriesTheTraceIfItCan(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		traced, err := client.With(reducto.WithTracer(new(recorder)))
		require.NoError(t, err)
		webhook := reducto.DirectWebhook("https://receiver.example/hook")
		for _, tt := range []struct {
			name     string
			client   *reducto.Client
			webhook  reducto.Webhook
			metadata any
			sent     string
		}{
			{"an object", traced, webhook, map[string]int{"user": 7}, `{"user":7,"traceparent":"` + traceparent + `"}`},
			{"none", traced, webhook, nil, `{"traceparent":"` + traceparent + `"}`},
			{"a list", traced, webhook, []int{7}, `[7]`},
			{"the user's own", traced, webhook, map[string]string{"traceparent": "mine"}, `{"traceparent":"mine"}`},
			{"no webhook", traced, reducto.NoWebhook(), map[string]int{"user": 7}, `{"user":7}`},
			{"no tracer", client, webhook, map[string]int{"user": 7}, `{"user":7}`},
		} {
			request := parseRequest()
			request.Async = reducto.Async{Webhook: tt.webhook, Metadata: tt.metadata}
			_, err := tt.client.ParseAsync(t.Context(), request)
			require.NoError(t, err, tt.name)
			sent := srv.RequestsTo("POST /parse_async")
			var body struct {
				Async struct {
					Metadata json.RawMessage `json:"metadata"`
				} `json:"async"`
			}
			require.NoError(t, json.Unmarshal(sent[len(sent)-1].Body, &body))
			assert.Equal(t, tt.sent, string(body.Async.Metadata), tt.name)
		}
	})
}

func TestTracerHasTheErrorOfASubmission(t *testing.T) {
	bubble(t, func(t *testing.T, _ *reductotest.Server, client *reducto.Client) {
		tracer := new(recorder)
		traced, err := client.With(reducto.WithTracer(tracer), reducto.WithSubmitHook(refusing{}))
		require.NoError(t, err)
		_, err = traced.ParseAsync(t.Context(), parseRequest())
		require.Error(t, err)
		require.Len(t, tracer.errs, 1)
		assert.ErrorIs(t, tracer.errs[0], errRefused)
	})
}

var errRefused = errors.New("refused")

type refusing struct{}

func (refusing) BeforeSubmit(context.Context, *reducto.Submission) error { return errRefused }
func (refusing) AfterSubmit(context.Context, *reducto.Submission, reducto.SubmitResult) {
}

// broken is a Tracer that panics.
type broken struct{ recorder }

func (*broken) Start(context.Context, *reducto.Operation) (context.Context, func(error)) {
	panic("broken")
}

func TestTracerThatPanicsFailsNoOperation(t *testing.T) {
	bubble(t, func(t *testing.T, _ *reductotest.Server, client *reducto.Client) {
		traced, err := client.With(reducto.WithTracer(&broken{}))
		require.NoError(t, err)
		job, err := traced.ParseAsync(t.Context(), parseRequest())
		require.NoError(t, err)
		_, err = job.Wait(t.Context())
		require.NoError(t, err)
	})
}

func TestWithTracerRefusesNil(t *testing.T) {
	t.Parallel()
	_, err := reducto.NewClient(reducto.WithAPIKey("key"), reducto.WithTracer(nil))
	require.ErrorContains(t, err, "WithTracer")
}
