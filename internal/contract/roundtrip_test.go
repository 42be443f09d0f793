package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

func parsed(raw string) any {
	var v any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		panic(err)
	}
	return v
}

// meaning returns a value without members that are null, which mean the same as absent
// ones.
func meaning(v any) any {
	switch v := v.(type) {
	case node:
		out := node{}
		for name, member := range v {
			if member == nil {
				continue
			}
			out[name] = meaning(member)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = meaning(v[i])
		}
		return out
	}
	return v
}

// assertSurvives decodes an instance and compares what is encoded again. If typed,
// the library must know every member.
func assertSurvives(t testing.TB, in any, target reflect.Type, typed bool, why string) (decoded reflect.Value) {
	t.Helper()
	raw, err := json.Marshal(in)
	require.NoError(t, err)
	decoded = reflect.New(target)
	require.NoError(t, json.Unmarshal(raw, decoded.Interface()), "%s", raw)
	again, err := json.Marshal(decoded.Interface())
	require.NoError(t, err)
	out := value(t, string(again))
	require.Equal(t, meaning(in), meaning(out), why)
	if typed {
		require.Empty(t, untyped(decoded, "", nil), "%s: %v", why, in)
	}
	return decoded
}

var extraType = reflect.TypeFor[reducto.Extra]()

// untyped finds the members that a decoded value keeps without knowing them. What a
// block calls extra is the service's own.
func untyped(v reflect.Value, at string, found []string) []string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return untyped(v.Elem(), at, found)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type == extraType && f.Tag.Get("json") == "extra,omitzero" {
				continue
			}
			found = untyped(v.Field(i), at+"."+f.Name, found)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return found
		}
		for i := range v.Len() {
			found = untyped(v.Index(i), fmt.Sprintf("%s[%d]", at, i), found)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if v.Type() == extraType {
				if isZero(v.MapIndex(key).Bytes()) {
					continue // a known member, whose field cannot tell it from an absent one
				}
				found = append(found, at+"."+key.String())
				continue
			}
			found = untyped(v.MapIndex(key), at+"."+key.String(), found)
		}
	}
	return found
}

// isZero reports whether a member has an explicit zero, which Extra keeps: also the empty
// object of an optional struct.
func isZero(raw json.RawMessage) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	object, ok := v.(map[string]any)
	return v == false || v == 0.0 || v == "" || ok && len(object) == 0
}

// whole are the schemas of responses that are Go types by themselves.
func whole(d *document) map[string]reflect.Type {
	types := map[string]reflect.Type{}
	c, err := read(d)
	if err != nil {
		panic(err)
	}
	for name := range c.objects[inResponse] {
		b, _ := bindingOf(name, inResponse)
		if len(b.types) == 1 && b.types[0] != reflect.TypeFor[reducto.Job]() && b.types[0] != reflect.TypeFor[reducto.FieldError]() {
			types[name] = b.types[0]
		}
	}
	return types
}

func TestResponsesSurvive(t *testing.T) {
	t.Parallel()
	for _, d := range append(documents(t), announced(t)) {
		types := whole(d)
		require.Greater(t, len(types), 25)
		for _, name := range slices.Sorted(maps.Keys(types)) {
			t.Run(d.version+"/"+name, func(t *testing.T) {
				t.Parallel()
				validate := validator(t, d)
				for n := range rounds {
					g := generate(d, n)
					g.values = g.values && d.version != newest // a result of a type never heard of is none
					in := g.instance(ref(name))
					if !g.odd {
						assert.NoError(t, validate(name, in), "the generator made what the schema forbids")
					}
					assertSurvives(t, in, types[name], !g.odd, name)
				}
			})
		}
	}
}

// In a job, every result is recognised: by its name, by the job's type or, in the
// first form of the answer without either, by its members.
func TestJobsSurvive(t *testing.T) {
	t.Parallel()
	results := map[string]reflect.Type{
		"": nil, "ParseResponse": reflect.TypeFor[*reducto.ParseResult](),
		"ExtractResponse": reflect.TypeFor[*reducto.ExtractResult](), "V3ExtractResponse": reflect.TypeFor[*reducto.ExtractResult](),
		"SplitResponse": reflect.TypeFor[*reducto.SplitResult](), "PipelineResponse": reflect.TypeFor[*reducto.PipelineResult](),
		"EditResponse": reflect.TypeFor[*reducto.EditResult](), "ClassifyResponse": reflect.TypeFor[*reducto.ClassifyResult](),
		"ChartResponse": reflect.TypeFor[*reducto.ChartResult](),
	}
	for _, d := range append(documents(t), announced(t)) {
		for _, schema := range []string{"AsyncJobResponse", "EnhancedAsyncJobResponse"} {
			for _, arm := range armsOf(d.schemas()[schema].(node)["properties"].(node)["result"]) {
				require.Contains(t, results, strings.TrimPrefix(arm, schemaPrefix), schema)
			}
			for _, kind := range append(kindsOf(d), "") {
				want := results[kind]
				t.Run(d.version+"/"+schema+"/"+kind, func(t *testing.T) {
					t.Parallel()
					for n := range rounds {
						g := generate(d, n)
						g.values = g.values && d.version != newest
						in := g.job(schema, kind)
						decoded := assertSurvives(t, in, reflect.TypeFor[reducto.Job](), !g.odd, kind)
						if !g.values {
							assert.Equal(t, want, reflect.TypeOf(decoded.Interface().(*reducto.Job).Result), "%v", in)
						}
					}
				})
			}
		}
	}
}

