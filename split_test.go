package reducto

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplitResultHasSectionsOfBothForms(t *testing.T) {
	t.Parallel()
	r := resultOf[*SplitResult](t, "job_split.json")
	assert.Equal(t, map[string][]int{"Berths": {1, 2}, "Prices": {2, 3}}, r.SectionMapping)
	assert.Equal(t, []int{1, 2}, r.Splits[0].PageNumbers())
	assert.Empty(t, r.Splits[0].Partitions)
	assert.Equal(t, []int{2}, r.Splits[1].Partitions[0].PageNumbers())
	assert.Equal(t, Confidence("unsure"), r.Splits[1].Partitions[1].Confidence)

	deep := resultOf[*SplitResult](t, "job_split_deep.json")
	assert.Nil(t, deep.SectionMapping)
	page := deep.Splits[0].Pages[0]
	assert.Equal(t, "lists the berths", page.Evidence)
	assert.Equal(t, ConfidenceHigh, page.Confidence)
	assert.Equal(t, []int{1, 2}, deep.Splits[0].PageNumbers())
	assert.Equal(t, ConfidenceMedium, deep.Splits[0].Partitions[0].Pages[0].Confidence)

	// A new page is encoded in the required form.
	for want, p := range map[string]SplitPage{
		`3`:                                {Number: 3},
		`{"page_number":3,"evidence":"e"}`: {Number: 3, Evidence: "e"},
		`{"page_number":3,"evidence":"","confidence":"low"}`: {Number: 3, Confidence: ConfidenceLow},
	} {
		raw, err := json.Marshal(p)
		require.NoError(t, err)
		assert.Equal(t, want, string(raw))
	}
	raw, err := json.Marshal(&SplitResult{})
	require.NoError(t, err)
	assert.JSONEq(t, `{"usage":{"num_pages":0},"result":{"splits":[]}}`, string(raw))
}
