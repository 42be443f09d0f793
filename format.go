package reducto

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
)

// logPrinted is a value as it prints. slog's JSON handler writes JSON, which is the
// wire: with a document's password and the signatures of presigned URLs, which
// printing hides. So whatever can hold them logs as it prints.
func logPrinted(v any) slog.Value { return slog.StringValue(fmt.Sprintf("%+v", v)) }

// printFields prints a struct as fmt does. What has a method that calls it hides
// its secrets also behind a pointer that is printed with a verb for something else:
// there fmt asks no method of the fields.
func printFields(f fmt.State, verb rune, fields any) {
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), fields)
}

// printResult prints the type and the job of a result only. fmt would print its
// unexported fields, with presigned URLs and the document.
func printResult(f fmt.State, r Result) {
	_, jobID := r.describe() // panics for nil, before anything is written: fmt prints <nil>
	_, _ = io.WriteString(f, cmp.Or(r.ResponseType(), "unknown")+" result")
	if jobID != "" {
		_, _ = io.WriteString(f, " of job "+jobID)
	}
}
