package frameworks

import (
	"context"
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/gofiber/fiber/v3/middleware/recover"

	"github.com/reducto-go/reducto/webhook"
)

// Fiber returns a fiber app with the webhook.
func Fiber(in http.Handler) *fiber.App {
	app := fiber.New(fiber.Config{
		ReadTimeout: webhook.DefaultReadTimeout, // fiber has none, and reads the body before the handler
	})
	app.Use(recover.New())
	app.All("/webhook", adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Fiber reuses the context of a request. The handler can still need it for a log record.
		in.ServeHTTP(w, r.WithContext(context.Background()))
	}))
	return app
}
