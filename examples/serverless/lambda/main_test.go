package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/examples/serverless/internal/servicetest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// The forms of API Gateway's events, with the members that matter here.
var forms = map[string]func(r *http.Request, body string, isBase64 bool) any{
	"HTTP API": func(r *http.Request, body string, isBase64 bool) any {
		headers := map[string]string{}
		for name := range r.Header {
			headers[strings.ToLower(name)] = strings.Join(r.Header.Values(name), ",")
		}
		return map[string]any{
			"version": "2.0", "routeKey": "POST /webhook", "rawPath": "/stage/webhook", "rawQueryString": "",
			"headers": headers,
			"requestContext": map[string]any{
				"accountId": "1", "apiId": "api", "domainName": "api.example.com", "requestId": "r", "routeKey": "POST /webhook",
				"stage": "stage", "time": "29/Nov/2026:10:00:00 +0000", "timeEpoch": 1795946400000,
				"http": map[string]any{"method": r.Method, "path": "/stage/webhook", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "reducto"},
			},
			"body": body, "isBase64Encoded": isBase64,
		}
	},
	"REST API": func(r *http.Request, body string, isBase64 bool) any {
		headers := map[string]string{}
		for name := range r.Header {
			headers[name] = r.Header.Get(name)
		}
		return map[string]any{
			"resource": "/webhook", "path": "/webhook", "httpMethod": r.Method,
			"headers": headers, "multiValueHeaders": r.Header,
			"queryStringParameters": nil, "multiValueQueryStringParameters": nil, "pathParameters": nil, "stageVariables": nil,
			"requestContext": map[string]any{"accountId": "1", "apiId": "api", "httpMethod": r.Method, "path": "/stage/webhook",
				"protocol": "HTTP/1.1", "requestId": "r", "requestTimeEpoch": 1795946400000, "resourceId": "x", "stage": "stage",
				"identity": map[string]any{"sourceIp": "192.0.2.1"}},
			"body": body, "isBase64Encoded": isBase64,
		}
	},
}

// scheduled is the event of a rule of EventBridge.
const scheduled = `{"version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "account": "1",
	"time": "2026-11-29T10:00:00Z", "region": "us-east-1", "resources": ["arn:aws:events:us-east-1:1:rule/run"], "detail": {}}`

// gateway is an http.Handler that calls the function as API Gateway does.
func gateway(t *testing.T, f function, form string, isBase64 bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		text := string(body)
		if isBase64 {
			text = base64.StdEncoding.EncodeToString(body)
		}
		event, err := json.Marshal(forms[form](r, text, isBase64))
		assert.NoError(t, err)
		result, err := f.handle(r.Context(), event)
		if !assert.NoError(t, err) {
			return
		}
		raw, err := json.Marshal(result)
		assert.NoError(t, err)
		var resp struct {
			StatusCode      int               `json:"statusCode"`
			Headers         map[string]string `json:"headers"`
			Body            string            `json:"body"`
			IsBase64Encoded bool              `json:"isBase64Encoded"`
		}
		assert.NoError(t, json.Unmarshal(raw, &resp))
		assert.False(t, resp.IsBase64Encoded)
		for name, value := range resp.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.WriteString(w, resp.Body)
	})
}

func TestEachJobIsProcessedOnceByEvents(t *testing.T) {
	t.Parallel()
	for form := range forms {
		for encoding, isBase64 := range map[string]bool{"plain": false, "base64": true} {
			t.Run(form+" "+encoding, func(t *testing.T) {
				servicetest.Each(t, func(e *servicetest.Env) {
					f := function{e.Service}
					e.Program = gateway(e.T, f, form, isBase64)
					e.CheckLife(func() {
						_, err := f.handle(e.T.Context(), json.RawMessage(scheduled))
						require.NoError(e.T, err)
					})
				})
			})
		}
	}
}

