package reducto

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/members"
)

// furtherMembers lists members of results that are not fields with a json tag. The
// optional ones have an example.
type furtherMembers struct{ required, optional map[string]string }

// answerTypes are all types that the service's answers are decoded into.
var answerTypes = map[reflect.Type]furtherMembers{
	reflect.TypeFor[Job]():         {},
	reflect.TypeFor[JobSummary]():  {},
	reflect.TypeFor[JobPage]():     {},
	reflect.TypeFor[ErrorDetail](): {},
	reflect.TypeFor[Upload]():      {},
	reflect.TypeFor[ParseResult](): {
		map[string]string{"result": `{"chunks":[]}`}, map[string]string{"response_type": `"parse"`},
	},
	reflect.TypeFor[fullResult](): {},
	reflect.TypeFor[ExtractResult](): {
		map[string]string{"result": `{"a":1}`}, map[string]string{"response_type": `"v3_extract"`, "citations": `[{}]`},
	},
	reflect.TypeFor[ExtractUsage](): {},
	reflect.TypeFor[SplitResult](): {
		map[string]string{"result": `{"splits":[]}`}, map[string]string{"response_type": `"split"`},
	},
	reflect.TypeFor[splitContent](): {},
	reflect.TypeFor[PipelineResult](): {
		map[string]string{"result": `{"parse":null,"extract":null,"split":null}`}, map[string]string{"response_type": `"pipeline"`},
	},
	reflect.TypeFor[EditResult](): {nil, map[string]string{"response_type": `"edit"`}},
	reflect.TypeFor[ClassifyResult](): {
		map[string]string{"result": `{"category":"a"}`}, map[string]string{"response_type": `"classify"`},
	},
	reflect.TypeFor[ChartResult]():         {nil, map[string]string{"response_type": `"chart"`}},
	reflect.TypeFor[Block]():               {},
	reflect.TypeFor[BoundingBox]():         {},
	reflect.TypeFor[GranularConfidence]():  {},
	reflect.TypeFor[Chunk]():               {},
	reflect.TypeFor[OCRResult]():           {},
	reflect.TypeFor[OCRWord]():             {},
	reflect.TypeFor[OCRLine]():             {},
	reflect.TypeFor[ParseUsage]():          {},
	reflect.TypeFor[Citation]():            {},
	reflect.TypeFor[Split]():               {},
	reflect.TypeFor[SplitPartition]():      {},
	reflect.TypeFor[SplitPage]():           {},
	reflect.TypeFor[SplitExtract]():        {},
	reflect.TypeFor[EditWidget]():          {},
	reflect.TypeFor[ResponseConfidence]():  {},
	reflect.TypeFor[CategoryConfidence]():  {},
	reflect.TypeFor[CriterionConfidence](): {},
	reflect.TypeFor[ClassifyUsage]():       {},
}

// smallest returns the object of the type t that has only its required members.
func smallest(t reflect.Type) map[string]json.RawMessage {
	o := map[string]json.RawMessage{}
	for name, value := range answerTypes[t].required {
		o[name] = json.RawMessage(value)
	}
	eachMember(t, func(name string, optional bool, f reflect.Type) {
		if !optional {
			o[name] = json.RawMessage(example(f))
		}
	})
	return o
}

func example(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return `"x"`
	case reflect.Bool:
		return "true"
	case reflect.Slice:
		return "[]"
	case reflect.Map:
		return "{}"
	case reflect.Pointer:
		return example(t.Elem())
	case reflect.Struct:
		raw, err := json.Marshal(smallest(t))
		if err != nil {
			panic(err)
		}
		return string(raw)
	}
	return "1"
}

func eachMember(t reflect.Type, f func(name string, optional bool, of reflect.Type)) {
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			f(name, strings.Contains(options, "omit"), field.Type)
		}
	}
}

// optionalMembers returns the names of the optional members of t.
func optionalMembers(t reflect.Type) []string {
	names := slices.Collect(maps.Keys(answerTypes[t].optional))
	eachMember(t, func(name string, optional bool, _ reflect.Type) {
		if optional {
			names = append(names, name)
		}
	})
	return names
}

