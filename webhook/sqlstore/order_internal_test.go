package sqlstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A statement that took long is not taken for a clock that was set back: meanwhile
// another one has got further.
func TestOrderOfStatementsThatOverlap(t *testing.T) {
	t.Parallel()
	second := time.Second.Microseconds()
	o := order{last: 100 * second}
	slow, quick := o.latest(), o.latest()
	o.reached(quick, 105*second)
	o.reached(slow, 101*second)
	assert.Equal(t, 105*second, o.latest())
	assert.Equal(t, 105*second+1, o.stamp(105*second))

	since := o.latest()
	o.reached(since, 90*second)
	assert.Equal(t, 90*second, o.latest(), "a clock that was set back is believed")
}
