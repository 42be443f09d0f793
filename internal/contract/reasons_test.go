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
node | extra | endpoint D | why
node | extra | endpoint E | why
`)
	require.NoError(t, err)
	require.Len(t, reasons, 5)
	assert.Equal(t, "reasons.txt:3: * | extra | endpoint DELETE /job/{job_id}", reasons[0].String())
	assert.Equal(t, "reasons.txt:5: v1.11.57-53 | missing | enum value Color=*", reasons[2].String())

	found := []difference{
		{false, "endpoint DELETE /job/{job_id}"}, {false, "response field Split.conf"}, {false, "response field Split.confidence"},
		{true, "enum value Color=red"}, {true, "enum value Color=/"}, {true, "response field Split.conf"}, {false, "endpoint D"},
	}
	for _, test := range []struct {
		version            string
		found              []difference
		unexplained, stale []int
	}{
		{"v1.11.57-53-gd264b2c6d", found, []int{2, 5, 6}, nil},
		{"v1.11.57-53", found, []int{2, 5, 6}, nil},
		{"v1.11.57-5", found, []int{2, 3, 4, 5, 6}, nil},
		{"v1.9", found, []int{2, 3, 4, 5, 6}, nil},
		{"v1.12.0", found, []int{1, 2, 3, 4, 5, 6}, nil},
		{"nightly", found, []int{1, 2, 3, 4, 5, 6}, nil},
		{"v1.11.57-53-gd264b2c6d", found[:1], nil, []int{1, 2}},
		{"v1.12", found[1:2], []int{0}, []int{0}},
		// Of the reasons, only those of the Node SDK itself must explain something in it.
		{"node v0.16.0", found, []int{2, 3, 4, 5}, []int{4}},
		{"node v0.16.0", nil, nil, []int{3, 4}},
	} {
		unexplained, stale := judge(test.version, test.found, reasons)
		var wanted []difference
		for _, i := range test.unexplained {
			wanted = append(wanted, test.found[i])
		}
		assert.Equal(t, wanted, unexplained, "%s", test.version)
		var idle []reason
		for _, i := range test.stale {
			idle = append(idle, reasons[i])
		}
		assert.Equal(t, idle, stale, "%s", test.version)
	}
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
