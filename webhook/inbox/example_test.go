package inbox_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

func ExampleNew() {
	srv, err := reductotest.Start() // in place of Reducto
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	if err != nil {
		log.Fatal(err)
	}
	processed := make(chan string, 1)
	process := func(ctx context.Context, d *webhook.Delivery) error {
		job, err := d.Job(ctx)
		if err != nil {
			return err // the Inbox calls the function again
		}
		processed <- fmt.Sprintf("%T of order %s: %s", job.Result, d.Metadata, d.Outcome)
		return nil
	}
	in, err := inbox.New(secret, inbox.NewMemoryStore(), process) // or package sqlstore
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", in)
	client := srv.Client( // reducto.NewClient(
		reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", mux))),
		reducto.WithSubmitHook(in),
	)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- in.Run(ctx, client) }() // or Serve

	_, err = client.ParseAsync(ctx, reducto.ParseRequest{
		Input: reducto.URL("https://example.com/document.pdf"),
		Async: reducto.Async{Metadata: map[string]int{"order": 17}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-processed)
	if err := in.Shutdown(ctx); err != nil { // it waits for the function
		log.Fatal(err)
	}
	stop()
	fmt.Println(<-ran)
	// Output:
	// *reducto.ParseResult of order {"order":17}: completed
	// <nil>
}
