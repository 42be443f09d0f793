package reducto_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func ExampleHandle_Wait() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	job, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")})
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	result, err := job.Wait(ctx)
	if err != nil {
		log.Fatal(err) // *JobError: it failed; *WaitError: it goes on, wait again by its id
	}
	fmt.Println(result.Usage.NumPages)
	// Output: 1
}

func ExampleWithOnUpdate() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	id := srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
	client := srv.Client() // yours: reducto.NewClient()

	_, err = client.Wait(context.Background(), id,
		reducto.WithPollInterval(2*time.Second, time.Minute),
		reducto.WithOnUpdate(func(job *reducto.Job) { fmt.Println("it is", job.Status) }))
	if err != nil {
		log.Fatal(err)
	}
	// Output: it is Completed
}

// The id of a job is all that has to be kept to wait for it elsewhere.
func ExampleAttach() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	id := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "Dear all"})
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	result, err := reducto.Attach[*reducto.ParseResult](client, id).Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	chunks, err := result.Load(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(chunks[0].Content)
	// Output: Dear all
}

// Many jobs cost one request a round, not one each.
func ExampleClient_WaitEach() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	jobIDs := []string{
		srv.SeedJob(reductotest.SeedJob{ID: "job-1", Status: "Completed", Text: "first"}),
		srv.SeedJob(reductotest.SeedJob{ID: "job-2", Status: "Failed", Reason: "it is corrupt"}),
		srv.SeedJob(reductotest.SeedJob{ID: "job-3", Status: "Completed", Text: "third"}),
	}
	client := srv.Client() // yours: reducto.NewClient()

	for job, err := range client.WaitEach(context.Background(), jobIDs) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(job.ID, job.Status)
	}
	// Output:
	// job-1 Completed
	// reducto: job job-2 ended Failed (PROCESSING_FAILED): it is corrupt
	// job-3 Completed
}

// All jobs of the account, from all pages.
func ExampleClient_Jobs() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	now := time.Now()
	for i := range 5 {
		srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprint("job-", i), Status: "Completed", CreatedAt: now.Add(time.Duration(i) * time.Second)})
	}
	client := srv.Client() // yours: reducto.NewClient()

	for job, err := range client.Jobs(context.Background(), reducto.ListJobsOptions{Limit: 2, ExcludeConfigs: true}) {
		if err != nil {
			log.Fatal(err)
		}
		if job.CreatedAt.Before(now.Add(1500 * time.Millisecond)) {
			break // no further page is asked for
		}
		fmt.Println(job.ID, job.Status)
	}
	// Output:
	// job-4 Completed
	// job-3 Completed
	// job-2 Completed
}

// A result is one of a closed set of types.
func ExampleClient_GetJob() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	id := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "one\n\ntwo"})
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	job, err := client.GetJob(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	switch result := job.Result.(type) {
	case *reducto.ParseResult:
		chunks, err := result.Load(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("parsed into", len(chunks[0].Blocks), "blocks")
	case *reducto.ExtractResult:
		var v map[string]any
		if err := result.Decode(ctx, &v); err != nil {
			log.Fatal(err)
		}
		fmt.Println("extracted", v)
	case *reducto.SplitResult:
		fmt.Println("split into", len(result.Splits), "sections")
	case *reducto.UnknownResult:
		fmt.Printf("of a type that is newer than this library: %s\n", result.Raw)
	case nil:
		fmt.Println("no result:", job.Status, job.FailureReason())
	default:
		fmt.Printf("a %T\n", result)
	}
	// Output: parsed into 2 blocks
}
