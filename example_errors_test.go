package reducto_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// explain shows how to tell errors apart: by a sentinel where only the kind
// matters, by a type where details do.
func explain(err error) string {
	switch {
	case err == nil:
		return "it went well"
	case errors.Is(err, reducto.ErrUnauthorized):
		return "the key is wrong, or of another region"
	case errors.Is(err, reducto.ErrPasswordProtected):
		return "the document needs a password"
	case errors.Is(err, reducto.ErrExpired):
		return "the job or its result is gone"
	}
	if refused, ok := errors.AsType[*reducto.RequestError](err); ok {
		return "nothing was sent: " + refused.Field + ": " + refused.Reason
	}
	if failed, ok := errors.AsType[*reducto.JobError](err); ok {
		return "the job failed: " + failed.Job.FailureReason()
	}
	if api, ok := errors.AsType[*reducto.APIError](err); ok {
		return fmt.Sprintf("the service answered %d %s: %s", api.StatusCode, api.Name, api.Message)
	}
	return err.Error()
}

func Example_errors() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	_, err = client.ParseAsync(ctx, reducto.ParseRequest{})
	fmt.Println(explain(err))

	srv.Fault("POST /parse_async", reductotest.Status(401))
	_, err = client.ParseAsync(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")})
	fmt.Println(explain(err))

	srv.FailNext("page 3 cannot be read", "DOCUMENT_CORRUPT")
	job, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")})
	if err != nil {
		log.Fatal(err)
	}
	_, err = job.Wait(ctx)
	fmt.Println(explain(err))

	srv.Expire(job.JobID)
	_, err = client.GetJob(ctx, job.JobID)
	fmt.Println(errors.Is(err, reducto.ErrNotFound))
	// Output:
	// nothing was sent: Input: no document: use URL, URLs, FromUpload or FromJob
	// the key is wrong, or of another region
	// the job failed: page 3 cannot be read
	// true
}

// The connection broke after the request was sent: there may be a job, and nobody
// can tell. To submit again is a decision of yours.
func ExampleUnknownOutcomeError() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.Fault("POST /parse_async", reductotest.LoseAnswer())
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	request := reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")}
	job, err := client.ParseAsync(ctx, request)
	if unknown, ok := errors.AsType[*reducto.UnknownOutcomeError](err); ok {
		// Now or later: the webhook of the first one still comes, if there is a job. Under
		// the same id, a receiver of this library processes only one of the two.
		request.Async.SubmissionID = unknown.SubmissionID
		job, err = client.ParseAsync(ctx, request)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.JobID != "", len(srv.Jobs()), "jobs")
	// Output: true 2 jobs
}

// WithResubmit takes that decision beforehand.
func ExampleWithResubmit() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.Fault("POST /parse_async", reductotest.LoseAnswer())
	client := srv.Client() // yours: reducto.NewClient()

	request := reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")}
	_, err = client.ParseAsync(context.Background(), request, reducto.WithResubmit())
	fmt.Println(err, len(srv.Jobs()), "jobs")
	// Output: <nil> 2 jobs
}
