package reducto_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// bubble runs f in a synctest bubble, with its own service and a client of it. When f
// returns, every goroutine must have ended.
func bubble(t *testing.T, f func(t *testing.T, srv *reductotest.Server, client *reducto.Client), opts ...reductotest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t, opts...)
		client := srv.Client()
		f(t, srv, client)
		require.Empty(t, srv.Violations())
		client.CloseIdleConnections()
	})
}

var document = reducto.URL("https://example.com/document.pdf")

func parseRequest() reducto.ParseRequest { return reducto.ParseRequest{Input: document} }

var instructions = reducto.Instructions{Schema: json.RawMessage(`{"type":"object"}`)}
