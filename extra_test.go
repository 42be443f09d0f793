package reducto

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTimeReadsEveryLayout(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 10, 2, 8, 15, 30, 0, time.UTC)
	for text, at := range map[string]time.Time{
		"2026-10-02T08:15:30":           want,
		"2026-10-02T08:15:30Z":          want,
		"2026-10-02T10:15:30+02:00":     want,
		"2026-10-02T08:15:30.250125":    want.Add(250125 * time.Microsecond),
		"2026-10-02T08:15:30.250125Z":   want.Add(250125 * time.Microsecond),
		"2026-10-02 08:15:30":           want,
		"2026-10-02 08:15:30.5":         want.Add(500 * time.Millisecond),
		"2026-10-02 10:15:30.5+02:00":   want.Add(500 * time.Millisecond),
		"2026-10-02 08:15:30Z":          want,
		"2026-10-02T08:15:30.123456789": want.Add(123456789),
		"2026-12-31T23:59:59.999999":    time.Date(2026, 12, 31, 23, 59, 59, 999999000, time.UTC),
	} {
		var got Time
		require.NoError(t, json.Unmarshal([]byte(`"`+text+`"`), &got), text)
		assert.Equal(t, at, got.Time, text)
		assert.Equal(t, time.UTC, got.Location(), text)
		raw, err := json.Marshal(got)
		require.NoError(t, err)
		assert.Equal(t, `"`+text+`"`, string(raw), "as it was written")
	}
	for _, text := range []string{
		`""`, `"soon"`, `"2026-10-02"`, `"08:15:30"`, `"2026-13-02T08:15:30"`, `"2026-02-30T08:15:30"`, `"2026-10-02T08:15"`, `1790928930`, `{}`, `[]`, `true`,
	} {
		got := Time{Time: want}
		require.Error(t, json.Unmarshal([]byte(text), &got), text)
		assert.Equal(t, want, got.Time, "it is left as it was")
	}
	// Null changes nothing, as in encoding/json.
	got := Time{Time: want}
	require.NoError(t, json.Unmarshal([]byte("null"), &got))
	assert.Equal(t, want, got.Time)

	raw, err := json.Marshal(Time{Time: want.Add(time.Millisecond)})
	require.NoError(t, err)
	assert.Equal(t, `"2026-10-02T08:15:30.001Z"`, string(raw))
	assert.Equal(t, "2026-10-02 08:15:30 +0000 UTC", fmt.Sprint(Time{Time: want}))
}
