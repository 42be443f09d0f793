package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/reducto-go/reducto/reductotest"
)

const (
	// logInterval is the time between two polls of the local Reducto, which has no
	// callbacks.
	logInterval = 100 * time.Millisecond
	// logShare limits the polls to one part in so many of the time, as each one copies all
	// jobs.
	logShare = 20
	// directAttempts is how often Reducto sends a direct webhook at most.
	directAttempts = 4
)

// logReducto prints the submissions and the deliveries of the local Reducto until ctx
// ends, also those of other programs.
func (a *devApp) logReducto(ctx context.Context) {
	timer := time.NewTimer(logInterval)
	defer timer.Stop()
	jobs, deliveries := 0, 0
	for ended := false; !ended; {
		select {
		case <-timer.C:
		case <-ctx.Done():
			ended = true // after the last lines
		}
		began := time.Now()
		sent := a.srv.AllDeliveries() // before the jobs, so that no delivery precedes its job
		submitted := a.srv.Jobs()
		for _, j := range submitted[jobs:] {
			a.event("submit", j.ID, submissionText(j))
		}
		for _, d := range sent[deliveries:] {
			a.event("delivery", d.JobID, deliveryText(d))
		}
		jobs, deliveries = len(submitted), len(sent)
		timer.Reset(max(logInterval, logShare*time.Since(began)))
	}
}

// submissionText describes a job and its webhook.
func submissionText(j reductotest.JobInfo) string {
	switch {
	case j.Sync:
		return j.Type + ", synchronous"
	case j.WebhookMode == "direct":
		return j.Type + ", webhook " + withoutQuery(j.WebhookURL)
	case j.WebhookMode != "":
		return j.Type + ", " + j.WebhookMode + " webhook: the local Reducto sends direct ones only"
	}
	return j.Type + ", without a webhook"
}

// deliveryText describes a delivery and its answer.
func deliveryText(d reductotest.Delivery) string {
	name := fmt.Sprintf("attempt %d of %d", d.Attempt, directAttempts)
	switch {
	case d.Forged:
		name = "forged"
	case d.Duplicate:
		name = "duplicate"
	}
	answer := fmt.Sprintf("%d %s", d.StatusCode, http.StatusText(d.StatusCode))
	switch {
	case d.Lost:
		answer = "lost by a fault"
	case d.Err != nil:
		answer = reason(d.Err)
	}
	text := fmt.Sprintf("%s to %s: %s", name, withoutQuery(d.URL), answer)
	if d.Attempt >= directAttempts && !d.Duplicate && (d.Err != nil || d.StatusCode/100 != 2) {
		text += "; Reducto gives up"
	}
	return text
}

// withoutQuery returns a URL without the parts that can hold a token or a password.
func withoutQuery(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a URL that is not valid"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
