// Command lambda is a function of AWS Lambda. API Gateway calls it with deliveries. A rule
// of EventBridge calls it each minute, and it then calls RunOnce. Lambda pauses the process
// after each answer. See package serverless, which also has the environment variables.
//
//	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -o bootstrap ./examples/serverless/lambda
//
// Deploy it twice, with the runtime provided.al2023. The one behind API Gateway answers
// within seconds. Make the route POST /webhook of an HTTP API or a REST API. The other one
// has an EventBridge rule with rate(1 minute), a timeout of five minutes, and a reserved
// concurrency of one or more. A timeout below 30 seconds is too short for it. With ten
// seconds or less, a run returns an error.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/reducto-go/reducto/examples/serverless"
)

func main() {
	service, err := serverless.Open(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(function{service}.handle)
}

// margin is how long before the end of Lambda's time a run stops. Lambda kills the
// process at the end. Then the records of running functions would wait for their leases.
const margin = 10 * time.Second

// function handles the events of Lambda.
type function struct{ service *serverless.Service }

// handle answers an event of API Gateway, or runs the work of a schedule. Its result is
// the answer for API Gateway, or nil.
func (f function) handle(ctx context.Context, event json.RawMessage) (any, error) {
	var kind struct {
		Version    string `json:"version"`
		HTTPMethod string `json:"httpMethod"`
		DetailType string `json:"detail-type"`
	}
	if err := json.Unmarshal(event, &kind); err != nil {
		return nil, err
	}
	switch {
	case kind.DetailType == "Scheduled Event":
		return nil, f.run(ctx)
	case kind.Version == "2.0": // an HTTP API
		var e events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, err
		}
		header := http.Header{}
		for name, value := range e.Headers {
			header.Set(name, value)
		}
		return f.serve(ctx, e.RequestContext.HTTP.Method, header, e.Body, e.IsBase64Encoded)
	case kind.HTTPMethod != "": // a REST API, or an HTTP API with the payload format 1.0
		var e events.APIGatewayProxyRequest
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, err
		}
		header := http.Header{}
		for name, values := range e.MultiValueHeaders {
			for _, value := range values {
				header.Add(name, value)
			}
		}
		return f.serve(ctx, e.HTTPMethod, header, e.Body, e.IsBase64Encoded)
	}
	return nil, errors.New("the event is neither of API Gateway nor a scheduled event: check the trigger")
}

func (f function) run(ctx context.Context) error {
	if end, ok := ctx.Deadline(); ok {
		if time.Until(end) <= margin { // Lambda's default is three seconds
			return errors.New("the timeout of the Lambda function is too short for a run: set it to five minutes")
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-margin))
		defer cancel()
	}
	return f.service.Run(ctx)
}

// serve gives a request to the Inbox, and returns the answer in API Gateway's form. The
// Inbox needs no path.
func (f function) serve(ctx context.Context, method string, header http.Header, body string, isBase64 bool) (any, error) {
	raw := []byte(body)
	if isBase64 {
		var err error
		if raw, err = base64.StdEncoding.DecodeString(body); err != nil {
			return nil, fmt.Errorf("the body of the event: %w", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "/", bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	r.Header = header
	w := &answer{header: http.Header{}}
	f.service.ServeHTTP(w, r)
	resp := events.APIGatewayProxyResponse{StatusCode: w.status, Headers: map[string]string{}, Body: w.body.String()}
	w.header.Del("Connection") // it is API Gateway's
	for name := range w.header {
		resp.Headers[name] = w.header.Get(name)
	}
	return resp, nil
}

// answer is an http.ResponseWriter that keeps the answer.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }
