package main

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReceiversAreChecked(t *testing.T) {
	t.Parallel()
	list, err := receivers()
	require.NoError(t, err)
	for _, c := range list {
		require.NoError(t, c.check(), c.name)
	}
	like := list[0]
	answering := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	for want, c := range map[string]*receiver{
		"answered 500":   {handler: answering(500), forgeable: true},
		"does not agree": {handler: answering(200), forgeable: true, reported: new(reported)},
		"forged":         {handler: answering(200)},
	} {
		c.name, c.header, c.body = "bad", like.header, like.body
		require.ErrorContains(t, c.check(), want)
	}
}

func TestReadOK(t *testing.T) {
	t.Parallel()
	r := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nDate: x\r\n\r\nabc" +
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"))
	require.NoError(t, readOK(r))
	require.NoError(t, readOK(r))
	require.ErrorContains(t, readOK(r), "503")
	assert.Error(t, readOK(bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na"))))
}
