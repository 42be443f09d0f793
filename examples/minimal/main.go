// Command minimal submits a document and receives the webhook that announces the end
// of its job. It is the first program of the README.
package main

import (
	"cmp"
	"context"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

func main() {
	secret := must(webhook.NewSecret(os.Getenv("WEBHOOK_SECRET"))) // openssl rand -hex 32
	hook := reducto.DirectWebhook(os.Getenv("WEBHOOK_URL"))        // leads to the listener below
	client := must(reducto.NewClient(reducto.WithWebhook(hook), reducto.WithSubmitHook(secret)))
	handler := must(webhook.NewHandler(secret, func(ctx context.Context, d *webhook.Delivery) error {
		job, err := d.Job(ctx) // from the API, with its result
		log.Printf("%v, error: %v", job, err)
		return err // after an error, Reducto delivers again
	}, webhook.WithClient(client)))
	listener := must(net.Listen("tcp", ":"+cmp.Or(os.Getenv("PORT"), "8080")))
	request := reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")}
	log.Print("submitted job ", must(client.ParseAsync(context.Background(), request)).JobID)
	log.Fatal(http.Serve(listener, handler))
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
