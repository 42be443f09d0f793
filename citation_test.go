package reducto

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecodeFillsCitedFields(t *testing.T) {
	t.Parallel()
	for _, name := range extractSamples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := resultOf[*ExtractResult](t, name)
			var v citedDues
			require.NoError(t, r.Decode(t.Context(), &v))
			assert.Equal(t, "HD-77", v.Number.Value)
			assert.Equal(t, 1250.5, v.Total.Value)
			assert.Nil(t, v.Paid.Value)
			assert.Equal(t, "B 4", v.Berth.Name.Value)
			assert.Equal(t, 31, v.Berth.Metres.Value)
			assert.Equal(t, "quay", v.Lines[0].Text)
			assert.Equal(t, json.Number("250.5"), v.Lines[1].Amount.Value)
			assert.Equal(t, "quay", v.Tags[1].Value)

			var list []citedDues
			require.NoError(t, r.Decode(t.Context(), &list))
			assert.Equal(t, []citedDues{v}, list)

			if name == "job_extract_v3_plain.json" || name == "job_extract_list.json" {
				assert.Empty(t, v.Number.Citations)
				return
			}
			require.Len(t, v.Number.Citations, 1)
			c := v.Number.Citations[0]
			assert.Equal(t, "No. HD-77", c.Content)
			assert.Equal(t, 3, c.BBox.OriginalPage)
			assert.Equal(t, 0.9375, *c.GranularConfidence.ExtractConfidence)
			require.NotNil(t, c.ParentBlock)
			assert.Equal(t, BlockTypeTable, c.ParentBlock.Type)
			assert.Equal(t, "1,250.50", v.Total.Citations[0].Content)
			assert.Equal(t, "31 m", v.Berth.Metres.Citations[0].Content)
			assert.Equal(t, "250.50", v.Lines[1].Amount.Citations[0].Content)
			assert.Equal(t, "quay", v.Tags[1].Citations[0].Content)
		})
	}
}

func TestCitationsReturnsOnlySeparateCitations(t *testing.T) {
	t.Parallel()
	cites, err := resultOf[*ExtractResult](t, "job_extract_v2_citations.json").Citations(t.Context())
	require.NoError(t, err)
	var list []map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(cites, &list))
	assert.Contains(t, list[0], "number")
	for _, name := range []string{"job_extract_list.json", "job_extract_v3_citations.json", "job_extract_v3_plain.json"} {
		cites, err := resultOf[*ExtractResult](t, name).Citations(t.Context())
		require.NoError(t, err)
		assert.Nil(t, cites, name)
	}
}