// armsOf are the references in a union, however deep.
func armsOf(v any) (refs []string) {
	s, _ := v.(node)
	if ref, ok := s["$ref"].(string); ok {
		refs = append(refs, ref)
	}
	for _, arm := range slices.Concat(list(s["anyOf"]), list(s["oneOf"])) {
		refs = append(refs, armsOf(arm)...)
	}
	return refs
}

// Each method returns what the endpoint answers, whatever that is.
func TestAnswersSurvive(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	calls := map[string]call{} // the first method that calls the endpoint, and returns its answer
	for _, c := range w.calls() {
		for endpoint, methods := range w.used {
			if calls[endpoint].run == nil && slices.Contains(methods, c.method) && c.method != "Client.WaitEach" {
				calls[endpoint] = c
			}
		}
	}
	for _, d := range documents(t) {
		for _, o := range d.operations() {
			t.Run(d.version+"/"+strings.ReplaceAll(o.endpoint, "/", " "), func(t *testing.T) {
				t.Parallel()
				c, ok := calls[o.endpoint]
				require.True(t, ok, "no method of this test calls the endpoint")
				for n := range rounds {
					g := generate(d, n)
					// A result of a type never heard of is not what a call promises.
					g.values = g.values && strings.HasPrefix(o.endpoint, "GET ")
					checkAnswer(t, g, o, c)
				}
			})
		}
	}
}

func checkAnswer(t *testing.T, g *generator, o operation, c call) {
	in := g.instance(o.answer())
	served := maps.Clone(answers)
	want := in
	switch body, _ := in.(node); {
	case o.endpoint == "GET /job/{job_id}":
		kinds := kindsOf(g.doc)
		in = g.job("EnhancedAsyncJobResponse", kinds[g.choose(len(kinds))])
		want = in
	case o.endpoint == "POST /cancel/{job_id}":
		want = nil // what it answers is not specified
	case strings.HasSuffix(o.endpoint, "_async"):
		body["job_id"] = testID
		want = testID
	case body["job_id"] != nil && body["result"] == nil && body["document_url"] == nil:
		// The synchronous call became a job, whose result is waited for.
		body["job_id"] = testID
		served["GET /job/{job_id}"] = answer{http.StatusOK, `{"status":"Completed","result":` + answers[o.endpoint].body + `}`}
		want = value(t, answers[o.endpoint].body)
	}
	raw, err := json.Marshal(in)
	require.NoError(t, err)
	served[o.endpoint] = answer{http.StatusOK, string(raw)}
	r := &recorder{answers: served}
	client, err := r.client()
	require.NoError(t, err)
	got, err := c.run(t.Context(), client)
	require.NoError(t, err, "%s", raw)
	if h := reflect.ValueOf(got); strings.HasSuffix(o.endpoint, "_async") {
		assert.Equal(t, want, h.Elem().FieldByName("JobID").String())
		return
	}
	encoded, err := json.Marshal(got)
	require.NoError(t, err)
	out := value(t, string(encoded))
	if o.endpoint == "GET /job/{job_id}" {
		delete(out.(node), "job_id") // it was asked for
	}
	require.Equal(t, meaning(want), meaning(out), "%s", raw)
}

// Whatever instance of whatever schema survives as well.
func FuzzResponses(f *testing.F) {
	type target struct {
		doc    *document
		schema string
		of     reflect.Type
	}
	var targets []target
	for _, d := range documents(f) {
		types := whole(d)
		for _, name := range slices.Sorted(maps.Keys(types)) {
			targets = append(targets, target{d, name, types[name]})
		}
		for range 8 { // a job holds all the others
			targets = append(targets, target{d, "AsyncJobResponse", reflect.TypeFor[reducto.Job]()},
				target{d, "EnhancedAsyncJobResponse", reflect.TypeFor[reducto.Job]()})
		}
	}
	for i := range targets {
		f.Add(uint8(i), []byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
		f.Add(uint8(i), []byte("The quick brown fox jumps over the lazy dog, and then over the next one and all the others of the pack."))
	}
	f.Fuzz(func(t *testing.T, which uint8, choices []byte) {
		to := targets[int(which)%len(targets)]
		g := &generator{doc: to.doc, rest: choices, values: true, members: true}
		var in any
		if to.of == reflect.TypeFor[reducto.Job]() {
			kinds := kindsOf(to.doc)
			in = g.job(to.schema, kinds[g.choose(len(kinds))])
		} else {
			in = g.instance(ref(to.schema))
		}
		assertSurvives(t, in, to.of, !g.odd, to.doc.version+" "+to.schema)
	})
}
