package inbox

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"

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

// joinTrace returns metadata for a store, with the trace as its last member. Metadata
// that is no object stays as it is, and so does metadata that speaks of a trace itself.
func joinTrace(metadata json.RawMessage, traceparent string) json.RawMessage {
	if !body.IsTraceparent(traceparent) || bytes.Contains(metadata, []byte(reducto.MetadataTraceparent)) {
		return metadata
	}
	member := `"` + reducto.MetadataTraceparent + `":"` + traceparent + `"}`
	last := bytes.LastIndexByte(metadata, '}')
	switch {
	case len(metadata) == 0:
		return json.RawMessage("{" + member)
	case metadata[0] != '{' || last != len(metadata)-1:
		return metadata
	case len(bytes.TrimSpace(metadata[1:last])) > 0:
		member = "," + member
	}
	return append(bytes.Clone(metadata[:last]), member...)
}

// splitTraces moves the traces of records out of their metadata, as verifiers do.
func splitTraces(records []Record) {
	for i := range records {
		if r := &records[i]; bytes.Contains(r.Metadata, []byte(reducto.MetadataTraceparent)) {
			if m := body.ReadMetadata(r.Metadata); m.Traceparent() != nil {
				r.Metadata, r.Traceparent = m.Stripped(), string(m.Traceparent())
			}
		}
	}
}
