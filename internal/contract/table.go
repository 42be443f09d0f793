package main

import (
	"fmt"
	"io"
	"strings"
)

// remarks are what a reader of the table has to know of an endpoint.
var remarks = map[string]string{
	"POST /pipeline":           "deprecated by newer servers: use `Parse`, then `Extract` and `Split` with `FromJob`",
	"POST /pipeline_async":     "deprecated by newer servers: use `ParseAsync`, then `ExtractAsync` and `SplitAsync` with `FromJob`",
	"POST /classify":           "there is no asynchronous form",
	"DELETE /job/{job_id}":     "newer servers only",
	"DELETE /upload/{file_id}": "newer servers only",
	"POST /upload":             "a file above 100 MB goes to storage, by a presigned URL",
	"GET /jobs":                "`WaitEach` reads the list in each round, for any number of jobs",
}

// writeTable prints docs/endpoints.md.
func writeTable(out io.Writer, w *world) error {
	var b strings.Builder
	b.WriteString(`# Endpoints

Every endpoint of the API and the methods that call it. This page is generated:

    go run ./internal/contract -table > docs/endpoints.md

| Endpoint | Methods | Remarks |
| --- | --- | --- |
`)
	for _, endpoint := range w.endpoints() {
		methods := make([]string, len(w.used[endpoint]))
		for i, m := range w.used[endpoint] {
			methods[i] = "`" + m + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", endpoint, strings.Join(methods, ", "), remarks[endpoint])
	}
	b.WriteString("\nCall any other endpoint with `Client.Do`. It has the authentication, retries and errors of the client.\n" +
		"For example, Reducto's website names `POST /cite`, but no OpenAPI document and no official SDK has it.\n" +
		"The library has no method for `POST /cite`. Call it with `Client.Do`.\n")
	_, err := io.WriteString(out, b.String())
	return err
}
