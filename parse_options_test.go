package reducto

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTableSizeJSON(t *testing.T) {
	t.Parallel()
	for want, size := range map[string]TableSize{
		`50`:                       SplitEvery(50),
		`{"row":10,"column":null}`: {Row: 10},
		`{"row":null,"column":4}`:  {Column: 4},
		`{"row":10,"column":4}`:    {Row: 10, Column: 4},
	} {
		raw, err := json.Marshal(SplitLargeTables{Size: size})
		require.NoError(t, err)
		assert.JSONEq(t, `{"size":`+want+`}`, string(raw))
		var read SplitLargeTables
		require.NoError(t, json.Unmarshal(raw, &read))
		assert.Equal(t, size, read.Size)
	}
	raw, err := json.Marshal(SplitLargeTables{})
	require.NoError(t, err)
	assert.JSONEq(t, `{}`, string(raw))
	for _, wrong := range []string{`"50"`, `[50]`, `{"row":"10"}`} {
		var size TableSize
		assert.Error(t, json.Unmarshal([]byte(wrong), &size), wrong)
	}
}

func TestAgenticJSON(t *testing.T) {
	t.Parallel()
	for want, scope := range map[string]AgenticScope{
		`{"scope":"text"}`:                                       TextAgentic{},
		`{"scope":"text","prompt":"p"}`:                          &TextAgentic{Prompt: "p"},
		`{"scope":"table"}`:                                      TableAgentic{},
		`{"scope":"table","mode":"auto"}`:                        TableAgentic{Mode: TableAgenticModeAuto},
		`{"scope":"figure"}`:                                     FigureAgentic{},
		`{"scope":"figure","advanced_chart_agent":true}`:         FigureAgentic{AdvancedChartAgent: true},
		`{"scope":"figure","prompt":"p","return_overlays":true}`: FigureAgentic{Prompt: "p", ReturnOverlays: true},
		`{"scope":"layout"}`:                                     OtherAgentic{Scope: AgenticScopeLayout},
		`{"scope":"hand-writing","prompt":"p","levels":[1,2]}`:   &OtherAgentic{Scope: "hand-writing", Options: map[string]any{"prompt": "p", "levels": []int{1, 2}}},
	} {
		raw, err := json.Marshal(Enhance{Agentic: []AgenticScope{scope}})
		require.NoError(t, err)
		assert.JSONEq(t, `{"agentic":[`+want+`]}`, string(raw))
	}
}

func TestPasswordIsNeverShown(t *testing.T) {
	t.Parallel()
	const secret Password = "hunter2-ÿ"
	settings := Settings{DocumentPassword: secret}
	parse := ParseRequest{Settings: settings}
	values := []any{
		secret, settings, &settings, []Password{secret}, map[string]Password{"a": secret},
		parse, parse.wire(nil), &parse,
		ExtractRequest{Parsing: ParseOptions{Settings: settings}},
		PipelineRequest{Settings: PipelineSettings{DocumentPassword: secret}},
	}
	shapes := []string{
		string(secret), "hunter2", fmt.Sprintf("%x", string(secret)), fmt.Sprintf("%X", string(secret)),
		fmt.Sprintf("% x", string(secret)), fmt.Sprintf("%+q", string(secret)), fmt.Sprintf("%v", []byte(secret)),
	}
	for _, v := range values {
		var seen []string
		for _, verb := range []string{"v", "+v", "#v", "s", "q", "+q", "#q", "x", "X", "# x", "d", "c", "U", "t", "20s", "!"} {
			seen = append(seen, fmt.Sprintf("%"+verb, v))
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("request", "value", v)
		seen = append(seen, log.String(), fmt.Sprint(v), fmt.Errorf("refused: %w (%v)", os.ErrInvalid, v).Error())
		for _, text := range seen {
			for _, shape := range shapes {
				assert.NotContains(t, text, shape, "%T", v)
			}
		}
	}
	assert.Equal(t, "[redacted]", secret.LogValue().String())

	raw, err := json.Marshal(settings)
	require.NoError(t, err)
	assert.JSONEq(t, `{"document_password":"hunter2-ÿ"}`, string(raw), "it is sent as it is")
}
