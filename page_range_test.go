package reducto

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPageRangeJSON(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]PageRange{
		`[1,2,7]`:                             Pages(1, 2, 7),
		`[]`:                                  Pages(),
		`{"start":3,"end":5}`:                 PageSpan(3, 5),
		`{"start":3}`:                         PageSpan(3, 0),
		`[{"start":1,"end":2},{"start":9}]`:   PageSpans(Span{1, 2}, Span{Start: 9}),
		`["Q1 \"draft\"","Q2"]`:               Sheets(`Q1 "draft"`, "Q2"),
		`null`:                                {},
		`[{"start":1,"end":1},{"start":300}]`: PageSpans(Span{1, 1}, Span{300, 0}),
	} {
		raw, err := json.Marshal(p)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(raw))
		var read PageRange
		require.NoError(t, json.Unmarshal([]byte(want), &read))
		assert.Equal(t, p, read, want)
		assert.Equal(t, want == "null", p.IsZero(), want)
	}
	for text, want := range map[string]PageRange{
		`{"start":null,"end":5}`:  PageSpan(1, 5),
		`{}`:                      PageSpan(1, 0),
		`{"start":2,"end":null}`:  PageSpan(2, 0),
		`[{"end":3},{"start":7}]`: PageSpans(Span{1, 3}, Span{7, 0}),
	} {
		var read PageRange
		require.NoError(t, json.Unmarshal([]byte(text), &read))
		assert.Equal(t, want, read, text)
		assert.NoError(t, read.check("PageRange"))
	}
	for _, wrong := range []string{`5`, `"1-3"`, `[1,"a"]`, `[1.5]`, `["a",1]`, `[{"start":1},2]`, `{"start":"a"}`, `true`} {
		var read PageRange
		assert.Error(t, json.Unmarshal([]byte(wrong), &read), wrong)
		assert.True(t, read.IsZero(), wrong)
	}
}

// A PageRange does not change with the slice that it was made from.
func TestPageRangeCopiesItsSlice(t *testing.T) {
	t.Parallel()
	numbers := []int{1, 2}
	p := Pages(numbers...)
	numbers[0] = 0
	assert.Equal(t, Pages(1, 2), p)
}
