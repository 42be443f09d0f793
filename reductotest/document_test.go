package reductotest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto/reductotest"
)

func TestDocumentAtURLIsGeneratedOrSet(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		generated := textOf(t, srv, "https://documents.example/a/b.pdf?X-Amz-Signature=secret")
		assert.Contains(t, generated, "documents.example")
		assert.NotContains(t, generated, "secret")
		srv.PutDocument("https://documents.example/c", []byte("given"))
		assert.Equal(t, "given", textOf(t, srv, "https://documents.example/c"))
		srv.PutDocument("https://documents.example/c?secret=1", nil)
		r := call(t, srv, "POST", "/parse", m{"input": "https://documents.example/c?secret=1"})
		assert.Equal(t, 400, r.StatusCode)
		assert.NotContains(t, string(r.body), "secret")
	})
}

func TestJobCanBeTheInputOfAnother(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		first := submit(t, srv, "/parse_async", m{"input": srv.PutFile("a", []byte("from the file"))})
		srv.SetProcessingTime(0)
		r := call(t, srv, "POST", "/parse", m{"input": "jobid://nobody"})
		assert.Equal(t, 404, r.StatusCode)
		r = call(t, srv, "POST", "/parse", m{"input": "jobid://" + first})
		assert.Equal(t, 409, r.StatusCode, "it is not complete")
		srv.Complete(first)
		assert.Equal(t, "from the file", textOf(t, srv, "jobid://"+first))
		assert.Equal(t, "from the file\fand more", textOf(t, srv, []any{"jobid://" + first, srv.PutFile("b", []byte("and more"))}))
		srv.NextResult(m{})
		planned := submit(t, srv, "/parse_async", m{"input": "jobid://" + first})
		time.Sleep(time.Second)
		assert.Equal(t, "from the file", textOf(t, srv, "jobid://"+planned), "also of a job with a result of the test's")
		srv.FailNext("x", "")
		failed := submit(t, srv, "/parse_async", m{"input": "jobid://" + first})
		time.Sleep(time.Second)
		assert.Equal(t, 400, call(t, srv, "POST", "/parse", m{"input": "jobid://" + failed}).StatusCode)
		srv.Expire(first)
		assert.Equal(t, 404, call(t, srv, "POST", "/parse", m{"input": "jobid://" + first}).StatusCode)
	})
}