func TestDecodeFillsCitedFieldsOfEveryType(t *testing.T) {
	t.Parallel()
	const cited = `{"value":%s,"citations":` + oneCitation + `}`
	leaf := func(v string) string { return fmt.Sprintf(cited, v) }

	t.Run("a whole struct", func(t *testing.T) {
		t.Parallel()
		r := extraction(t, `{"response_type":"v3_extract","result":{"berth":`+leaf(`{"name":`+leaf(`"B 4"`)+`,"metres":31}`)+`}}`)
		var v struct{ Berth Cited[berth] }
		require.NoError(t, r.Decode(t.Context(), &v))
		assert.Equal(t, berth{"B 4", 31}, v.Berth.Value)
		require.Len(t, v.Berth.Citations, 1)
		assert.Equal(t, -0.5, v.Berth.Citations[0].BBox.Left)
		var w struct {
			Berth struct{ Name Cited[string] }
		}
		require.NoError(t, r.Decode(t.Context(), &w))
		assert.Len(t, w.Berth.Name.Citations, 1)
		var plain struct{ Berth *berth }
		require.NoError(t, r.Decode(t.Context(), &plain))
		assert.Equal(t, &berth{"B 4", 31}, plain.Berth)
	})
	t.Run("a whole list", func(t *testing.T) {
		t.Parallel()
		r := extraction(t, `{"response_type":"v3_extract","result":{"tags":`+leaf(`["a",`+leaf(`"b"`)+`]`)+`}}`)
		var v struct{ Tags Cited[[]string] }
		require.NoError(t, r.Decode(t.Context(), &v))
		assert.Equal(t, []string{"a", "b"}, v.Tags.Value)
		assert.Len(t, v.Tags.Citations, 1)
		var w struct{ Tags []string }
		require.NoError(t, r.Decode(t.Context(), &w))
		assert.Equal(t, []string{"a", "b"}, w.Tags)
		var x struct{ Tags Cited[[]Cited[string]] }
		require.NoError(t, r.Decode(t.Context(), &x))
		assert.Empty(t, x.Tags.Value[0].Citations)
		assert.Len(t, x.Tags.Value[1].Citations, 1)
		var y struct{ Tags [3]string }
		require.NoError(t, r.Decode(t.Context(), &y))
		assert.Equal(t, [3]string{"a", "b"}, y.Tags)
	})
	t.Run("a list, joined", func(t *testing.T) {
		t.Parallel()
		r := extraction(t, `{"response_type":"extract","result":[{"tags":["a","b"]}],"citations":[{"tags":`+oneCitation+`}]}`)
		var v struct{ Tags Cited[[]string] }
		require.NoError(t, r.Decode(t.Context(), &v))
		assert.Equal(t, []string{"a", "b"}, v.Tags.Value)
		assert.Len(t, v.Tags.Citations, 1)
	})
	t.Run("maps", func(t *testing.T) {
		t.Parallel()
		r := extraction(t, `{"response_type":"v3_extract","result":{"a":`+leaf(`1`)+`,"b":`+leaf(`2`)+`,"c":3}}`)
		var plain map[string]int
		require.NoError(t, r.Decode(t.Context(), &plain))
		assert.Equal(t, map[string]int{"a": 1, "b": 2, "c": 3}, plain)
		var cited map[string]Cited[int]
		require.NoError(t, r.Decode(t.Context(), &cited))
		assert.Equal(t, 2, cited["b"].Value)
		assert.Len(t, cited["b"].Citations, 1)
		assert.Empty(t, cited["c"].Citations)
		var held struct{ M map[string]string }
		r = extraction(t, `{"response_type":"v3_extract","result":{"m":`+leaf(`{"x":`+leaf(`"y"`)+`}`)+`}}`)
		require.NoError(t, r.Decode(t.Context(), &held))
		assert.Equal(t, map[string]string{"x": "y"}, held.M)
	})
	t.Run("types that read JSON themselves", func(t *testing.T) {
		t.Parallel()
		r := extraction(t, `{"response_type":"v3_extract","result":{"at":`+leaf(`"2026-10-02T08:15:30Z"`)+`,"n":`+leaf(`12345678901234567890123`)+`,"raw":`+leaf(`[ 1.50 ]`)+`}}`)
		var v struct {
			At  time.Time
			N   *big.Int
			Raw json.RawMessage
		}
		require.NoError(t, r.Decode(t.Context(), &v))
		assert.Equal(t, 2026, v.At.Year())
		assert.Equal(t, "12345678901234567890123", v.N.String())
		assert.Equal(t, "[ 1.50 ]", string(v.Raw))
		var w struct {
			At  Cited[time.Time]
			N   Cited[*big.Int]
			Raw Cited[json.RawMessage]
		}
		require.NoError(t, r.Decode(t.Context(), &w))
		assert.Equal(t, v.At, w.At.Value)
		assert.Equal(t, v.N, w.N.Value)
		assert.Equal(t, v.Raw, w.Raw.Value)
		assert.Len(t, w.N.Citations, 1)
	})
	t.Run("values that are null or absent", func(t *testing.T) {
		t.Parallel()
		r := extraction(t, `{"response_type":"v3_extract","result":{"a":{"value":null,"citations":[]},"b":null,"c":{"value":5,"citations":null}}}`)
		var v struct{ A, B, C, D Cited[int] }
		require.NoError(t, r.Decode(t.Context(), &v))
		assert.Equal(t, 5, v.C.Value)
		v.C = Cited[int]{}
		assert.Empty(t, v.A.Citations)
		v.A = Cited[int]{}
		assert.Zero(t, v)
		var w struct{ A, B, C, D *int }
		require.NoError(t, r.Decode(t.Context(), &w))
		assert.Nil(t, w.A)
		assert.Equal(t, 5, *w.C)
	})
	t.Run("tags", func(t *testing.T) {
		t.Parallel()
		r := extraction(t, `{"response_type":"v3_extract","result":{"UPPER":`+leaf(`2`)+`,"Skipped":`+leaf(`3`)+`,"text":`+leaf(`"4"`)+`,"in":{"deep":`+leaf(`5`)+`}}}`)
		var v struct {
			Upper   int
			Skipped int `json:"-"`
			Text    int `json:"text,string"`
			in      int
			In      struct{ Deep int } `json:"in"`
		}
		require.NoError(t, r.Decode(t.Context(), &v))
		assert.Equal(t, []int{2, 0, 4, 0, 5}, []int{v.Upper, v.Skipped, v.Text, v.in, v.In.Deep})
	})
	t.Run("a type of itself", func(t *testing.T) {
		t.Parallel()
		type tree struct {
			Name     string
			Children []*tree
			ByName   map[string]tree
		}
		require.False(t, wantsCitations(reflect.TypeFor[tree]()))
		r := extraction(t, `{"response_type":"v3_extract","result":{"name":`+leaf(`"a"`)+`,"children":[{"name":`+leaf(`"b"`)+`,"byname":{"c":{"name":`+leaf(`"c"`)+`}}}]}}`)
		var v tree
		require.NoError(t, r.Decode(t.Context(), &v))
		assert.Equal(t, tree{Name: "a", Children: []*tree{{Name: "b", ByName: map[string]tree{"c": {Name: "c"}}}}}, v)
	})
}

