package webhook

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto"
)

const aUUID = "0199a0b4-7c1e-7a52-9d3f-2b6c8e4f1a00"

// Whose job it is, by its configuration.
func TestConfigOwner(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, config, owner string
		sure                bool
		another             bool // than order-1
	}{
		{"the metadata", `{"async":{"metadata":{"submission_id":"order-1"}}}`, "order-1", true, false},
		{"of another", `{"async":{"metadata":{"submission_id":"order-10"}}}`, "order-10", true, true},
		{"of another, by a UUID", `{"async":{"metadata":{"submission_id":"` + aUUID + `"}}}`, aUUID, true, true},
		{"whose id begins with it", `{"async":{"metadata":{"submission_id":"order-1.bak"}}}`, "", false, false},
		{"whose id ends with it", `{"async":{"metadata":{"submission_id":"my-order-1"}}}`, "my-order-1", true, true},
		{"in other letters", `{"async":{"metadata":{"submission_id":"Order-1"}}}`, "Order-1", true, true},
		{"spaces", "  {\"async\": {\"metadata\": {\n\"submission_id\" : \"order-1\" }}}", "order-1", true, false},
		{"escapes", `{"async":{"metadata":{"submission_id":"\u006frder-1"}}}`, "order-1", true, false},
		{"JSON within JSON", `{"async":"{\"metadata\":{\"submission_id\":\"order-2\"}}"}`, "order-2", true, true},
		{"twice within", `"{\"async\":{\"metadata\":\"{\\\"submission_id\\\":\\\"order-2\\\"}\"}}"`, "order-2", true, true},
		{"of the webhook", `{"metadata":{"submission_id":"order-3"},"webhook":{"metadata":{"submission_id":"order-2"}}}`, "order-2", true, true},
		{"at the top", `{"metadata":{"submission_id":"order-2"}}`, "order-2", true, true},
		{"in three places", `{"webhook":{"metadata":{"submission_id":"order-2"}},"async":{"metadata":{"submission_id":"order-3"}},"metadata":{"submission_id":"order-4"}}`, "order-3", true, true},
		{"elsewhere", `{"schema":{"metadata":{"submission_id":"order-2"}}}`, "order-2", false, false},
		{"what else is there speaks of it", `{"async":{"metadata":{"parent_submission_id":"order-1","merges":[{"submission_id":"order-1"}],"submission_id":"order-7"}}}`, "order-7", true, true},
		{"what else is there speaks of others", `{"x":{"submission_id":"` + aUUID + `"},"async":{"metadata":{"submission_id":"order-1"}}}`, "order-1", true, false},
		{"deeper", `{"input":{"async":{"metadata":{"submission_id":"order-2"}}}}`, "order-2", false, false},
		{"deeper, by a UUID", `{"input":{"async":{"metadata":{"submission_id":"` + aUUID + `"}}}}`, aUUID, false, true},
		{"deeper, beside a mention", `{"note":"submission_id: order-1","x":{"y":[{"submission_id":"` + aUUID + `"}]}}`, aUUID, false, false},
		{"deeper, two", `{"x":[{"submission_id":"` + aUUID + `"},{"submission_id":"order-2"},{"submission_id":"order-3"}]}`, "", false, true},
		{"cut off", `{"async":{"metadata":{"submission_id":"order-1`, "", false, false},
		{"cut off after it", `{"async":{"metadata":{"submission_id":"order-2"`, "order-2", false, false},
		{"cut off after another's", `{"async":{"metadata":{"merges":[{"submission_id":"` + aUUID + `"}],`, aUUID, false, false},
		{"no value", `{"async":{"metadata":{"submission_id`, "", false, false},
		{"no text", `{"async":{"metadata":{"submission_id":7}}}`, "", false, false},
		{"no id", `{"async":{"metadata":{"submission_id":""}},"x":{"submission_id":"-x"},"y":{"submission_id":"a b"}}`, "", false, false},
		{"no object", `{"async":[{"metadata":{"submission_id":"order-2"}}]}`, "order-2", false, false},
		{"a prompt", `{"instructions":{"system_prompt":"Read the submission_id from the form."}}`, "", false, false},
		{"a prompt with an id", `{"instructions":{"system_prompt":"submission_id: ` + aUUID + `"}}`, "", false, false},
		{"a schema", `{"schema":{"properties":{"submission_id":{"type":"string"},"other":{"enum":["submission_id","x"]}}}}`, "", false, false},
		{"an example", `{"examples":[{"submission_id":"X-17"}]}`, "X-17", false, false},
		{"not JSON", `{'async': {'metadata': {'submission_id': 'order-2'}}}`, "", false, false},
		{"nothing", ``, "", false, false},
		{"no submission", `{"async":{"metadata":{"user":"order-2"}}}`, "", false, false},
	} {
		config := reducto.RawConfig(test.config)
		owner, sure := configOwner(config)
		assert.Equal(t, test.owner, owner, test.name)
		assert.Equal(t, test.sure, sure, test.name)
		assert.Equal(t, test.another, namesAnother(config, "order-1"), test.name)
	}
	upper := "0199A0B4-7C1E-7A52-9D3F-2B6C8E4F1A00"
	assert.False(t, namesAnother(`{"async":{"metadata":{"submission_id":"`+reducto.RawConfig(upper)+`"}}}`, aUUID))
	assert.False(t, namesAnother(`{"x":[{"y":{"submission_id":"`+reducto.RawConfig(upper)+`"}}]}`, aUUID))
}

func TestMentionIn(t *testing.T) {
	t.Parallel()
	wanted := map[string]bool{"order-1": true, "order-10": true, "o": true}
	for _, test := range []struct{ name, config, want string }{
		{"a text", `{"note":"of submission_id: order-1, not 2"}`, "order-1"},
		{"a member", `{"x":{"submission_id":"order-10"}}`, "order-10"},
		{"another's member", `{"parent_submission_id":"order-1"}`, "order-1"},
		{"not JSON", `{'metadata': {'submission_id': 'order-1'}}`, "order-1"},
		{"not the first", `{"note":"submission_id","x":{"submission_id":"order-7"},"y":{"submission_id":"order-1"}}`, "order-1"},
		{"unknown ones", `{"submission_id":"order-101","x":{"submission_id":"my-order-1"},"y":{"submission_id":"order-1 or so"},"z":{"submission_ids":"o"}}`, ""},
		{"cut off", `{"submission_id":"order-1`, ""},
		{"nothing", ``, ""},
	} {
		assert.Equal(t, test.want, mentionIn(reducto.RawConfig(test.config), func(id string) bool { return wanted[id] }), test.name)
	}
}
