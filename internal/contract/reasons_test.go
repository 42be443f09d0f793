package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReasons(t *testing.T) {
	t.Parallel()
	reasons, err := readReasons(`
# a comment
* | extra | endpoint DELETE /job/{job_id} | why
<v1.12 | extra | response field *.conf | why
v1.11.57-53 | missing | enum value Color=* | why
`)
	require.NoError(t, err)
	require.Len(t, reasons, 3)
	assert.Equal(t, "reasons.txt:3: * | extra | endpoint DELETE /job/{job_id}", reasons[0].String())
	assert.Equal(t, "reasons.txt:5: v1.11.57-53 | missing | enum value Color=*", reasons[2].String())

	found := []difference{
		{false, "endpoint DELETE /job/{job_id}"}, {false, "response field Split.conf"}, {false, "response field Split.confidence"},
		{true, "enum value Color=red"}, {true, "enum value Color=/"}, {true, "response field Split.conf"},
	}
	for version, want := range map[string]struct {
		unexplained []int
		stale       []int
	}{
		"v1.11.57-53-gd264b2c6d": {[]int{2, 5}, nil},
		"v1.11.57-53":            {[]int{2, 5}, nil},
		"v1.11.57-5":             {[]int{2, 3, 4, 5}, nil},
		"v1.9":                   {[]int{2, 3, 4, 5}, nil},
		"v1.12.0":                {[]int{1, 2, 3, 4, 5}, nil},
		"v2":                     {[]int{1, 2, 3, 4, 5}, nil},
		"nightly":                {[]int{1, 2, 3, 4, 5}, nil},
	} {
		unexplained, stale := judge(version, found, reasons)
		var wanted []difference
		for _, i := range want.unexplained {
			wanted = append(wanted, found[i])
		}
		assert.Equal(t, wanted, unexplained, version)
		assert.Len(t, stale, len(want.stale), version)
	}
	_, stale := judge("v1.11.57-53-gd264b2c6d", found[:1], reasons)
	assert.Equal(t, reasons[1:], stale)
	_, stale = judge("v1.12", found[1:], reasons)
	assert.Equal(t, reasons[:1], stale)
}

// The Node SDK has reasons of its own, which must explain something. Those of the
// documents may.
func TestReasonsForTheNodeSDK(t *testing.T) {
	t.Parallel()
	reasons, err := readReasons(`
* | extra | endpoint A | why
<v1.12 | extra | endpoint B | why
v1.11.57-53 | extra | endpoint C | why
node | extra | endpoint D | why
node | extra | endpoint E | why
`)
	require.NoError(t, err)
	found := []difference{{false, "endpoint A"}, {false, "endpoint B"}, {false, "endpoint C"}, {false, "endpoint D"}}
	unexplained, stale := judge("node v0.16.0", found, reasons)
	assert.Equal(t, found[2:3], unexplained)
	assert.Equal(t, reasons[4:], stale)
	_, stale = judge("node v0.16.0", found[3:], reasons)
	assert.Equal(t, reasons[4:], stale)
	unexplained, stale = judge("v1.11.57-53", found, reasons)
	assert.Equal(t, found[3:], unexplained)
	assert.Empty(t, stale)
}

func TestReasonsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"* | extra | a":           "reasons.txt:1: want",
		"\n* | extra | a | ":      "reasons.txt:2: want",
		"* | both | a | b":        "want",
		"* | extra | [ | b":       "no pattern",
		"1.11 | extra | a | b":    "no version",
		"<1.11 | extra | a | b":   "no version",
		"v | extra | a | b":       "no version",
		"> v1 | extra | a | b":    "no version",
		"* | extra | a | b | c\n": "want",
	} {
		_, err := readReasons(text)
		assert.ErrorContains(t, err, want, text)
	}
}

func TestVersionsAreComparedByTheirNumbers(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"v1.11.57-53-gd264b2c6d", "v1.11.80"}, {"v1.9", "v1.11"}, {"v1.11.80-78-gc5c4ff11c", "v1.12"}, {"v1.11.57-53", "v1.11.57-114"}, {"v1", "v1.0"},
	} {
		older, err := before(pair[0], pair[1])
		require.NoError(t, err)
		assert.True(t, older, "%v", pair)
		older, err = before(pair[1], pair[0])
		require.NoError(t, err)
		assert.False(t, older, "%v", pair)
	}
}
