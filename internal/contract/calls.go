package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/reducto-go/reducto"
)

// call is one method of the library that sends something, with a maximal request.
type call struct {
	method string // as a reader of the documentation looks for it
	run    func(context.Context, *reducto.Client) (any, error)
}

// calls are all methods that send something. That none is missing is checked.
func (w *world) calls() []call {
	input := reducto.URL("https://example.com/document.pdf")
	async := func(hook reducto.Webhook) reducto.Async {
		return reducto.Async{Webhook: hook, Metadata: map[string]any{"user_id": "123"}, Priority: true}
	}
	direct := reducto.DirectWebhook("https://your-app.com/webhook")
	svix := reducto.SvixWebhook("invoices")
	handle := func(c *reducto.Client) *reducto.Handle[*reducto.ParseResult] {
		return reducto.Attach[*reducto.ParseResult](c, testID)
	}
	return []call{
		{"Client.Parse", func(ctx context.Context, c *reducto.Client) (any, error) {
			r, err := maximalOf[reducto.ParseRequest](w)
			r.QueuePriority = "" // for ParseAsync alone
			return after(err, func() (any, error) { return c.Parse(ctx, r) })
		}},
		{"Client.ParseAsync", func(ctx context.Context, c *reducto.Client) (any, error) {
			r, err := maximalOf[reducto.ParseRequest](w)
			return each(err, []reducto.Webhook{direct, svix}, func(hook reducto.Webhook) (any, error) {
				r.Async = async(hook)
				return c.ParseAsync(ctx, r)
			})
		}},
		{"Client.Extract", func(ctx context.Context, c *reducto.Client) (any, error) {
			r, err := maximalOf[reducto.ExtractRequest](w)
			r.QueuePriority = "" // for ExtractAsync alone
			return after(err, func() (any, error) { return c.Extract(ctx, r) })
		}},
		{"Client.ExtractAsync", func(ctx context.Context, c *reducto.Client) (any, error) {
			r, err := maximalOf[reducto.ExtractRequest](w)
			r.Async = async(direct)
			return after(err, func() (any, error) { return c.ExtractAsync(ctx, r) })
		}},
		{"Client.Split", func(ctx context.Context, c *reducto.Client) (any, error) {
			r, err := maximalOf[reducto.SplitRequest](w)
			return after(err, func() (any, error) { return c.Split(ctx, r) })
		}},
		{"Client.SplitAsync", func(ctx context.Context, c *reducto.Client) (any, error) {
			r, err := maximalOf[reducto.SplitRequest](w)
			r.Async = async(direct)
			return after(err, func() (any, error) { return c.SplitAsync(ctx, r) })
		}},
		{"Client.Edit", func(ctx context.Context, c *reducto.Client) (any, error) {
			r, err := maximalOf[reducto.EditRequest](w)
			return after(err, func() (any, error) { return c.Edit(ctx, r) })
		}},
		{"Client.EditAsync", func(ctx context.Context, c *reducto.Client) (any, error) {
			r, err := maximalOf[reducto.EditRequest](w)
			return each(err, []reducto.Webhook{direct, svix, reducto.NoWebhook()}, func(hook reducto.Webhook) (any, error) {
				r.Async = async(hook)
				return c.EditAsync(ctx, r)
			})
		}},
		{"Client.Pipeline", func(ctx context.Context, c *reducto.Client) (any, error) {
			r, err := maximalOf[reducto.PipelineRequest](w)
			return after(err, func() (any, error) { return c.Pipeline(ctx, r) })
		}},
		{"Client.PipelineAsync", func(ctx context.Context, c *reducto.Client) (any, error) {
			r, err := maximalOf[reducto.PipelineRequest](w)
			r.Async = async(direct)
			return after(err, func() (any, error) { return c.PipelineAsync(ctx, r) })
		}},
		{"Client.Classify", func(ctx context.Context, c *reducto.Client) (any, error) {
			r, err := maximalOf[reducto.ClassifyRequest](w)
			r.Input = input
			return after(err, func() (any, error) { return c.Classify(ctx, r) })
		}},
		{"Client.GetJob", func(ctx context.Context, c *reducto.Client) (any, error) { return c.GetJob(ctx, testID) }},
		{"Client.Wait", func(ctx context.Context, c *reducto.Client) (any, error) { return c.Wait(ctx, testID) }},
		{"Client.WaitEach", func(ctx context.Context, c *reducto.Client) (any, error) {
			return drain(c.WaitEach(ctx, []string{testID, "job-2"}))
		}},
		{"Handle.Get", func(ctx context.Context, c *reducto.Client) (any, error) { return handle(c).Get(ctx) }},
		{"Handle.Wait", func(ctx context.Context, c *reducto.Client) (any, error) { return handle(c).Wait(ctx) }},
		{"Handle.Cancel", func(ctx context.Context, c *reducto.Client) (any, error) { return nil, handle(c).Cancel(ctx) }},
		{"Client.CancelJob", func(ctx context.Context, c *reducto.Client) (any, error) { return nil, c.CancelJob(ctx, testID) }},
		{"Client.DeleteJob", func(ctx context.Context, c *reducto.Client) (any, error) { return nil, c.DeleteJob(ctx, testID, true) }},
		{"Client.ListJobs", func(ctx context.Context, c *reducto.Client) (any, error) {
			return c.ListJobs(ctx, reducto.ListJobsOptions{Cursor: "c", Limit: 10, ExcludeConfigs: true})
		}},
		{"Client.Jobs", func(ctx context.Context, c *reducto.Client) (any, error) {
			return drain(c.Jobs(ctx, reducto.ListJobsOptions{}))
		}},
		{"Client.Upload", func(ctx context.Context, c *reducto.Client) (any, error) {
			return c.Upload(ctx, "a.pdf", strings.NewReader("text"), reducto.UploadOptions{Extension: ".pdf"})
		}},
		{"Client.UploadFile", func(ctx context.Context, c *reducto.Client) (any, error) {
			dir, err := os.MkdirTemp("", "contract")
			if err != nil {
				return nil, err
			}
			defer os.RemoveAll(dir)
			path := filepath.Join(dir, "a.pdf")
			if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
				return nil, err
			}
			return c.UploadFile(ctx, path, reducto.UploadOptions{})
		}},
		{"Client.DeleteUpload", func(ctx context.Context, c *reducto.Client) (any, error) {
			return nil, c.DeleteUpload(ctx, "reducto://a.pdf")
		}},
		{"Client.ConfigureWebhook", func(ctx context.Context, c *reducto.Client) (any, error) { return c.ConfigureWebhook(ctx) }},
		{"Client.Version", func(ctx context.Context, c *reducto.Client) (any, error) { return c.Version(ctx) }},
	}
}

