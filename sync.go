package reducto

import (
	"context"
	"net/http"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/wireid"
)

// checkSync refuses options that only an asynchronous call supports.
func checkSync(op string, a Async, q QueuePriority) error {
	switch {
	case !a.IsZero():
		return &RequestError{Op: op, Field: "Async", Reason: "a synchronous call has no webhook and no metadata: leave it out, or use " + op + "Async"}
	case q != "":
		return &RequestError{Op: op, Field: "QueuePriority", Reason: "a synchronous call is not queued: leave it out, or use " + op + "Async"}
	}
	return nil
}

// callSync makes a synchronous call. Every endpoint uses it. If the service answers
// with the id of a job instead of a result, callSync waits for the job.
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
	job := &Job{Status: JobStatusCompleted, Type: kind, Result: result}
	job, err := c.received(ctx, job, jobID)
	if err != nil {
		return zero, err
	}
	return As[R](job)
}

// readSync reads the answer to a synchronous call: a result, or the id of a job.
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
	var x resultReader
	x.read(r, kind)
	result := x.finish(r, kind)
	if r.Err() != nil {
		return nil, ""
	}
	id := ""
	if result != nil {
		_, id = result.describe()
	}
	return result, id
}

// acceptedID returns the id in an answer that has only the id of a job. It returns ""
// for a result. A result has at least one of the members in the switch.
func acceptedID(r *jsonread.Reader) (id string) {
	seen, isResult := false, false
	r.Walk(func(member []byte) bool {
		switch string(member) {
		case "response_type", "result", "document_url", "usage":
			isResult = true
		case "job_id":
			if !seen && r.Kind() == '"' { // of duplicates, the first counts
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
