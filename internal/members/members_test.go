package members

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type inner struct {
	Deep  int                        `json:"deep,omitzero"`
	Extra map[string]json.RawMessage `json:"-"`
}

func (v *inner) UnmarshalJSON(data []byte) error { return Decode(data, v) }
func (v inner) MarshalJSON() ([]byte, error)     { return Encode(v) }

type unset struct{ set bool }

func (u unset) IsZero() bool                  { return !u.set }
func (u *unset) UnmarshalJSON(b []byte) error { u.set = string(b) == "true"; return nil }
func (u unset) MarshalJSON() ([]byte, error)  { return json.Marshal(u.set) }

type base struct {
	ID string `json:"id"`
}

type outer struct {
	base
	Name     string  `json:"name"`
	Count    *int    `json:"count,omitzero"`
	Old      string  `json:"old,omitempty"`
	In       inner   `json:"in,omitzero"`
	List     []inner `json:"list"`
	Choice   unset   `json:"choice,omitzero"`
	Untagged int
	Hidden   string `json:"-"`
	private  string
	Extra    extra `json:"-"`
}

type extra map[string]json.RawMessage

func TestEncodeRestoresWhatDecodeRead(t *testing.T) {
	t.Parallel()
	const text = ` { "name" : "a\u00e4", "count":0, "list":[{"deep":1,"x":null},{}], "in":{"deep":2,"y":[1, 2]},
		"id":"7", "choice":true, "Untagged":3, "Hidden":"h", "private":"p", "NAME":"other", "z":{"a":1.50}, "nil":null }`
	var v outer
	require.NoError(t, Decode([]byte(text), &v))
	assert.Equal(t, "7", v.ID)
	assert.Equal(t, "aä", v.Name)
	require.NotNil(t, v.Count)
	assert.Zero(t, *v.Count)
	assert.Equal(t, 1, v.List[0].Deep)
	assert.Equal(t, map[string]json.RawMessage{"x": []byte("null")}, v.List[0].Extra)
	assert.Nil(t, v.List[1].Extra)
	assert.True(t, v.Choice.set)
	assert.Equal(t, 3, v.Untagged)
	assert.Empty(t, v.Hidden)
	assert.Empty(t, v.private)
	assert.Equal(t, extra{
		"Hidden": []byte(`"h"`), "private": []byte(`"p"`), "NAME": []byte(`"other"`), "z": []byte(`{"a":1.50}`), "nil": []byte(`null`),
	}, v.Extra)

	raw, err := Encode(&v, Member{"first", []byte(`"1st"`)}, Member{"absent", nil})
	require.NoError(t, err)
	assert.Equal(t, `{"first":"1st","id":"7","name":"aä","count":0,"in":{"deep":2,"y":[1, 2]},"list":[{"deep":1,"x":null},{}],"choice":true,"Untagged":3,`+
		`"Hidden":"h","NAME":"other","nil":null,"private":"p","z":{"a":1.50}}`, strings.ReplaceAll(string(raw), `[1,2]`, `[1, 2]`))
	byValue, err := Encode(v, Member{"first", []byte(`"1st"`)})
	require.NoError(t, err)
	assert.Equal(t, string(raw), string(byValue))
}

func TestDecodeKeepsItsOwnCopy(t *testing.T) {
	t.Parallel()
	text := []byte(`{"z":"abc"}`)
	var v outer
	require.NoError(t, Decode(text, &v))
	copy(text[5:], `"XXX"`)
	assert.Equal(t, `"abc"`, string(v.Extra["z"]))
}

func TestDecodeNullChangesNothing(t *testing.T) {
	t.Parallel()
	v := outer{Name: "kept"}
	for _, text := range []string{"null", " null ", ""} {
		require.NoError(t, Decode([]byte(text), &v))
		assert.Equal(t, outer{Name: "kept"}, v)
	}
	require.NoError(t, Decode([]byte(`{"name":null,"count":null,"list":null,"in":null}`), &v))
	assert.Equal(t, outer{Name: "kept"}, v)
}

func TestDecodeRefusesDuplicatesAndMisfits(t *testing.T) {
	t.Parallel()
	for text, name := range map[string]string{
		`{"name":"a","name":"a"}`:           "name",
		`{"name":null,"name":"a"}`:          "name",
		`{"name":"a","n\u0061me":"b"}`:      "name",
		`{"other":1,"other":2}`:             "other",
		`{"in":{"deep":1,"deep":1}}`:        "deep",
		`{"list":[{},{"x":1,"y":2,"x":1}]}`: "x",
		`{"id":"1","id":"2"}`:               "id",
	} {
		var v outer
		var twice *DuplicateError
		require.ErrorAs(t, Decode([]byte(text), &v), &twice, text)
		assert.Equal(t, name, twice.Name, text)
		assert.Contains(t, twice.Error(), name)
	}
	for _, text := range []string{`[]`, `"a"`, `1`, `true`, `false`} {
		var v outer
		assert.ErrorIs(t, Decode([]byte(text), &v), ErrNotObject, text)
	}
	var v outer
	assert.ErrorContains(t, Decode([]byte(`{"name":1}`), &v), "name: ")
	v = outer{}
	require.NoError(t, Decode([]byte(`{"name":"a","count":1.5}`), &v), "an optional member of another form is kept")
	assert.Nil(t, v.Count)
	assert.JSONEq(t, `1.5`, string(v.Extra["count"]))

}

