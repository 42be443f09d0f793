package reducto

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEditWidgetKeepsUnknownMembers(t *testing.T) {
	t.Parallel()
	const received = `{"bbox":{"left":0,"top":0,"width":1,"height":1,"page":2},"description":"d","type":"slider","fill":true,"value":null,"max_length":40}`
	var w EditWidget
	require.NoError(t, json.Unmarshal([]byte(received), &w))
	assert.Equal(t, WidgetType("slider"), w.Type)
	assert.Equal(t, 2, w.BBox.Page)
	assert.Nil(t, w.Value)
	require.NoError(t, EditRequest{Input: URL("https://example.com/a.pdf"), Instructions: "x", FormSchema: []EditWidget{w}}.check())
	raw, err := json.Marshal(w)
	require.NoError(t, err)
	assert.JSONEq(t, strings.Replace(received, `"value":null,`, "", 1), string(raw))
}

func TestEditAsyncSendsPriorityOnce(t *testing.T) {
	t.Parallel()
	r := minimalRequests()["edit"].(*EditRequest)
	for want, body := range map[string]any{
		`"priority":true`:   r.wire(&asyncWire{Priority: true}),
		`"mode":"disabled"`: r.wire(&asyncWire{}),
	} {
		raw, err := json.Marshal(body)
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(string(raw), want), string(raw))
	}
	assert.Nil(t, r.Priority, "the caller's request is not written to")
}
