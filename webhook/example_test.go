package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// deliver returns the status with which a handler answers a delivery.
func deliver(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// Give the same Secret to the client and to the handler. It never prints its text.
func ExampleNewSecret() {
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f") // from the environment
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", secret)

	_, err = webhook.NewSecret("hunter2")
	fmt.Println(err)
	// Output:
	// webhook.Secret([redacted])
	// reducto: webhook.NewSecret: current: it is shorter than 16 bytes and could be guessed: make one with openssl rand -hex 32
}

// The second step of a rotation sends the new secret, and still accepts jobs that
// were submitted with the old one. Remove the old one when no delivery has shown
// "previous-1" for a day.
func ExampleNewSecret_rotation() {
	before, _ := webhook.NewSecret("the old secret, 2025")
	secret, err := webhook.NewSecret("the new secret, 2026", "the old secret, 2025")
	if err != nil {
		log.Fatal(err)
	}
	handler, err := webhook.NewHandler(secret, func(_ context.Context, d *webhook.Delivery) error {
		fmt.Println(d.JobID, "was submitted with", d.KeyID)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	deliver(handler, webhook.NewTestRequest("/webhook", before, "job_1", reducto.JobStatusCompleted, nil))
	deliver(handler, webhook.NewTestRequest("/webhook", secret, "job_2", reducto.JobStatusCompleted, nil))
	// Output:
	// job_1 was submitted with previous-1
	// job_2 was submitted with current
}

func ExampleNewHandler() {
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	if err != nil {
		log.Fatal(err)
	}
	handler, err := webhook.NewHandler(secret, func(_ context.Context, d *webhook.Delivery) error {
		var metadata struct {
			UserID string `json:"user_id"`
		}
		if err := d.DecodeMetadata(&metadata); err != nil {
			return webhook.Permanent(err)
		}
		fmt.Printf("job %s of user %s: %s\n", d.JobID, metadata.UserID, d.Outcome)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", handler)

	// A delivery, its duplicate, and a forgery.
	metadata := map[string]any{"user_id": "123"}
	for range 2 {
		fmt.Println(deliver(mux, webhook.NewTestRequest("/webhook", secret, "job_1", reducto.JobStatusCompleted, metadata)))
	}
	fmt.Println(deliver(mux, webhook.NewTestRequest("/webhook", nil, "job_2", reducto.JobStatusCompleted, metadata)))
	// Output:
	// job job_1 of user 123: completed
	// 200
	// 200
	// 401
}

func ExampleDelivery_Job() {
	srv, err := reductotest.Start() // a fake of the API
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // reducto.NewClient()

	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	if err != nil {
		log.Fatal(err)
	}
	process := func(ctx context.Context, d *webhook.Delivery) error {
		job, err := d.Job(ctx)
		if err != nil {
			return err // Reducto delivers again, unless the job has expired
		}
		switch result := job.Result.(type) {
		case *reducto.ParseResult:
			for block, err := range result.Blocks(ctx) {
				if err != nil {
					return err
				}
				fmt.Println(block.Content)
			}
			return nil
		case nil:
			fmt.Printf("job %s ended %s: %s\n", d.JobID, d.Outcome, job.FailureReason())
			return nil
		default:
			return webhook.Permanent(fmt.Errorf("unexpected result %T", result))
		}
	}
	handler, err := webhook.NewHandler(secret, process, webhook.WithClient(client))
	if err != nil {
		log.Fatal(err)
	}

	good := srv.SeedJob(reductotest.SeedJob{ID: "job_1", Status: "Completed", Text: "Invoice 17\n\nTotal: 20 EUR"})
	bad := srv.SeedJob(reductotest.SeedJob{ID: "job_2", Status: "Failed", Reason: "the document is empty"})
	fmt.Println(deliver(handler, webhook.NewTestRequest("/webhook", secret, good, reducto.JobStatusCompleted, nil)))
	fmt.Println(deliver(handler, webhook.NewTestRequest("/webhook", secret, bad, reducto.JobStatusFailed, nil)))
	// Output:
	// Invoice 17
	// Total: 20 EUR
	// 200
	// job job_2 ended failed: the document is empty
	// 200
}

func ExamplePermanent() {
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	if err != nil {
		log.Fatal(err)
	}
	errNoCustomer := errors.New("no such customer")
	handler, err := webhook.NewHandler(secret, func(_ context.Context, d *webhook.Delivery) error {
		switch d.JobID {
		case "job_1":
			return errors.New("the database is down") // Reducto delivers again
		default:
			return webhook.Permanent(errNoCustomer) // another delivery cannot help
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, job := range []string{"job_1", "job_2"} {
		fmt.Println(job, deliver(handler, webhook.NewTestRequest("/webhook", secret, job, reducto.JobStatusCompleted, nil)))
	}
	fmt.Println(errors.Is(webhook.Permanent(errNoCustomer), errNoCustomer))
	// Output:
	// job_1 500
	// job_2 200
	// true
}

// A Func can be called in a unit test without HTTP. Give NewDelivery a Source if the
// Func needs the job.
// jobSource gives one job to a function under test.
type jobSource struct{ job reducto.Job }

func (s jobSource) Job(context.Context) (*reducto.Job, error) { return &s.job, nil }

func (jobSource) CompleteTx(context.Context, webhook.Execer) error { return webhook.ErrTxUnsupported }

func ExampleNewDelivery() {
	process := func(ctx context.Context, d *webhook.Delivery) error {
		job, err := d.Job(ctx)
		if err != nil {
			return err
		}
		result, err := reducto.As[*reducto.ParseResult](job)
		if err != nil {
			return webhook.Permanent(err)
		}
		fmt.Println(d.JobID, "has", result.Usage.NumPages, "pages")
		return nil
	}
	var source jobSource
	if err := json.Unmarshal([]byte(`{"status": "Completed", "result": {"response_type": "parse",
		"usage": {"num_pages": 3}, "result": {"type": "full", "chunks": []}}}`), &source.job); err != nil {
		log.Fatal(err)
	}
	event := webhook.Event{JobID: "job_1", Status: reducto.JobStatusCompleted}
	err := process(context.Background(), webhook.NewDelivery(event, webhook.OutcomeCompleted, source))
	fmt.Println(err)
	// Output:
	// job_1 has 3 pages
	// <nil>
}

// This receiver puts verified events into a queue. It answers 200 only if the queue
// has them.
func ExampleReceiver() {
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	if err != nil {
		log.Fatal(err)
	}
	receiver, err := webhook.NewReceiver(secret)
	if err != nil {
		log.Fatal(err)
	}
	queue := make(chan webhook.Event, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := receiver.Receive(w, r)
		if err != nil {
			return // it has been answered
		}
		select {
		case queue <- event:
			receiver.Respond(w, http.StatusOK)
		default:
			receiver.Respond(w, http.StatusServiceUnavailable) // Reducto delivers again
		}
	})
	for _, job := range []string{"job_1", "job_2"} {
		fmt.Println(deliver(handler, webhook.NewTestRequest("/webhook", secret, job, reducto.JobStatusCompleted, nil)))
	}
	fmt.Println(deliver(handler, webhook.NewTestRequest("/webhook", nil, "job_3", reducto.JobStatusCompleted, nil)))
	fmt.Println((<-queue).JobID)
	// Output:
	// 200
	// 503
	// 401
	// job_1
}
