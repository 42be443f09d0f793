package reducto

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func extraction(t testing.TB, text string) *ExtractResult {
	t.Helper()
	r := new(ExtractResult)
	require.NoError(t, json.Unmarshal([]byte(text), r))
	return r
}

// The four forms of one extraction.
var extractSamples = []string{
	"job_extract_v3_citations.json", "job_extract_v3_plain.json", "job_extract_list.json", "job_extract_v2_citations.json",
}

type dues struct {
	Number string   `json:"number"`
	Total  float64  `json:"total"`
	Paid   *bool    `json:"paid"`
	Berth  berth    `json:"berth"`
	Lines  []line   `json:"lines"`
	Tags   []string `json:"tags"`
}

type berth struct {
	Name   string
	Metres int
}

type line struct {
	Text   string
	Amount json.Number
}

var spring = dues{
	Number: "HD-77", Total: 1250.5, Berth: berth{"B 4", 31},
	Lines: []line{{"quay", "1000"}, {"water", "250.5"}}, Tags: []string{"spring", "quay"},
}

// The form depends on the request, not on how the service sent the value.
func TestDecodeEveryForm(t *testing.T) {
	t.Parallel()
	for _, name := range extractSamples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := resultOf[*ExtractResult](t, name)

			var one dues
			require.NoError(t, r.Decode(t.Context(), &one))
			assert.Equal(t, spring, one)

			var pointer *dues
			require.NoError(t, r.Decode(t.Context(), &pointer))
			assert.Equal(t, &spring, pointer)

			var many []dues
			require.NoError(t, r.Decode(t.Context(), &many))
			assert.Equal(t, []dues{spring}, many)

			var pointers *[]*dues
			require.NoError(t, r.Decode(t.Context(), &pointers))
			assert.Equal(t, &[]*dues{&spring}, pointers)

			var array [2]dues
			require.NoError(t, r.Decode(t.Context(), &array))
			assert.Equal(t, [2]dues{spring, {}}, array)

			var embedded struct {
				*dues
				Berth struct{ berth } `json:"berth"`
			}
			embedded.dues = new(dues)
			require.NoError(t, r.Decode(t.Context(), &embedded))
			assert.Equal(t, spring.Lines, embedded.Lines)
			assert.Equal(t, spring.Berth, embedded.Berth.berth)

			var parts map[string]json.RawMessage
			require.NoError(t, r.Decode(t.Context(), &parts))
			assert.JSONEq(t, `"HD-77"`, string(parts["number"]))
		})
	}
}

type citedDues struct {
	Number Cited[string]   `json:"number"`
	Total  *Cited[float64] `json:"total"`
	Paid   Cited[*bool]    `json:"paid"`
	Berth  struct {
		Name   Cited[string]
		Metres Cited[int]
	} `json:"berth"`
	Lines []struct {
		Text   string
		Amount Cited[json.Number]
	} `json:"lines"`
	Tags []Cited[string] `json:"tags"`
}

func TestDecodeIntoAnyKeepsTheJSON(t *testing.T) {
	t.Parallel()
	for _, name := range extractSamples {
		r := resultOf[*ExtractResult](t, name)
		raw, err := r.Raw(t.Context())
		require.NoError(t, err)
		var want, got any
		require.NoError(t, json.Unmarshal(raw, &want))
		require.NoError(t, r.Decode(t.Context(), &got))
		assert.Equal(t, want, got, name)

		var text json.RawMessage
		require.NoError(t, r.Decode(t.Context(), &text))
		assert.Equal(t, string(raw), string(text), name)
	}
	// A map has one value, as a struct does, with its fields unchanged.
	var v map[string]any
	require.NoError(t, resultOf[*ExtractResult](t, "job_extract_v3_citations.json").Decode(t.Context(), &v))
	assert.Contains(t, v["number"], "citations")
}

// citations of a field, as the service writes them.
const oneCitation = `[{"type":"Text","content":"c","bbox":{"left":-0.5,"top":0,"width":1,"height":1,"page":1}}]`

