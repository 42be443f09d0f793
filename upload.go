package reducto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/reducto-go/reducto/internal/members"
)

// Limits of the service, in bytes.
// See https://docs.reducto.ai/upload/large-files.
const (
	// MaxDirectUpload is the maximum size of a file that is sent to the API itself.
	MaxDirectUpload = 100_000_000
	// MaxUpload is the maximum size of an upload.
	MaxUpload = 5_000_000_000
)

// Upload is an uploaded file. Use it with FromUpload within 24 hours.
type Upload struct {
	// FileID is the service's reference to the file, such as reducto://….pdf.
	FileID string `json:"file_id"`
	// PresignedURL is the URL to which a large file was sent; empty for a smaller file.
	PresignedURL Link `json:"presigned_url,omitzero"`
	// Size is the file's size in bytes.
	Size int64 `json:"-"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// UnmarshalJSON keeps unknown members.
func (u *Upload) UnmarshalJSON(data []byte) error { return members.Decode(data, u) }

// MarshalJSON writes unknown members too.
func (u Upload) MarshalJSON() ([]byte, error) { return members.Encode(u) }

// Format prints the upload without the signature of its URL.
func (u Upload) Format(f fmt.State, verb rune) {
	type fields Upload
	printFields(f, verb, fields(u))
}

// LogValue logs the upload without the signature of its URL.
func (u Upload) LogValue() slog.Value { return logPrinted(u) }

// UploadOptions are the options of an upload. All are optional.
type UploadOptions struct {
	// Size is the number of bytes in the reader. If it is zero, Upload seeks to find the
	// size, or copies a reader that cannot seek to a temporary file. If Size is set,
	// Upload sends such a reader without a copy, so it cannot retry. It reads at most
	// Size bytes.
	Size int64
	// Extension is the kind of the file, such as ".pdf". Set it if the file name has no
	// extension. It is sent unchanged.
	Extension string
	// Progress is called with the number of bytes sent and the size of the file. A retry
	// starts at zero again. Upload calls it on another goroutine, one call at a time.
	// The transfer waits for each call.
	Progress func(sent, total int64)
}

// UploadFile uploads the file at path under its name. It streams the file and does
// not hold it in memory.
func (c *Client) UploadFile(ctx context.Context, path string, o UploadOptions) (*Upload, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &RequestError{Op: "UploadFile", Field: "path", Err: err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, &RequestError{Op: "UploadFile", Field: "path", Err: err}
	}
	if info.IsDir() {
		return nil, &RequestError{Op: "UploadFile", Field: "path", Reason: fmt.Sprintf("%q is a directory: upload its files one by one", path)}
	}
	return c.upload(ctx, "UploadFile", filepath.Base(path), f, o)
}

// Upload uploads the data of r. The name should have the extension of the file. Up to
// 100 MB go to the API, up to 5 GB go to storage by a presigned URL. Upload does not
// hold the file in memory. It refuses an empty or too large file before it sends
// anything (ErrEmptyUpload, ErrUploadTooLarge).
func (c *Client) Upload(ctx context.Context, name string, r io.Reader, o UploadOptions) (*Upload, error) {
	return c.upload(ctx, "Upload", name, r, o)
}

func (c *Client) upload(ctx context.Context, op, name string, r io.Reader, o UploadOptions) (_ *Upload, err error) {
	if c.cfg.tracer != nil {
		var end func(error)
		ctx, end = c.trace(ctx, &Operation{Name: op})
		defer func() { end(err) }()
	}
	switch {
	case strings.TrimSpace(name) == "":
		return nil, &RequestError{Op: op, Field: "name", Reason: "it is empty: give a file name with an extension, such as report.pdf"}
	case r == nil:
		return nil, &RequestError{Op: op, Field: "reader", Reason: "it is nil"}
	case o.Size < 0:
		return nil, &RequestError{Op: op, Field: "Size", Reason: "it is negative"}
	}
	src, err := openUpload(ctx, r, o.Size)
	if err != nil {
		return nil, &RequestError{Op: op, Field: "reader", Err: err}
	}
	defer src.close()
	src.progress = o.Progress
	switch {
	case src.size == 0:
		return nil, &RequestError{Op: op, Field: name, Err: ErrEmptyUpload}
	case src.size > MaxUpload:
		return nil, &RequestError{Op: op, Field: name, Err: fmt.Errorf("%w: the file has %d bytes, but the service accepts at most %d", ErrUploadTooLarge, src.size, int64(MaxUpload))}
	}
	var u *Upload
	if src.size <= c.cfg.maxDirect {
		u, err = c.uploadDirect(ctx, op, name, src, o)
	} else {
		u, err = c.uploadPresigned(ctx, op, name, src, o)
	}
	if err != nil {
		return nil, err
	}
	u.Size = src.size
	return u, nil
}

// uploadDirect posts the file as a form. It is safe to repeat, because an upload costs
// nothing and expires after a day.
func (c *Client) uploadDirect(ctx context.Context, op, name string, src *uploadSource, o UploadOptions) (*Upload, error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", multipart.FileContentDisposition("file", name))
	header.Set("Content-Type", "application/octet-stream")
	if _, err := w.CreatePart(header); err != nil {
		return nil, &RequestError{Op: op, Field: "name", Err: err}
	}
	before := bytes.Clone(form.Bytes())
	if err := w.Close(); err != nil {
		return nil, &RequestError{Op: op, Field: "name", Err: err}
	}
	after := form.Bytes()[len(before):]
	r := c.uploadCall(op, o.Extension)
	r.contentType = w.FormDataContentType()
	r.size = int64(len(before)) + src.size + int64(len(after))
	r.safe, r.spent = true, src.spent
	r.timeout = 0
	r.body = func() (io.Reader, error) {
		content, err := src.open()
		if err != nil {
			return nil, err
		}
		return io.MultiReader(bytes.NewReader(before), content, bytes.NewReader(after)), nil
	}
	u := new(Upload)
	r.read = readUpload(u, false)
	if _, err := c.send(ctx, r); err != nil {
		return nil, err
	}
	return u, nil
}

// uploadPresigned asks for a presigned URL and puts the file there. If storage refuses
// the file, the URL may have expired, so it asks for another one, once.
func (c *Client) uploadPresigned(ctx context.Context, op, name string, src *uploadSource, o UploadOptions) (*Upload, error) {
	extension := o.Extension
	if extension == "" {
		extension = filepath.Ext(name) // this request does not send the file name
	}
	for again := false; ; again = true {
		u := new(Upload)
		r := c.uploadCall(op, extension)
		r.safe = true
		r.read = readUpload(u, true)
		// Without a file, the service wants JSON; it refuses an empty form.
		if err := r.json(struct{}{}); err != nil {
			return nil, err
		}
		if _, err := c.send(ctx, r); err != nil {
			return nil, err
		}
		err := c.put(ctx, u.PresignedURL, src)
		if err == nil {
			return u, nil
		}
		refused, ok := errors.AsType[*APIError](err)
		if ok && again {
			refused.remedy = refusedAnew
		}
		if !ok || refused.StatusCode != http.StatusForbidden || again || src.spent() {
			return nil, err
		}
	}
}

func (c *Client) uploadCall(op, extension string) *call {
	query := url.Values{}
	if extension != "" {
		query.Set("extension", extension)
	}
	return &call{op: op, method: http.MethodPost, path: "/upload", query: query.Encode(), timeout: c.cfg.timeout}
}

func readUpload(u *Upload, presigned bool) func(*answer) error {
	return func(a *answer) error {
		*u = Upload{}
		if err := readJSON(u)(a); err != nil {
			return err
		}
		switch {
		case u.FileID == "":
			return &badAnswer{reason: "the body has no file_id"}
		case presigned && u.PresignedURL == "":
			return &badAnswer{reason: "the body has no presigned_url"}
		}
		return nil
	}
}

// put sends the file to storage, without the API key and without a content type, which
// the signature of the URL does not cover.
func (c *Client) put(ctx context.Context, link Link, src *uploadSource) error {
	r := storageCall(http.MethodPut, link)
	r.spent = src.spent
	_, err := c.repeat(ctx, r, func() *failure { return c.putOnce(ctx, r, link, src) })
	return err
}

func (c *Client) putOnce(ctx context.Context, r *call, link Link, src *uploadSource) *failure {
	ctx, idle := c.watch(ctx)
	defer idle.stop()
	content, err := src.open()
	if err != nil {
		return &failure{err: &RequestError{Op: "Upload", Field: "reader", Err: err}}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, string(link), idle.reader(content))
	if err != nil || req.URL.Host == "" {
		return &failure{err: c.lost(r, errors.New("the presigned URL cannot be used"))}
	}
	if err := c.guard.check(req.URL); err != nil {
		return &failure{err: c.lost(r, err)}
	}
	req.ContentLength = src.size
	req.GetBody = func() (io.ReadCloser, error) {
		again, err := src.open()
		if err != nil {
			return nil, err
		}
		return io.NopCloser(idle.reader(again)), nil
	}
	req.Header.Set("User-Agent", c.agent)
	resp, err := c.storage.Do(req)
	if err != nil {
		return c.failedExchange(ctx, r, err, nil)
	}
	defer resp.Body.Close()
	head, _ := io.ReadAll(io.LimitReader(idle.reader(resp.Body), maxErrorBody))
	if resp.StatusCode/100 != 2 {
		return apiFailure(decodeStorageError(http.MethodPut, r.url, resp, head, link), resp.Header)
	}
	return nil
}

// DeleteUpload deletes an uploaded file by its FileID. The error for a file that does
// not exist or is not yours matches ErrNotFound. Newer servers only.
func (c *Client) DeleteUpload(ctx context.Context, fileID string) error {
	if fileID == "" || len(fileID) > 1024 {
		return &RequestError{Op: "DeleteUpload", Field: "fileID", Reason: "it is empty or too long: use an Upload's FileID"}
	}
	return c.do(ctx, &call{
		op: "DeleteUpload", method: http.MethodDelete, path: "/upload/" + url.PathEscape(fileID),
		safe: true, timeout: c.cfg.timeout, read: readJSON(nil),
	})
}
