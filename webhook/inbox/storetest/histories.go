package storetest

import "testing"

type histories struct{}

func historiesFromEnv(t tb) histories { return histories{} }

func (h histories) run(t *testing.T, open func(t *testing.T) Harness) {}