// A user's own struct with value and citations is an ordinary struct.
func TestDecodeKeepsUsersOwnCitedType(t *testing.T) {
	t.Parallel()
	type own struct {
		Value     json.RawMessage
		Citations []struct{ Content string }
	}
	r := resultOf[*ExtractResult](t, "job_extract_v3_citations.json")
	var v struct{ Number, Total own }
	require.NoError(t, r.Decode(t.Context(), &v))
	assert.Equal(t, `"HD-77"`, string(v.Number.Value))
	assert.Equal(t, "No. HD-77", v.Number.Citations[0].Content)

	// The user's schema may have these names too, next to others.
	r = extraction(t, `{"response_type":"v3_extract","result":{"value":1,"citations":[{"content":"c"}]}}`)
	var top own
	require.NoError(t, r.Decode(t.Context(), &top))
	assert.Equal(t, "1", string(top.Value))
	var more struct {
		Boat struct {
			Value     int
			Citations []string
			Other     bool
		}
	}
	r = extraction(t, `{"response_type":"v3_extract","result":{"boat":{"value":1,"citations":["x"],"other":true}}}`)
	require.NoError(t, r.Decode(t.Context(), &more))
	assert.Equal(t, []string{"x"}, more.Boat.Citations)
	assert.True(t, more.Boat.Other)
	var text struct {
		Boat struct {
			Value     int
			Citations string
		}
	}
	r = extraction(t, `{"response_type":"v3_extract","result":{"boat":{"value":1,"citations":"Lloyd's"}}}`)
	require.NoError(t, r.Decode(t.Context(), &text))
	assert.Equal(t, "Lloyd's", text.Boat.Citations)
}

