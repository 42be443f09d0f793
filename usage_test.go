package reducto

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestResultID(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"job_parse_url.json": "r-5a1e", "job_parse.json": "", "job_parse_nulls.json": ""} {
		assert.Equal(t, want, resultOf[*ParseResult](t, name).ResultID(), name)
	}
	for name, want := range map[string]string{"job_extract_url.json": "r-6", "job_extract_list.json": "", "job_extract_lookalike.json": ""} {
		assert.Equal(t, want, resultOf[*ExtractResult](t, name).ResultID(), name)
	}
}

// A usage is written as it was read; one that was built has its fields' number,
// which tells an extraction from other results.
func TestExtractUsageKeepsItsForm(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"num_pages":1}`, `{"num_pages":1,"num_fields":0}`, `{"num_pages":1,"num_fields":3,"extract_mode":"super_agent"}`} {
		var u ExtractUsage
		require.NoError(t, json.Unmarshal([]byte(text), &u))
		raw, err := json.Marshal(u)
		require.NoError(t, err)
		assert.JSONEq(t, text, string(raw))
	}
	raw, err := json.Marshal(ExtractUsage{NumPages: 1})
	require.NoError(t, err)
	assert.JSONEq(t, `{"num_pages":1,"num_fields":0}`, string(raw))
	var u ExtractUsage
	require.NoError(t, json.Unmarshal([]byte(`{"num_pages":1}`), &u))
	u.NumFields = 2
	raw, err = json.Marshal(u)
	require.NoError(t, err)
	assert.JSONEq(t, `{"num_pages":1,"num_fields":2}`, string(raw))
	require.Error(t, json.Unmarshal([]byte(`{"num_fields":"2"}`), &u))
}

func TestUsageIsBrokenDownByFeature(t *testing.T) {
	t.Parallel()
	var u ParseUsage
	require.NoError(t, json.Unmarshal([]byte(`{"num_pages":1,"credit_breakdown":{"page":1,"hologram":2},"page_billing_breakdown":{"1":["page","key_value"]}}`), &u))
	assert.Equal(t, map[BillingFeature]float64{BillingPage: 1, "hologram": 2}, u.CreditBreakdown)
	assert.Equal(t, []BillingFeature{BillingPage, BillingKeyValue}, u.PageBillingBreakdown["1"])
}
