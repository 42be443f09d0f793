package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/reducto-go/reducto"
)

// fromMemory is an http.RoundTripper that answers with a body out of memory: what a
// client does, and no network.
type fromMemory struct {
	job     []byte // of GET /job
	content []byte // of everything else, where links lead
}

const memoryHost = "http://memory.test"

func (m *fromMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	body := m.content
	if r.URL.Path == "/job/"+benchJob {
		body = m.job
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       r,
	}, nil
}

// inAnswer is a client whose job has the content in its answer.
func inAnswer(content []byte) (*reducto.Client, error) {
	return memoryClient(&fromMemory{job: answer(content)})
}

// behindLink is a client whose job has a link to the content.
func behindLink(content []byte) (*reducto.Client, error) {
	return memoryClient(&fromMemory{job: answer(link(memoryHost + "/content")), content: content})
}

func memoryClient(m *fromMemory) (*reducto.Client, error) {
	return reducto.NewClient(reducto.WithAPIKey("bench"), reducto.WithBaseURL(memoryHost),
		reducto.WithHTTPClient(&http.Client{Transport: m}))
}

// parseResult is the job's result, by GET /job.
func parseResult(ctx context.Context, c *reducto.Client) (*reducto.ParseResult, error) {
	job, err := c.GetJob(ctx, benchJob)
	if err != nil {
		return nil, err
	}
	result, err := reducto.As[*reducto.ParseResult](job)
	if err != nil {
		return nil, err
	}
	return result, nil
}

// linked is a result whose content is still to be downloaded, as often as f is
// called: Load keeps what it has downloaded, a new result has nothing.
func linked(ctx context.Context, c *reducto.Client) (*reducto.ParseResult, error) {
	result, err := parseResult(ctx, c)
	if err != nil {
		return nil, err
	}
	if result.Link() == "" {
		return nil, errors.New("the result has no link")
	}
	return result, nil
}

// whole is all of a result in the form of what the others read.
func whole(ctx context.Context, r *reducto.ParseResult) (*plainContent, error) {
	chunks, err := r.Load(ctx)
	if err != nil {
		return nil, err
	}
	ocr, err := r.OCR(ctx)
	if err != nil {
		return nil, err
	}
	return plainly(chunks, ocr), nil
}

// mismatchError: a contestant read something else than encoding/json.
type mismatchError struct{ name, what string }

func (e *mismatchError) Error() string {
	return fmt.Sprintf("%s does not agree with encoding/json on %s", e.name, e.what)
}
