package schema

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

type kilo float64

// scalars are the types of single values, each with a function that writes one as a
// document has it.
var scalars = []struct {
	reflect.Type
	text func(*rand.Rand) string
}{
	{reflect.TypeFor[string](), word},
	{reflect.TypeFor[bool](), func(r *rand.Rand) string { return []string{"yes", "no"}[r.IntN(2)] }},
	{reflect.TypeFor[int](), func(r *rand.Rand) string { return strconv.Itoa(r.IntN(2e9) - 1e9) }},
	{reflect.TypeFor[int64](), func(r *rand.Rand) string { return strconv.FormatInt(r.Int64N(1<<53), 10) }},
	{reflect.TypeFor[uint16](), func(r *rand.Rand) string { return strconv.Itoa(r.IntN(1 << 16)) }},
	{reflect.TypeFor[float64](), amount},
	{reflect.TypeFor[kilo](), amount},
	{reflect.TypeFor[json.Number](), amount},
	{reflect.TypeFor[time.Time](), func(r *rand.Rand) string { return time.Unix(r.Int64N(4e9), 0).UTC().Format(time.DateOnly) }},
	{reflect.TypeFor[netip.Addr](), func(r *rand.Rand) string { return fmt.Sprintf("10.0.%d.%d", r.IntN(256), r.IntN(256)) }},
	{reflect.TypeFor[reducto.Cited[string]](), word},
	{reflect.TypeFor[reducto.Cited[float64]](), amount},
	{reflect.TypeFor[reducto.Cited[*int]](), func(r *rand.Rand) string { return strconv.Itoa(r.IntN(1000)) }},
	{reflect.TypeFor[reducto.Cited[time.Time]](), func(r *rand.Rand) string { return time.Unix(r.Int64N(4e9), 0).UTC().Format(time.RFC3339) }},
	{reflect.TypeFor[reducto.Cited[bool]](), func(r *rand.Rand) string { return []string{"true", "false"}[r.IntN(2)] }},
}

func amount(r *rand.Rand) string { return fmt.Sprintf("%d.%02d", r.IntN(1e6), r.IntN(100)) }

func word(r *rand.Rand) string {
	const letters = "abcdefghij KLMNO <&>\"' äß字"
	runes := []rune(letters)
	var b strings.Builder
	b.WriteByte('w')
	for range r.IntN(12) {
		b.WriteRune(runes[r.IntN(len(runes))])
	}
	return strings.TrimSpace(b.String())
}

// generator makes a random struct, and a document with a value for each of its fields.
type generator struct {
	*rand.Rand
	names  int
	facts  strings.Builder
	tables strings.Builder
}

// structType returns a random struct, and writes its values into the document.
func (g *generator) structType(depth int) reflect.Type {
	var fields []reflect.StructField
	for range 1 + g.IntN(6) {
		fields = append(fields, g.field(depth))
	}
	return reflect.StructOf(fields)
}

func (g *generator) field(depth int) reflect.StructField {
	name := g.name()
	scalar := scalars[g.IntN(len(scalars))]
	options := []string{"", ",omitempty", ",omitzero"}[g.IntN(3)]
	if strings.Contains(scalar.String(), "bool") {
		options = "" // false would be omitted
	}
	tag := fmt.Sprintf(`json:"%s%s"`, name, options)
	fact := func(value string) { fmt.Fprintf(&g.facts, "%s: %s\n", name, value) }
	list := func(separator string) string {
		var values []string
		for range 2 + g.IntN(3) {
			values = append(values, scalar.text(g.Rand))
		}
		return strings.Join(values, separator)
	}
	var t reflect.Type
	switch kind := g.IntN(10); {
	case kind == 0:
		fact([]string{"eur", "USD", "GBP"}[g.IntN(3)])
		t, tag = reflect.TypeFor[string](), tag+` enum:"EUR,USD,GBP"`
	case kind == 1:
		t = reflect.PointerTo(scalar.Type)
		// Cited decodes null into a Cited without a value, not into a nil pointer.
		if _, cited := citedValue(scalar.Type); cited || g.IntN(2) == 0 {
			fact(scalar.text(g.Rand))
		}
	case kind == 2:
		fact(list(", "))
		t = reflect.SliceOf(scalar.Type)
	case kind == 3:
		fact(list(", ") + "; " + list(", "))
		t = reflect.SliceOf(reflect.SliceOf(scalar.Type))
	case kind == 4:
		g.table(name, 2, func(int) string { return scalar.text(g.Rand) })
		t = reflect.MapOf(reflect.TypeFor[string](), scalar.Type)
	case kind == 5 && depth > 0:
		t = g.structType(depth - 1)
	case kind == 6 && depth > 0:
		t = g.rowType("")
		if g.IntN(2) == 0 {
			t = reflect.PointerTo(t)
		}
		t = reflect.SliceOf(t)
	case kind == 7 && depth > 0:
		t = reflect.MapOf(reflect.TypeFor[string](), g.rowType(name))
	default:
		fact(scalar.text(g.Rand))
		t = scalar.Type
	}
	return reflect.StructField{Name: strings.ToUpper(name), Type: t, Tag: reflect.StructTag(tag)}
}

