package webhook

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto"
)

func TestConfigNames(t *testing.T) {
	t.Parallel()
	wanted := map[string]bool{"order-1": true, "order-10": true, "o": true}
	for _, test := range []struct {
		name, config, want string
		nobody             bool // no submission is certainly named
	}{
		{"the whole value", `{"async":{"metadata":{"submission_id":"order-1"}}}`, "order-1", false},
		{"an id that begins with another", `{"async":{"metadata":{"submission_id":"order-10"}}}`, "order-10", false},
		{"an unknown one that begins with another", `{"async":{"metadata":{"submission_id":"order-101"}}}`, "", true},
		{"an unknown one that ends with another", `{"async":{"metadata":{"submission_id":"my-order-1"}}}`, "", true},
		{"an unknown one that goes on with a dot", `{"async":{"metadata":{"submission_id":"order-1.bak"}}}`, "", true},
		{"other letters", `{"async":{"metadata":{"submission_id":"Order-1"}}}`, "", true},
		{"spaces", `{"async": {"metadata": {"submission_id" : "order-1" }}}`, "order-1", false},
		{"JSON within JSON", `{"async":"{\"metadata\":{\"submission_id\":\"order-1\"}}"}`, "order-1", false},
		{"not the first", `{"note":"submission_id","async":{"metadata":{"submission_id":"order-1"}}}`, "order-1", false},
		{"another member", `{"async":{"metadata":{"parent":"order-1","submission_id":"order-7"}}}`, "", true},
		{"cut off", `{"async":{"metadata":{"submission_id":"order-1`, "order-1", false},
		{"no value", `{"async":{"metadata":{"submission_id`, "", true},
		{"another submission", `{"async":{"metadata":{"submission_id":"0199a0b4-7c1e-7a52-9d3f-2b6c8e4f1a00"}}}`, "", false},
		{"another submission, JSON within JSON", `{"async":"{\"metadata\":{\"submission_id\": \"0199a0b4-7c1e-7a52-9d3f-2b6c8e4f1a00\"}}"}`, "", false},
		{"a prompt", `{"instructions":{"system_prompt":"Read the submission_id from the form."}}`, "", true},
		{"a prompt with an id", `{"instructions":{"system_prompt":"submission_id: 0199a0b4-7c1e-7a52-9d3f-2b6c8e4f1a00"}}`, "", true},
		{"a schema", `{"schema":{"properties":{"submission_id":{"type":"string"},"other":{"enum":["submission_id","x"]}}}}`, "", true},
		{"an example", `{"examples":[{"submission_id":"X-17"}]}`, "", true},
		{"nothing", ``, "", true},
		{"no submission", `{"async":{"metadata":{"user":"order-1"}}}`, "", true},
	} {
		config := reducto.RawConfig(test.config)
		id := configNames(config, func(id string) bool { return wanted[id] })
		assert.Equal(t, test.want, id, test.name)
		named := id != "" || slices.ContainsFunc(configMembers(config), isUUID)
		assert.Equal(t, !test.nobody, named, test.name)
	}
}

func TestConfigMembers(t *testing.T) {
	t.Parallel()
	for config, want := range map[string][]string{
		`{"async":{"metadata":{"submission_id":"order-1"}}}`:                                          {"order-1"},
		`{"a":{"submission_id":"order-1"},"b":{"submission_id":"x"},"c":{"submission_id":"order-1"}}`: {"order-1", "x"},
		`{"async":"{\"metadata\":{\"submission_id\":\"order-1\"}}"}`:                                  {"order-1"},
		`{"parent_submission_id":"order-1","submission_ids":"order-2","submission_id":7}`:             nil,
		`{"submission_id":"","b":{"submission_id":"-x"}}`:                                             nil,
		`{"note":"submission_id: order-1"}`:                                                           nil,
		``:                                                                                            nil,
	} {
		assert.Equal(t, want, configMembers(reducto.RawConfig(config)), config)
	}
}
