package schema_test

import (
	"encoding/json"
	"maps"
	"math/big"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/schema"
)

type (
	// Address is embedded and nested.
	Address struct {
		Street string `json:"street" jsonschema:"Street and number."`
		City   string `json:"city,omitempty"`
	}
	Contact struct {
		Email string `json:"email"`
	}
	base struct {
		ID string `json:"id"`
	}
	currency string
	// decimal has both methods, as types of decimal numbers do.
	decimal struct{ text string }
	opaque  struct{ text string }
	key     int
	pair    struct {
		A string `json:"a"`
		B string `json:"b"`
	}

	node struct {
		Children []node `json:"children"`
	}
	pointerLoop *pointerLoop
	sliceLoop   []sliceLoop
	mapLoop     map[string]mapLoop
	EmbedsSelf  struct {
		*EmbedsSelf
		A string
	}
	citesSelf struct{ Next reducto.Cited[*citesSelf] }
)

func (d *decimal) UnmarshalText(b []byte) error { d.text = string(b); return nil }
func (d *decimal) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &d.text) }
func (k key) MarshalText() ([]byte, error)      { return nil, nil }
func (o *opaque) UnmarshalJSON(b []byte) error  { o.text = string(b); return nil }

// schemaCase is a named call of For and the schema that it returns.
type schemaCase struct {
	name string
	make func() (json.RawMessage, error)
	want string
}

