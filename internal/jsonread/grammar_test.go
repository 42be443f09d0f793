package jsonread

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tables cover the grammar: valid JSON, invalid JSON, and texts about which parsers
// disagree. encoding/json decides. The tables also say what it must decide, so that the
// tests check both.
var (
	accepted = []string{
		// Numbers.
		`0`, `-0`, `0.0`, `-0.0`, `1`, `-1`, `10`, `123456789`, `2`, `3`, `4`, `5`, `6`, `7`, `8`, `9`, `1.5`, `-1.5`, `0.5`, `1e1`, `1E1`, `1e+1`, `1E+1`, `1e-1`, `1E-1`, `0e0`, `0e+1`, `0E-0`,
		`1.25e2`, `-1.25E-2`, `123e65`, `123.456e78`, `1e0000000000000000000001`, `1.7976931348623157e308`, `5e-324`, `2.4703282292062327e-324`, `1e-400`, `-1e-400`,
		`-0.000000000000000000000000000000000000000000000000000000000000000000000000000001`, `100000000000000000000`, `12345678901234567890123`, `9007199254740993`,
		`0.1234567890123456789012345678901234567890`, `18446744073709551615`, `18446744073709551616`, ` 1 `, "\t1\r\n", `[-0]`, `[0,1,2.5]`, `[1 ]`, `[ 1]`,
		// Strings.
		`""`, `"a"`, `" "`, `"asd"`, `"\""`, `"\\"`, `"\/"`, `"\b\f\n\r\t"`, `"/"`, `"\u0060\u012a\u12AB"`, `"\u0000"`, `"\u0022"`, `"\u005c"`, `"\\u0000"`, `"\\\""`, `"\\\\"`,
		`"\ud834\udd1e"`, `"\uD801\udc37"`, `"\ud83d\ude39\ud83d\udc8d"`, `"\uDBFF\uDFFF"`, `"\uDBFF\uDFFE"`, `"\uFDD0"`, `"\uFFFE"`, `"\uFFFF"`, `"\u200B"`, `"\u2028"`, `"\u2029"`, `"\u0123\u4567\u89AB\ucDEF"`,
		"\"\u2028\"", "\"\u2029\"", "\"\u00e9\"", "\"\u20ac\"", "\"\U0001F600\"", "\"\U0010FFFF\"", "\"\uFFFF\"", "\"\x7f\"", `"a\u0066b"`, `"` + "\u00e4" + `\n` + "\u00f6" + `"`,
		`"new\u00A0line"`, `"a/*b*/c/*d//e"`, `"\u0821"`, `"12345678"`, `"1234567"`, `"123456789"`, `"1234567\n"`, `"12345678\n"`, `"123456789\n12345678\n1"`,
		// Structures.
		`[]`, `{}`, `[[]]`, `[{}]`, `{"a":{}}`, `[[[[]]]]`, `[null]`, `[true,false,null]`, `true`, `false`, `null`, ` [] `, "\n{}\t", `{"a":1}`, `{"a":1,"b":2}`, `{"":0}`, `{"a":"b","a":"c"}`,
		`{"a":1,"a":1}`, `{"a\u0000b":1}`, `{"\uDFAA":0}`, `{"x":[{"id":"xxx"}],"id":"xxx"}`, ` [ 1 , 2 , { "a" : [ ] , "b" : { } } ] `, `[1,null,null,null,2]`, `["a"]`, `[""]`, `{"a":[]}`,
		"{\n\"a\": \"b\"\n}", `[[],[[]],{"a":[{}]}]`, `{"\u0061":1,"b":2}`,
		// Texts that other parsers refuse and encoding/json replaces.
		`"\ud800"`, `"\udc00"`, `"\uDADA"`, `"\ud800\ud800\n"`, `"\uDd1ea"`, `"\uD800\uD800\uDC00"`, `"\ud800abc"`, `"\uD834\u0041"`, `"\udd1e\uD834"`, `"\uD888\u1234"`, `"\ud83d\u00e0"`,
		"\"\xff\"", "\"\xe5\"", "\"\x81\"", "\"\xc0\xaf\"", "\"\xc3\x28\"", "\"\xe2\x82\"", "\"\xed\xa0\x80\"", "\"\xf4\xbf\xbf\xbf\"", "\"\xf0\x9f\x98\"", "\"\xfc\x83\xbf\xbf\xbf\xbf\"", "\"a\xe9b\"", "\"\xff\\n\xfe\"", "\"\xc3\\u0028\"", "{\"\xff\":1,\"\xfe\":2}",
		"\"\xe2\\u0082\xac\"", "\"\xf0\x9f\x98\\n\x80\"", "\"12345678\xff12345678\"",
	}
	refused = []string{
		// Numbers.
		`-`, `+1`, `+`, `01`, `-01`, `-012`, `00`, `1.`, `.5`, `-.5`, `.`, `1.e1`, `.2e-3`, `2.e3`, `2.e+3`, `2.e-3`, `0.e1`, `1e`, `1e+`, `1e-`, `1E`, `0e`, `0e+`, `1.0e`, `1.0e+`, `1eE2`, `1e1.5`, `1 000`, `1_000`, `0x1`, `0x42`, `1a`, `1.2a`, `-1x`, `- 1`, `--1`, `++1`, `1-2`, `1+2`, `1.2.3`, `9.3e+4.5`,
		`NaN`, `-NaN`, `Infinity`, `-Infinity`, `Inf`, `inf`, `1e400e`, `１`, `[1,01]`, `[-]`, `[1.]`, `[.5]`, `[0e]`, `0.3.`, `1f`, `1L`,
		// Strings.
		`"`, `"a`, `"\`, `"\"`, `"\\\"`, `"\a"`, `"\x00"`, `"\v"`, `"\0"`, `"\'"`, `"\u"`, `"\u1"`, `"\u12"`, `"\u123"`, `"\u00A"`, `"\uD834\uDd"`, `"\uD800\u"`, `"\uD800\u1"`, `"\uD800\u1x"`, `"\uD800\"`, `"\uD800\x"`, `"\ug000"`, `"\uqqqq"`, `"\U0041"`, `"\u004"`, `"\u 041"`, `"\u+041"`,
		"\"\t\"", "\"\n\"", "\"a\x00a\"", "\"\x1f\"", "\"12345678\x01\"", "\"1234567\r8\"", `'a'`, `a`, `"a` + "\n" + `b"`, `"\` + "\n" + `"`, "\"\\\xe5\"", `"\🌀"`, `"a" "b"`, `"a"b`, `["a]`, `["\u00A"]`, `"x"#`, "\"\xc3\x1f\"", `“a”`, `\u0020"a"`, `["\`, `["a\`,
		// Structures.
		``, ` `, "\n", `[`, `]`, `{`, `}`, `[1`, `[1,`, `[1,]`, `[,1]`, `[,]`, `[,`, `[1,,2]`, `[1 2]`, `["a" "b"]`, `["a",`, `[1:2]`, `["x":1]`, `[a]`, `[[]`, `[]]`, `[][]`, `[1]x`, `[}`, `{]`, `[{]`, `[{}`, `{"a"`, `{"a":`, `{"a":}`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a":1,,"b":2}`, `{,"a":1}`, `{"a" 1}`, `{"a"::1}`, `{"a","b"}`, `{"a":1 "b":2}`, `{a:1}`, `{1:1}`, `{'a':1}`, `{null:1}`, `{[]:1}`, `{"a":1}}`, `{"a":1}x`, `{"a":1}{}`, `{"a":b}`, `{"a":1]`, `[1}`, `{"a"=1}`, `{"a":1/**/}`, `[1/*c*/]`, `[1//c` + "\n]", `{"a":"a" 123}`, `{"a":"b",}`, `{"a":/*x*/1}`, `{"a":1}//`, `{"a":1}#`, `{{}}`, `{"a":1,1}`, `{"x"`, `{"x",null}`, `:`, `,`, `*`, `#`, `<html>`, `\`, `[*]`, `[1,` + "\n1" + "\n,1", `[""],`, `{"b":1,"a"`, `{"a":{"b":1}`, `[ 1 , ] `, `{ "a" : 1 , }`,
		`nul`, `n`, `nulll`, `nullx`, `NULL`, `tru`, `t`, `truex`, `True`, `TRUE`, `fals`, `falsee`, `False`, `tRue`, `[nul]`, `[tru`, `[fals]`, `nu ll`, `undefined`, `[True]`, `{"a":tru}`, `{"a":nul`,
		"[1]\x00", "\x00", "\x00[1]", "[\x00]", "[\x0b1]", "[\x0c]", "\x0c[]", "\ufeff[]", "\xef\xbb\xbf{}", "\xef\xbb\xbf", "\xff", "[\xff]", "[1\xa0]", "[\u00a0]", "[\u2060]", "\u2028[]", "{\"a\":\xe5}", "123\x00", "[1\x1f]", "\x1b[]", "{\xff:1}",
		`1 2`, `true false`, `null null`, `"a",`, `1,`, `{} []`, `[1] 2`,
	}
	// Valid JSON that does not fit into a float64.
	outOfRange = []string{`1e309`, `-1e309`, `1e400`, `123123e100000`, `[-1e+9999]`, `0.4e00669999999999999999999999999999999999999999999969999999006`, `1` + strings.Repeat("0", 400)}
)

func TestGrammarAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, text := range accepted {
		require.True(t, json.Valid([]byte(text)), "%q", text)
		requireAgreement(t, []byte(text))
	}
	for _, text := range refused {
		require.False(t, json.Valid([]byte(text)), "%q", text)
		requireAgreement(t, []byte(text))
	}
	for _, text := range outOfRange {
		requireAgreement(t, []byte(text))
	}
}

// The parts of each text, and each text with one wrong byte.
func TestGrammarOfTruncatedAndCorruptTexts(t *testing.T) {
	t.Parallel()
	requireParts(t, `{"a\n\u00e4ö":[-1.5e+2,"x\ud83d\ude00y",true,null,{"":[{}]}],"b":false}`, requireAgreement)
}

func requireParts(t *testing.T, text string, check func(*testing.T, []byte)) {
	t.Helper()
	for i := range len(text) {
		check(t, []byte(text[:i]))
		for _, c := range []byte("\x00 \"\\{}[],:0-.eu\xc3") {
			changed := []byte(text)
			changed[i] = c
			check(t, changed)
		}
	}
}

func TestNestingIsLimited(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{9_999, 10_000, 10_001, 100_000} {
		for _, text := range []string{
			strings.Repeat("[", depth) + strings.Repeat("]", depth),
			strings.Repeat("[", depth),
			strings.Repeat(`{"a":`, depth) + `1` + strings.Repeat("}", depth),
			strings.Repeat(`[{"a":`, depth/2) + `1` + strings.Repeat("}]", depth/2),
		} {
			for _, r := range []*Reader{FromBytes([]byte(text)), New(strings.NewReader(text), -1)} {
				r.Skip()
				r.End()
				require.Equal(t, json.Valid([]byte(text)), r.Err() == nil, "%d of %.8s", depth, text)
				require.LessOrEqual(t, len(r.stack), maxDepth+1, "it goes no deeper than that")
			}
			r := New(strings.NewReader(text), -1)
			readAny(r)
			require.Equal(t, json.Valid([]byte(text)), r.Err() == nil, "%d of %.8s", depth, text)
		}
	}
}

