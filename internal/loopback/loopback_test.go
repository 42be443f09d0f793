package loopback

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAllowedRefusesNamesOfOtherSites(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:8701": true, "app.localhost:80": true, "localhost.:80": true,
		"127.0.0.1": true, "127.0.0.1:8701": true, "[::1]:8701": true, "[::1]": true, "192.168.0.7:80": true,
		"": false, "attacker.example": false, "attacker.example:8701": false, "localhost.attacker.example": false,
		"127.0.0.1.attacker.example:80": false, "notlocalhost": false,
	} {
		assert.Equal(t, want, Allowed(&http.Request{Host: host}), host)
	}
}
