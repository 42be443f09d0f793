package reducto

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
)

// logPrinted returns a value as it prints, for LogValue. slog's JSON handler would
// write the JSON of the value. That JSON has passwords and signed URLs.
func logPrinted(v any) slog.Value { return slog.StringValue(fmt.Sprintf("%+v", v)) }

// printFields prints a struct as fmt does. A type that can hold a secret needs a Format
// method that calls it. Otherwise fmt prints some fields without their own methods: for
// example %d of []*T.
func printFields(f fmt.State, verb rune, fields any) {
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), fields)
}

// printResult prints the type and the job of a result only. fmt would print its
// unexported fields, with presigned URLs and the document.
func printResult(f fmt.State, r Result) {
	_, jobID := r.describe() // panics for nil before anything is written, so fmt prints <nil>
	_, _ = io.WriteString(f, cmp.Or(r.ResponseType(), "unknown")+" result")
	if jobID != "" {
		_, _ = io.WriteString(f, " of job "+jobID)
	}
}
