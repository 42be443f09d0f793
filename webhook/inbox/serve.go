package inbox

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/reducto-go/reducto"
)

// Serve runs the server and the Inbox until ctx ends or one of them fails. Then it
// stops them in order: first the server, so that no request is cut off, then the Inbox,
// so that running functions finish. WithShutdownTimeout limits both together. After a
// graceful end Serve returns nil.
//
// The server listens on its Addr, with TLS if its TLSConfig has certificates. Mount
// the Inbox in its Handler:
//
//	mux := http.NewServeMux()
//	mux.Handle("POST /webhook", in)
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//	defer stop()
//	err := in.Serve(ctx, &http.Server{Addr: ":8080", Handler: mux}, client)
func (in *Inbox) Serve(ctx context.Context, server *http.Server, client *reducto.Client) error {
	if server == nil {
		return &reducto.RequestError{Op: "inbox.Serve", Field: "server", Reason: "it is nil"}
	}
	return in.serve(ctx, server, client, func() error {
		if hasTLS(server) {
			return server.ListenAndServeTLS("", "")
		}
		return server.ListenAndServe()
	})
}

// ServeListener does what Serve does, on your listener. Use it for a port that the
// system chooses, or for a listener from a service manager. It closes the listener.
func (in *Inbox) ServeListener(ctx context.Context, server *http.Server, l net.Listener, client *reducto.Client) error {
	const op = "inbox.ServeListener"
	switch {
	case l == nil:
		return &reducto.RequestError{Op: op, Field: "listener", Reason: "it is nil"}
	case server == nil:
		return errors.Join(&reducto.RequestError{Op: op, Field: "server", Reason: "it is nil"}, l.Close())
	}
	return in.serve(ctx, server, client, func() error {
		if hasTLS(server) {
			return server.ServeTLS(l, "", "")
		}
		return server.Serve(l)
	})
}

func (in *Inbox) serve(ctx context.Context, server *http.Server, client *reducto.Client, listen func() error) error {
	// Run must outlive ctx, or its functions would be cancelled instead of finished.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	served, ran := make(chan error, 1), make(chan error, 1)
	go func() { ran <- in.Run(running, client) }()
	go func() { served <- listen() }()
	var serveErr, runErr error
	serving, working := true, true
	select {
	case <-ctx.Done():
	case serveErr = <-served:
		serving = false
	case runErr = <-ran:
		working = false
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), in.cfg.shutdownTimeout)
	defer cancel()
	err := server.Shutdown(drain)
	if err != nil {
		_ = server.Close() // its requests have had their time
	}
	err = errors.Join(err, in.Shutdown(drain))
	stop()
	if serving {
		serveErr = <-served
	}
	if working {
		runErr = <-ran
	}
	if errors.Is(serveErr, http.ErrServerClosed) {
		serveErr = nil
	}
	if errors.Is(runErr, errWasShutDown) { // ctx ended before Run began
		runErr = nil
	}
	return errors.Join(serveErr, runErr, err)
}

// hasTLS reports whether the server's configuration has certificates.
func hasTLS(server *http.Server) bool {
	c := server.TLSConfig
	return c != nil && (len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil)
}