// silent are the methods of a client and of a handle that call no endpoint, or none
// of their own.
var silent = []string{
	"Client.CloseIdleConnections", "Client.Do", "Client.Download", "Client.Format", "Client.LogValue", "Client.With",
	"Handle.String",
}

// unlisted are the methods that are in neither list.
func unlisted(calls []call) (missing []string) {
	known := slices.Clone(silent)
	for _, c := range calls {
		known = append(known, c.method)
	}
	for name, t := range map[string]reflect.Type{
		"Client": reflect.TypeFor[*reducto.Client](), "Handle": reflect.TypeFor[*reducto.Handle[*reducto.ParseResult]](),
	} {
		for m := range t.Methods() {
			if at := name + "." + m.Name; !slices.Contains(known, at) {
				missing = append(missing, at)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

func after(err error, f func() (any, error)) (any, error) {
	if err != nil {
		return nil, err
	}
	return f()
}

func each[T any](err error, values []T, f func(T) (any, error)) (last any, _ error) {
	for _, v := range values {
		if err != nil {
			return nil, err
		}
		last, err = f(v)
	}
	return last, err
}

func drain[T any](seq iter.Seq2[T, error]) (any, error) {
	var last any
	n := 0
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		last, n = v, n+1
	}
	if n == 0 {
		return nil, fmt.Errorf("it yields nothing")
	}
	return last, nil
}
