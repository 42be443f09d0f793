package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

func TestListenForwardsWhatIsSubmittedAndCatchesUp(t *testing.T) {
	t.Parallel()
	srv, s := service(t)
	s.env = append(s.env, "WEBHOOK_SECRET="+testSecret)
	secret, err := webhook.NewSecret(testSecret)
	require.NoError(t, err)
	r := newReceiver(t, secret)
	before := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "a"})
	submit := func() string {
		job, err := srv.Client().ParseAsync(context.Background(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")})
		require.NoError(t, err)
		return job.JobID
	}
	listen := func(args ...string) *started {
		return s.start(append([]string{"listen", "--forward-to", r.url, "--interval", "50ms"}, args...)...)
	}

	p := listen()
	p.await(t, "forwarding to "+r.url)
	for len(srv.RequestsTo("GET /jobs")) == 0 {
		assert.NoError(t, t.Context().Err())
	}
	first := submit()
	line := p.await(t, `(\S+Z\t200\t\S+\t`+first+`\tParse\tCompleted\t.*)\n`)
	assert.Contains(t, line, "metadata: ")
	assert.Equal(t, exitDone, p.interrupt(t))
	assert.Contains(t, p.output.String(), "the next start catches up")

	second := submit()
	p = listen("--json")
	p.await(t, `"job_id":"`+second+`".*"status_code":200`)
	assert.Equal(t, exitDone, p.interrupt(t))
	assert.NotContains(t, p.output.String(), first, "nothing is forwarded twice")
	assert.Len(t, r.take(), 2)

	assert.Contains(t, s.ok("listen", "--forward-to", r.url, "--replay", before), before)
	e := s.run("listen", "--forward-to", "http://127.0.0.1:1/", "--replay", before)
	assert.Equal(t, exitFailure, e.code)
	assert.Contains(t, e.stdout, "attempt 1 of 4")
	assert.Contains(t, e.stdout, "given up: use --replay "+before)
	list := r.take()
	require.Len(t, list, 1)
	assert.Equal(t, before, list[0].JobID)
	assert.Equal(t, exitNotFound, s.run("listen", "--forward-to", r.url, "--replay", "00000000-0000-4000-8000-000000000000").code)
}
