package conformance_test

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

type object = map[string]any

// sdk is the official SDK in a process of its own, which calls servers of ours.
type sdk struct {
	*script
	mu      sync.Mutex
	called  map[string]bool
	answers []typed
}

// typed is an answer and the type that the SDK declares for it.
type typed struct {
	typeName string
	value    json.RawMessage
}

func startSDK(t *testing.T) *sdk {
	t.Helper()
	program(t, "reductoai", "package.json")
	return &sdk{script: startScript(t, "sdk.mjs"), called: map[string]bool{}}
}

type sdkAnswer struct {
	Status int
	Value  json.RawMessage
	Error  *struct {
		// Is lists the SDK's classes that the error is of, APIError among them.
		Is      []string
		Message string
		// Body is what the server answered, decoded.
		Body json.RawMessage
	}
}

// clientOptions are those of the SDK's client.
type clientOptions struct {
	baseURL string // the server's if empty
	key     string
	retries int
	timeout int // in milliseconds; 0 is 30 s
}

func (s *sdk) ask(t *testing.T, srv *reductotest.Server, o clientOptions, method string, args ...any) sdkAnswer {
	t.Helper()
	if o.timeout == 0 {
		o.timeout = 30_000
	}
	if o.baseURL == "" {
		o.baseURL = srv.URL()
	}
	var a sdkAnswer
	s.script.ask(t, object{
		"client": object{"baseURL": o.baseURL, "apiKey": o.key, "maxRetries": o.retries, "timeout": o.timeout},
		"method": method,
		"args":   append([]any{}, args...), // not null
	}, &a)
	s.mu.Lock()
	s.called[method] = true
	s.mu.Unlock()
	return a
}

// call calls a method that succeeds, with an answer of a type of the SDK.
func (s *sdk) call(t *testing.T, srv *reductotest.Server, typeName, method string, args ...any) json.RawMessage {
	t.Helper()
	a := s.ask(t, srv, clientOptions{key: srv.APIKey()}, method, args...)
	require.Nil(t, a.Error, "%s: %+v", method, a.Error)
	require.Equal(t, 200, a.Status, method)
	s.mu.Lock()
	s.answers = append(s.answers, typed{typeName, a.Value})
	s.mu.Unlock()
	return a.Value
}

// methods lists every method that the SDK has.
func (s *sdk) methods(t *testing.T) (list []string) {
	t.Helper()
	var a sdkAnswer
	s.script.ask(t, object{"client": object{"apiKey": "none"}}, &a)
	require.NoError(t, json.Unmarshal(a.Value, &list))
	return list
}

// TestSDK calls everything that the official SDK can do on reductotest.
func TestSDK(t *testing.T) {
	t.Parallel()
	s := startSDK(t)
	methods := s.methods(t)
	require.Subset(t, methods, []string{"upload", "parse.runJob", "job.get"})

	t.Run("upload", s.testUploads)
	t.Run("process", s.testProcessing)
	t.Run("jobs", s.testJobs)
	t.Run("account", s.testAccount)
	t.Run("errors", s.testErrors)
	t.Run("direct webhooks", s.testDirectWebhooks)
	t.Run("svix webhooks", s.testSvixWebhooks)

	for _, m := range methods {
		assert.True(t, s.called[m], "the SDK has a method %s that is not called here", m)
	}
	t.Logf("%d calls of %d methods", s.calls, len(methods))
	t.Run("types", s.testTypes)
}