// rowType returns a struct of scalars, lists and another struct. Its values are the rows
// of a table. With a key, the first column has the keys of a map.
func (g *generator) rowType(key string) reflect.Type {
	header, texts := []string{}, []func(*rand.Rand) string{}
	if key != "" {
		header, texts = append(header, key), append(texts, nil)
	}
	columns := func() (fields []reflect.StructField) {
		for range 1 + g.IntN(4) {
			name, scalar := g.name(), scalars[g.IntN(len(scalars))]
			t, text := scalar.Type, scalar.text
			if g.IntN(3) == 0 {
				t, text = reflect.SliceOf(t), func(r *rand.Rand) string { return scalar.text(r) + ", " + scalar.text(r) }
			}
			header, texts = append(header, name), append(texts, text)
			fields = append(fields, reflect.StructField{
				Name: strings.ToUpper(name), Type: t, Tag: reflect.StructTag(fmt.Sprintf("json:%q", name)),
			})
		}
		return fields
	}
	fields := columns()
	if g.IntN(3) == 0 {
		name := g.name()
		fields = append(fields, reflect.StructField{
			Name: strings.ToUpper(name), Type: reflect.StructOf(columns()), Tag: reflect.StructTag(fmt.Sprintf("json:%q", name)),
		})
	}
	g.table(strings.Join(header, " | "), len(header), func(i int) string { return texts[i](g.Rand) }, key != "")
	return reflect.StructOf(fields)
}

// table writes a table. The first column of a map has its keys.
func (g *generator) table(header string, columns int, cell func(int) string, isMap ...bool) {
	keyed := len(isMap) == 0 || isMap[0]
	if len(isMap) == 0 {
		header += " | value"
	}
	fmt.Fprintf(&g.tables, "\n| %s |\n|%s\n", header, strings.Repeat("---|", columns))
	for row := range 1 + g.IntN(4) {
		for i := range columns {
			if i == 0 && keyed {
				fmt.Fprintf(&g.tables, "| Key %d ", row)
				continue
			}
			fmt.Fprintf(&g.tables, "| %s ", cell(i))
		}
		g.tables.WriteString("|\n")
	}
}

func (g *generator) name() string {
	g.names++
	return fmt.Sprintf("f%dx", g.names)
}

// A generated struct loses nothing between the document and itself: For makes the schema,
// the server fills it, Decode reads it, and json.Marshal writes what the server sent.
func TestGeneratedStructsLoseNothing(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.WithProcessingTime(0))
	client := srv.Client()
	for seed := range uint64(150) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
		st := g.structType(3)
		document := g.facts.String() + g.tables.String()
		losesNothing(t, srv, client, st, document, fmt.Sprintf("seed %d", seed))
	}
	assert.Empty(t, srv.UnknownFields())
}

type Base struct {
	ID string `json:"id"`
}

type party struct {
	Name  reducto.Cited[string] `json:"name"`
	Notes *[]string             `json:"notes"`
}

// Types with embedded structs, which reflect.StructOf does not make.
func TestEmbeddedStructsLoseNothing(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.WithProcessingTime(0))
	const document = "ID: 7\nName: Ada\nNotes: a, b\nTotal: 5\nCity: Oslo\n"
	for _, st := range []reflect.Type{
		reflect.TypeFor[struct {
			Base
			party
			Total int `json:"total"`
		}](),
		reflect.TypeFor[struct {
			*Base
			Party party `json:"party"`
		}](),
		reflect.TypeFor[struct {
			Base  `json:"base"`
			Party *party               `json:"party"`
			Total reducto.Cited[*kilo] `json:"total"`
			City  string
			Extra *reducto.Cited[string] `json:"extra,omitzero"`
		}](),
	} {
		losesNothing(t, srv, srv.Client(), st, document+"Extra: x\n", st.String())
	}
}

