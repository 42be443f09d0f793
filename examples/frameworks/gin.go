package frameworks

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Gin returns a gin engine with the webhook.
func Gin(in http.Handler) http.Handler {
	r := gin.New()
	r.Use(gin.Logger(), gin.Recovery())
	r.Any("/webhook", gin.WrapH(in))
	return r
}
