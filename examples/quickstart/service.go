package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// forReal runs the story with the real service.
func forReal(ctx context.Context, out *printer, cfg config) (err error) {
	s := &story{out: out, ledger: newLedger(), pipeline: cfg.pipeline}
	if cfg.webhookURL == "" {
		out.step("Make a client; it polls, since WEBHOOK_URL is not set")
		if s.client, err = reducto.NewClient(); err != nil {
			return err
		}
		return s.tellAll(ctx)
	}

	out.step("Make a secret, a client and a webhook handler")
	secret, err := webhook.NewSecret(rand.Text())
	if err != nil {
		return err
	}
	s.patience = cfg.patience
	s.client, err = reducto.NewClient(
		reducto.WithWebhook(reducto.DirectWebhook(cfg.webhookURL)),
		reducto.WithSubmitHook(secret),
	)
	if err != nil {
		return err
	}
	handler, err := webhook.NewHandler(secret, s.receive, webhook.WithClient(s.client))
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.listen)
	if err != nil {
		return err
	}
	out.line("webhooks come to %s, which must lead to %s", reducto.DirectWebhook(cfg.webhookURL), listener.Addr())
	// The handler takes every path, because the server has no other use.
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		// Stop the server first, then wait for running functions.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, server.Shutdown(ctx), handler.Shutdown(ctx))
		if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
			err = errors.Join(err, serveErr)
		}
	}()
	if err := s.tellAll(ctx); err != nil {
		return err
	}
	out.stats(handler.Stats())
	return nil
}

// tellAll runs the story and prints its end.
func (s *story) tellAll(ctx context.Context) error {
	if err := s.tell(ctx, nil); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	s.out.step("How each job was found")
	for _, r := range s.ledger.records() {
		s.out.line("%-10s %-9s handled %d times", r.kind, r.source, r.handled)
		if r.handled != 1 {
			return fmt.Errorf("the %s job was handled %d times", r.kind, r.handled)
		}
	}
	return nil
}
