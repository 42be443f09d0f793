// Package frameworks mounts an inbox.Inbox or a webhook.Handler on the routers of web
// frameworks. Both are http.Handlers. Each file has one framework. The tests send the
// same requests to all of them, and compare the answers with those of the handler
// without a framework. See docs/frameworks.md.
package frameworks