// decodeAndEncode decodes an object as the type t, twice, and encodes it again.
func decodeAndEncode(t reflect.Type, in map[string]json.RawMessage) (sent, encoded []byte, err error) {
	sent, err = json.Marshal(in)
	if err != nil {
		return nil, nil, err
	}
	v, again := reflect.New(t), reflect.New(t)
	for _, v := range []reflect.Value{v, again} {
		decode := json.Unmarshal
		if _, ok := v.Interface().(json.Unmarshaler); !ok {
			decode = members.Decode
		}
		if err := decode(sent, v.Interface()); err != nil {
			return sent, nil, err
		}
	}
	if !reflect.DeepEqual(v.Interface(), again.Interface()) {
		return sent, nil, fmt.Errorf("two of the same bytes differ: %s", sent)
	}
	if _, ok := v.Interface().(json.Marshaler); !ok {
		encoded, err = members.Encode(v.Interface())
		return sent, encoded, err
	}
	encoded, err = json.Marshal(v.Interface())
	return sent, encoded, err
}

// zeros are the explicit zeros of every kind of JSON value except null. The service and
// this library treat null as an absent member.
var zeros = []string{`false`, `0`, `0.0`, `-0e1`, `""`, `[]`, `{}`, `{ }`}

func TestExplicitZeroOfOptionalMemberIsEncodedAgain(t *testing.T) {
	t.Parallel()
	count := 0
	for typ := range answerTypes {
		for _, name := range optionalMembers(typ) {
			count++
			for _, zero := range zeros {
				in := smallest(typ)
				in[name] = json.RawMessage(zero)
				sent, encoded, err := decodeAndEncode(typ, in)
				require.NoError(t, err, "%s.%s: %s", typ, name, zero)
				assert.JSONEq(t, string(sent), string(encoded), "%s.%s: %s", typ, name, zero)
			}
		}
	}
	assert.Greater(t, count, 70)
}

func TestRequiredMembersAreEncodedWithTheirZero(t *testing.T) {
	t.Parallel()
	for typ := range answerTypes {
		eachMember(typ, func(name string, optional bool, f reflect.Type) {
			zero, ok := map[reflect.Kind]string{
				reflect.String: `""`, reflect.Int: "0", reflect.Float64: "0", reflect.Slice: "[]",
			}[f.Kind()]
			if optional || !ok {
				return
			}
			in := smallest(typ)
			in[name] = json.RawMessage(zero)
			sent, encoded, err := decodeAndEncode(typ, in)
			require.NoError(t, err, "%s.%s", typ, name)
			assert.JSONEq(t, string(sent), string(encoded), "%s.%s", typ, name)
		})
	}
}

func TestOptionalMemberOfAnyFormIsKept(t *testing.T) {
	t.Parallel()
	for typ := range answerTypes {
		for _, name := range optionalMembers(typ) {
			for _, form := range []string{
				`null`, `7`, `7.5`, `"seven"`, `true`, `[7]`, `[null]`, `[{"a":7}]`, `[[7]]`, `{"a":7}`, `{"a":{"a":[7]}}`,
			} {
				in := smallest(typ)
				in[name] = json.RawMessage(form)
				sent, encoded, err := decodeAndEncode(typ, in)
				require.NoError(t, err, "%s.%s: %s", typ, name, form)
				want, got := value(t, sent).(map[string]any), value(t, encoded).(map[string]any)
				if form[0] == '{' || form[0] == '[' {
					// A struct that an object fits is encoded with all its required members.
					assert.NotNil(t, got[name], "%s.%s: %s: %s", typ, name, form, encoded)
					delete(want, name)
					delete(got, name)
				}
				assert.Equal(t, want, got, "%s.%s: %s", typ, name, form)
			}
		}
	}
}

func TestFieldReplacesKeptZero(t *testing.T) {
	t.Parallel()
	var s Split
	require.NoError(t, json.Unmarshal([]byte(`{"name":"a","pages":[],"conf":""}`), &s))
	assert.Equal(t, Extra{"conf": []byte(`""`)}, s.Extra)
	s.Confidence = ConfidenceLow
	raw, err := json.Marshal(s)
	require.NoError(t, err)
	assert.JSONEq(t, `{"name":"a","pages":[],"conf":"low"}`, string(raw))

	var c Chunk
	require.NoError(t, json.Unmarshal([]byte(`{"content":"","embed":"","enrichment_success":false,"blocks":[]}`), &c))
	assert.Nil(t, c.Extra, "every chunk has one")
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", c, c, c), "unsuccessful")
	c.EnrichmentSuccess = true
	raw, err = json.Marshal(c)
	require.NoError(t, err)
	assert.JSONEq(t, `{"content":"","embed":"","enrichment_success":true,"blocks":[]}`, string(raw))
	raw, err = json.Marshal(Chunk{})
	require.NoError(t, err)
	assert.NotContains(t, string(raw), "enrichment_success")
}