func TestForReturnsSchema(t *testing.T) {
	t.Parallel()
	for _, test := range []schemaCase{
		{"scalars", schema.For[struct {
			S  string   `json:"s"`
			B  bool     `json:"b"`
			I  int      `json:"i"`
			U  uint     `json:"u"`
			U8 uint8    `json:"u8"`
			F  float64  `json:"f"`
			C  currency `json:"c"`
		}], `{"type":"object","properties":{"s":{"type":"string"},"b":{"type":"boolean"},"i":{"type":"integer"},
			"u":{"type":"integer","minimum":0},"u8":{"type":"integer","minimum":0,"maximum":255},"f":{"type":"number"},
			"c":{"type":"string"}},"required":["s","b","i","u","u8","f","c"]}`},
		{"names", schema.For[struct {
			Untagged string
			NoName   string   `json:",omitempty"`
			Skipped  chan int `json:"-"`
			private  func()
		}], `{"type":"object","properties":{"Untagged":{"type":"string"},"NoName":{"type":"string"}},"required":["Untagged"]}`},
		{"optional fields", schema.For[struct {
			A string                  `json:"a,omitempty"`
			B time.Time               `json:"b,omitzero"`
			C *int                    `json:"c"`
			D **Contact               `json:"d"`
			E reducto.Cited[*string]  `json:"e"`
			F *reducto.Cited[float64] `json:"f"`
		}], `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string","format":"date-time"},
			"c":{"type":"integer"},"d":{"type":"object","properties":{"email":{"type":"string"}},"required":["email"]},
			"e":{"type":"string"},"f":{"type":"number"}}}`},
		{"descriptions", schema.For[struct {
			A string                 `json:"a" jsonschema:"The first, in words."`
			B Address                `json:"b" jsonschema:"Of the buyer."`
			C reducto.Cited[float64] `json:"c" jsonschema:"Without the currency."`
			D any                    `json:"d" jsonschema:"As printed."`
			E json.RawMessage        `json:"e" jsonschema:"As printed."`
		}], `{"type":"object","properties":{"a":{"type":"string","description":"The first, in words."},
			"b":{"type":"object","description":"Of the buyer.","properties":{
				"street":{"type":"string","description":"Street and number."},"city":{"type":"string"}},"required":["street"]},
			"c":{"type":"number","description":"Without the currency."},"d":{"description":"As printed."},
			"e":{"description":"As printed."}},"required":["a","b","c","d","e"]}`},
		{"containers", schema.For[struct {
			List    []Contact           `json:"list"`
			Matrix  [][]float64         `json:"matrix"`
			Fixed   [2]bool             `json:"fixed"`
			Map     map[string]*int     `json:"map"`
			Structs map[string]Contact  `json:"structs"`
			Free    map[string]any      `json:"free"`
			Keys    map[netip.Addr]bool `json:"keys"`
		}], `{"type":"object","properties":{
			"list":{"type":"array","items":{"type":"object","properties":{"email":{"type":"string"}},"required":["email"]}},
			"matrix":{"type":"array","items":{"type":"array","items":{"type":"number"}}},
			"fixed":{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":2},
			"map":{"type":"object","additionalProperties":{"type":"integer"}},
			"structs":{"type":"object","additionalProperties":{"type":"object","properties":{"email":{"type":"string"}},"required":["email"]}},
			"free":{"type":"object","additionalProperties":true},
			"keys":{"type":"object","additionalProperties":{"type":"boolean"}}},
			"required":["list","matrix","fixed","map","structs","free","keys"]}`},
		{"types with methods", schema.For[struct {
			Time    time.Time   `json:"time"`
			Times   []time.Time `json:"times"`
			IP      netip.Addr  `json:"ip"`
			Decimal decimal     `json:"decimal"`
			Int     *big.Int    `json:"int"`
			Number  json.Number `json:"number"`
		}], `{"type":"object","properties":{"time":{"type":"string","format":"date-time"},
			"times":{"type":"array","items":{"type":"string","format":"date-time"}},"ip":{"type":"string"},
			"decimal":{"type":"string"},"int":{"type":"integer"},"number":{"type":"number"}},
			"required":["time","times","ip","decimal","number"]}`},
		{"embedded structs", schema.For[struct {
			base
			Address
			*Contact
			Named pair `json:"named"`
			City  int  `json:"city"`
		}], `{"type":"object","properties":{"id":{"type":"string"},"street":{"type":"string","description":"Street and number."},
			"email":{"type":"string"},"named":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"]},
			"city":{"type":"integer"}},"required":["id","street","named","city"]}`},
		{"embedded with a name", schema.For[struct {
			Address `json:"address"`
			Contact `json:"-"`
			A       string `json:"a"`
		}], `{"type":"object","properties":{"address":{"type":"object","properties":{
			"street":{"type":"string","description":"Street and number."},"city":{"type":"string"}},"required":["street"]},
			"a":{"type":"string"}},"required":["address","a"]}`},
		{"cited", schema.For[struct {
			Total reducto.Cited[float64]   `json:"total"`
			Tags  []reducto.Cited[string]  `json:"tags"`
			List  reducto.Cited[[]Contact] `json:"list"`
			Other Contact                  `json:"other"`
			Date  reducto.Cited[time.Time] `json:"date"`
		}], `{"type":"object","properties":{"total":{"type":"number"},"tags":{"type":"array","items":{"type":"string"}},
			"list":{"type":"array","items":{"type":"object","properties":{"email":{"type":"string"}},"required":["email"]}},
			"other":{"type":"object","properties":{"email":{"type":"string"}},"required":["email"]},
			"date":{"type":"string","format":"date-time"}},"required":["total","tags","list","other","date"]}`},
		{"enums", schema.For[struct {
			A string                  `json:"a" enum:"x, y,z"`
			B *currency               `json:"b" enum:"EUR"`
			C []string                `json:"c" enum:"x,y"`
			D reducto.Cited[currency] `json:"d" enum:"EUR,USD" jsonschema:"Of the total."`
			E currency                `json:"e"`
			F reducto.Cited[[]string] `json:"f" enum:"x"`
			G reducto.Cited[[]string] `json:"g"`
		}], `{"type":"object","properties":{"a":{"type":"string","enum":["x","y","z"]},"b":{"type":"string","enum":["EUR"]},
			"c":{"type":"array","items":{"type":"string","enum":["x","y"]}},
			"d":{"type":"string","enum":["EUR","USD"],"description":"Of the total."},"e":{"type":"string"},
			"f":{"type":"array","items":{"type":"string","enum":["x"]}},"g":{"type":"array","items":{"type":"string"}}},
			"required":["a","c","d","e","f","g"]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := test.make()
			require.NoError(t, err)
			assert.JSONEq(t, test.want, string(got))
		})
	}
}

func TestForKeepsOrderOfFields(t *testing.T) {
	t.Parallel()
	got, err := schema.For[struct {
		Z string `json:"z"`
		Address
		N struct {
			Y string `json:"y"`
			X string `json:"x"`
		} `json:"n"`
		A string `json:"a"`
	}]()
	require.NoError(t, err)
	assert.Regexp(t, `"z":.*"street":.*"city":.*"n":.*"y":.*"x":.*"a":`, string(got))
}

func TestForReturnsRequestError(t *testing.T) {
	t.Parallel()
	type line struct {
		Amount chan int `json:"amount"`
	}
	for _, test := range []struct {
		name   string
		make   func() (json.RawMessage, error)
		field  string
		reason string
	}{
		{"string", schema.For[string], "T", "string is not a struct"},
		{"slice", schema.For[[]Address], "T", "is not a struct"},
		{"pointer", schema.For[*Address], "T", "is not a struct"},
		{"any", schema.For[any], "T", "is not a struct"},
		{"function", schema.For[func()], "T", "is not a struct"},
		{"Cited", schema.For[reducto.Cited[Address]], "T", "use Cited for the fields"},
		{"time", schema.For[time.Time], "T", "as type string"},
		{"embedded time", schema.For[struct{ time.Time }], "T", "as type string"},
		{"big number", schema.For[big.Int], "T", "as type integer"},
		{"no fields", schema.For[struct{}], "T", "has no exported fields"},
		{"UnmarshalJSON", schema.For[opaque], "T", "UnmarshalJSON"},
		{"embedded Cited", schema.For[struct{ reducto.Cited[string] }], "T", "UnmarshalJSON"},
		{"nested without fields", schema.For[struct{ A []struct{ b int } }], "A[]", "has no exported fields"},
		{"recursion", schema.For[node], "Children[]", "contains itself"},
		{"recursion of pointers", schema.For[struct{ A pointerLoop }], "A", "contains itself"},
		{"recursion of slices", schema.For[struct{ A sliceLoop }], "A[]", "contains itself"},
		{"recursion of maps", schema.For[struct{ A mapLoop }], "A[]", "contains itself"},
		{"recursion of embedded", schema.For[EmbedsSelf], "EmbedsSelf", "contains itself"},
		{"recursion of Cited", schema.For[citesSelf], "Next", "contains itself"},
		{"channel", schema.For[struct{ Lines []line }], "Lines[].Amount", "chan int has no form in JSON"},
		{"function in a map", schema.For[struct{ A map[string]struct{ B func() } }], "A[].B", "no form in JSON"},
		{"complex", schema.For[struct{ A *complex64 }], "A", "no form in JSON"},
		{"complex in Cited", schema.For[struct{ A reducto.Cited[[]complex128] }], "A[]", "no form in JSON"},
		{"unsafe pointer", schema.For[struct{ A unsafe.Pointer }], "A", "no form in JSON"},
		{"channel embedded", schema.For[struct{ line2 }], "Amount", "no form in JSON"},
		{"map keys", schema.For[struct{ A map[int]string }], "A", "not strings"},
		{"map keys without UnmarshalText", schema.For[struct{ A map[key]string }], "A", "not strings"},
		{"bytes", schema.For[struct{ A []byte }], "A", "base64"},
		{"interface", schema.For[struct{ A error }], "A", "interface error"},
		{"interface without description", schema.For[struct{ A any }], "A", "describe the field"},
		{"field with UnmarshalJSON", schema.For[struct{ A []opaque }], "A[]", "UnmarshalJSON"},
		{"option string", schema.For[struct {
			A int `json:"a,string"`
		}], "A", "option string"},
		{"name that encoding/json ignores", schema.For[struct {
			A int `json:"a\\b"` //lint:ignore SA5008 that is what is refused
		}], "A", "ignores the name"},
		{"empty description", schema.For[struct {
			A int `jsonschema:""`
		}], "A", "is empty"},
		{"tag of another package", schema.For[struct {
			A int `jsonschema:"description=the first"`
		}], "A", `"description="`},
		{"enum of numbers", schema.For[struct {
			A int `enum:"1,2"`
		}], "A", "for strings"},
		{"enum of times", schema.For[struct {
			A time.Time `enum:"1,2"`
		}], "A", "for strings"},
		{"empty enum", schema.For[struct {
			A string `enum:""`
		}], "A", "empty value"},
		{"enum with empty value", schema.For[struct {
			A string `enum:"a,,b"`
		}], "A", "empty value"},
		{"enum with a value twice", schema.For[struct {
			A string `enum:"a,a"`
		}], "A", "twice"},
		{"embedded pointer to unexported", schema.For[struct{ *base }], "base", "unexported"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := test.make()
			assert.Nil(t, got)
			var refused *reducto.RequestError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, "schema.For", refused.Op)
			assert.Equal(t, test.field, refused.Field)
			assert.Contains(t, refused.Reason, test.reason)
		})
	}
}

type line2 struct{ Amount chan int }

func TestMustForPanics(t *testing.T) {
	t.Parallel()
	assert.PanicsWithError(t, "reducto: schema.For: T: int is not a struct: give a struct type", func() { schema.MustFor[int]() })
	assert.NotPanics(t, func() { schema.MustFor[Address]() })
}

type (
	Left struct {
		Same  string
		Left  int
		Inner Contact
	}
	Right struct {
		Same  string
		Right bool
		Deep
	}
	Deep struct {
		Left  string
		Depth float64 `json:"Right"`
		Tail  []Contact
	}
	Name string
)

// The schema has the names that encoding/json has, and its values conform to it.
func TestForAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	agrees[struct {
		Left
		Right
	}](t)
	agrees[struct {
		Left
		*Right
		Same int `json:"same"`
	}](t)
	agrees[struct {
		Deep
		*Left `json:"left"`
		Name
		Other string `json:"Name"`
	}](t)
	agrees[struct {
		X string `json:"Y"`
		Y string
		Z map[string]time.Time
	}](t)
}

func agrees[T any](t *testing.T) {
	t.Helper()
	raw, err := schema.For[T]()
	require.NoError(t, err)
	var s jsonschema.Schema
	require.NoError(t, json.Unmarshal(raw, &s))

	var value T
	fill(reflect.ValueOf(&value).Elem())
	encoded, err := json.Marshal(value)
	require.NoError(t, err)
	var decoded map[string]any
	require.NoError(t, json.Unmarshal(encoded, &decoded))
	assert.ElementsMatch(t, slices.Collect(maps.Keys(decoded)), slices.Collect(maps.Keys(s.Properties)), "%s", raw)

	resolved, err := s.Resolve(nil)
	require.NoError(t, err)
	assert.NoError(t, resolved.Validate(decoded))
}

// fill sets the pointers and slices of a struct.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}
