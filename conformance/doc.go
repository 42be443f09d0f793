// Package conformance holds the library against programs that others wrote:
//
//   - Reducto's own Node SDK (npm reductoai) calls every method that it has on
//     [github.com/reducto-go/reducto/reductotest], and its webhooks arrive in a
//     handler of ours. What it is answered fits the types that it declares.
//   - Stoplight Prism (npm @stoplight/prism-cli) serves the published OpenAPI
//     document and refuses whatever does not fit it. The client calls every
//     operation there, with every member of every request, and reads its answers.
//     Between the SDK and reductotest it checks reductotest's answers.
//   - The library of Svix (npm svix) signs deliveries, and checks ours.
//
// There are tests only. They need Node 20 and what package-lock.json names:
//
//	npm ci --ignore-scripts
//	go test ./...
//
// Without those they skip. The tests with Prism also skip without the document,
// which is found by TEST_OPENAPI or in ../shared/openapi beside the repository.
package conformance