func TestJoinMergesCitationsIntoValues(t *testing.T) {
	t.Parallel()
	c := func(v string) string { return `{"value":` + v + `,"citations":` + oneCitation + `}` }
	for name, test := range map[string]struct{ value, cites, want string }{
		"scalars":                 {`[{"a":1,"b":"x"}]`, `[{"a":` + oneCitation + `,"b":` + oneCitation + `}]`, `[{"a":` + c(`1`) + `,"b":` + c(`"x"`) + `}]`},
		"no citations of a field": {`[{"a":1,"b":2}]`, `[{"a":` + oneCitation + `,"b":null}]`, `[{"a":` + c(`1`) + `,"b":2}]`},
		"an empty list":           {`[{"a":1}]`, `[{"a":[]}]`, `[{"a":{"value":1,"citations":[]}}]`},
		"fields without value":    {`[{"a":1}]`, `[{"b":` + oneCitation + `}]`, `[{"a":1}]`},
		"null":                    {`[{"a":null}]`, `[{"a":` + oneCitation + `}]`, `[{"a":` + c(`null`) + `}]`},
		"objects":                 {`[{"a":{"b":{"c":true}}}]`, `[{"a":{"b":{"c":` + oneCitation + `}}}]`, `[{"a":{"b":{"c":` + c(`true`) + `}}}]`},
		"list by element":         {`[{"a":[1,2]}]`, `[{"a":[` + oneCitation + `,` + oneCitation + `]}]`, `[{"a":[` + c(`1`) + `,` + c(`2`) + `]}]`},
		"list by element, short":  {`[{"a":[1,2]}]`, `[{"a":[` + oneCitation + `]}]`, `[{"a":[` + c(`1`) + `,2]}]`},
		"list as one":             {`[{"a":[1,2]}]`, `[{"a":` + oneCitation + `}]`, `[{"a":` + c(`[1,2]`) + `}]`},
		"list of objects":         {`[{"a":[{"b":1}]}]`, `[{"a":[{"b":` + oneCitation + `}]}]`, `[{"a":[{"b":` + c(`1`) + `}]}]`},
		"several values":          {`[{"a":1},{"a":2}]`, `[{"a":` + oneCitation + `},{"a":` + oneCitation + `}]`, `[{"a":` + c(`1`) + `},{"a":` + c(`2`) + `}]`},
		"a field called bbox":     {`[{"bbox":{"left":1}}]`, `[{"bbox":{"left":` + oneCitation + `}}]`, `[{"bbox":{"left":` + c(`1`) + `}}]`},
		"bboxes":                  {`[{"a":[{"bbox":{"left":1}}]}]`, `[{"a":[{"bbox":{"left":` + oneCitation + `}}]}]`, `[{"a":[{"bbox":{"left":` + c(`1`) + `}}]}]`},
		"nothing in common":       {`[{"a":1}]`, `{"b":[]}`, `[{"a":1}]`},
		"citations are a text":    {`[{"a":1}]`, `"none"`, `[{"a":1}]`},
		"escaped names":           {`[{"\u0061":1}]`, `[{"a":` + oneCitation + `}]`, `[{"a":` + c(`1`) + `}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.JSONEq(t, test.want, string(join([]byte(test.value), []byte(test.cites))))
		})
	}
}

func TestWantsCitationsFindsNestedCited(t *testing.T) {
	t.Parallel()
	for _, yes := range []reflect.Type{
		reflect.TypeFor[Cited[int]](), reflect.TypeFor[*Cited[int]](), reflect.TypeFor[[]Cited[int]](), reflect.TypeFor[[2]Cited[int]](),
		reflect.TypeFor[map[string]Cited[int]](), reflect.TypeFor[struct{ A struct{ B *[]Cited[int] } }](), reflect.TypeFor[struct{ Cited[int] }](), reflect.TypeFor[citedDues](),
	} {
		assert.True(t, wantsCitations(yes), yes)
	}
	for _, no := range []reflect.Type{
		reflect.TypeFor[int](), reflect.TypeFor[any](), reflect.TypeFor[dues](), reflect.TypeFor[struct{ a Cited[int] }](), reflect.TypeFor[func() Cited[int]](), reflect.TypeFor[Citation](),
	} {
		assert.False(t, wantsCitations(no), no)
	}
}

func TestCitedSurvivesJSON(t *testing.T) {
	t.Parallel()
	c := Cited[string]{Value: "a", Citations: []Citation{{Block: Block{Type: BlockTypeText, Content: "c"}, ParentBlock: &Block{Content: "p"}}}}
	raw, err := json.Marshal(c)
	require.NoError(t, err)
	var again Cited[string]
	require.NoError(t, json.Unmarshal(raw, &again))
	assert.Equal(t, c, again)
	raw, err = json.Marshal(Cited[int]{Value: 5})
	require.NoError(t, err)
	assert.JSONEq(t, `{"value":5}`, string(raw))

	// Unknown members of a citation and of its block are kept.
	const citation = `{"type":"Text","bbox":{"left":0,"top":0,"width":1,"height":1,"page":1},"content":"c","new":1,"parentBlock":{"type":"Text","bbox":{"left":0,"top":0,"width":1,"height":1,"page":1},"content":"p","block_type":"Text"}}`
	var v Citation
	require.NoError(t, json.Unmarshal([]byte(citation), &v))
	assert.Equal(t, Extra{"new": []byte("1")}, v.Extra)
	raw, err = json.Marshal(v)
	require.NoError(t, err)
	assert.JSONEq(t, citation, string(raw))
}
