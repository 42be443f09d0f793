package reducto_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// With a webhook and a secret, every submission of the client announces its end,
// and the announcement can be told from a forgery.
func ExampleWithWebhook() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	mux := http.NewServeMux()
	url := srv.Mount("/webhook", mux) // yours: https://your-app.com/webhook

	secret, err := webhook.NewSecret("yours: openssl rand -hex 32")
	if err != nil {
		log.Fatal(err)
	}
	client := srv.Client( // yours: reducto.NewClient(
		reducto.WithWebhook(reducto.DirectWebhook(url)),
		reducto.WithSubmitHook(secret),
	)
	handler, err := webhook.NewHandler(secret, func(ctx context.Context, d *webhook.Delivery) error {
		var metadata struct {
			UserID string `json:"user_id"`
		}
		if err := d.DecodeMetadata(&metadata); err != nil {
			return webhook.Permanent(err) // another delivery would bring the same
		}
		fmt.Println("job of user", metadata.UserID, d.Outcome)
		return nil
	}, webhook.WithClient(client))
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("POST /webhook", handler)

	ctx := context.Background()
	job, err := client.ParseAsync(ctx, reducto.ParseRequest{
		Input: reducto.URL("https://example.com/document.pdf"),
		Async: reducto.Async{Metadata: map[string]any{"user_id": "123"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	deliveries, err := srv.AwaitDeliveries(ctx, job.JobID, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("answered", deliveries[0].StatusCode)
	// Output:
	// job of user 123 completed
	// answered 200
}

// A single submission can do without the client's webhook.
func ExampleNoWebhook() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client(reducto.WithWebhook(reducto.DirectWebhook("https://your-app.com/webhook")))

	ctx := context.Background()
	document := reducto.URL("https://example.com/document.pdf")
	for _, async := range []reducto.Async{{}, {Webhook: reducto.NoWebhook()}} {
		if _, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: document, Async: async}); err != nil {
			log.Fatal(err)
		}
	}
	for _, job := range srv.Jobs() {
		fmt.Printf("webhook: %q\n", job.WebhookURL)
	}
	// Output:
	// webhook: "https://your-app.com/webhook"
	// webhook: ""
}
