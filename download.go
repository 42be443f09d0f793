package reducto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/reducto-go/reducto/internal/redact"
)

// download reads what lies behind a link, and once, if storage refuses it before
// anything was consumed, what lies behind a fresh one. started says whether the
// consumer has passed anything on, after which nothing can be taken back.
func (s source) download(ctx context.Context, link Link, started func() bool, read func(io.Reader) error) error {
	if s.client == nil {
		return fmt.Errorf("%w: it lies behind %s", ErrDetached, link)
	}
	err := s.client.download(ctx, link, started, read)
	refused, ok := errors.AsType[*APIError](err)
	if !ok || started() || s.jobID == "" || s.link == nil || refused.StatusCode/100 != 4 {
		return err
	}
	// Not GetJob: it would follow the very link that is refused, without an end.
	r, job, jobErr := s.client.jobCall("GetJob", s.jobID)
	if jobErr == nil {
		jobErr = s.client.do(ctx, r)
	}
	if jobErr != nil {
		return fmt.Errorf("reducto: the result's URL has expired, and there is no fresh one: %w", jobErr)
	}
	fresh, ok := s.link(job)
	if !ok || fresh == "" {
		refused.remedy = "submit the document again"
		return fmt.Errorf("reducto: the result's URL has expired, and there is no fresh one: %w", err)
	}
	err = s.client.download(ctx, fresh, started, read)
	if refused, ok := errors.AsType[*APIError](err); ok {
		refused.remedy = refusedAnew
	}
	return err
}

// download gets link without the key, again if that fails in passing, as long as
// the consumer has not passed anything on.
func (c *Client) download(ctx context.Context, link Link, started func() bool, read func(io.Reader) error) error {
	r := &call{method: http.MethodGet, safe: true}
	for attempt := 1; ; attempt++ {
		f := c.fetch(ctx, link, started, read)
		if f == nil {
			return nil
		}
		if ce, ok := f.err.(*ConnectionError); ok {
			ce.Attempts = attempt
		}
		if started() {
			return f.err
		}
		delay, again := c.again(ctx, r, f, attempt)
		if !again {
			return f.err
		}
		c.cfg.logger.WarnContext(ctx, "reducto: downloading again",
			slog.Any("link", link), slog.Duration("in", delay), slog.Any("error", f.err))
		if err := pause(ctx, delay); err != nil {
			return fmt.Errorf("%w, while waiting to try again after: %w", err, f.err)
		}
	}
}

func (c *Client) fetch(ctx context.Context, link Link, started func() bool, read func(io.Reader) error) *failure {
	shown := redact.URL(string(link))
	fail := func(err error) *failure {
		var urlErr *url.Error
		if errors.As(err, &urlErr) {
			err = urlErr.Err
			if strings.Contains(err.Error(), "Location") {
				err = errors.New("storage answered with a redirect that cannot be followed") // its text has the URL
			}
		}
		return &failure{
			err:       &ConnectionError{Method: http.MethodGet, URL: shown, Err: err},
			nothing:   true,
			transient: true,
			after:     -1,
		}
	}
	ctx, idle := c.watch(ctx)
	defer idle.stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, string(link), nil)
	if err != nil || req.URL.Host == "" {
		f := fail(errors.New("the result's URL cannot be used"))
		f.transient = false
		return f
	}
	req.Header.Set("User-Agent", c.agent)
	resp, err := c.storage.Do(req)
	got := int64(0)
	if err == nil {
		defer resp.Body.Close()
		body := idle.consumed(resp.Body)
		if resp.StatusCode != http.StatusOK {
			head, _ := io.ReadAll(io.LimitReader(body, maxErrorBody))
			return apiFailure(decodeStorageError(http.MethodGet, shown, resp, head, link), resp.Header)
		}
		limited := &limitedBody{r: body, left: c.cfg.maxResult, limit: c.cfg.maxResult}
		tracked := &errorKeeper{r: limited}
		if err = read(tracked); err == nil {
			return nil
		}
		if got = c.cfg.maxResult - limited.left; started() {
			got = 0 // the consumer says how far it came
		}
		if tracked.err == nil && contextError(ctx) == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			if started() { // it is the document that is wrong, and the consumer says where
				return &failure{err: err, nothing: true, after: -1}
			}
			f := fail(err)
			f.transient = false
			return f
		}
		if tracked.err != nil {
			err = tracked.err
		}
	}
	ended := contextError(ctx)
	if ended != nil {
		err = ended
	}
	f := fail(after(got, err))
	f.transient = !errors.Is(err, ErrTooLarge) &&
		(ended == nil || errors.Is(ended, errIdle))
	return f
}

// after says how much of a body came before an error.
func after(got int64, err error) error {
	if got <= 0 {
		return err
	}
	return fmt.Errorf("after %d bytes: %w", got, err)
}

// errorKeeper remembers the error of a reader whose consumer may hide it.
type errorKeeper struct {
	r   io.Reader
	err error
}

func (k *errorKeeper) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && err != io.EOF {
		k.err = err
	}
	return n, err
}
