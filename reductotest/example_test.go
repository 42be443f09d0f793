package reductotest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/reducto-go/reducto/reductotest"
)

// post sends a request as any client does.
func post(srv *reductotest.Server, path, body string) string {
	req, _ := http.NewRequest("POST", srv.URL()+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+srv.APIKey())
	resp, err := srv.HTTPClient().Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return fmt.Sprint(resp.StatusCode, " ", string(answer))
}

// This program delivers a webhook to a handler without a network.
func ExampleStart() {
	srv, err := reductotest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	hook := srv.Mount("/webhook", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "thank you")
	}))
	file := srv.PutFile("letter.txt", []byte("Dear reader"))
	post(srv, "/parse_async", `{"input":"`+file+`","async":{
		"webhook":{"mode":"direct","url":"`+hook+`"},"metadata":{"user_id":"123"}}}`)

	job := srv.Jobs()[0]
	deliveries, err := srv.AwaitDeliveries(context.Background(), job.ID, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	d := deliveries[0]
	fmt.Println(strings.ReplaceAll(string(d.Body), job.ID, "<id>"))
	fmt.Println(d.StatusCode, string(d.Answer))
	// Output:
	// {"status":"Completed","job_id":"<id>","metadata":{"user_id":"123"}}
	// 200 thank you
}

// Faults apply to the next requests, one by one.
func ExampleServer_Fault() {
	srv, err := reductotest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	srv.Fault("POST /parse_async",
		reductotest.Status(503).Header("Retry-After", "300").JSON(`{"detail":"try later"}`),
		reductotest.LoseAnswer(),
	)
	fmt.Println(post(srv, "/parse_async", `{"input":"https://example.com/a.pdf"}`))
	fmt.Println(strings.Contains(post(srv, "/parse_async", `{"input":"https://example.com/a.pdf"}`), "EOF"))
	fmt.Println(len(srv.Jobs()), "job was made")
	// Output:
	// 503 {"detail":"try later"}
	// true
	// 1 job was made
}

// The first attempt of the webhook is lost and the second gets a 500. The third succeeds
// and is delivered twice.
func ExampleServer_WebhookFault() {
	srv, err := reductotest.Start(reductotest.WithRetrySchedule(time.Millisecond, 2*time.Millisecond, 4*time.Millisecond))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	requests := 0
	hook := srv.Mount("/webhook", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	srv.WebhookFault(reductotest.Combine(reductotest.LoseAttempts(1), reductotest.Duplicate(1)))
	id := srv.SeedJob(reductotest.SeedJob{Text: "Dear reader", Webhook: hook})

	deliveries, err := srv.AwaitDeliveries(context.Background(), id, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range deliveries {
		fmt.Println("attempt", d.Attempt, "lost:", d.Lost, "duplicate:", d.Duplicate, "answer:", d.StatusCode)
	}
	// Output:
	// attempt 1 lost: true duplicate: false answer: 0
	// attempt 2 lost: false duplicate: false answer: 500
	// attempt 3 lost: false duplicate: false answer: 200
	// attempt 3 lost: false duplicate: true answer: 200
}
