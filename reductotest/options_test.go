package reductotest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto/reductotest"
)

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]reductotest.Option{
		"key":        reductotest.WithAPIKey(""),
		"processing": reductotest.WithProcessingTime(-1),
		"deletion":   reductotest.WithDeletionTime(-1),
		"retry":      reductotest.WithRetrySchedule(time.Second, -1),
		"timeout":    reductotest.WithWebhookTimeout(0),
		"job ttl":    reductotest.WithJobTTL(0),
		"upload ttl": reductotest.WithUploadTTL(0),
		"link ttl":   reductotest.WithLinkTTL(-1),
		"max upload": reductotest.WithMaxDirectUpload(0),
		"url body":   reductotest.WithURLBody(17),
		"svix":       reductotest.WithSvixSecret("secret"),
		"svix empty": reductotest.WithSvixSecret("whsec_"),
	} {
		_, err := reductotest.Start(opt)
		assert.Error(t, err, name)
	}
	var fake fakeTB
	assert.Nil(t, reductotest.NewServer(&fake, reductotest.WithAPIKey("")))
	assert.Contains(t, fake.fatal, "WithAPIKey")
}