// API Gateway's answers are those of the handler itself.
func TestAnswersEqualThoseOfTheInbox(t *testing.T) {
	t.Parallel()
	servicetest.Each(t, func(e *servicetest.Env) {
		genuine := func(id string) *http.Request {
			return webhook.NewTestRequest("http://localhost/webhook", e.Secret, id, reducto.JobStatusCompleted, nil)
		}
		gzipped := func(id string) *http.Request {
			r := genuine(id)
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, err := io.Copy(w, r.Body)
			require.NoError(e.T, err)
			require.NoError(e.T, w.Close())
			r.Body = io.NopCloser(&b)
			r.Header.Set("Content-Encoding", "gzip")
			return r
		}
		post := func(body string) *http.Request {
			return httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
		}
		for name, tt := range map[string]struct {
			request func(id string) *http.Request
			status  int
		}{
			"a delivery":            {genuine, 200},
			"a gzip body":           {gzipped, 200},
			"no secret":             {func(id string) *http.Request { return post(`{"status":"Completed","job_id":"` + id + `"}`) }, 401},
			"no JSON":               {func(string) *http.Request { return post("hello") }, 400},
			"no body":               {func(string) *http.Request { return post("") }, 400},
			"a body over the limit": {func(string) *http.Request { return post(strings.Repeat("x", webhook.DefaultMaxBodyBytes+1)) }, 413},
			"GET":                   {func(string) *http.Request { return httptest.NewRequest(http.MethodGet, "/webhook", nil) }, 405},
		} {
			want := httptest.NewRecorder()
			e.Service.Inbox.ServeHTTP(want, tt.request("job_bare"))
			require.Equal(e.T, tt.status, want.Code, name)
			want.Header().Del("Connection")
			for form := range forms {
				got := httptest.NewRecorder()
				gateway(e.T, function{e.Service}, form, true).ServeHTTP(got, tt.request("job_"+form[:4]))
				assert.Equal(e.T, want.Code, got.Code, "%s: %s", form, name)
				assert.Equal(e.T, want.Header(), got.Header(), "%s: %s", form, name)
				assert.Equal(e.T, want.Body.String(), got.Body.String(), "%s: %s", form, name)
			}
		}
	})
}

func TestOtherEventsAreErrors(t *testing.T) {
	t.Parallel()
	f := function{}
	for event, want := range map[string]string{
		`{"Records": []}`: "check the trigger",
		`[]`:              "cannot unmarshal",
		`{"version": "2.0", "body": "%", "isBase64Encoded": true, "requestContext": {"http": {"method": "POST"}}}`: "the body of the event",
	} {
		_, err := f.handle(t.Context(), json.RawMessage(event))
		require.ErrorContains(t, err, want)
	}
}

// Without the error, no run would ever do anything.
func TestTimeoutTooShortForARunIsAnError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err := function{}.handle(ctx, json.RawMessage(scheduled))
	require.ErrorContains(t, err, "set it to five minutes")
}

// A run ends before Lambda kills the process, and gives its records back.
func TestRunEndsBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	servicetest.Each(t, func(e *servicetest.Env) {
		f := function{e.Service}
		e.Program = gateway(e.T, f, "HTTP API", true)
		e.Func = func(ctx context.Context, _ *webhook.Delivery) error {
			// A second run in the process leaves the records to the first one.
			assert.NoError(e.T, f.run(ctx))
			<-ctx.Done()
			return ctx.Err()
		}
		job := e.Submit()
		_, err := e.Srv.AwaitDeliveries(e.T.Context(), job.JobID, 1)
		require.NoError(e.T, err)
		ctx, cancel := context.WithTimeout(e.T.Context(), margin+time.Second)
		defer cancel()
		_, err = f.handle(ctx, json.RawMessage(scheduled))
		require.NoError(e.T, err)
		require.NoError(e.T, ctx.Err(), "Lambda would have killed the process")
		record, err := e.Service.Inbox.Get(e.T.Context(), job.JobID)
		require.NoError(e.T, err)
		assert.Equal(e.T, inbox.StateReceived, record.State)

		e.Func = func(context.Context, *webhook.Delivery) error { return nil }
		_, err = f.handle(e.T.Context(), json.RawMessage(scheduled))
		require.NoError(e.T, err)
		record, err = e.Service.Inbox.Get(e.T.Context(), job.JobID)
		require.NoError(e.T, err)
		assert.Equal(e.T, inbox.StateDone, record.State)
	})
}