// losesNothing extracts document into a struct of type st, with and without citations.
func losesNothing(t *testing.T, srv *reductotest.Server, client *reducto.Client, st reflect.Type, document, at string) {
	t.Helper()
	raw, cited, err := build(st)
	require.NoError(t, err, at)
	input := reducto.URL(srv.PutFile("a.txt", []byte(document)))
	for _, citations := range []bool{false, true} {
		result, err := client.Extract(t.Context(), reducto.ExtractRequest{
			Input:        input,
			Instructions: reducto.Instructions{Schema: raw},
			Settings:     reducto.ExtractSettings{Citations: reducto.CitationSettings{Enabled: citations}},
		})
		require.NoError(t, err, at)
		sent, err := result.Raw(t.Context())
		require.NoError(t, err, at)
		var want any
		require.NoError(t, json.Unmarshal(sent, &want), at)
		if list, ok := want.([]any); ok {
			require.Len(t, list, 1, at)
			want = list[0]
		}
		conforms(t, raw, plain(want, citations), at)

		v := reflect.New(st)
		require.NoError(t, result.Decode(t.Context(), v.Interface()), "%s\n%s\n%s", at, document, sent)
		got, err := json.Marshal(v.Interface())
		require.NoError(t, err, at)
		expected, err := json.Marshal(asType(want, st, citations))
		require.NoError(t, err, at)
		if !assert.JSONEq(t, string(expected), string(got), "%s, citations %v, cited %v:\n%s\n%s\n%s", at, citations, cited, document, raw, sent) {
			t.FailNow()
		}
	}
}

// conforms checks a value by the schema. A null stands for an absent member.
func conforms(t *testing.T, raw json.RawMessage, value any, at string) {
	t.Helper()
	var s jsonschema.Schema
	require.NoError(t, json.Unmarshal(raw, &s), at)
	resolved, err := s.Resolve(nil)
	require.NoError(t, err, at)
	require.NoError(t, resolved.Validate(withoutNull(value)), "%s\n%s", at, raw)
}

func withoutNull(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := map[string]any{}
		for name, member := range v {
			if member != nil {
				o[name] = withoutNull(member)
			}
		}
		return o
	case []any:
		list := []any{}
		for _, item := range v {
			list = append(list, withoutNull(item))
		}
		return list
	}
	return v
}

// plain returns a value without its citations.
func plain(v any, citations bool) any {
	if !citations {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["citations"]; ok {
			return v["value"]
		}
		o := map[string]any{}
		for name, member := range v {
			o[name] = plain(member, true)
		}
		return o
	case []any:
		var list []any
		for _, item := range v {
			list = append(list, plain(item, true))
		}
		return list
	}
	return v
}

// asType returns a value of the server as encoding/json writes a value of type t: only a
// Cited has citations, and a Cited always writes its value as a member.
func asType(v any, t reflect.Type, citations bool) any {
	if t.Kind() == reflect.Pointer {
		if v == nil || plain(v, citations) == nil {
			return nil
		}
		return asType(v, t.Elem(), citations)
	}
	if value, ok := citedValue(t); ok {
		if citations {
			o := v.(map[string]any)
			return map[string]any{"value": o["value"], "citations": withoutNull(o["citations"])} // a Block omits null
		}
		return map[string]any{"value": asType(v, value, false)}
	}
	switch t.Kind() {
	case reflect.Struct:
		fields, err := fieldsOf(t, "")
		o, ok := v.(map[string]any)
		if err != nil || len(fields) == 0 || !ok || o["citations"] != nil {
			return plain(v, citations)
		}
		out := map[string]any{}
		for name, member := range o {
			i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
			member = asType(member, fields[i].Type, citations)
			if options := fields[i].Tag.Get("json"); member == nil && strings.Contains(options, "omit") {
				continue
			}
			out[name] = member
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for name, member := range v.(map[string]any) {
			out[name] = asType(member, t.Elem(), citations)
		}
		return out
	case reflect.Slice:
		out := []any{}
		for _, item := range v.([]any) {
			out = append(out, asType(item, t.Elem(), citations))
		}
		return out
	}
	return plain(v, citations)
}
