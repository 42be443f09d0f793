package reductotest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestSvixWebhooksAreSigned(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	signature := func(h http.Header, body string) string {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(h.Get("svix-id") + "." + h.Get("svix-timestamp") + "." + body))
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		require.Equal(t, secret, srv.SvixSecret())
		all, orders := &inbox{statuses: []int{500}}, &inbox{}
		srv.AddSvixEndpoint(srv.Mount("/all", all))
		srv.AddSvixEndpoint(srv.Mount("/orders", orders), "orders")
		svix := func(channels ...any) m {
			channels = append([]any{}, channels...)
			return m{"input": "https://example.com/a", "async": m{"webhook": m{"mode": "svix", "channels": channels}, "metadata": m{"a": 1}}}
		}
		id := submit(t, srv, "/parse_async", svix("invoices"))
		pass(100 * time.Hour)
		assert.Equal(t, []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
		}, all.delays())
		assert.JSONEq(t, `{"status":"Completed","job_id":"`+id+`","metadata":{"a":1}}`, all.bodies[0])
		for i, h := range all.headers {
			assert.Equal(t, signature(h, all.bodies[i]), h.Get("svix-signature"))
			assert.Equal(t, all.headers[0].Get("svix-id"), h.Get("svix-id"), "the id stays, the time does not")
		}
		assert.NotEqual(t, all.headers[0].Get("svix-timestamp"), all.headers[7].Get("svix-timestamp"))
		assert.Empty(t, orders.bodies)

		all.statuses = nil
		submit(t, srv, "/parse_async", svix("orders", "x"))
		submit(t, srv, "/parse_async", svix())
		pass(time.Hour)
		assert.Len(t, orders.bodies, 2)
		assert.Len(t, all.bodies, 10)

		srv.WebhookFault(reductotest.Combine(
			reductotest.ForgeBefore(reductotest.Forgery{}), reductotest.ForgeBefore(reductotest.Forgery{Secret: "other"}),
			reductotest.ForgeBefore(reductotest.Forgery{Secret: secret})))
		submit(t, srv, "/parse_async", svix("z"))
		pass(time.Hour)
		require.Len(t, all.bodies, 14)
		assert.Empty(t, all.headers[10].Get("svix-signature"))
		assert.NotEqual(t, signature(all.headers[11], all.bodies[11]), all.headers[11].Get("svix-signature"))
		assert.NotEmpty(t, all.headers[11].Get("svix-signature"))
		assert.Equal(t, signature(all.headers[12], all.bodies[12]), all.headers[12].Get("svix-signature"))
		d := srv.Redeliver(id)
		assert.Equal(t, 200, d.StatusCode)
		assert.NotEqual(t, all.headers[0].Get("svix-id"), d.Header.Get("svix-id"))
	}, reductotest.WithSvixSecret(secret))
	t.Run("default secret", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server) {
			assert.True(t, strings.HasPrefix(srv.SvixSecret(), "whsec_"))
			id := submit(t, srv, "/parse_async", m{"input": "https://example.com/a", "async": m{"webhook": m{"mode": "svix"}}})
			pass(time.Hour)
			assert.Empty(t, srv.Deliveries(id), "no endpoint, no delivery")
		})
	})
}
