package reducto

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// prepared returns a submission with this metadata, as the first hook receives it.
func prepared(t testing.TB, metadata any) *Submission {
	t.Helper()
	client, err := NewClient(WithAPIKey("sk-test"))
	require.NoError(t, err)
	s, err := client.prepare("ParseAsync", JobTypeParse, &ParseRequest{Input: URL("https://example.com/a.pdf")}, Async{Metadata: metadata})
	require.NoError(t, err)
	return s
}

func TestMetadataWithoutHooksIsSentUnchanged(t *testing.T) {
	t.Parallel()
	for want, metadata := range map[string]any{
		"":                        nil,
		`"text"`:                  "text",
		`[1,2]`:                   []int{1, 2},
		`7`:                       7,
		`false`:                   false,
		`{}`:                      map[string]any{},
		`{"secret":"mine"}`:       map[string]string{"secret": "mine"},
		`{"a":1,"a":2}`:           json.RawMessage(` { "a" : 1, "a" : 2 } `),
		`12345678901234567890123`: json.RawMessage("12345678901234567890123"),
	} {
		assert.Equal(t, want, string(prepared(t, metadata).wireMetadata()))
	}
	for _, null := range []any{json.RawMessage("null"), json.RawMessage(nil), (*int)(nil), map[string]any(nil), []int(nil)} {
		assert.Nil(t, prepared(t, null).wireMetadata(), "%T", null)
	}
}