func TestCitationOfAnyFormKeepsTheValue(t *testing.T) {
	t.Parallel()
	const good = `{"type":"Text","bbox":{"left":0.1,"top":0,"width":1,"height":1,"page":1},"content":"c"}`
	for citation, want := range map[string]string{
		good:                                      good,
		`{"page":1,"bbox":[1,1,101,21]}`:          "",
		`{"bbox":[1,1,101,21],"content":7}`:       "",
		`{"type":null,"bbox":null,"content":"c"}`: "",
		`{"type":"Text","bbox":{"left":"a"},"content":["c"],"parentBlock":{"bbox":7}}`: "",
		`{"content":"c","confidence":{"a":1},"granular_confidence":"high"}`:            "",
		`{}`:      "",
		`7`:       "none",
		`"p. 1"`:  "none",
		`null`:    "none",
		`[1,2,3]`: "none",
	} {
		for form, text := range map[string]string{
			"v3_extract": `{"response_type":"v3_extract","result":{"a":{"value":1,"citations":[` + good + `,` + citation + `]},"b":{"value":[1,2],"citations":[` + good + `,` + citation + `]},"c":{"value":2,"citations":[` + citation + `]}}}`,
			"extract":    `{"response_type":"extract","result":[{"a":1,"b":[1,2],"c":2}],"citations":[{"a":[` + good + `,` + citation + `],"b":[` + good + `,` + citation + `],"c":[` + citation + `]}]}`,
		} {
			r := extraction(t, text)
			var plain struct {
				A, C int
				B    []int
			}
			require.NoError(t, r.Decode(t.Context(), &plain), "%s: %s", form, citation)
			assert.Equal(t, []int{1, 2, 1, 2}, []int{plain.A, plain.C, plain.B[0], plain.B[1]})
			if form == "extract" && citation == `[1,2,3]` {
				continue // a list of citations within a list belongs to an element
			}
			var v struct {
				A Cited[int]
				B Cited[[]int]
				C *Cited[int]
			}
			require.NoError(t, r.Decode(t.Context(), &v), "%s: %s", form, citation)
			assert.Equal(t, 1, v.A.Value)
			assert.Equal(t, []int{1, 2}, v.B.Value)
			assert.Equal(t, 2, v.C.Value)
			if want == "none" {
				assert.Len(t, v.A.Citations, 1, "%s: %s", form, citation)
				assert.Empty(t, v.C.Citations)
				continue
			}
			require.Len(t, v.A.Citations, 2, "%s: %s", form, citation)
			require.Len(t, v.B.Citations, 2, "%s: %s", form, citation)
			assert.Equal(t, "c", v.B.Citations[0].Content)
			encoded, err := json.Marshal(v.C.Citations[0])
			require.NoError(t, err)
			sent, got := value(t, []byte(citation)).(map[string]any), value(t, encoded).(map[string]any)
			for name, member := range sent {
				if name != "parentBlock" {
					assert.Equal(t, member, got[name], "%s of %s: %s", name, citation, encoded)
				}
			}
		}
	}
}

func TestCitationsThatAreNoListKeepTheValue(t *testing.T) {
	t.Parallel()
	for _, citations := range []string{`null`, `7`, `"p. 1"`, `true`, `{"page":1}`, `{}`} {
		for _, text := range []string{
			`{"response_type":"v3_extract","result":{"a":{"value":1,"citations":` + citations + `},"b":{"value":{"c":"x"},"citations":` + citations + `}}}`,
			`{"response_type":"extract","result":[{"a":1,"b":{"c":"x"}}],"citations":[{"a":` + citations + `,"b":` + citations + `}]}`,
			`{"response_type":"extract","result":[{"a":1,"b":{"c":"x"}}],"citations":` + citations + `}`,
		} {
			r := extraction(t, text)
			var plain struct {
				A int
				B struct{ C string }
			}
			require.NoError(t, r.Decode(t.Context(), &plain), text)
			assert.Equal(t, 1, plain.A)
			assert.Equal(t, "x", plain.B.C)
			var v struct {
				A Cited[int]
				B Cited[struct{ C string }]
			}
			require.NoError(t, r.Decode(t.Context(), &v), text)
			assert.Equal(t, 1, v.A.Value)
			assert.Equal(t, "x", v.B.Value.C)
			assert.Empty(t, v.A.Citations)
		}
	}
	// A user's data may have these names.
	var m map[string]map[string]int
	require.NoError(t, extraction(t, `{"response_type":"v3_extract","result":{"a":{"value":1,"citations":7}}}`).Decode(t.Context(), &m))
	assert.Equal(t, map[string]int{"value": 1, "citations": 7}, m["a"])
}
