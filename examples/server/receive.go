package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// webhookPath is where webhooks arrive. It is mounted exactly so: a path with a
// slash at its end would be redirected, and senders do not follow.
const webhookPath = "/webhook"

// receiver is the connection with Reducto, in both directions: the client that
// submits and the handler that hears how jobs ended. Everything that depends on
// how deliveries are kept is here.
type receiver struct {
	client   *reducto.Client
	handler  http.Handler
	shutdown func(context.Context) error
}

// newReceiver makes a receiver that has process called for each job. It works
// within the request and remembers jobs in memory: a delivery that is not answered
// 200 is repeated by Reducto, three times at most. See archive.get for the jobs
// whose webhooks are all lost.
func newReceiver(cfg *config, process webhook.Func, log *slog.Logger) (*receiver, error) {
	secret, err := webhook.NewSecret(cfg.webhookSecret, cfg.previousSecrets...)
	if err != nil {
		return nil, err
	}
	client, err := reducto.NewClient(append([]reducto.Option{
		reducto.WithWebhook(reducto.DirectWebhook(cfg.publicURL + webhookPath)),
		reducto.WithSubmitHook(secret),
		reducto.WithLogger(log),
		reducto.WithUserAgent("document-server"),
	}, cfg.clientOptions...)...)
	if err != nil {
		return nil, err
	}
	handler, err := webhook.NewHandler(secret, process, webhook.WithClient(client), webhook.WithLogger(log))
	if err != nil {
		return nil, err
	}
	return &receiver{client: client, handler: handler, shutdown: handler.Shutdown}, nil
}
