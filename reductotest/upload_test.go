package reductotest_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

// textOf parses a file and returns the text of the only chunk.
func textOf(t *testing.T, srv *reductotest.Server, input any) any {
	t.Helper()
	return at(t, ok(t, srv, "POST", "/parse", m{"input": input}), "result", "chunks", 0, "content")
}

func TestDirectUploadStoresTheFile(t *testing.T) {
	const text = "Was hochgeladen wird,\r\n\r\n\r\nkommt zurück: <&> \u2028 \t\n"
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		for _, test := range []struct{ query, name, extension string }{
			{"", "a.TXT", ".TXT"}, {"?extension=.pdf", "a.txt", ".pdf"}, {"?extension=pdf", "a", ".pdf"}, {"", "a", ""},
		} {
			upload := ok(t, srv, "POST", "/upload"+test.query, multipartFile(t, "file", test.name, []byte(text)))
			id := upload["file_id"].(string)
			assert.Regexp(t, `^reducto://[0-9a-f-]{36}`+strings.ReplaceAll(test.extension, ".", `\.`)+"$", id)
			assert.Contains(t, upload, "presigned_url")
			assert.Nil(t, upload["presigned_url"])
			assert.Equal(t, text, textOf(t, srv, id))
			assert.Equal(t, text, textOf(t, srv, upload), "the whole answer is an input too")
		}
	})
}

func TestInvalidUploadsAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		const multi = "multipart/form-data; boundary=x"
		for name, body := range map[string]form{
			"empty multipart": {[]byte("--x--\r\n"), multi},
			"no body at all":  {nil, multi},
			"another field":   multipartFile(t, "document", "a.txt", []byte("x")),
			"cut":             {[]byte("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nabc"), multi},
			"another type":    {[]byte("x"), "text/plain"},
		} {
			r := call(t, srv, "POST", "/upload", body)
			assert.Equal(t, 400, r.StatusCode, name)
			assert.Equal(t, "INVALID_CONFIG", at(t, r.object(t), "error", "name"), name)
		}

		// A part without a file name gives an id and stores nothing.
		id := ok(t, srv, "POST", "/upload", multipartFile(t, "file", "", []byte("x")))["file_id"]
		r := call(t, srv, "POST", "/parse", m{"input": id})
		assert.Equal(t, 404, r.StatusCode)
		job := submit(t, srv, "/parse_async", m{"input": id})
		srv.Complete(job)
		j := getJob(t, srv, job)
		assert.Equal(t, []any{"Failed", "INVALID_CONFIG", 400.0}, []any{j["status"], at(t, j, "error", "name"), at(t, j, "error", "code")})
	})
}

func TestUploadAboveTheLimitResponds413(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		ok(t, srv, "POST", "/upload", multipartFile(t, "file", "a", make([]byte, 200_000)))
		for _, size := range []int{200_001, 300_000, 3_000_000} {
			r, err := try(srv, "POST", "/upload", multipartFile(t, "file", "a", make([]byte, size)))
			require.NoError(t, err)
			assert.Equal(t, 413, r.StatusCode)
			assert.Contains(t, string(r.body), "<title>413")
		}
	}, reductotest.WithMaxDirectUpload(200_000))
}

func TestUploadsExpireAndCanBeDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		id := ok(t, srv, "POST", "/upload", multipartFile(t, "file", "a.txt", []byte("x")))["file_id"].(string)
		assert.Equal(t, m{"file_id": id}, ok(t, srv, "DELETE", "/upload/"+url.PathEscape(id), nil))
		assert.Equal(t, 404, call(t, srv, "DELETE", "/upload/"+url.PathEscape(id), nil).StatusCode)
		assert.Equal(t, 404, call(t, srv, "POST", "/parse", m{"input": id}).StatusCode)

		second := srv.PutFile("b.txt", []byte("y"))
		assert.Equal(t, "y", textOf(t, srv, second))
		ok(t, srv, "DELETE", "/upload/"+second, nil) // not escaped

		third := srv.PutFile("c.txt", []byte("z"))
		time.Sleep(24*time.Hour - time.Minute)
		assert.Equal(t, "z", textOf(t, srv, third))
		time.Sleep(time.Hour)
		assert.Equal(t, 404, call(t, srv, "POST", "/parse", m{"input": third}).StatusCode)
		assert.Equal(t, 404, call(t, srv, "DELETE", "/upload/"+url.PathEscape(third), nil).StatusCode)
	})
}
