package main

import "time"

// The options of the children's Inboxes.
const (
	// lease is short, so that another child takes over from a paused one within seconds.
	lease = 2 * time.Second
	// hold is how long a delivery waits for Bind. It is short, so that a killed child's
	// submissions are processed within seconds.
	hold = 5 * time.Second
	// pollAfter is when the reconciler polls for the first time.
	pollAfter = 2 * time.Second
	// holdFor is how long a call holds its claim, for the parent to stop the child. It
	// is long, as the machine may be slow.
	holdFor = lease / 2
)

// childConfig configures a child. The parent writes it to the child's standard input,
// as one line of JSON. The child exits when that input is closed, so it does not
// outlive its parent.
type childConfig struct {
	Slot, Generation int
	Database         address
	Application      string
	Service, Key     string // of Reducto
	Hook             string
	Secret           string
	Tx               bool
	Seed             uint64
	// Unsteady makes the user's function fail now and then.
	Unsteady bool
	// Point is where the child kills or stops itself, or misbehaves. Empty: nowhere.
	Point string
	Log   string // a file
}

// The points of a child.
const (
	// pointReceived: a delivery is stored, but not answered. The child kills itself.
	pointReceived = "received"
	// pointIdle: the child receives deliveries, and claims nothing.
	pointIdle = "idle"
	// pointClaimed: the user's function begins. The child kills itself.
	pointClaimed = "claimed"
	// pointEffect: the effect is written, but the record is not completed. With
	// CompleteTx the transaction is not committed. The child kills itself.
	pointEffect = "effect"
	// pointCommitted: the transaction is committed, but the function has not returned.
	// The child kills itself.
	pointCommitted = "committed"
	// pointStopped: the user's function begins. The child stops itself. After it is
	// continued, the function succeeds.
	pointStopped = "stopped"
	// pointStoppedFails is pointStopped, but the function fails.
	pointStoppedFails = "stopped, then fails"
	// pointForgets: the child answers deliveries 200, but does not store them. The
	// harness must find this.
	pointForgets = "forgets"
)

// stops reports whether the child stops itself at point.
func stops(point string) bool { return point == pointStopped || point == pointStoppedFails }

// event is a message of a child to its parent. The child writes it to its standard
// output as a line of JSON. A kill does not lose events that are in the pipe.
type event struct {
	// Ready is the child's address. The child sends it once.
	Ready string `json:",omitempty"`
	// Metric and Count are a measurement.
	Metric string `json:",omitempty"`
	Count  int64  `json:",omitempty"`
	// Holding says that a call of the user's function waits for holdFor, as ordered.
	Holding bool `json:",omitempty"`
	// Failed is the error with which the child exits.
	Failed string `json:",omitempty"`
}

// order tells a child to submit a job, and answer is the child's reply.
type (
	order struct {
		ID       string
		N        int
		Kind     string
		Resubmit bool
		Silent   bool
	}
	answer struct {
		JobID string
		// Answered says that the submission was sent once, and that the API's answer is in
		// the store.
		Answered bool
		Unknown  bool
		Error    string
	}
)
