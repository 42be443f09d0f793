package reducto

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPipelineResultHasItsSteps(t *testing.T) {
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

	// A new result is encoded in the required forms.
	raw, err := json.Marshal(&PipelineResult{Parse: []*ParseResult{{}, {}}})
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"parse":[{`)
	raw, err = json.Marshal(&PipelineResult{})
	require.NoError(t, err)
	assert.Equal(t, value(t, []byte(`{"job_id":"","usage":{"num_pages":0},"result":{}}`)), value(t, raw))
}

// A result finds its fresh link at its own place in a job that was fetched again.
func TestResultsFindTheirFreshLink(t *testing.T) {
	t.Parallel()
	job := func(text string) *Job {
		job := new(Job)
		require.NoError(t, json.Unmarshal([]byte(text), job))
		return job
	}
	fresh := func(name string) *Job { return job(strings.ReplaceAll(string(wire(t, name)), "5a1e", "f2e5")) }
	parse := resultOf[*ParseResult](t, "job_parse_url.json")
	parse.bind(source{jobID: "j"})
	assert.Equal(t, "j", parse.jobID())
	extract := resultOf[*ExtractResult](t, "job_extract_url.json")
	extract.bind(source{})
	for name, s := range map[string]source{"job_parse_url.json": parse.src, "job_extract_url.json": extract.src} {
		assert.Contains(t, string(s.link(fresh(name))), "f2e5")
		for _, other := range []string{"job_edit.json", "job_completed_null.json", "job_failed.json", "job_unknown_type.json"} {
			assert.Empty(t, s.link(fresh(other)))
		}
	}

	link := func(name string) string {
		return `{"result":{"type":"url","result_id":"r","url":"https://example.com/` + name + `"},"usage":{"num_pages":1}}`
	}
	pipeline := func(extract string) *Job {
		return job(`{"status":"Completed","type":"Pipeline","result":{"result":{"parse":[` + link("p0") + `,` + link("p1") +
			`],"split":` + link("s") + `,"extract":` + extract + `}}}`)
	}
	plain, split := pipeline(link("e")), pipeline(`[{"result":`+link("e0")+`},{"result":`+link("e1")+`}]`)
	plain.Result.bind(source{})
	split.Result.bind(source{})
	one, other := plain.Result.(*PipelineResult), split.Result.(*PipelineResult)
	empty := job(`{"status":"Completed","type":"Pipeline","result":{"result":{}}}`)
	nulls := job(`{"status":"Completed","type":"Pipeline","result":{"result":{"parse":[null,null],"extract":[{"result":null},{"result":null}]}}}`)
	nulls.Result.bind(source{})
	for name, s := range map[string]source{
		"p0": one.Parse[0].src, "p1": one.Parse[1].src, "s": one.Split.src, "e": one.Extract.src,
		"e0": other.SplitExtracts[0].Result.src, "e1": other.SplitExtracts[1].Result.src,
	} {
		from, without := plain, []*Job{empty, nulls, fresh("job_edit.json")}
		if name == "e0" || name == "e1" {
			from, without = split, append(without, plain)
		} else if name == "e" {
			without = append(without, split)
		}
		assert.Equal(t, Link("https://example.com/"+name), s.link(from), name)
		for _, j := range without {
			assert.Empty(t, s.link(j), name)
		}
	}
}
