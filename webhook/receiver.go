package webhook

// receiver is what a Handler and an Inbox have in common: it makes verified events
// of requests, and answers.
type receiver struct {
	verifier   Verifier
	timed      timedVerifier // the same, if it is ours and wants the time
	checked    bool          // the verifier is ours, and lets no illegal job id through
	cfg        *config
	retryAfter string
	log        *safeLog
	stats      counters
	measure    measurements
	refusals   limiter // of log records about requests that were refused
	consumed   limiter // of log records about bodies that were gone
	drift      drift
}

func (h *receiver) init(v Verifier, cfg *config) {
	h.verifier = v
	switch v := v.(type) {
	case *Secret:
		h.checked = true
	// By type, not by method: what embeds one may have a Verify of its own.
	case *Signer:
		h.checked, h.timed = true, v
	case *Svix:
		h.checked, h.timed = true, v
	}
	h.cfg = cfg
	h.retryAfter = retryAfterSeconds(cfg.retryAfter)
	h.log = newSafeLog(cfg.logger)
	h.measure = measurements{observer: cfg.observer, calls: &safeCalls{max: measureQueue}}
	h.refusals.every = refusalLogEvery
	h.consumed.every = refusalLogEvery
	h.drift.alarms.every = driftEvery
}

// measureQueue is how many measurements wait for a slow observer before they are
// dropped.
const measureQueue = 4096
