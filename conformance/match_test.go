package conformance_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// placeholders stand in an expected value for what differs from run to run.
var placeholders = map[string]func(any) bool{
	"<uuid>":   spelled(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`),
	"<file>":   spelled(`reducto://[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.[a-z]+)?`),
	"<link>":   spelled(`http://127\.0\.0\.1:[0-9]+/.+`),
	"<studio>": spelled(`https://studio\.reducto\.test/job/[0-9a-f-]{36}`),
	"<time>":   spelled(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}`),
	"<string>": spelled(`(?s).+`),
	"<number>": func(v any) bool { _, ok := v.(float64); return ok },
}

func spelled(pattern string) func(any) bool {
	whole := regexp.MustCompile("^" + pattern + "$")
	return func(v any) bool {
		s, ok := v.(string)
		return ok && whole.MatchString(s)
	}
}

// equalJSON asserts that got is the JSON value want, in which placeholders may
// stand. Every member counts.
func equalJSON(t *testing.T, want string, got json.RawMessage) {
	t.Helper()
	var expected, value any
	require.NoError(t, json.Unmarshal([]byte(want), &expected), want)
	require.NoError(t, json.Unmarshal(got, &value), "%s", got)
	assert.Empty(t, differences("$", expected, value), "of %s", got)
}

// differences lists where got is not what was wanted.
func differences(path string, want, got any) (list []string) {
	if name, ok := want.(string); ok && placeholders[name] != nil {
		if !placeholders[name](got) {
			list = append(list, fmt.Sprintf("%s: %v is no %s", path, got, name))
		}
		return list
	}
	switch want := want.(type) {
	case map[string]any:
		o, ok := got.(map[string]any)
		if !ok {
			break
		}
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if v, ok := o[key]; ok {
				list = append(list, differences(path+"."+key, want[key], v)...)
			} else {
				list = append(list, fmt.Sprintf("%s.%s: missing", path, key))
			}
		}
		for _, key := range slices.Sorted(maps.Keys(o)) {
			if _, ok := want[key]; !ok {
				list = append(list, fmt.Sprintf("%s.%s: not wanted, is %v", path, key, o[key]))
			}
		}
		return list
	case []any:
		items, ok := got.([]any)
		if !ok || len(items) != len(want) {
			break
		}
		for i := range want {
			list = append(list, differences(fmt.Sprintf("%s[%d]", path, i), want[i], items[i])...)
		}
		return list
	default:
		if want == got {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s: want %v, is %v", path, want, got)}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want, got string
		count     int
	}{
		{`{"a":[1,null,true]}`, `{"a":[1,null,true]}`, 0},
		{`{"a":1}`, `{"a":2}`, 1},
		{`{"a":1}`, `{"b":1}`, 2},
		{`{"a":null}`, `{}`, 1},
		{`{}`, `{"a":null}`, 1},
		{`[1,2]`, `[1]`, 1},
		{`[1,2]`, `[2,1]`, 2},
		{`{"a":{}}`, `{"a":[]}`, 1},
		{`"1"`, `1`, 1},
		{`"<number>"`, `1`, 0},
		{`"<number>"`, `"1"`, 1},
		{`"<uuid>"`, `"0190b6a4-7a0e-7c3e-8f0e-0a1b2c3d4e5f"`, 0},
		{`"<uuid>"`, `"0190b6a4"`, 1},
		{`["<link>"]`, `["http://127.0.0.1:80/a?b"]`, 0},
		{`["<link>"]`, `["https://127.0.0.1/a"]`, 1},
	} {
		var want, got any
		require.NoError(t, json.Unmarshal([]byte(c.want), &want))
		require.NoError(t, json.Unmarshal([]byte(c.got), &got))
		assert.Len(t, differences("$", want, got), c.count, "%s, %s", c.want, c.got)
	}
}
