package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A document of ours with everything that a schema can be made of.
const small = `
openapi: 3.1.0
info: {title: Tea, version: v1.0.0-1-gabc}
paths:
  /tea/{tea_id}:
    parameters:
    - {name: tea_id, in: path, schema: {type: string}}
    put:
      parameters:
      - {name: hot, in: query, schema: {type: boolean}}
      requestBody:
        content:
          application/json: {schema: {$ref: '#/components/schemas/Order'}}
          multipart/form-data: {schema: {type: object, properties: {leaf: {type: string}}}}
      responses:
        200:
          content:
            application/json:
              schema:
                oneOf:
                - {$ref: '#/components/schemas/Green'}
                - type: object
                  properties: {kettle: {type: string}}
                discriminator:
                  propertyName: kind
                  mapping: {green: '#/components/schemas/Green', black: '#/components/schemas/Black'}
        '404': {description: nothing to see}
    post: {responses: {'204': {description: nothing to see}}}
components:
  schemas:
    Order:
      allOf:
      - {$ref: '#/components/schemas/Base'}
      - type: object
        properties:
          sugar: {anyOf: [{type: string, enum: [cube, brown]}, {const: none}, {type: 'null'}]}
          cups: {type: array, items: {$ref: '#/components/schemas/Cup'}}
          extras: {type: object, propertyNames: {enum: [milk, lemon]}, additionalProperties: {$ref: '#/components/schemas/Size'}}
          saucer:
            type: object
            properties:
              spoon: {type: object, properties: {length: {type: number}}}
    Base: {type: object, required: [id], properties: {id: {type: string}, again: {$ref: '#/components/schemas/Order'}}}
    Cup: {type: object, patternProperties: {'^x-': {type: string}}, properties: {anything: true}}
    Size: {type: string, enum: [small, large]}
    Green: {type: object, properties: {kind: {const: green}}}
    Black: {type: object, properties: {kind: {const: black}}}
    Unreached: {type: object, properties: {a: {}}}
`

func TestReadFollowsEverything(t *testing.T) {
	t.Parallel()
	d, err := parse("small.yml", []byte(small))
	require.NoError(t, err)
	c, err := read(d)
	require.NoError(t, err)
	var found []string
	for r, objects := range c.objects {
		for name, o := range objects {
			found = append(found, strings.TrimSpace(role(r).String()+" "+name+": "+strings.Join(slices.Sorted(maps.Keys(o.members)), " ")))
		}
	}
	assert.ElementsMatch(t, []string{
		"request Cup: ^x- anything", "request Order: again cups extras id saucer sugar",
		"request Order.saucer: spoon", "request Order.saucer.spoon: length", "request PUT /tea/{tea_id} body: leaf", "request Size:",
		"response Black: kind", "response Green: kind", "response PUT /tea/{tea_id} answer: kettle",
	}, found)

	ops := d.operations()
	require.Len(t, ops, 2)
	assert.Equal(t, "PUT /tea/{tea_id}", ops[0].endpoint)
	assert.Len(t, ops[0].parameters, 2, "those of the path too")
	assert.Nil(t, ops[1].answer())
	assert.Equal(t, map[string][]string{"kind": {"black", "green"}}, d.discriminators(ops[0].answer()))
	for member, want := range map[string][2][]string{
		"sugar": {{"cube", "brown", "none"}}, "extras": {{"small", "large"}, {"milk", "lemon"}}, "cups": {}, // an object's members are not its values
	} {
		values, keys := d.enums(c.objects[inRequest]["Order"].members[member]...)
		assert.Equal(t, want, [2][]string{values, keys}, member)
	}
}

func TestDocumentsOf30ReadAsOf31(t *testing.T) {
	t.Parallel()
	for old, want := range map[string]string{
		`{"type":"string","nullable":true}`:                                         `{"anyOf":[{"type":"string"},{"type":"null"}]}`,
		`{"type":"string","nullable":false}`:                                        `{"type":"string"}`,
		`{"$ref":"#/components/schemas/A","nullable":true,"default":1}`:             `{"anyOf":[{"$ref":"#/components/schemas/A"},{"type":"null"}],"default":1}`,
		`{"anyOf":[{"type":"string","nullable":true}]}`:                             `{"anyOf":[{"anyOf":[{"type":"string"},{"type":"null"}]}]}`,
		`{"type":["string","null"],"title":"t","minLength":1}`:                      `{"anyOf":[{"type":"string","minLength":1},{"type":"null","minLength":1}],"title":"t"}`,
		`{"nullable":true,"title":"t"}`:                                             `{"title":"t"}`,
		`{"type":"number","minimum":0,"exclusiveMinimum":true,"maximum":1}`:         `{"type":"number","exclusiveMinimum":0,"maximum":1}`,
		`{"type":"number","maximum":1,"exclusiveMaximum":false}`:                    `{"type":"number","maximum":1}`,
		`{"type":"number","exclusiveMinimum":2}`:                                    `{"type":"number","exclusiveMinimum":2}`,
		`{"properties":{"nullable":{"type":"boolean"},"a":{"nullable":true}}}`:      `{"properties":{"nullable":{"type":"boolean"},"a":{}}}`,
		`{"items":{"enum":["a"],"nullable":true},"additionalProperties":false}`:     `{"items":{"anyOf":[{"enum":["a"]},{"type":"null"}]},"additionalProperties":false}`,
		`{"additionalProperties":{"type":"number","nullable":true},"oneOf":[true]}`: `{"additionalProperties":{"anyOf":[{"type":"number"},{"type":"null"}]},"oneOf":[true]}`,
	} {
		s := value(t, old)
		modernise(s)
		assert.Equal(t, value(t, want), s, old)
	}
}

func TestDocumentsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{`:                                    "unexpected end of JSON input",
		"a: [":                                 "yaml",
		"swagger: '2.0'":                       "no OpenAPI document",
		`{"openapi":"3.1.0","info":{}}`:        "which version",
		"openapi: 3.1.0\nopenapi: 3.1.0\n":     "already defined",
		"openapi: 3.1.0\ninfo: {version: 1}\n": "which version",
	} {
		path := filepath.Join(t.TempDir(), "openapi")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := load(path)
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want, text)
		assert.Contains(t, err.Error(), path)
	}
	for _, schema := range []string{
		`{"$ref":"#/components/schemas/Nobody"}`, `{"$ref":"other.json"}`, `{"allOf":[{"$ref":"#/components/schemas/Nobody"}]}`,
		`{"allOf":[{"$ref":"#/components/schemas/Loop"}]}`,
	} {
		d, err := parse("a.json", []byte(`{"openapi":"3.1.0","info":{"version":"v1"},"components":{"schemas":{"Loop":{"$ref":"#/components/schemas/Loop"}}},
			"paths":{"/a":{"get":{"responses":{"200":{"content":{"application/json":{"schema":`+schema+`}}}}}}}}`))
		require.NoError(t, err)
		_, err = read(d)
		require.Error(t, err, schema)
		assert.Contains(t, err.Error(), "a.json")
	}
}
