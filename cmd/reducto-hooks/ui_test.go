package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTextsFromOutsideCannotControlTheTerminal(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "a [31mb c d  e", clean("a\x1b[31mb\tc\nd\u202e\u009be"))
	assert.Equal(t, "Ärger 🙂", clean("Ärger 🙂"))
}

func TestTimesAreShortForPeople(t *testing.T) {
	t.Parallel()
	people, pipe := &ui{people: true}, new(ui)
	at := time.Now().Add(-90 * time.Minute)
	assert.Equal(t, "1h ago", people.when(at))
	assert.Equal(t, at.UTC().Format(time.RFC3339), pipe.when(at))
	assert.Equal(t, "in 2d", people.when(time.Now().Add(50*time.Hour)))
	assert.Empty(t, people.when(time.Time{}))
	assert.Equal(t, "5m", span(5*time.Minute))
	assert.Equal(t, "0s", span(time.Millisecond))
}
