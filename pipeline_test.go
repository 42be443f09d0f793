package reducto

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPipelineResult(t *testing.T) {
	t.Parallel()
	r := resultOf[*PipelineResult](t, "job_pipeline_split_extract.json")
	require.Len(t, r.Parse, 1)
	assert.NotEmpty(t, texts(t, r.Parse[0]))
	assert.Nil(t, r.Extract)
	require.Len(t, r.SplitExtracts, 2)
	assert.Equal(t, []int{2, 3}, r.SplitExtracts[1].PageRange)
	assert.Equal(t, "Summer", *r.SplitExtracts[1].Partition)
	assert.Nil(t, r.SplitExtracts[0].Partition)
	var v struct{ Number Cited[string] }
	require.NoError(t, r.SplitExtracts[0].Result.Decode(t.Context(), &v))
	assert.Equal(t, "HD-77", v.Number.Value)
	assert.Len(t, v.Number.Citations, 1)
	assert.Equal(t, "Berths", r.Split.Splits[0].Name)
	assert.Contains(t, string(r.Edit.DocumentURL), "filled.pdf")

	list := resultOf[*PipelineResult](t, "job_pipeline_parse_list.json")
	require.Len(t, list.Parse, 2)
	assert.Equal(t, "p2", list.Parse[1].JobID)
	require.NotNil(t, list.Extract)
	assert.Nil(t, list.Split)

	// One that is built has the forms that it needs.
	raw, err := json.Marshal(&PipelineResult{Parse: []*ParseResult{{}, {}}})
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"parse":[{`)
	raw, err = json.Marshal(&PipelineResult{})
	require.NoError(t, err)
	assert.Equal(t, value(t, []byte(`{"job_id":"","usage":{"num_pages":0},"result":{}}`)), value(t, raw))
}

// A result finds its fresh link in a job that was fetched again, at its own place.
func TestFreshLinks(t *testing.T) {
	t.Parallel()
	fresh := func(name string) *Job {
		text := strings.ReplaceAll(string(wire(t, name)), "5a1e", "f2e5")
		job := new(Job)
		require.NoError(t, json.Unmarshal([]byte(text), job))
		return job
	}
	assertFresh := func(s source, name, path string) {
		t.Helper()
		link, ok := s.link(fresh(name))
		assert.True(t, ok)
		assert.Contains(t, string(link), path)
		assert.Contains(t, string(link), "f2e5")
		for _, other := range []string{"job_edit.json", "job_completed_null.json", "job_failed.json", "job_unknown_type.json"} {
			link, ok = s.link(fresh(other))
			assert.False(t, ok)
			assert.Empty(t, link)
		}
	}
	p := resultOf[*ParseResult](t, "job_parse_url.json")
	p.bind(source{jobID: "j"})
	assertFresh(p.src, "job_parse_url.json", "/result.json")
	assert.Equal(t, "j", p.jobID())
	e := resultOf[*ExtractResult](t, "job_extract_url.json")
	e.bind(source{})
	assertFresh(e.src, "job_extract_url.json", "/value.json")

	pipeline := resultOf[*PipelineResult](t, "job_pipeline_parse_list.json")
	pipeline.bind(source{})
	assertFresh(pipeline.Parse[1].src, "job_pipeline_parse_list.json", "/p2.json")
	link, ok := pipeline.Parse[0].src.link(fresh("job_pipeline_parse_list.json"))
	assert.True(t, ok)
	assert.Empty(t, link, "it has its content now")
	_, ok = pipeline.Parse[1].src.link(fresh("job_pipeline_split_extract.json"))
	assert.False(t, ok, "there is no second one any more")
	_, ok = pipeline.Extract.src.link(fresh("job_pipeline_parse_list.json"))
	assert.True(t, ok)
	_, ok = pipeline.Extract.src.link(fresh("job_pipeline_split_extract.json"))
	assert.False(t, ok)
	split := resultOf[*PipelineResult](t, "job_pipeline_split_extract.json")
	split.bind(source{})
	_, ok = split.SplitExtracts[1].Result.src.link(fresh("job_pipeline_split_extract.json"))
	assert.True(t, ok)
	_, ok = split.SplitExtracts[1].Result.src.link(fresh("job_pipeline_parse_list.json"))
	assert.False(t, ok)

	// Nothing is where a step is null.
	nulls := `{"status":"Completed","type":"Pipeline","result":{"result":{"parse":[null,null],"extract":[{"result":null},{"result":null}]}}}`
	job := new(Job)
	require.NoError(t, json.Unmarshal([]byte(nulls), job))
	job.Result.bind(source{})
	_, ok = pipeline.Parse[1].src.link(job)
	assert.False(t, ok)
	_, ok = split.SplitExtracts[1].Result.src.link(job)
	assert.False(t, ok)
}
