// Command short is the shortest extraction: a struct, and a URL as its argument.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/schema"
)

type Invoice struct {
	Number string                 `json:"invoice_number" jsonschema:"The number, as printed."`
	Total  reducto.Cited[float64] `json:"total" jsonschema:"The amount due, without the currency."`
}

func main() {
	client, err := reducto.NewClient() // the key is in REDUCTO_API_KEY
	if err != nil {
		log.Fatal(err)
	}
	invoice, err := schema.Extract[Invoice](context.Background(), client, reducto.URL(os.Args[1]))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(invoice.Number, invoice.Total.Value)
}
