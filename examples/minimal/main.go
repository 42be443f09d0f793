// Command minimal submits a document and receives the webhook that announces the
// end of its job. It is the first program of the README.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

func main() {
	secret, err := webhook.NewSecret(os.Getenv("WEBHOOK_SECRET")) // openssl rand -hex 32
	if err != nil {
		log.Fatal(err)
	}
	client, err := reducto.NewClient( // REDUCTO_API_KEY
		reducto.WithWebhook(reducto.DirectWebhook(os.Getenv("WEBHOOK_URL"))),
		reducto.WithSubmitHook(secret), // puts the secret into every submission
	)
	if err != nil {
		log.Fatal(err)
	}
	// Checks each delivery, calls process once for a job, and answers.
	handler, err := webhook.NewHandler(secret, process, webhook.WithClient(client))
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /webhook", handler)
	listener, err := net.Listen("tcp", ":"+cmp.Or(os.Getenv("PORT"), "8080"))
	if err != nil {
		log.Fatal(err)
	}

	job, err := client.ParseAsync(context.Background(), reducto.ParseRequest{
		Input: reducto.URL("https://example.com/document.pdf"),
		Async: reducto.Async{Metadata: map[string]any{"user_id": "123"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Print("submitted job ", job.JobID)
	log.Fatal(http.Serve(listener, nil))
}

// process is called once for each job, however often its end is delivered.
func process(ctx context.Context, d *webhook.Delivery) error {
	job, err := d.Job(ctx)
	if err != nil {
		return err // delivered again
	}
	result, err := reducto.As[*reducto.ParseResult](job)
	if err != nil {
		return webhook.Permanent(err) // the job failed: another delivery cannot help
	}
	for block, err := range result.Blocks(ctx) { // a large result is streamed
		if err != nil {
			return err
		}
		fmt.Println(block.Content)
	}
	return nil
}
