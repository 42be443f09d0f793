package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestMain(m *testing.M) {
	if os.Getenv("SHORT_TEST_CHILD") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// The program runs unchanged in a process of its own.
func TestShortExtracts(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	srv.PutDocument("https://example.com/invoice.txt", []byte("Invoice number: INV-7\nTotal: 12.50 EUR"))
	cmd := exec.CommandContext(t.Context(), os.Args[0], "https://example.com/invoice.txt")
	cmd.Env = append(os.Environ(), "SHORT_TEST_CHILD=1", "REDUCTO_API_KEY="+srv.APIKey(), "REDUCTO_BASE_URL="+srv.URL())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "INV-7 12.5\n", string(out))
}