func TestDecodeSeveralValuesNeedsASlice(t *testing.T) {
	t.Parallel()
	r := extraction(t, `{"response_type":"extract","usage":{"num_fields":1},"result":[{"number":"1"},{"number":"2"}],"citations":[{"number":`+oneCitation+`},{"number":[]}]}`)
	var many []struct{ Number Cited[string] }
	require.NoError(t, r.Decode(t.Context(), &many))
	assert.Equal(t, "2", many[1].Number.Value)
	assert.Len(t, many[0].Number.Citations, 1)
	assert.Empty(t, many[1].Number.Citations)
	var pointer *[]dues
	require.NoError(t, r.Decode(t.Context(), &pointer))
	assert.Len(t, *pointer, 2)

	for _, target := range []any{new(dues), new(*dues), new(map[string]string)} {
		require.ErrorContains(t, r.Decode(t.Context(), target), "has 2 values: decode it into a slice", "%T", target)
	}
	none := extraction(t, `{"response_type":"extract","result":[]}`)
	require.ErrorContains(t, none.Decode(t.Context(), new(dues)), "has 0 values")
	var empty []dues
	require.NoError(t, none.Decode(t.Context(), &empty))
	assert.Empty(t, empty)
}

func TestDecodeRefusesNonPointers(t *testing.T) {
	t.Parallel()
	r := resultOf[*ExtractResult](t, "job_extract_v3_plain.json")
	var nowhere *dues
	for _, target := range []any{nil, dues{}, "", 7, nowhere, map[string]any{}, []dues{}} {
		var refused *RequestError
		require.ErrorAs(t, r.Decode(t.Context(), target), &refused, "%T", target)
		assert.Equal(t, "v", refused.Field)
		assert.Contains(t, refused.Reason, "non-nil pointer")
	}
}

func TestDecodeMismatchIsADecodeError(t *testing.T) {
	t.Parallel()
	for _, name := range extractSamples {
		r := resultOf[*ExtractResult](t, name)
		for _, target := range []any{
			new(struct{ Number int }), new(struct{ Total string }), new(struct{ Berth []berth }), new(struct{ Lines line }),
			new(struct{ Number Cited[int] }), new(struct{ Lines []Cited[string] }), new(struct{ Tags map[string]string }), new([][]dues), new(int),
		} {
			err := r.Decode(t.Context(), target)
			require.ErrorContains(t, err, "does not fit", "%s into %T", name, target)
			var mismatch *json.UnmarshalTypeError
			require.ErrorAs(t, err, &mismatch, "%s into %T", name, target)
		}
	}
}

func TestDecodeKeepsNumbersWhole(t *testing.T) {
	t.Parallel()
	const numbers = `{"big":12345678901234567890123,"id":9007199254740993,"exact":0.1000,"small":1e-400}`
	for _, text := range []string{
		`{"response_type":"v3_extract","result":` + numbers + `}`,
		`{"response_type":"extract","result":[` + numbers + `]}`,
		`{"response_type":"extract","result":[` + numbers + `],"citations":[{"big":[],"id":[],"exact":[],"small":[]}]}`,
		`{"response_type":"v3_extract","result":{"big":{"value":12345678901234567890123,"citations":[]},"id":{"value":9007199254740993,"citations":[]},"exact":{"value":0.1000,"citations":[]},"small":{"value":1e-400,"citations":[]}}}`,
	} {
		r := extraction(t, text)
		var v struct {
			Big   json.Number
			ID    int64
			Exact json.Number
			Small json.RawMessage
		}
		require.NoError(t, r.Decode(t.Context(), &v))
		assert.Equal(t, json.Number("12345678901234567890123"), v.Big)
		assert.Equal(t, int64(9007199254740993), v.ID)
		assert.Equal(t, json.Number("0.1000"), v.Exact)
		assert.Equal(t, "1e-400", string(v.Small))
		var w struct {
			Big   Cited[*big.Int]
			ID    Cited[int64]
			Exact Cited[json.Number]
		}
		require.NoError(t, r.Decode(t.Context(), &w))
		assert.Equal(t, "12345678901234567890123", w.Big.Value.String())
		assert.Equal(t, int64(9007199254740993), w.ID.Value)
		assert.Equal(t, json.Number("0.1000"), w.Exact.Value)
	}
}

// Text is returned unchanged, however it is written in JSON.
func TestDecodeKeepsText(t *testing.T) {
	t.Parallel()
	r := extraction(t, `{"response_type":"v3_extract","result":{"a<b>":{"value":"<&>\u2028\ud83d\udea2 \"}{","citations":[]}}}`)
	var v struct {
		A string `json:"a<b>"`
	}
	require.NoError(t, r.Decode(t.Context(), &v))
	assert.Equal(t, "<&>\u2028🚢 \"}{", v.A)
}

// A usage is encoded as it was decoded. A new one has num_fields, which distinguishes
// an extraction from other results.
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