// Strings of lengths around the limits of the different code paths, everywhere in the
// window.
func TestLongStringsAreReadInEveryWindow(t *testing.T) {
	t.Parallel()
	fills := []string{"a", "ä", "€", "😀", `\n`, `\u00e4`, `\ud83d\ude00`, "\xff", `\ud800`, "plain text with a line break\\n"}
	for _, size := range []int{0, 1, 7, 8, 9, maxToken - 1, maxToken, maxToken + 1, windowSize, partSize, partSize + maxToken + 5, 3*partSize + 1} {
		for i, fill := range fills {
			if size > partSize && i%3 != 0 {
				continue
			}
			body := strings.Repeat(fill, size/len(fill)+1)[:size/len(fill)*len(fill)]
			text := []byte(strings.Repeat(" ", (size+i*31)%97) + `["` + body + `","` + body + `"]`)
			var want []string
			require.NoError(t, json.Unmarshal(text, &want))
			for _, r := range []*Reader{FromBytes(text), New(strings.NewReader(string(text)), -1), New(&inPieces{text: text, sizes: []int{1009, 1, 64 << 10, 7}}, -1)} {
				a := r.Array()
				require.True(t, a.Next())
				first := r.String()
				require.True(t, a.Next())
				second := r.StringLike(first)
				require.False(t, a.Next())
				r.End()
				require.NoError(t, r.Err())
				require.True(t, want[0] == first && want[1] == second, "%d of %q", size, fill)
			}
			r := New(&inPieces{text: text, sizes: []int{1009, 1, 64 << 10, 7}}, -1)
			r.Skip()
			require.NoError(t, r.Err())
		}
	}
}

