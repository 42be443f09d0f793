package main

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

// What lies behind a URL is read as what is inline, in each form that it has.
func TestLinkedContentSurvives(t *testing.T) {
	t.Parallel()
	for _, d := range documents(t) {
		for _, p := range policies() {
			if p.odd {
				continue // a content of a type never heard of is none
			}
			g := &generator{d, p}
			full := g.instance(node{"$ref": schemaPrefix + "FullResult"}).(node)
			linked := func(kind, behind string) *recorder {
				return &recorder{answers: map[string]answer{
					"GET /job/{job_id}": {http.StatusOK, `{"status":"Completed","type":"` + kind + `","result":{"job_id":"j","duration":1,"usage":{"num_pages":1,"num_fields":1},
						"result":{"type":"url","url":"https://storage.example.com/content?signature=1","result_id":"r1"}}}`},
					"GET /content": {http.StatusOK, behind},
				}}
			}
			for form, behind := range map[string]any{
				"the content": full, "the answer around it": node{"job_id": "j", "result": full}, "the chunks": full["chunks"],
			} {
				raw, err := json.Marshal(behind)
				require.NoError(t, err)
				want := meaning(full)
				if form == "the chunks" {
					want = node{"type": "full", "chunks": meaning(full["chunks"])}
				}
				assert.Equal(t, want, loaded(t, linked("Parse", string(raw)), func(job *reducto.Job) error {
					_, err := job.Result.(*reducto.ParseResult).Load(t.Context())
					return err
				}), "%s, %s: %s", p, form, raw)
			}
			raw := g.anything()
			assert.Equal(t, meaning(parsed(raw)), loaded(t, linked("Extract", raw), func(job *reducto.Job) error {
				_, err := job.Result.(*reducto.ExtractResult).Raw(t.Context())
				return err
			}), raw)
		}
	}
}

// loaded gets a job, loads what lies behind its result's URL, and returns what the
// result's content is then encoded to.
func loaded(t *testing.T, r *recorder, load func(*reducto.Job) error) any {
	t.Helper()
	client, err := r.client()
	require.NoError(t, err)
	job, err := client.GetJob(t.Context(), testID)
	require.NoError(t, err)
	require.NoError(t, load(job))
	encoded, err := json.Marshal(job.Result)
	require.NoError(t, err)
	return meaning(value(t, string(encoded)).(node)["result"])
}
