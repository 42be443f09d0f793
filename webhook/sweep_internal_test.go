package webhook

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto"
)

// What a sweep takes a job of the list for, by its configuration. Nobody has said of
// orders 1 and 2 which jobs they have; a delivery has named the job for order 3, whose
// answer is lost too, or Bind has for order 4.
func TestListed(t *testing.T) {
	t.Parallel()
	const job = "job-1"
	for _, test := range []struct {
		name, config string
		runs         bool
		known        string // the record that has the job
		want         string // the record that it is found for
		confirmed    bool
		seen         []string
		left         []string // that are looked for further on
	}{
		{name: "nobody's", config: `{}`, left: []string{"order-1", "order-2", "order-3"}},
		{"its own", `{"async":{"metadata":{"submission_id":"order-1"}}}`, false, "", "order-1", true, []string{"order-1"}, []string{"order-2", "order-3"}},
		{"that runs", `{"async":{"metadata":{"submission_id":"order-1"}}}`, true, "", "", false, []string{"order-1"}, []string{"order-1", "order-2", "order-3"}},
		{
			"and a mention", `{"x":"submission_id: order-2","async":{"metadata":{"submission_id":"order-1"}}}`, false,
			"", "order-1", true, []string{"order-1"}, []string{"order-2", "order-3"},
		},
		{
			"somebody else's, and a mention", `{"x":"submission_id: order-2","async":{"metadata":{"submission_id":"order-9"}}}`, false,
			"", "", false, nil, []string{"order-1", "order-2", "order-3"},
		},
		{
			"deeper", `{"x":"submission_id: order-2","y":[{"submission_id":"order-1"}]}`, false,
			"", "order-1", true, []string{"order-1"}, []string{"order-2", "order-3"},
		},
		{
			"somebody else's, deeper, and a mention", `{"x":"submission_id: order-2","y":[{"submission_id":"order-9"}]}`, false,
			"", "order-2", false, nil, []string{"order-1", "order-2", "order-3"},
		},
		{"a mention", `{"x":"submission_id: order-2"}`, false, "", "order-2", false, []string{"order-2"}, []string{"order-1", "order-3"}},
		{"a delivery's", `{}`, false, "order-3", "order-3", false, nil, []string{"order-1", "order-2", "order-3"}},
		{
			"a delivery's, and its own", `{"async":{"metadata":{"submission_id":"order-3"}}}`, false,
			"order-3", "order-3", true, []string{"order-3"}, []string{"order-1", "order-2"},
		},
		{
			"a delivery's, but another's", `{"async":{"metadata":{"submission_id":"order-1"}}}`, false,
			"order-3", "order-1", true, []string{"order-1"}, []string{"order-2", "order-3"},
		},
		{
			"a delivery's, but somebody else's", `{"async":{"metadata":{"submission_id":"order-9"}}}`, false,
			"order-3", "", false, nil, []string{"order-1", "order-2", "order-3"},
		},
		{
			"Bind's, whatever is said", `{"async":{"metadata":{"submission_id":"order-1"}}}`, false,
			"order-4", "order-4", false, nil, []string{"order-1", "order-2", "order-3"},
		},
	} {
		record := func(id string, jobs ...string) *Record {
			return &Record{Key: id, SubmissionID: id, JobIDs: jobs, Unconfirmed: jobs}
		}
		unbound := map[string]*Record{"order-1": record("order-1"), "order-2": record("order-2"), "order-3": record("order-3", job)}
		bound := record("order-4", job)
		bound.Unconfirmed = nil
		byJob := map[string]*Record{}
		if test.known != "" {
			byJob[job] = map[string]*Record{"order-3": unbound["order-3"], "order-4": bound}[test.known]
		}
		s := &sweeper{seen: map[string]bool{}}
		summary := &reducto.JobSummary{JobID: job, Status: reducto.JobStatusCompleted, RawConfig: reducto.RawConfig(test.config)}
		if test.runs {
			summary.Status = reducto.JobStatusPending
		}
		end, ok := s.listed(summary, byJob, unbound)
		assert.Equal(t, test.want != "", ok, test.name)
		if ok && test.want != "" {
			assert.Equal(t, test.want, end.record.Key, test.name)
			assert.Equal(t, test.want, end.arrival.SubmissionID, test.name)
		}
		assert.Equal(t, test.confirmed, end.arrival.Confirmed, test.name)
		assert.Equal(t, test.seen, slices.Sorted(maps.Keys(s.seen)), test.name)
		assert.Equal(t, test.left, slices.Sorted(maps.Keys(unbound)), test.name)
		assert.Empty(t, byJob, test.name)
	}
}
