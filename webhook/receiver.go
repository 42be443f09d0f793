package webhook

// receiver is what a Handler and an Inbox have in common: it makes verified events
// of requests, and answers.
type receiver struct {
	verifier   Verifier
	checked    bool // the verifier is ours, and lets no illegal job id through
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
	switch v.(type) {
	case *Secret, *Signer, *Svix:
		h.checked = true
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
