package schema_test

import (
	"context"
	"fmt"
	"log"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/schema"
)

// Receipt is the extracted value. Its descriptions guide the extraction.
type Receipt struct {
	Shop     string                 `json:"shop" jsonschema:"The name of the shop."`
	Currency string                 `json:"currency" enum:"EUR,USD"`
	Total    reducto.Cited[float64] `json:"total" jsonschema:"The amount paid."`
	Tip      *float64               `json:"tip"`
}

func ExampleExtract() {
	srv, err := reductotest.Start() // a program uses reducto.NewClient
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client()
	input := reducto.URL(srv.PutFile("receipt.txt", []byte("Shop: Okafor & Sons\nCurrency: EUR\nTotal: 12.50")))

	receipt, err := schema.Extract[Receipt](context.Background(), client, input,
		schema.WithRequest(func(r *reducto.ExtractRequest) {
			r.Instructions.SystemPrompt = "The document is a receipt."
		}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.Shop, receipt.Total.Value, receipt.Currency)
	for _, c := range receipt.Total.Citations {
		fmt.Printf("page %d: %s\n", c.BBox.Page, c.Content)
	}
	// Output:
	// Okafor & Sons 12.5 EUR
	// page 1: Total: 12.50
}

func ExampleExtractAsync() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0))
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client()
	input := reducto.URL(srv.PutFile("receipt.txt", []byte("Shop: Okafor & Sons\nCurrency: EUR\nTotal: 12.50")))

	ctx := context.Background()
	job, err := schema.ExtractAsync[Receipt](ctx, client, input)
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := job.Wait(ctx) // in another process: schema.Attach[Receipt](client, id).Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.Shop, receipt.Total.Value, receipt.Currency)
	// Output: Okafor & Sons 12.5 EUR
}

func ExampleFor() {
	type Receipt struct {
		Shop     string  `json:"shop" jsonschema:"The name of the shop."`
		Currency string  `json:"currency" enum:"EUR,USD"`
		Tip      float64 `json:"tip,omitempty"`
	}
	raw, err := schema.For[Receipt]()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", raw)
	// Output:
	// {"type":"object","properties":{"shop":{"type":"string","description":"The name of the shop."},"currency":{"type":"string","enum":["EUR","USD"]},"tip":{"type":"number"}},"required":["shop","currency"]}
}
