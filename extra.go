package reducto

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto/internal/members"
)

// Extra holds the members of an answer that this version of the library does not know,
// by name, as they came. json.Marshal writes them back.
//
// It also holds optional members that the field cannot represent. These are values of
// an unexpected form, and explicit zeros such as "conf": "". A field cannot tell a zero
// from an absent member. If you set the field, json.Marshal writes the field instead.
type Extra map[string]json.RawMessage

// members returns the map that receives unknown members.
func (x *Extra) members() *map[string]json.RawMessage { return (*map[string]json.RawMessage)(x) }

// Format prints the names of the members only, with every verb. The values may hold
// presigned URLs.
func (x Extra) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "map["+strings.Join(slices.Sorted(maps.Keys(x)), " ")+"]")
}

// LogValue logs what Format prints.
func (x Extra) LogValue() slog.Value { return logPrinted(x) }

// Time is a time of the API, which sends UTC without a zone
// ("2026-09-06T05:17:35.492581"). MarshalJSON writes it as it was read.
type Time struct {
	time.Time
	text string
}

// timeLayouts are tried in this order. Each accepts fractions of a second.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00"}

// IsZero reports whether t is the zero time and was not read from JSON.
func (t Time) IsZero() bool { return t.text == "" && t.Time.IsZero() }

// UnmarshalJSON reads a time with a zone or, as UTC, without one.
func (t *Time) UnmarshalJSON(data []byte) error {
	if members.IsNull(data) {
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	for _, layout := range timeLayouts {
		if parsed, err := time.Parse(layout, text); err == nil {
			*t = Time{Time: parsed.UTC(), text: text}
			return nil
		}
	}
	return fmt.Errorf("%q is not a time", text)
}

// MarshalJSON writes the time as it was read, or in RFC 3339.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.text != "" {
		return json.Marshal(t.text)
	}
	return json.Marshal(t.Time)
}
