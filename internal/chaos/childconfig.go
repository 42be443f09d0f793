package main

import "time"

const (
	// lease is short, so that a paused child is overtaken within seconds.
	lease = 2 * time.Second
	// firstLook is when a sweep looks for a job whose webhook has not come.
	firstLook = 2 * time.Second
)

// childConfig is what a child is told on its standard input, as one line of JSON.
// It ends when that input does, so that none outlives its parent.
type childConfig struct {
	Slot, Generation int
	Database         address
	Application      string
	Service, Key     string // of Reducto
	Hook             string
	Secret           string
	Tx               bool
	Seed             uint64
	// Unsteady has the user's function fail now and then.
	Unsteady bool
	// Point is where the child does something to itself; see the constants.
	Point string
	Log   string // a file
}

// The points at which a child can be told to end itself, to stop itself, or to do
// wrong.
const (
	// pointReceived: a delivery is in the store, and not yet answered. It dies.
	pointReceived = "received"
	// pointIdle: it takes deliveries in, and claims nothing.
	pointIdle = "idle"
	// pointClaimed: the user's function is called, and has done nothing. It dies.
	pointClaimed = "claimed"
	// pointEffect: the effect is made and the record not completed; with CompleteTx
	// both are and the transaction is not committed. It dies.
	pointEffect = "effect"
	// pointCommitted: the transaction is committed, which the Inbox does not know. It
	// dies.
	pointCommitted = "committed"
	// pointStopped: the user's function is called; it stops, and when it is continued
	// goes on to its success.
	pointStopped = "stopped"
	// pointStoppedFails: the same, and goes on to fail.
	pointStoppedFails = "stopped, then fails"
	// pointForgets: deliveries are answered 200 and not kept. This is what the harness
	// has to find.
	pointForgets = "forgets"
)

// stops reports whether the child stops itself, rather than ending.
func stops(point string) bool { return point == pointStopped || point == pointStoppedFails }

// event is what a child says on its standard output, one line of JSON each. What
// it says before it is killed is not lost: it is in the pipe.
type event struct {
	// Ready is the child's address, once.
	Ready string `json:",omitempty"`
	// Metric and Count are a measurement.
	Metric string `json:",omitempty"`
	Count  int64  `json:",omitempty"`
	// Failed is why it gives up.
	Failed string `json:",omitempty"`
}

// order is a submission that a child is asked for, and answer what became of it.
type (
	order struct {
		ID       string
		N        int
		Kind     string
		Resubmit bool
		Silent   bool
	}
	answer struct {
		JobID   string
		Unknown bool
		Error   string
	}
)
