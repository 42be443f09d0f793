package reducto_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// Invoice is the extracted data.
type Invoice struct {
	Number string                 `json:"invoice_number"`
	Total  reducto.Cited[float64] `json:"total"`
}

// process is the function of a webhook handler. It is called for every outcome.
func process(ctx context.Context, d *webhook.Delivery) error {
	job, err := d.Job(ctx) // fetched once
	if err != nil {
		return err // delivered again, until the job has expired
	}
	switch result := job.Result.(type) {
	case *reducto.ParseResult:
		chunks, err := result.Load(ctx)
		if err != nil {
			return err
		}
		fmt.Println(len(chunks), "chunks")
	case *reducto.ExtractResult:
		var invoice Invoice
		if err := result.Decode(ctx, &invoice); err != nil {
			return err
		}
		fmt.Println(invoice.Number, invoice.Total.Value)
	case nil:
		fmt.Println(d.Outcome, job.FailureReason())
	default:
		return webhook.Permanent(fmt.Errorf("a result of type %T is of no use here", result))
	}
	return nil // done: it is not called again for this job
}

func Example_receive() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // yours: reducto.NewClient()

	// The handler accepts both secrets while you replace the previous one.
	secret, err := webhook.NewSecret("the current secret", "the previous secret")
	if err != nil {
		log.Fatal(err)
	}
	handler, err := webhook.NewHandler(secret, process, webhook.WithClient(client))
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", handler)
	url := srv.Mount("/webhook", mux) // yours: http.ListenAndServe(":8080", mux)

	for _, job := range []reductotest.SeedJob{
		{Status: "Completed", Text: "Dear all"},
		{Status: "Failed", Reason: "it is corrupt"},
	} {
		job.Webhook, job.Metadata = url, map[string]any{"secret": "the previous secret"}
		id := srv.SeedJob(job)
		fmt.Println("answered", srv.Redeliver(id).StatusCode)
		fmt.Println("answered", srv.Redeliver(id).StatusCode) // without another call of process
	}
	// Output:
	// 1 chunks
	// answered 200
	// answered 200
	// failed it is corrupt
	// answered 200
	// answered 200
}
