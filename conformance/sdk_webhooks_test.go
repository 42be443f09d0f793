package conformance_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// received is what a handler's function was called with.
type received struct {
	delivery *webhook.Delivery
	job      *reducto.Job
}

// receiver is a handler of ours that hands on what it receives.
func receiver(t *testing.T, srv *reductotest.Server, v webhook.Verifier) (http.Handler, <-chan received) {
	t.Helper()
	calls := make(chan received, 100)
	h, err := webhook.NewHandler(v, func(ctx context.Context, d *webhook.Delivery) error {
		job, err := d.Job(ctx)
		if err != nil {
			return err
		}
		calls <- received{d, job}
		return nil
	}, webhook.WithClient(srv.Client()))
	require.NoError(t, err)
	return h, calls
}

// next is the call of the function for a job. The next one must be for it.
func next(t *testing.T, calls <-chan received, jobID string) received {
	t.Helper()
	select {
	case r := <-calls:
		require.Equal(t, jobID, r.delivery.JobID)
		return r
	case <-time.After(20 * time.Second):
		require.Fail(t, "no delivery came")
		return received{}
	}
}

// answered is how the one delivery of a job was answered.
func answered(t *testing.T, srv *reductotest.Server, jobID string) reductotest.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	deliveries, err := srv.AwaitDeliveries(ctx, jobID, 1)
	require.NoError(t, err)
	require.Len(t, deliveries, 1)
	return deliveries[0]
}

const webhookSecret = "a secret of at least sixteen bytes"

// withWebhook is a request for runJob with a webhook in the form of its endpoint.
func (p process) withWebhook(hook, metadata object) object {
	request := object{}
	for k, v := range p.request {
		request[k] = v
	}
	if p.method == "edit" {
		w := object{"metadata": metadata}
		for k, v := range hook {
			w[k] = v
		}
		request["webhook"] = w
	} else {
		request["async"] = object{"webhook": hook, "metadata": metadata}
	}
	return request
}

// resultOf is the type of a result that the client made of it.
func (p process) resultOf() reducto.Result {
	return map[string]reducto.Result{
		"parse": &reducto.ParseResult{}, "extract": &reducto.ExtractResult{}, "split": &reducto.SplitResult{},
		"edit": &reducto.EditResult{}, "pipeline": &reducto.PipelineResult{},
	}[p.method]
}

// testDirectWebhooks submits with the SDK as the documentation has it, the secret
// in the metadata, and receives with our handler.
func (s *sdk) testDirectWebhooks(t *testing.T) {
	srv := newServer(t, reductotest.WithRetrySchedule())
	secret, err := webhook.NewSecret(webhookSecret)
	require.NoError(t, err)
	handler, calls := receiver(t, srv, secret)
	hook := object{"mode": "direct", "url": srv.Mount("/webhook", handler)}
	input := srv.PutFile("letter.txt", []byte(letter))

	for _, p := range processes(input) {
		if p.syncOnly {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			id := s.submit(t, srv, p.method+".runJob", p.withWebhook(hook, object{"secret": webhookSecret, "user_id": "123"}))
			r := next(t, calls, id)
			assert.Equal(t, webhook.OutcomeCompleted, r.delivery.Outcome)
			assert.Equal(t, reducto.JobStatusCompleted, r.delivery.Status)
			assert.Equal(t, "current", r.delivery.KeyID)
			assert.Empty(t, r.delivery.SubmissionID)
			assert.JSONEq(t, `{"user_id":"123"}`, string(r.delivery.Metadata), "without the secret")
			assert.IsType(t, p.resultOf(), r.job.Result)
			assert.Equal(t, id, r.job.JobID)
			d := answered(t, srv, id)
			assert.Equal(t, http.StatusOK, d.StatusCode)
			equalJSON(t, `{"status":"Completed","job_id":"`+id+`","metadata":{"secret":"`+webhookSecret+`","user_id":"123"}}`, d.Body)
		})
	}
	p := processes(input)[0]
	t.Run("failed", func(t *testing.T) {
		srv.FailNext("The file is damaged", "DOCUMENT_CORRUPT")
		id := s.submit(t, srv, "parse.runJob", p.withWebhook(hook, object{"secret": webhookSecret}))
		r := next(t, calls, id)
		assert.Equal(t, webhook.OutcomeFailed, r.delivery.Outcome)
		assert.Equal(t, "The file is damaged", r.job.Reason)
		assert.Nil(t, r.delivery.Metadata)
	})
	for name, metadata := range map[string]object{
		"wrong secret": {"secret": "a wrong one of at least sixteen bytes"},
		"no secret":    {"user_id": "123"},
		"no metadata":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			id := s.submit(t, srv, "parse.runJob", p.withWebhook(hook, metadata))
			assert.Equal(t, http.StatusUnauthorized, answered(t, srv, id).StatusCode)
			assert.Empty(t, calls)
		})
	}
}

// testSvixWebhooks submits with the SDK in the signed mode.
func (s *sdk) testSvixWebhooks(t *testing.T) {
	srv := newServer(t, reductotest.WithRetrySchedule())
	svix, err := webhook.NewSvix(srv.SvixSecret())
	require.NoError(t, err)
	handler, calls := receiver(t, srv, svix)
	others := make(chan string, 100)
	srv.AddSvixEndpoint(srv.Mount("/svix", handler), "invoices")
	srv.AddSvixEndpoint(srv.Mount("/other", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct {
			JobID string `json:"job_id"`
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		others <- body.JobID
	})), "contracts")
	input := srv.PutFile("letter.txt", []byte(letter))

	for _, p := range processes(input) {
		if p.syncOnly {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			hook := object{"mode": "svix", "channels": []any{"invoices"}}
			id := s.submit(t, srv, p.method+".runJob", p.withWebhook(hook, object{"user_id": "123"}))
			r := next(t, calls, id)
			assert.Equal(t, webhook.OutcomeCompleted, r.delivery.Outcome)
			assert.Equal(t, "current", r.delivery.KeyID)
			assert.JSONEq(t, `{"user_id":"123"}`, string(r.delivery.Metadata))
			assert.IsType(t, p.resultOf(), r.job.Result)
			assert.Equal(t, http.StatusOK, answered(t, srv, id).StatusCode)
		})
	}
	assert.Empty(t, others, "it listens to another channel")

	p := processes(input)[0]
	t.Run("another channel", func(t *testing.T) {
		id := s.submit(t, srv, "parse.runJob", p.withWebhook(object{"mode": "svix", "channels": []any{"contracts"}}, nil))
		select {
		case got := <-others:
			assert.Equal(t, id, got)
		case <-time.After(20 * time.Second):
			require.Fail(t, "no delivery came")
		}
		assert.Empty(t, calls)
	})
	t.Run("another secret", func(t *testing.T) {
		stranger, err := webhook.NewSvix("whsec_QW5vdGhlciBzZWNyZXQsIG5vdCB0aGVpcnM=")
		require.NoError(t, err)
		refuses, calls := receiver(t, srv, stranger)
		srv.Mount("/svix", refuses)
		id := s.submit(t, srv, "parse.runJob", p.withWebhook(object{"mode": "svix", "channels": []any{"invoices"}}, nil))
		assert.Equal(t, http.StatusUnauthorized, answered(t, srv, id).StatusCode)
		assert.Empty(t, calls)
	})
}
