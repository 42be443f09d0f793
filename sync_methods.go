package reducto

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/wireid"
)

// Parse parses a document and waits for the result on the same connection. The
// service ends such calls after 15 minutes; documents of more than some 50 pages do
// better with ParseAsync.
//
// A synchronous call has no webhook and runs no submit hooks: a non-zero Async is an
// error. Like a submission it is sent again only where the service certainly took
// nothing on.
func (c *Client) Parse(ctx context.Context, req ParseRequest) (*ParseResult, error) {
	if err := checkSync("Parse", req.Async, req.QueuePriority); err != nil {
		return nil, err
	}
	return callSync[*ParseResult](ctx, c, "Parse", "/parse", JobParse, &req)
}

// Extract extracts data and waits for the result on the same connection. See Parse.
func (c *Client) Extract(ctx context.Context, req ExtractRequest) (*ExtractResult, error) {
	if err := checkSync("Extract", req.Async, req.QueuePriority); err != nil {
		return nil, err
	}
	return callSync[*ExtractResult](ctx, c, "Extract", "/extract", JobExtract, &req)
}

// Split splits a document and waits for the result on the same connection. See
// Parse.
func (c *Client) Split(ctx context.Context, req SplitRequest) (*SplitResult, error) {
	if err := checkSync("Split", req.Async, ""); err != nil {
		return nil, err
	}
	return callSync[*SplitResult](ctx, c, "Split", "/split", JobSplit, &req)
}

// Pipeline runs a document through a pipeline and waits for the result on the same
// connection. See Parse.
//
// Newer servers call this endpoint deprecated. Use Parse, Extract and Split for the
// pipeline's steps instead, with FromJob for those that build on a parsed document.
func (c *Client) Pipeline(ctx context.Context, req PipelineRequest) (*PipelineResult, error) {
	if err := checkSync("Pipeline", req.Async, ""); err != nil {
		return nil, err
	}
	return callSync[*PipelineResult](ctx, c, "Pipeline", "/pipeline", JobPipeline, &req)
}

// Edit edits a document and waits for the result on the same connection. See
// Parse.
func (c *Client) Edit(ctx context.Context, req EditRequest) (*EditResult, error) {
	if err := checkSync("Edit", req.Async, ""); err != nil {
		return nil, err
	}
	return callSync[*EditResult](ctx, c, "Edit", "/edit", JobEdit, &req)
}

// Classify tells which of your categories a document belongs to. There is no
// asynchronous form. See Parse for how it is sent.
func (c *Client) Classify(ctx context.Context, req ClassifyRequest) (*ClassifyResult, error) {
	return callSync[*ClassifyResult](ctx, c, "Classify", "/classify", JobClassify, &req)
}

// EditAsync submits a document to be edited. See ParseAsync for its errors.
func (c *Client) EditAsync(ctx context.Context, req EditRequest, opts ...SubmitOption) (*Handle[*EditResult], error) {
	return submit[*EditResult](ctx, c, "EditAsync", "/edit_async", JobEdit, &req, req.Async, opts)
}

// checkSync refuses what only an asynchronous call can obey.
func checkSync(op string, a Async, q QueuePriority) error {
	switch {
	case !a.IsZero():
		return &RequestError{Op: op, Field: "Async", Reason: "a synchronous call has no webhook and no metadata: leave it out, or use " + op + "Async"}
	case q != "":
		return &RequestError{Op: op, Field: "QueuePriority", Reason: "a synchronous call is not queued: leave it out, or use " + op + "Async"}
	}
	return nil
}

// callSync is the way of every synchronous call. The service may answer with the id
// of a job all the same, whose end is waited for then.
func callSync[R Result](ctx context.Context, c *Client, op, path string, kind JobType, req submission) (R, error) {
	var zero R
	if err := req.check(); err != nil {
		return zero, withOp(err, op)
	}
	var result Result
	var jobID string
	r := &call{
		op: op, method: http.MethodPost, path: path, timeout: c.cfg.syncTimeout, secrets: req.private(),
		read: func(a *answer) error {
			result, jobID = nil, ""
			err := readAnswer(a, "the body is not the result expected", func(r *jsonread.Reader) {
				result, jobID = readSync(r, kind)
			})
			if err == nil && result == nil && jobID != "" && wireid.Check(jobID) != "" {
				return &badAnswer{reason: "the body has no usable job_id", whole: true}
			}
			return err
		},
	}
	if err := r.json(req.wire(nil)); err != nil {
		return zero, err
	}
	if err := c.do(ctx, r); err != nil {
		return zero, err
	}
	if result == nil && jobID != "" {
		job, err := c.Wait(ctx, jobID)
		if err != nil {
			return zero, err
		}
		return As[R](job)
	}
	job := &Job{Status: StatusCompleted, Type: kind, Result: result}
	job, err := c.received(ctx, job, jobID)
	if err != nil {
		return zero, err
	}
	return As[R](job)
}

