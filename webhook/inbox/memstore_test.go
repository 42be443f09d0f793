package inbox_test

import (
	"testing"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/storetest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Harness {
		store := inbox.NewMemoryStore()
		return storetest.Harness{Store: store, Advance: store.Advance}
	})
}
