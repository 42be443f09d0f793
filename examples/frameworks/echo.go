package frameworks

import (
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
)

// Echo returns an echo instance with the webhook.
func Echo(in http.Handler) http.Handler {
	e := echo.New()
	e.Use(middleware.Recover())
	e.Any("/webhook", echo.WrapHandler(in))
	return e
}
