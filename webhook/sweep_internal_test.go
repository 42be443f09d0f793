package webhook

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto"
)

func TestSubmissionOf(t *testing.T) {
	t.Parallel()
	unbound := map[string]*Record{"order-1": {}, "order-10": {}, "o": {}}
	for _, test := range []struct{ name, config, want string }{
		{"the whole value", `{"async":{"metadata":{"submission_id":"order-1"}}}`, "order-1"},
		{"an id that begins with another", `{"async":{"metadata":{"submission_id":"order-10"}}}`, "order-10"},
		{"an unknown one that begins with another", `{"async":{"metadata":{"submission_id":"order-101"}}}`, ""},
		{"an unknown one that ends with another", `{"async":{"metadata":{"submission_id":"my-order-1"}}}`, ""},
		{"spaces", `{"async": {"metadata": {"submission_id" : "order-1" }}}`, "order-1"},
		{"JSON within JSON", `{"async":"{\"metadata\":{\"submission_id\":\"order-1\"}}"}`, "order-1"},
		{"not the first", `{"note":"submission_id","async":{"metadata":{"submission_id":"order-1"}}}`, "order-1"},
		{"another member", `{"async":{"metadata":{"parent":"order-1","submission_id":"order-7"}}}`, ""},
		{"cut off", `{"async":{"metadata":{"submission_id":"order-1`, "order-1"},
		{"no value", `{"async":{"metadata":{"submission_id`, ""},
		{"nothing", ``, ""},
	} {
		assert.Equal(t, test.want, submissionOf(&reducto.JobSummary{RawConfig: reducto.RawConfig(test.config)}, unbound), test.name)
	}
}
