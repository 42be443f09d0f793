package dashboard

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Browsers also end a line at a carriage return. The error of a store could otherwise
// begin an event with HTML of its own.
func TestWriteEventKeepsTextInItsEvent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	writeEvent(&out, "news", "a\r\revent: stats\rdata: <b>\n\nb\r\n")
	assert.Equal(t, "event: news\ndata: a  event: stats data: <b>\ndata: \ndata: b \n\n", out.String())
}
