package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

var errVerifierPanicked = errors.New("webhook: the verifier panicked")

// refusals are the reasons for which a delivery is not believed, as logs and
// metrics have them. The answer never tells.
var refusals = [...]struct {
	err    error
	reason string
}{
	{ErrNoSecret, "no_secret"},
	{ErrWrongSecret, "wrong_secret"},
	{ErrExpiredToken, "expired_token"},
	{ErrUnknownKey, "unknown_key"},
	{ErrNoSignature, "no_signature"},
	{ErrBadSignature, "bad_signature"},
	{ErrTimestamp, "timestamp"},
	{ErrUnauthorized, "other"},
}

// refusalOf is the error of this package that a verifier's error is. The verifier
// can be the user's: its error's text could repeat what the request said, and its
// methods could misbehave, so nobody else sees it.
func refusalOf(err error) error {
	if reason, ok := errors.AsType[malformed](err); ok {
		return reason
	}
	if errors.Is(err, ErrMalformed) {
		return ErrMalformed
	}
	for _, known := range refusals {
		if errors.Is(err, known.err) {
			return known.err
		}
	}
	return ErrUnauthorized
}

// timedVerifier is a Verifier of ours that wants to know the time, which the
// receiver knows already: asking for it is a tenth of a delivery's cost.
type timedVerifier interface {
	verifyAt(now time.Time, h http.Header, body []byte) (Event, error)
}

// verify asks the verifier, which can be the user's and must not take the
// connection down.
func (h *receiver) verify(r *http.Request, body []byte, received time.Time) (e Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.stats.panics.Add(1)
			e, err = Event{}, errVerifierPanicked
			h.log.log(r.Context(), slog.LevelError, "the verifier panicked", slog.String("panic", panicked(p)))
		}
	}()
	if h.timed != nil {
		e, err = h.timed.verifyAt(received, r.Header, body)
	} else {
		e, err = h.verifier.Verify(r.Header, body)
	}
	if err != nil {
		return Event{}, refusalOf(err)
	}
	return e, nil
}

// refuse is the answer to what the verifier did not accept.
func (h *receiver) refuse(r *http.Request, err error) *answer {
	switch {
	case errors.Is(err, errVerifierPanicked):
		return &answerFailed
	case errors.Is(err, ErrMalformed):
		h.stats.invalid.Add(1)
		reason, _ := errors.AsType[malformed](err)
		h.logRefused(r, "delivery refused: malformed "+string(reason))
		return &answerMalformed
	}
	h.unauthorized(r, err)
	return &answerUnauthorized
}

// unauthorized counts and reports a delivery that was not believed.
func (h *receiver) unauthorized(r *http.Request, err error) {
	h.stats.unauthorized.Add(1)
	reason := ""
	for _, known := range refusals {
		if known.err == err {
			reason = known.reason
		}
	}
	h.measure.count(MetricUnauthorized, reason, 1)
	h.logRefused(r, "delivery refused: "+strings.ReplaceAll(reason, "_", " "), slog.String("reason", reason))
	if h.drift.failed(time.Now()) {
		h.log.log(r.Context(), slog.LevelError, fmt.Sprintf("the last %d deliveries were all refused: "+
			"either somebody forges them, or the secret with which jobs are submitted is not among those that are accepted here; "+
			"was it rotated? (see Secret)", driftStreak), slog.Uint64("unauthorized", h.stats.unauthorized.Load()))
	}
}

// logRefused reports a request that was refused, without anything that it said.
func (h *receiver) logRefused(r *http.Request, msg string, attrs ...slog.Attr) {
	if h.log.handler == nil {
		return
	}
	if suppressed, ok := h.refusals.allow(time.Now()); ok {
		h.log.log(r.Context(), slog.LevelWarn, msg, append(attrs, slog.Int("suppressed", suppressed))...)
	}
}

// drift notices that nothing is believed any more.
type drift struct {
	streak atomic.Int64
	alarms limiter
}

// passed ends the streak.
func (d *drift) passed() {
	if d.streak.Load() != 0 { // a load is cheap for all cores, a store is not
		d.streak.Store(0)
	}
}

// failed reports whether it is time to raise the alarm.
func (d *drift) failed(now time.Time) bool {
	if d.streak.Add(1) != driftStreak {
		return false
	}
	_, ok := d.alarms.allow(now)
	return ok
}
