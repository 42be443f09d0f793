package inbox

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/traced"
	"github.com/reducto-go/reducto/webhook/internal/body"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// trace begins an operation that the Tracer observes.
func (in *Inbox) trace(ctx context.Context, op *reducto.Operation) (context.Context, func(error)) {
	if in.cfg.tracer == nil {
		return ctx, func(error) {}
	}
	return traced.Start(ctx, op, in.cfg.tracer.Start, func(p any) {
		in.log.Log(ctx, slog.LevelError, "inbox: the tracer panicked", slog.String("panic", safe.Panic(p)))
	})
}

// A store keeps the trace of a submission as the last member of the metadata, so that
// every store can keep it. A space before it tells it from a member of the user. Their
// metadata has none there: the client writes compact JSON, and verifiers remove the
// member.
const (
	traceStart = `"` + reducto.MetadataTraceparent + `":"`
	traceEnd   = `"}`
	traceLen   = len(traceStart) + 55 + len(traceEnd)
	traceAlone = ` {` // there is no other metadata
)

// joinTrace returns metadata with the trace, for a store. Metadata that is no object
// stays as it is.
func joinTrace(metadata json.RawMessage, traceparent string) json.RawMessage {
	if !body.IsTraceparent(traceparent) {
		return metadata
	}
	before := traceAlone
	if last := len(metadata) - 1; last >= 0 {
		if metadata[0] != '{' || metadata[last] != '}' {
			return metadata
		}
		if before = string(metadata[:last]); strings.TrimSpace(before) != "{" {
			before += ","
		}
		before += " "
	}
	return json.RawMessage(before + traceStart + traceparent + traceEnd)
}

// splitTrace undoes joinTrace.
func splitTrace(stored json.RawMessage) (metadata json.RawMessage, traceparent string) {
	at := len(stored) - traceLen
	if at < 0 || !bytes.HasPrefix(stored[at:], []byte(traceStart)) {
		return stored, ""
	}
	before, member := stored[:at], string(stored[at:])
	value := member[len(traceStart) : traceLen-len(traceEnd)]
	switch {
	case member != traceStart+value+traceEnd || !body.IsTraceparent(value):
		return stored, ""
	case string(before) == traceAlone:
		return nil, value
	case len(before) < 2 || before[0] != '{' || before[at-1] != ' ':
		return stored, ""
	}
	rest := bytes.TrimSuffix(before[:at-1], []byte{','})
	return append(bytes.Clone(rest), '}'), value
}

// splitTraces moves the traces of records out of their metadata.
func splitTraces(records []Record) {
	for i := range records {
		r := &records[i]
		r.Metadata, r.Traceparent = splitTrace(r.Metadata)
	}
}
