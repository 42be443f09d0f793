package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The policies leave nothing out: every value of every enum is generated, and every
// optional member is there once and once not.
func TestPoliciesReachEverything(t *testing.T) {
	t.Parallel()
	for _, d := range documents(t) {
		c, err := read(d)
		require.NoError(t, err)
		texts := map[string]bool{} // "member=value", for all members around the value
		var gather func(within []string, v any)
		gather = func(within []string, v any) {
			switch v := v.(type) {
			case string:
				for _, member := range within {
					texts[member+"="+v] = true
				}
			case []any:
				for _, item := range v {
					gather(within, item)
				}
			case node:
				for name, inner := range v {
					gather(within, name)
					gather(append(slices.Clone(within), name), inner)
				}
			}
		}
		for name := range whole(d) {
			there, away := map[string]bool{}, map[string]bool{}
			for _, p := range policies() {
				in := (&generator{d, p}).instance(node{"$ref": schemaPrefix + name})
				gather(nil, in)
				for member := range c.objects[inResponse][name].members {
					if in.(node)[member] == nil {
						away[member] = true
					} else {
						there[member] = true
					}
				}
			}
			required := list(d.schemas()[name].(node)["required"])
			for member := range c.objects[inResponse][name].members {
				assert.True(t, there[member], "%s.%s is never there", name, member)
				assert.True(t, away[member] || slices.Contains(required, any(member)), "%s.%s is always there", name, member)
			}
		}
		for kind := range jobTypes {
			for _, p := range policies() {
				gather(nil, (&generator{d, p}).job("EnhancedAsyncJobResponse", kind))
			}
		}
		for name, o := range c.objects[inResponse] {
			for member, schemas := range o.members {
				values, keys := d.enums(schemas...)
				for _, v := range slices.Concat(values, keys) {
					assert.True(t, texts[member+"="+v], "%s.%s is never %q", name, member, v)
				}
			}
		}
	}
}
