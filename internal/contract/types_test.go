package main

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFormsMustBeKnown(t *testing.T) {
	t.Parallel()
	for _, value := range []any{make(chan int), []chan int{}, map[string]chan int{}, new(chan int)} {
		_, err := formOf(reflect.TypeOf(value))
		assert.ErrorContains(t, err, "teach form.go one", "%T", value)
	}
}

func TestFormOfExamples(t *testing.T) {
	t.Parallel()
	assert.Equal(t, &form{
		kinds: []string{"array", "string", "integer", "number", "boolean", "object"}, nilable: true, partial: true,
		items: &form{kinds: []string{"string"}, partial: true},
	}, exampleForm([]any{[]any{"a"}, []any{"b"}, "a", 1.0, 1.5, true, node{"a": 1.0}, nil}))
}