func TestAddMetadataAppendsToTheUsers(t *testing.T) {
	t.Parallel()
	type user struct {
		UserID string  `json:"user_id"`
		Share  float64 `json:"share"`
	}
	tests := map[string]struct {
		metadata any
		want     string
	}{
		"nil":            {nil, `{"secret":"s","n":{"a":[1]}}`},
		"null":           {json.RawMessage("null"), `{"secret":"s","n":{"a":[1]}}`},
		"empty map":      {map[string]any{}, `{"secret":"s","n":{"a":[1]}}`},
		"empty object":   {json.RawMessage(" {\n} "), `{"secret":"s","n":{"a":[1]}}`},
		"struct":         {user{"u", 0.5}, `{"user_id":"u","share":0.5,"secret":"s","n":{"a":[1]}}`},
		"pointer":        {&user{"u", 0.5}, `{"user_id":"u","share":0.5,"secret":"s","n":{"a":[1]}}`},
		"raw":            {json.RawMessage(`{"big":12345678901234567890123,"exact":1.500,"é":"\u00e9","deep":{"secret":"mine"}}`), `{"big":12345678901234567890123,"exact":1.500,"é":"\u00e9","deep":{"secret":"mine"},"secret":"s","n":{"a":[1]}}`},
		"another case":   {map[string]string{"Secret": "mine"}, `{"Secret":"mine","secret":"s","n":{"a":[1]}}`},
		"repeated names": {json.RawMessage(`{"a":1,"a":2}`), `{"a":1,"a":2,"secret":"s","n":{"a":[1]}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := prepared(t, test.metadata)
			require.NoError(t, s.AddMetadata("secret", "s"))
			require.NoError(t, s.AddMetadata("n", map[string]any{"a": []int{1}}))
			assert.Equal(t, test.want, string(s.wireMetadata()))
			assert.Equal(t, test.want, string(s.wireMetadata()), "a second time")
			assert.True(t, json.Valid(s.wireMetadata()))
			assert.Equal(t, []string{"s"}, s.secrets())
		})
	}
}

func TestAddMetadataRefusesNonObjectsAndUsedKeys(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		metadata any
		key      string
		value    any
		reason   string
	}{
		"a list":              {[]int{1}, "k", 1, "must marshal to a JSON object, because k is added"},
		"a text":              {"a", "k", 1, "must marshal to a JSON object"},
		"a number":            {7, "k", 1, "must marshal to a JSON object"},
		"a boolean":           {true, "k", 1, "must marshal to a JSON object"},
		"its key":             {map[string]int{"k": 1}, "k", 1, `the key "k" is reserved`},
		"its key, escaped":    {json.RawMessage(`{"\u006b":1}`), "k", 1, `the key "k" is reserved`},
		"the secret":          {map[string]int{"secret": 1}, "k", 1, `the key "secret" is reserved`},
		"the trace":           {map[string]any{"traceparent": nil}, "k", 1, `the key "traceparent" is reserved`},
		"the submission id":   {map[string]any{"submission_id": nil}, "k", 1, `the key "submission_id" is reserved`},
		"a function":          {nil, "k", func() {}, `metadata "k" does not marshal`},
		"not a number":        {nil, "k", math.NaN(), `metadata "k" does not marshal`},
		"a failing marshaler": {nil, "k", failingMarshaler{}, "no luck"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := prepared(t, test.metadata)
			before := string(s.wireMetadata())
			require.ErrorContains(t, s.AddMetadata(test.key, test.value), test.reason)
			assert.Equal(t, before, string(s.wireMetadata()), "nothing was added")
		})
	}
	s := prepared(t, nil)
	require.NoError(t, s.AddMetadata("k", 1))
	var refused *RequestError
	require.ErrorAs(t, s.AddMetadata("k", 2), &refused)
	assert.Equal(t, "Async.Metadata", refused.Field)
	assert.Contains(t, refused.Reason, `two hooks add the key "k"`)
	assert.Equal(t, `{"k":1}`, string(s.wireMetadata()))
}

type failingMarshaler struct{}

func (failingMarshaler) MarshalJSON() ([]byte, error) { return nil, errors.New("no luck") }

func TestAddMetadataDoesNotModifyTheUsersBytes(t *testing.T) {
	t.Parallel()
	mine := map[string]any{"user_id": "u", "list": []any{1.0}}
	before := maps.Clone(mine)
	raw := json.RawMessage(`{"user_id":"u"}    `)
	for _, metadata := range []any{mine, raw} {
		s := prepared(t, metadata)
		require.NoError(t, s.AddMetadata("secret", "s"))
		_ = s.wireMetadata()
	}
	assert.Equal(t, before, mine)
	assert.Equal(t, `{"user_id":"u"}    `, string(raw))

	// A later change of the value is not sent.
	value := json.RawMessage(`"before"`)
	s := prepared(t, mine)
	require.NoError(t, s.AddMetadata("k", value))
	copy(value, `"after!"`)
	mine["user_id"] = "other"
	assert.JSONEq(t, `{"user_id":"u","list":[1],"k":"before"}`, string(s.wireMetadata()))
}

// The methods that a hook calls before it adds metadata.
func TestHooksCanInspectMetadata(t *testing.T) {
	t.Parallel()
	for want, metadata := range map[string]any{"": nil, `{"a":1}`: map[string]int{"a": 1}, `[1]`: []int{1}, `"{"`: "{"} {
		s := prepared(t, metadata)
		assert.Equal(t, want, string(s.Metadata()))
		takes := s.TakesMetadata()
		assert.Equal(t, want == "" || want[0] == '{', takes)
		assert.False(t, s.HasMetadata("k"))
		assert.Equal(t, takes, s.AddMetadata("k", 1) == nil)
		assert.Equal(t, takes, s.HasMetadata("k"))
		assert.False(t, s.HasMetadata("a"), "it is the user's")
		assert.Equal(t, want, string(s.Metadata()), "it is the user's alone")
	}
}

func TestSecretsAreTheAddedStrings(t *testing.T) {
	t.Parallel()
	s := prepared(t, map[string]string{"user_id": "u"})
	assert.Empty(t, s.secrets())
	require.NoError(t, s.AddMetadata(MetadataSecret, "s"))
	require.NoError(t, s.AddMetadata(MetadataSubmissionID, s.ID))
	require.NoError(t, s.AddMetadata("n", 7))
	require.NoError(t, s.AddMetadata("t", "token"))
	assert.Equal(t, []string{"s", "token"}, s.secrets())
}

func TestPrepareRefusesInvalidSubmissions(t *testing.T) {
	t.Parallel()
	client, err := NewClient(WithAPIKey("sk-test"), WithWebhook(DirectWebhook("https://example.com/default")))
	require.NoError(t, err)
	good := ParseRequest{Input: URL("https://example.com/a.pdf")}
	for field, async := range map[string][]Async{
		"Async.Webhook": {
			{Webhook: DirectWebhook("")}, {Webhook: DirectWebhook("ftp://example.com/")}, {Webhook: DirectWebhook("/webhook")},
			{Webhook: DirectWebhook("https://:443/webhook")}, {Webhook: DirectWebhook("https://exa mple.com")}, {Webhook: DirectWebhook("example.com/webhook")},
		},
		"Async.SubmissionID": {{SubmissionID: "a.b"}, {SubmissionID: "a:b"}, {SubmissionID: "a~b"}, {SubmissionID: "a b"}, {SubmissionID: "ä"}, {SubmissionID: string(make([]byte, 129))}},
		"Async.Metadata":     {{Metadata: func() {}}, {Metadata: math.Inf(1)}, {Metadata: json.RawMessage("{")}, {Metadata: json.RawMessage("")}},
	} {
		for i, a := range async {
			var refused *RequestError
			_, err := client.prepare("ParseAsync", JobTypeParse, &good, a)
			require.ErrorAs(t, err, &refused, "%s %d", field, i)
			assert.Equal(t, "ParseAsync", refused.Op)
			assert.Equal(t, field, refused.Field)
		}
	}
	var refused *RequestError
	_, err = client.prepare("ParseAsync", JobTypeParse, &ParseRequest{}, Async{})
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "ParseAsync", refused.Op)

	s, err := client.prepare("ParseAsync", JobTypeParse, &good, Async{})
	require.NoError(t, err)
	assert.Equal(t, "https://example.com/default", s.Webhook.URL())
	assert.Len(t, s.ID, 36)
	assert.Equal(t, byte('7'), s.ID[14], "the version of a UUID that sorts by time")
	s, err = client.prepare("ParseAsync", JobTypeParse, &good, Async{Webhook: NoWebhook(), SubmissionID: "again_1-A"})
	require.NoError(t, err)
	assert.False(t, s.Webhook.Enabled())
	assert.Equal(t, "again_1-A", s.ID)
}

func TestAsyncIsZeroOnlyIfNothingIsSet(t *testing.T) {
	t.Parallel()
	assert.True(t, Async{}.IsZero())
	for _, a := range []Async{{Webhook: NoWebhook()}, {Metadata: map[string]any(nil)}, {Priority: true}, {SubmissionID: "a"}} {
		assert.False(t, a.IsZero(), "%#v", a)
	}
}

func TestSubmitOutcomesHaveNames(t *testing.T) {
	t.Parallel()
	names := map[SubmitOutcome]string{SubmitOutcomeAccepted: "accepted", SubmitOutcomeRejected: "rejected", SubmitOutcomeUnknown: "unknown"}
	for outcome, name := range names {
		assert.Equal(t, name, outcome.String())
	}
	for _, other := range []SubmitOutcome{0, -1, 4} {
		assert.NotContains(t, names, other)
		assert.NotPanics(t, func() { _ = other.String() })
	}
}
