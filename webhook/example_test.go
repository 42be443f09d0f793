package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// deliver has a handler answer a delivery, as the server would.
func deliver(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// A Secret prints as nothing, whatever it is in. The same one is given to the
// client and to the handler.
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
	// reducto: webhook.NewSecret: current: it is shorter than 16 bytes, and could be guessed: make one with openssl rand -hex 32
}

// The second step of a rotation: the new secret is sent, jobs that were submitted
// with the old one are still believed. When "previous-1" is not seen any more, the
// old one can be dropped.
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

	// What the service would send, twice, and what anybody could.
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
	srv, err := reductotest.Start() // in place of the service
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
			return err // delivered again; an expired job ends
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
			return errors.New("the database is down") // delivered again
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
