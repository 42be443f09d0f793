package reducto

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
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

// Format prints the names of the members, with every verb. Their values are whatever
// the service sends, presigned URLs too.
func (x Extra) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "map["+strings.Join(slices.Sorted(maps.Keys(x)), " ")+"]")
}

// LogValue logs what Format prints.
func (x Extra) LogValue() slog.Value { return logPrinted(x) }

// Format prints the request without password and presigned signatures.
func (r ParseRequest) Format(f fmt.State, verb rune) {
	type fields ParseRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without password and presigned signatures.
func (r ParseRequest) LogValue() slog.Value { return logPrinted(r) }

// Format prints the request without password and presigned signatures.
func (r ExtractRequest) Format(f fmt.State, verb rune) {
	type fields ExtractRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without password and presigned signatures.
func (r ExtractRequest) LogValue() slog.Value { return logPrinted(r) }

// Format prints the request without password and presigned signatures.
func (r SplitRequest) Format(f fmt.State, verb rune) {
	type fields SplitRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without password and presigned signatures.
func (r SplitRequest) LogValue() slog.Value { return logPrinted(r) }

// Format prints the request without password and presigned signatures.
func (r PipelineRequest) Format(f fmt.State, verb rune) {
	type fields PipelineRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without password and presigned signatures.
func (r PipelineRequest) LogValue() slog.Value { return logPrinted(r) }

// Format prints the request without presigned signatures.
func (r EditRequest) Format(f fmt.State, verb rune) {
	type fields EditRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without presigned signatures.
func (r EditRequest) LogValue() slog.Value { return logPrinted(r) }

// Format prints the request without presigned signatures.
func (r ClassifyRequest) Format(f fmt.State, verb rune) {
	type fields ClassifyRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without presigned signatures.
func (r ClassifyRequest) LogValue() slog.Value { return logPrinted(r) }

// Format prints the options without the password.
func (o ParseOptions) Format(f fmt.State, verb rune) {
	type fields ParseOptions
	printFields(f, verb, fields(o))
}

// LogValue logs the options without the password.
func (o ParseOptions) LogValue() slog.Value { return logPrinted(o) }

// Format prints the settings without the password.
func (s Settings) Format(f fmt.State, verb rune) {
	type fields Settings
	printFields(f, verb, fields(s))
}

// LogValue logs the settings without the password.
func (s Settings) LogValue() slog.Value { return logPrinted(s) }

// Format prints the settings without the password.
func (s PipelineSettings) Format(f fmt.State, verb rune) {
	type fields PipelineSettings
	printFields(f, verb, fields(s))
}

// LogValue logs the settings without the password.
func (s PipelineSettings) LogValue() slog.Value { return logPrinted(s) }

// Format prints the upload without the signature of its URL.
func (u Upload) Format(f fmt.State, verb rune) {
	type fields Upload
	printFields(f, verb, fields(u))
}

// LogValue logs the upload without the signature of its URL.
func (u Upload) LogValue() slog.Value { return logPrinted(u) }

// Format prints the block without the signatures of its URLs.
func (v Block) Format(f fmt.State, verb rune) {
	type fields Block
	printFields(f, verb, fields(v))
}

// LogValue logs the block without the signatures of its URLs.
func (v Block) LogValue() slog.Value { return logPrinted(v) }

// Format prints the chunk without the signatures of its blocks' URLs.
func (v Chunk) Format(f fmt.State, verb rune) {
	type fields Chunk
	printFields(f, verb, fields(v))
}

// LogValue logs the chunk without the signatures of its blocks' URLs.
func (v Chunk) LogValue() slog.Value { return logPrinted(v) }

// Format prints the citation without the signatures of its blocks' URLs.
func (v Citation) Format(f fmt.State, verb rune) {
	printFields(f, verb, struct { // the embedded block's method would print the block alone
		Block       Block
		ParentBlock *Block
	}{v.Block, v.ParentBlock})
}

// LogValue logs the citation without the signatures of its blocks' URLs.
func (v Citation) LogValue() slog.Value { return logPrinted(v) }

// printResult prints the type and the job of a result only. fmt would print its
// unexported fields, with presigned URLs and the document.
func printResult(f fmt.State, r Result) {
	_, jobID := r.describe() // panics for nil, before anything is written: fmt prints <nil>
	_, _ = io.WriteString(f, cmp.Or(r.ResponseType(), "unknown")+" result")
	if jobID != "" {
		_, _ = io.WriteString(f, " of job "+jobID)
	}
}
