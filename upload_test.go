package reducto_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// parsedText submits an upload and joins the returned text.
func parsedText(t *testing.T, client *reducto.Client, u *reducto.Upload) string {
	t.Helper()
	job, err := client.ParseAsync(t.Context(), reducto.ParseRequest{Input: reducto.FromUpload(u)})
	require.NoError(t, err)
	result, err := job.Wait(t.Context())
	require.NoError(t, err)
	var b strings.Builder
	for block, err := range result.Blocks(t.Context()) {
		require.NoError(t, err)
		b.WriteString(block.Content)
	}
	return b.String()
}

func TestUploadSendsTheBytesOfEveryReader(t *testing.T) {
	readers := map[string]func() io.Reader{
		"seeker with ReadAt": func() io.Reader { return strings.NewReader("a text") },
		"buffer":             func() io.Reader { return bytes.NewBufferString("a text") },
		"seeker only":        func() io.Reader { return struct{ io.ReadSeeker }{strings.NewReader("a text")} },
		"of unknown length":  func() io.Reader { return io.MultiReader(strings.NewReader("a "), strings.NewReader("text")) },
		"seeker that is a pipe": func() io.Reader {
			return struct {
				io.Reader
				io.Seeker
			}{strings.NewReader("a text"), brokenSeeker{}}
		},
	}
	for name, open := range readers {
		for _, presigned := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
					if presigned {
						client = srv.Client(reducto.WithMaxDirectUpload(0))
						defer client.CloseIdleConnections()
					}
					// The first attempt is refused after the body was read, so the
					// reader must seek back.
					srv.Fault("POST /upload", reductotest.Status(503))
					srv.Fault("PUT storage", reductotest.Status(503))
					var sent []int64
					u, err := client.Upload(t.Context(), "note.txt", open(), reducto.UploadOptions{
						Progress: func(n, total int64) {
							assert.EqualValues(t, 6, total)
							sent = append(sent, n)
						},
					})
					require.NoError(t, err)
					assert.EqualValues(t, 6, u.Size)
					assert.EqualValues(t, 6, sent[len(sent)-1])
					assert.Equal(t, "a text", parsedText(t, client, u))
					if presigned {
						puts := srv.RequestsTo("PUT storage")
						require.Len(t, puts, 2)
						assert.Empty(t, puts[1].Header.Values("Authorization"))
						assert.Empty(t, puts[1].Header.Values("Content-Type"))
						posts := srv.RequestsTo("POST /upload")
						assert.Equal(t, "application/json", posts[0].Header.Get("Content-Type"))
						assert.Equal(t, ".txt", posts[0].Query.Get("extension"))
					}
				})
			})
		}
	}
}

type brokenSeeker struct{}

func (brokenSeeker) Seek(int64, int) (int64, error) { return 0, errors.New("illegal seek") }

func TestUploadSendsUnusualFileNames(t *testing.T) {
	for _, name := range []string{`say "hi".txt`, "two\nlines.txt", "Übersicht – 2026.txt", `back\slash.txt`, "semi;colon.txt"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
				_, err := client.Upload(t.Context(), name, strings.NewReader("x"), reducto.UploadOptions{})
				require.NoError(t, err)
				sent := srv.RequestsTo("POST /upload")[0]
				_, params, err := mime.ParseMediaType(sent.Header.Get("Content-Type"))
				require.NoError(t, err)
				part, err := multipart.NewReader(bytes.NewReader(sent.Body), params["boundary"]).NextPart()
				require.NoError(t, err)
				assert.Equal(t, "file", part.FormName())
				assert.NotEmpty(t, part.FileName())
				content, err := io.ReadAll(part)
				require.NoError(t, err)
				assert.Equal(t, "x", string(content))
			})
		})
	}
}

func TestInvalidUploadsAreRefusedBeforeSending(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pdf")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	huge := filepath.Join(dir, "huge.pdf")
	f, err := os.Create(huge)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(reducto.MaxUpload+1)) // sparse: it needs no space
	require.NoError(t, f.Close())

	srv := reductotest.NewServer(t)
	client := srv.Client()
	_, err = client.UploadFile(t.Context(), empty, reducto.UploadOptions{})
	require.ErrorIs(t, err, reducto.ErrEmptyUpload)
	assertRefused(t, srv, err, "empty.pdf", 0)
	_, err = client.UploadFile(t.Context(), huge, reducto.UploadOptions{})
	require.ErrorIs(t, err, reducto.ErrUploadTooLarge)
	_, err = client.UploadFile(t.Context(), dir, reducto.UploadOptions{})
	assertRefused(t, srv, err, "path", 0)
	_, err = client.UploadFile(t.Context(), filepath.Join(dir, "absent.pdf"), reducto.UploadOptions{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = client.Upload(t.Context(), " ", strings.NewReader("x"), reducto.UploadOptions{})
	assertRefused(t, srv, err, "name", 0)
	_, err = client.Upload(t.Context(), "a.txt", nil, reducto.UploadOptions{})
	assertRefused(t, srv, err, "reader", 0)
	_, err = client.Upload(t.Context(), "a.txt", strings.NewReader(""), reducto.UploadOptions{})
	require.ErrorIs(t, err, reducto.ErrEmptyUpload)
	_, err = client.Upload(t.Context(), "a.txt", io.MultiReader(), reducto.UploadOptions{})
	require.ErrorIs(t, err, reducto.ErrEmptyUpload)
	_, err = client.Upload(t.Context(), "a.txt", strings.NewReader("xyz"), reducto.UploadOptions{Size: 2})
	assertRefused(t, srv, err, "reader", 0)
	_, err = client.Upload(t.Context(), "a.txt", strings.NewReader("x"), reducto.UploadOptions{Size: -1})
	assertRefused(t, srv, err, "Size", 0)
	assert.Empty(t, srv.Requests())
}

func TestUploadChoosesByRealSizeAndStreams(t *testing.T) {
	srv := reductotest.NewServer(t)
	client := srv.Client()
	zeros := &zeroFile{size: reducto.MaxDirectUpload + 1}
	u, err := client.Upload(t.Context(), "large.pdf", zeros, reducto.UploadOptions{})
	require.NoError(t, err)
	assert.EqualValues(t, zeros.size, u.Size)
	require.Len(t, srv.RequestsTo("PUT storage"), 1)
	assert.EqualValues(t, zeros.size, srv.RequestsTo("PUT storage")[0].BodySize)
	assert.LessOrEqual(t, zeros.largest, 1<<20, "it is read in small pieces")
}

// zeroFile is a file of zeros. It records the size of the largest read.
type zeroFile struct {
	size, at int64
	largest  int
}

func (z *zeroFile) Read(p []byte) (int, error) {
	z.largest = max(z.largest, len(p))
	n := int(min(int64(len(p)), z.size-z.at))
	if n == 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	z.at += int64(n)
	return n, nil
}

func (z *zeroFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += z.at
	case io.SeekEnd:
		offset += z.size
	}
	z.at = offset
	return offset, nil
}

