package webhook_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

func TestDeliverySaysWhatTheWebhookSaid(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	before := time.Now()
	s.answers(200, `{"job_id":"`+jobA+`","status":"Failed","metadata":{"n":1e400,"secret":"`+testSecret+`"},"attempt":2,"region":{"x":[1]}}`)
	d := s.f.last()
	assert.WithinRange(t, d.ReceivedAt, before, time.Now())
	assert.Equal(t, map[string]json.RawMessage{"attempt": json.RawMessage(`2`), "region": json.RawMessage(`{"x":[1]}`)}, d.Extra)
	assert.Equal(t, `{"n":1e400}`, string(d.Metadata))
	assert.Equal(t, "webhook.Delivery(job "+jobA+", outcome failed, status Failed, attempt 1)", fmt.Sprint(d))
	assert.Equal(t, "webhook.Event(job "+jobA+", status Failed, kid current)", fmt.Sprintf("%+v", d.Event))
	require.ErrorIs(t, d.CompleteTx(t.Context(), nil), webhook.ErrTxUnsupported)

	var n struct{ N int }
	err := d.DecodeMetadata(&n)
	require.ErrorContains(t, err, "metadata of job "+jobA)
	unmarshal := new(json.UnmarshalTypeError)
	require.ErrorAs(t, err, &unmarshal)
	n.N = 17
	require.NoError(t, webhook.Event{}.DecodeMetadata(&n))
	assert.Equal(t, 17, n.N, "unchanged without metadata")
}

func TestDeliveryWithoutASource(t *testing.T) {
	t.Parallel()
	made := webhook.NewDelivery(webhook.Event{JobID: jobA, Status: "Failed"}, webhook.OutcomeFailed, nil)
	assert.Equal(t, 1, made.Attempt)
	assert.WithinDuration(t, time.Now(), made.ReceivedAt, time.Minute)
	for _, d := range []*webhook.Delivery{made, new(webhook.Delivery)} {
		_, err := d.Job(t.Context())
		require.ErrorIs(t, err, webhook.ErrNoClient)
		require.ErrorIs(t, d.CompleteTx(t.Context(), nil), webhook.ErrTxUnsupported)
	}
}

// fakeSource is the Source of a user's unit test.
type fakeSource struct {
	job *reducto.Job
	err error
	tx  webhook.Execer
}

func (s *fakeSource) Job(context.Context) (*reducto.Job, error) { return s.job, s.err }

func (s *fakeSource) CompleteTx(_ context.Context, tx webhook.Execer) error {
	s.tx = tx
	return s.err
}

type fakeTx struct{}

func (*fakeTx) ExecContext(context.Context, string, ...any) (sql.Result, error) { return nil, nil }

// A user calls a Func in a unit test, without HTTP.
func TestFuncInAUnitTest(t *testing.T) {
	t.Parallel()
	tx := new(fakeTx)
	process := func(ctx context.Context, d *webhook.Delivery) error {
		job, err := d.Job(ctx)
		if err != nil {
			return fmt.Errorf("attempt %d: %w", d.Attempt, err)
		}
		if job.Result == nil {
			return webhook.Permanent(errors.New(job.FailureReason()))
		}
		return d.CompleteTx(ctx, tx)
	}
	event := webhook.Event{JobID: jobA, Status: reducto.StatusCompleted}
	source := &fakeSource{job: &reducto.Job{Status: reducto.StatusCompleted, Result: new(reducto.ParseResult)}}
	require.NoError(t, process(t.Context(), webhook.NewDelivery(event, webhook.OutcomeCompleted, source)))
	assert.Same(t, tx, source.tx)

	source = &fakeSource{err: reducto.ErrExpired}
	d := webhook.NewDelivery(event, webhook.OutcomeExpired, source)
	d.Attempt = 3
	err := process(t.Context(), d)
	require.ErrorIs(t, err, reducto.ErrExpired)
	require.ErrorContains(t, err, "attempt 3")

	source = &fakeSource{job: &reducto.Job{Status: reducto.StatusFailed}}
	assert.True(t, webhook.IsPermanent(process(t.Context(), webhook.NewDelivery(event, webhook.OutcomeFailed, source))))
}
