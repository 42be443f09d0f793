package schema_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/schema"
)

const invoice = `# Invoice

Invoice number: INV-7
Street: 1 High Street
Total: 698.50

| Item | Pieces |
| --- | --- |
| Drill | 2 |
| Bits | 3 |
`

type Line struct {
	Item   string `json:"item"`
	Pieces int    `json:"pieces"`
}

type Invoice struct {
	Number string     `json:"invoice_number" jsonschema:"The number, as printed."`
	Seller Address    `json:"seller"`
	Lines  []Line     `json:"lines"`
	Due    *time.Time `json:"due"`
	Total  float64    `json:"total"`
}

type CitedInvoice struct {
	Number string                 `json:"invoice_number"`
	Total  reducto.Cited[float64] `json:"total"`
	Lines  []struct {
		Item   reducto.Cited[string] `json:"item"`
		Pieces int                   `json:"pieces"`
	} `json:"lines"`
}

// sent is the request that the server received.
func sent(t *testing.T, srv *reductotest.Server) (req struct {
	Instructions struct {
		Schema       json.RawMessage `json:"schema"`
		SystemPrompt string          `json:"system_prompt"`
	} `json:"instructions"`
	Settings struct {
		Citations struct {
			Enabled bool `json:"enabled"`
		} `json:"citations"`
		DeepExtract bool `json:"deep_extract"`
	} `json:"settings"`
}) {
	t.Helper()
	requests := srv.RequestsTo("POST /extract")
	require.Len(t, requests, 1)
	require.NoError(t, json.Unmarshal(requests[0].Body, &req))
	return req
}

func TestExtractFillsStruct(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	input := reducto.URL(srv.PutFile("invoice.txt", []byte(invoice)))
	got, err := schema.Extract[Invoice](t.Context(), srv.Client(), input)
	require.NoError(t, err)
	assert.Equal(t, Invoice{
		Number: "INV-7", Seller: Address{Street: "1 High Street"}, Total: 698.5,
		Lines: []Line{{"Drill", 2}, {"Bits", 3}},
	}, got)
	req := sent(t, srv)
	assert.JSONEq(t, string(schema.MustFor[Invoice]()), string(req.Instructions.Schema))
	assert.False(t, req.Settings.Citations.Enabled)
}

func TestExtractEnablesCitationsForCited(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	input := reducto.URL(srv.PutFile("invoice.txt", []byte(invoice)))
	got, err := schema.Extract[CitedInvoice](t.Context(), srv.Client(), input)
	require.NoError(t, err)
	assert.True(t, sent(t, srv).Settings.Citations.Enabled)
	assert.Equal(t, "INV-7", got.Number)
	assert.InDelta(t, 698.5, got.Total.Value, 0)
	require.Len(t, got.Total.Citations, 1)
	assert.Contains(t, got.Total.Citations[0].Content, "698.50")
	require.Len(t, got.Lines, 2)
	assert.Equal(t, "Bits", got.Lines[1].Item.Value)
	assert.NotEmpty(t, got.Lines[1].Item.Citations)
	assert.Equal(t, 3, got.Lines[1].Pieces)
}

func TestWithRequestSetsOtherFields(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	input := reducto.URL(srv.PutFile("invoice.txt", []byte(invoice)))
	got, err := schema.Extract[CitedInvoice](t.Context(), srv.Client(), input,
		schema.WithRequest(func(r *reducto.ExtractRequest) {
			r.Instructions = reducto.Instructions{SystemPrompt: "The document is an invoice."}
		}),
		schema.WithRequest(func(r *reducto.ExtractRequest) {
			r.Settings = reducto.ExtractSettings{DeepExtract: true}
		}))
	require.NoError(t, err)
	assert.Equal(t, "INV-7", got.Number)
	req := sent(t, srv)
	assert.Equal(t, "The document is an invoice.", req.Instructions.SystemPrompt)
	assert.True(t, req.Settings.DeepExtract)
	assert.True(t, req.Settings.Citations.Enabled)
}

func TestExtractReturnsErrors(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	input := reducto.URL(srv.PutFile("invoice.txt", []byte(invoice)))

	_, err := schema.Extract[node](t.Context(), srv.Client(), input)
	var refused *reducto.RequestError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "schema.For", refused.Op)
	assert.Empty(t, srv.RequestsTo("POST /extract"))

	_, err = schema.Extract[Invoice](t.Context(), srv.Client(), reducto.Input{})
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "Input", refused.Field)

	srv.NextResult(map[string]any{
		"response_type": "v3_extract",
		"usage":         map[string]any{"num_pages": 1, "num_fields": 2},
		"result":        map[string]any{"invoice_number": "INV-7", "total": "much"},
	})
	got, err := schema.Extract[Invoice](t.Context(), srv.Client(), input)
	var undecoded *reducto.DecodeError
	require.ErrorAs(t, err, &undecoded)
	assert.Zero(t, got)
}

func TestExtractAsyncWaitsForStruct(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.WithProcessingTime(0))
	client := srv.Client()
	input := reducto.URL(srv.PutFile("invoice.txt", []byte(invoice)))
	job, err := schema.ExtractAsync[CitedInvoice](t.Context(), client, input,
		schema.WithRequest(func(r *reducto.ExtractRequest) {
			r.Async.Metadata = map[string]string{"customer": "c-1"}
			r.Settings.ForceURLResult = true
		}),
		schema.WithSubmit(reducto.WithResubmit()))
	require.NoError(t, err)
	require.NotEmpty(t, job.JobID)
	got, err := job.Wait(t.Context())
	require.NoError(t, err)
	assert.InDelta(t, 698.5, got.Total.Value, 0)
	assert.NotEmpty(t, got.Total.Citations)

	again, err := schema.Attach[CitedInvoice](client, job.JobID).Wait(t.Context())
	require.NoError(t, err)
	assert.Equal(t, got, again)
	plain, err := schema.Attach[Invoice](client, job.JobID).Wait(t.Context())
	require.NoError(t, err, "a struct without Cited reads a result with citations")
	assert.Equal(t, []Line{{"Drill", 2}, {"Bits", 3}}, plain.Lines)
}

func TestExtractAsyncReturnsErrors(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.WithProcessingTime(0))
	client := srv.Client()
	input := reducto.URL(srv.PutFile("invoice.txt", []byte(invoice)))

	_, err := schema.ExtractAsync[node](t.Context(), client, input)
	var refused *reducto.RequestError
	require.ErrorAs(t, err, &refused)
	assert.Empty(t, srv.RequestsTo("POST /extract_async"))
	_, err = schema.ExtractAsync[Invoice](t.Context(), client, reducto.Input{})
	require.ErrorAs(t, err, &refused)

	srv.FailNext("the document is corrupt", "DOCUMENT_CORRUPT")
	job, err := schema.ExtractAsync[Invoice](t.Context(), client, input)
	require.NoError(t, err)
	got, err := job.Wait(t.Context())
	var failed *reducto.JobError
	require.ErrorAs(t, err, &failed)
	assert.Zero(t, got)
	_, err = schema.Attach[Invoice](client, "no-such-job").Wait(t.Context())
	require.ErrorIs(t, err, reducto.ErrNotFound)
	_, err = new(schema.Handle[Invoice]).Wait(t.Context())
	require.ErrorAs(t, err, &refused, "a handle without a client")
}