// readSync reads the answer to a synchronous call: a result, or the id of the job
// that was made instead.
func readSync(r *jsonread.Reader, kind JobType) (Result, string) {
	switch r.Kind() {
	case 'n':
		r.Skip()
		return nil, ""
	case '{':
		m := r.Mark()
		if id := acceptedID(r); id != "" && r.Err() == nil {
			r.Release(m)
			return nil, id
		}
		if !r.Rewind(m) {
			return nil, ""
		}
	}
	result, late := readResult(r, kind)
	if late != nil && r.Err() == nil {
		var err error
		if result, err = decodeResult(late, kind); err != nil {
			r.Reject(err)
		}
	}
	if r.Err() != nil {
		return nil, ""
	}
	_, id := described(result)
	return result, id
}

// acceptedID is the id in the answer that a job was made; empty for a result, which
// has one of the members that tell them apart, whatever members both will have.
func acceptedID(r *jsonread.Reader) (id string) {
	seen, isResult := false, false
	r.Walk(func(member []byte) bool {
		switch string(member) {
		case "response_type", "result", "document_url", "usage":
			isResult = true
		case "job_id":
			if !seen && r.Kind() == '"' { // the first of two counts
				id = r.String()
			}
			seen = true
		}
		return !isResult
	})
	if isResult {
		return ""
	}
	return id
}

// DeleteJob deletes a job and what it left behind. It is done in the background:
// until then the job is ErrDeleted, as it is afterwards. Results that were persisted
// are deleted only if includePersisted says so. Newer servers only.
func (c *Client) DeleteJob(ctx context.Context, jobID string, includePersisted bool) error {
	if err := checkJobID("DeleteJob", jobID); err != nil {
		return err
	}
	query := url.Values{}
	if includePersisted {
		query.Set("include_persisted", "true")
	}
	return c.do(ctx, &call{
		op: "DeleteJob", method: http.MethodDelete, path: "/job/" + url.PathEscape(jobID), query: query.Encode(),
		safe: true, timeout: c.cfg.timeout, read: readJSON(nil),
	})
}

// DeleteUpload deletes an uploaded file, by its FileID. One that is not there, or
// not yours, is ErrNotFound. Newer servers only.
func (c *Client) DeleteUpload(ctx context.Context, fileID string) error {
	if fileID == "" || len(fileID) > 1024 {
		return &RequestError{Op: "DeleteUpload", Field: "fileID", Reason: "it is empty or too long: use an Upload's FileID"}
	}
	return c.do(ctx, &call{
		op: "DeleteUpload", method: http.MethodDelete, path: "/upload/" + url.PathEscape(fileID),
		safe: true, timeout: c.cfg.timeout, read: readJSON(nil),
	})
}

// ConfigureWebhook returns a link to the portal in which the account's Svix
// endpoints are configured. Whoever has the link can change them.
func (c *Client) ConfigureWebhook(ctx context.Context) (Link, error) {
	var portal string
	err := c.do(ctx, &call{
		op: "ConfigureWebhook", method: http.MethodPost, path: "/configure_webhook",
		safe: true, timeout: c.cfg.timeout, read: readText(&portal),
	})
	return Link(portal), err
}

// Version returns the version of the service.
func (c *Client) Version(ctx context.Context) (string, error) {
	var version string
	err := c.do(ctx, &call{
		op: "Version", method: http.MethodGet, path: "/version",
		safe: true, timeout: c.cfg.timeout, read: readText(&version),
	})
	return version, err
}

// readText reads an answer that is a bare JSON string.
func readText(out *string) func(*answer) error {
	return func(a *answer) error {
		raw, err := io.ReadAll(a.body)
		if err != nil {
			return err
		}
		if members.Kind(raw) != '"' {
			return &badAnswer{reason: "the body is not a JSON string", body: raw, whole: json.Valid(raw)}
		}
		return decodeJSON(raw, out)
	}
}