// bytesOf returns the number of bytes that f allocates.
func bytesOf(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A string that equals another costs no memory, for every length and every position of
// the window.
func TestEqualStringsShareMemory(t *testing.T) {
	for _, size := range []int{100, 20_000, maxToken + 10, 1_000_000} {
		body := strings.Repeat("text of a chunk\\n", size/17)
		text := `["` + body + `","` + body + `"]`
		allocated := func(like bool) uint64 {
			r := New(strings.NewReader(text), -1)
			defer r.Close()
			a := r.Array()
			a.Next()
			first := r.String()
			a.Next()
			return bytesOf(func() {
				if !like {
					first = ""
				}
				assert.Equal(t, len(body)/17*16, len(r.StringLike(first)))
			})
		}
		assert.Less(t, allocated(true), uint64(size/4+20_000), "%d", size)
		assert.Greater(t, allocated(false), uint64(size/2), "%d", size)
	}
	// Almost equal.
	for _, pair := range [][2]string{
		{"abc", "abd"}, {"abc", "ab"}, {"ab", "abc"}, {"", "a"}, {"a", ""},
		{strings.Repeat("a", 500_000), strings.Repeat("a", 500_000) + "b"},
		{strings.Repeat("a", 500_000) + "b", strings.Repeat("a", 500_000)},
		{strings.Repeat("a", 500_000) + "b", strings.Repeat("a", 500_000) + "c"},
		{"b" + strings.Repeat("a", 500_000), "c" + strings.Repeat("a", 500_000)},
		{strings.Repeat("a", 900_001), "b" + strings.Repeat("a", 900_000)}, // the other string has its parts, elsewhere
		{strings.Repeat("a", 200_000), strings.Repeat("a", 900_000)},
		{strings.Repeat("a", 300_000) + "b" + strings.Repeat("a", 200_000), strings.Repeat("a", 500_001)},
	} {
		for _, escape := range []string{"", `\n`} {
			r := New(strings.NewReader(fmt.Sprintf(`["%s%s","%s%s"]`, escape, pair[0], escape, pair[1])), -1)
			a := r.Array()
			a.Next()
			first := r.String()
			a.Next()
			second := r.StringLike(first)
			require.NoError(t, r.Err())
			newline := strings.ReplaceAll(escape, `\n`, "\n")
			require.True(t, first == newline+pair[0] && second == newline+pair[1])
		}
	}
}

// A failing source and an invalid document give different errors, at every offset.
func TestErrorsOfTheSourceAreReturned(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	const text = `{"a":["x\n\u00e4",-1.5,true,null],"b":{"c":[]}} `
	for i := range len(text) + 1 {
		for _, way := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, func(r io.Reader) io.Reader { return r }} {
			r := New(way(io.MultiReader(strings.NewReader(text[:i]), iotest.ErrReader(broken))), -1)
			readAny(r)
			r.End()
			require.ErrorIs(t, r.Err(), broken, text[:i])
			require.ErrorIs(t, r.SourceErr(), broken)
			require.True(t, r.Broken())
			require.Error(t, r.Rest())

			if i < len(text)-1 {
				r = New(way(strings.NewReader(text[:i])), -1)
				readAny(r)
				require.ErrorIs(t, r.Err(), io.ErrUnexpectedEOF, text[:i])
				require.NoError(t, r.SourceErr())
			}
		}
	}
	// Only the end of the source shows whether a document is complete.
	r := New(io.MultiReader(strings.NewReader(`7`), iotest.ErrReader(broken)), -1)
	require.Equal(t, 7, r.Int())
	require.False(t, r.Broken())
	r.End()
	require.ErrorIs(t, r.Err(), broken)
	require.True(t, r.Broken())

	r = New(stuck{}, -1)
	r.Skip()
	require.ErrorIs(t, r.Err(), io.ErrNoProgress)
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// For every text, a Reader and encoding/json read the same value, or both refuse.
func FuzzReader(f *testing.F) {
	for _, text := range accepted {
		f.Add([]byte(text))
	}
	for _, text := range refused {
		f.Add([]byte(text))
	}
	f.Add([]byte(aRecord))
	f.Fuzz(requireAgreement)
}
