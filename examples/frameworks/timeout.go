package frameworks

import (
	"net/http"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// TimeoutHandler returns a server with the webhook behind an http.TimeoutHandler.
func TimeoutHandler(in http.Handler, limit time.Duration) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("/webhook", in)
	return &http.Server{
		Handler:     http.TimeoutHandler(mux, limit, "timeout"),
		ReadTimeout: webhook.DefaultReadTimeout, // the handler cannot set its own
	}
}
