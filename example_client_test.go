package reducto_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func ExampleNewClient() {
	client, err := reducto.NewClient(
		reducto.WithAPIKey("your-key"), // default: REDUCTO_API_KEY
		reducto.WithRegion(reducto.RegionEU),
		reducto.WithTimeout(time.Minute),
		reducto.WithLogger(slog.Default()),
		reducto.WithUserAgent("invoices/1.4"),
	)
	if err != nil {
		log.Fatal(err) // everything is checked here, and nothing is sent
	}
	fmt.Println(client)
	// Output: reducto.Client(https://eu.platform.reducto.ai)
}

// A key that is rotated without a restart: the function is asked before every
// attempt.
func ExampleWithAPIKeyFunc() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	current := func(context.Context) (string, error) {
		return srv.APIKey(), nil // yours: from your vault, cached
	}

	client := srv.Client(reducto.WithAPIKeyFunc(current))
	srv.SetAPIKey("the-next-key")
	_, err = client.ListJobs(context.Background(), reducto.ListJobsOptions{})
	fmt.Println(err)
	// Output: <nil>
}

// Do is for what the library has no method for, or no field. It has the client's
// key, retries and errors.
func ExampleClient_Do() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "Dear all"})
	client := srv.Client() // yours: reducto.NewClient()

	var answer struct {
		Jobs []map[string]any `json:"jobs"`
	}
	err = client.Do(context.Background(), http.MethodGet, "/jobs?limit=1", nil, &answer)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Jobs[0]["status"])

	err = client.Do(context.Background(), http.MethodGet, "/what-comes-next-month", nil, nil)
	fmt.Println(errors.Is(err, reducto.ErrNotFound))
	// Output:
	// Completed
	// true
}