func TestUploadOfUnseekableReaderIsNotRetried(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		once := func() io.Reader { return io.MultiReader(strings.NewReader("a text")) }
		u, err := client.Upload(t.Context(), "a.txt", once(), reducto.UploadOptions{Size: 6})
		require.NoError(t, err)
		assert.Equal(t, "a text", parsedText(t, client, u))

		srv.Fault("POST /upload", reductotest.LoseAnswer())
		_, err = client.Upload(t.Context(), "a.txt", once(), reducto.UploadOptions{Size: 6})
		var lost *reducto.ConnectionError
		require.ErrorAs(t, err, &lost, "what happened, not that it cannot be repeated")

		_, err = client.Upload(t.Context(), "a.txt", once(), reducto.UploadOptions{Size: 7})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.ErrorContains(t, err, "6 of 7 bytes")
		var refused *reducto.RequestError
		require.ErrorAs(t, err, &refused)
	})
}

func TestUploadReturnsTheErrorOfItsReader(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		failure := errors.New("the disk is gone")
		_, err := client.Upload(t.Context(), "a.txt",
			io.MultiReader(strings.NewReader("abc"), failingReader{failure}), reducto.UploadOptions{Size: 10})
		require.ErrorIs(t, err, failure)
		assert.LessOrEqual(t, len(srv.RequestsTo("POST /upload")), 1)

		_, err = client.Upload(t.Context(), "a.txt", strings.NewReader("abc"), reducto.UploadOptions{
			Progress: func(int64, int64) { panic("a user's mistake") },
		})
		require.ErrorContains(t, err, "panicked")
	})
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

func TestExpiredUploadURLIsRenewedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, _ *reducto.Client) {
		client := srv.Client(reducto.WithMaxDirectUpload(0))
		defer client.CloseIdleConnections()
		srv.Fault("PUT storage", reductotest.Status(403))
		u, err := client.Upload(t.Context(), "a.txt", strings.NewReader("a text"), reducto.UploadOptions{})
		require.NoError(t, err)
		assert.Equal(t, "a text", parsedText(t, client, u))
		assert.Len(t, srv.RequestsTo("POST /upload"), 2)

		srv.Fault("PUT storage", reductotest.Status(403).Always())
		_, err = client.Upload(t.Context(), "a.txt", strings.NewReader("a text"), reducto.UploadOptions{})
		require.ErrorIs(t, err, reducto.ErrForbidden)
		require.ErrorContains(t, err, "a fresh link was refused too")
		assert.NotContains(t, err.Error(), "get the job", "there is none")
		assert.NotContains(t, err.Error(), "X-Amz-Signature")
		assert.NotContains(t, err.Error(), "?X")

		// A reader that cannot be read again is not sent again.
		_, err = client.Upload(t.Context(), "a.txt", io.MultiReader(strings.NewReader("a text")), reducto.UploadOptions{Size: 6})
		require.ErrorIs(t, err, reducto.ErrForbidden)
		require.ErrorContains(t, err, "upload again")
	})
}

func TestStalledTransfersEnd(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, _ *reducto.Client) {
		client := srv.Client(reducto.WithMaxRetries(0), reducto.WithIdleTimeout(20*time.Second))
		defer client.CloseIdleConnections()
		srv.Fault("POST /upload", reductotest.Stall())
		start := time.Now()
		_, err := client.Upload(t.Context(), "a.txt", strings.NewReader("a text"), reducto.UploadOptions{})
		var lost *reducto.ConnectionError
		require.ErrorAs(t, err, &lost)
		assert.Equal(t, 20*time.Second, time.Since(start))

		srv.Fault("POST /upload", reductotest.Delay(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = client.Upload(ctx, "a.txt", strings.NewReader("a text"), reducto.UploadOptions{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
