package table_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/table"
)

func ExampleAll() {
	srv, err := reductotest.Start() // a program uses reducto.NewClient
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()
	document := srv.PutFile("order.txt", []byte("# Order 1047\n\n"+
		"| Article | Unit price | Qty |\n| --- | --- | --- |\n| Bolt M8 | $1,204.50 | 2 |\n\f"+
		"| Article | Unit price | Qty |\n| --- | --- | --- |\n| Nut M8 | $0.25 | 400 |\n"))
	result, err := client.Parse(ctx, reducto.ParseRequest{Input: reducto.URL(document)})
	if err != nil {
		log.Fatal(err)
	}

	type Line struct {
		Article   string  `json:"article"`
		UnitPrice float64 `json:"unit_price"`
		Qty       int     `json:"qty"`
	}
	for t, err := range table.All(result.Blocks(ctx)) {
		if err != nil {
			log.Fatal(err)
		}
		lines, err := table.DecodeRows[Line](t)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("pages", t.Pages)
		for _, l := range lines {
			fmt.Println(l.Article, l.UnitPrice, l.Qty)
		}
	}
	// Output:
	// pages [1 2]
	// Bolt M8 1204.5 2
	// Nut M8 0.25 400
}

// sales is a block of a parsed document.
var sales = &reducto.Block{
	Type: reducto.BlockTypeTable,
	Content: `<table><thead><tr><th rowspan="2">Region</th><th colspan="2">Sales</th></tr><tr><th>2024</th><th>2025</th></tr></thead>
		<tbody><tr><td>North</td><td>1,204</td><td>=1+1</td></tr></tbody></table>`,
}

func ExampleOf() {
	t, err := table.Of(sales)
	if err != nil {
		log.Fatal(err)
	}
	for _, row := range t.Rows {
		for _, c := range row {
			fmt.Printf("[%s %dx%d]", c.Text, c.RowSpan, c.ColSpan)
		}
		fmt.Println()
	}

	_, err = table.Of(&reducto.Block{Type: reducto.BlockTypeText, Content: "Dear Sir or Madam,"})
	fmt.Println(errors.Is(err, table.ErrNoTable))
	// Output:
	// [Region 2x1][Sales 1x2]
	// [2024 1x1][2025 1x1]
	// [North 1x1][1,204 1x1][=1+1 1x1]
	// true
}

func ExampleTable_Grid() {
	t, err := table.Of(sales)
	if err != nil {
		log.Fatal(err)
	}
	for r, row := range t.Grid() {
		fmt.Printf("%t %q\n", r < t.HeaderRows, row)
	}
	// Output:
	// true ["Region" "Sales" "Sales"]
	// true ["Region" "2024" "2025"]
	// false ["North" "1,204" "=1+1"]
}

func ExampleTable_Columns() {
	t, err := table.Of(sales)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", t.Columns())
	// Output:
	// ["Region" "Sales 2024" "Sales 2025"]
}

func ExampleTable_WriteCSV() {
	t, err := table.Of(sales)
	if err != nil {
		log.Fatal(err)
	}
	if err := t.WriteCSV(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// Region,Sales,Sales
	// Region,2024,2025
	// North,"1,204",=1+1
}

func ExampleDecodeRows() {
	t, err := table.Of(sales)
	if err != nil {
		log.Fatal(err)
	}
	type Row struct {
		Region string
		Sales  float64 `json:"Sales 2024"`
	}
	rows, err := table.DecodeRows[Row](t)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rows)

	type Wrong struct {
		Sales int `json:"sales_2025"`
	}
	_, err = table.DecodeRows[Wrong](t)
	fmt.Println(err)
	// Output:
	// [{North 1204}]
	// table: row 3, column "Sales 2025": "=1+1" is no int: correct the cell in Rows, or use a string for the field
}