func TestEncodeRefusesInvalidMembers(t *testing.T) {
	t.Parallel()
	_, err := Encode(outer{Extra: extra{"bad": []byte(`{`)}})
	assert.ErrorContains(t, err, "bad: not valid JSON")
	_, err = Encode(outer{Extra: extra{"empty": nil}})
	assert.Error(t, err)
	_, err = Encode(struct {
		F func() `json:"f"`
	}{})
	assert.ErrorContains(t, err, "f: ")
}

// A struct without a field for unknown members drops them, and still refuses a
// duplicate.
func TestDecodeWithoutExtraDropsUnknownMembers(t *testing.T) {
	t.Parallel()
	var v struct {
		A int `json:"a"`
	}
	require.NoError(t, Decode([]byte(`{"b":1,"a":2}`), &v))
	assert.Equal(t, 2, v.A)
	assert.Error(t, Decode([]byte(`{"b":1,"b":2}`), &v))
	raw, err := Encode(v)
	require.NoError(t, err)
	assert.Equal(t, `{"a":2}`, string(raw))
}

func TestKindIsTheFirstByte(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]byte{
		` {}`: '{', "\n[1]": '[', `"a"`: '"', "\ttrue": 't', "\r\nfalse": 'f', "null": 'n', "-1": '-', "7": '7', "": 0, " ": 0,
	} {
		assert.Equal(t, want, Kind([]byte(text)), "%q", text)
		assert.Equal(t, want == 0 || want == 'n', IsNull([]byte(text)), "%q", text)
	}
	assert.True(t, IsNull([]byte("\r\n\t null \n")))
	assert.False(t, IsNull([]byte("nil")), "what is no JSON is for who reads it to refuse")
	assert.False(t, IsNull([]byte("null null")))
}

func TestEachAndElementsVisitInOrder(t *testing.T) {
	t.Parallel()
	var got []string
	collect := func(name string, value []byte) error {
		got = append(got, name+"="+string(value))
		return nil
	}
	require.NoError(t, Each([]byte(" {\n\"a\" :\t1 , \"b\\\"}\":\"x\\\\\" ,\"\":{\"c\":[\"]}\",{}]},\"d\":[ ], \"e\":-1.5e+3}\n"), collect))
	assert.Equal(t, []string{"a=1", `b"}="x\\"`, `={"c":["]}",{}]}`, "d=[ ]", "e=-1.5e+3"}, got)
	got = nil
	require.NoError(t, Each([]byte(" { } "), collect))
	assert.Empty(t, got)
	assert.ErrorIs(t, Each([]byte("[]"), collect), ErrNotObject)
	assert.ErrorIs(t, Each(nil, collect), ErrNotObject)

	stop := errors.New("stop")
	assert.Equal(t, stop, Each([]byte(`{"a":1,"b":2}`), func(string, []byte) error { return stop }))

	item := func(value []byte) error { return collect("", value) }
	require.NoError(t, Elements([]byte(" [ 1,\"a,]\" ,[2,[3]], {\"b\":[]} ,null\n] "), item))
	assert.Equal(t, []string{"=1", `="a,]"`, "=[2,[3]]", `={"b":[]}`, "=null"}, got)
	got = nil
	require.NoError(t, Elements([]byte("[ ]"), item))
	assert.Empty(t, got)
	assert.Error(t, Elements([]byte("{}"), item))
	assert.Error(t, Elements([]byte(" "), item))
	assert.Equal(t, stop, Elements([]byte(`[1,2]`), func([]byte) error { return stop }))
}

// Each and encoding/json agree about valid objects without duplicates.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, ` {"a" : [1,{"b":"}"}] , "c":"\"\\", "\u0061b":null } `, `{"":{"":{}}}`, `{"ä":"\ud83d\ude00","\ud800":1}`,
		"{\"\xff\":\"\xfe\"}", `[{"a":1},2,"]",[[]]]`, `{"a":1,"a":2}`, `null`, `-0.0e-0`, `"x"`, `{"a":1e400,"b":tru}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		var o outer
		_ = Decode(data, &o)
		switch Kind(data) {
		case '{':
			checkMembers(t, data)
		case '[':
			var want, got []string
			var list []json.RawMessage
			require.NoError(t, json.Unmarshal(data, &list))
			for _, raw := range list {
				want = append(want, string(raw))
			}
			require.NoError(t, Elements(data, func(value []byte) error {
				got = append(got, string(value))
				return nil
			}))
			require.Equal(t, want, got)
		default:
			require.ErrorIs(t, Each(data, nil), ErrNotObject)
			require.Error(t, Elements(data, nil))
		}
	})
}

func checkMembers(t *testing.T, data []byte) {
	var want map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &want))
	got, twice := map[string]json.RawMessage{}, false
	require.NoError(t, Each(data, func(name string, value []byte) error {
		_, seen := got[name]
		twice = twice || seen
		got[name] = value
		return nil
	}))
	require.Equal(t, sorted(want), sorted(got))
	var all struct {
		Extra map[string]json.RawMessage `json:"-"`
	}
	err := Decode(data, &all)
	if twice {
		var duplicate *DuplicateError
		require.ErrorAs(t, err, &duplicate)
		return
	}
	require.NoError(t, err)
	require.Len(t, all.Extra, len(want))
	raw, err := Encode(all)
	require.NoError(t, err)
	require.True(t, json.Valid(raw))
	again := map[string]json.RawMessage{}
	require.NoError(t, Each(raw, func(name string, value []byte) error {
		again[name] = value
		return nil
	}))
	require.Equal(t, sorted(want), sorted(again))
}

func sorted(m map[string]json.RawMessage) []string {
	lines := make([]string, 0, len(m))
	for name, value := range m {
		lines = append(lines, name+"="+string(value))
	}
	slices.Sort(lines)
	return lines
}
