package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

type triggerCmd struct {
	Kind       string        `arg:"" enum:"completed,failed,cancelled,forged,duplicate" help:"The delivery: ${enum}."`
	URL        string        `arg:"" help:"The URL of the receiver."`
	Job        string        `placeholder:"ID" help:"The id of the job (default: a new id, which the API does not know)."`
	Submission string        `placeholder:"ID" help:"The id of the submission that the job belongs to."`
	Metadata   string        `placeholder:"JSON" help:"The metadata of the submission, an object."`
	Times      int           `default:"2" help:"How often duplicate sends the delivery."`
	Timeout    time.Duration `default:"15s" help:"How long to wait for each answer."`
	Unsigned   bool          `help:"Send without a secret or a signature."`
	signing
}

// Help implements kong.HelpProvider.
func (triggerCmd) Help() string {
	return `It sends what Reducto sends, once and without retries. The exit status is 0 if the
receiver accepts the delivery, and for forged if it refuses it.

A receiver with a client may ask the API for the job. If the API does not know the job, the
receiver can accept the delivery without calling its function. Use --job with the id of a
real job then. If an Inbox submitted that job with a signing key, name its --submission too.

Examples:

    reducto-hooks trigger completed http://localhost:8080/webhook
    reducto-hooks trigger failed http://localhost:8080/webhook --metadata '{"order":7}'
    reducto-hooks trigger duplicate http://localhost:8080/webhook --job ID --times 3
    reducto-hooks trigger forged http://localhost:8080/webhook

The secret is in WEBHOOK_SECRET, WEBHOOK_KEYS or WEBHOOK_SVIX_SECRET, or in a file.`
}

// triggered is a delivery and its answer, as --json prints it.
type triggered struct {
	Kind       string `json:"kind"`
	JobID      string `json:"job_id"`
	Number     int    `json:"number"`
	StatusCode int    `json:"status_code,omitzero"`
	Millis     int64  `json:"duration_ms"`
	Verdict    string `json:"verdict"` // accepted, refused, redirected or failed
	Error      string `json:"error,omitzero"`
}

func (c *triggerCmd) Run(ctx context.Context, u *ui) error {
	target, err := url.Parse(c.URL)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return usageError("the URL must begin with http:// or https://, such as http://localhost:8080/webhook")
	}
	metadata := map[string]any{}
	if c.Metadata != "" {
		if err := json.Unmarshal([]byte(c.Metadata), &metadata); err != nil || metadata == nil {
			return usageError(`--metadata is not a JSON object, such as {"order":7}`)
		}
	}
	v, err := c.verifier(u)
	if err != nil {
		return err
	}
	if _, ok := v.(*webhook.Signer); ok && c.Submission == "" && metadata[reducto.MetadataSubmissionID] == nil {
		c.Submission = reducto.NewSubmissionID() // the same for all duplicates, as tokens name it
	}
	if c.Submission != "" {
		metadata[reducto.MetadataSubmissionID] = c.Submission
	}
	status, times := reducto.JobStatusCompleted, 1
	switch c.Kind {
	case "failed":
		status = reducto.JobStatusFailed
	case "cancelled":
		status = reducto.JobStatusCancelled
	case "duplicate":
		times = max(c.Times, 1)
	case "forged":
		if v, err = forger(v); err != nil {
			return err
		}
	}
	switch {
	case c.Unsigned:
		v = nil
	case v == nil:
		return usageError("no secret: set WEBHOOK_SECRET, WEBHOOK_KEYS or WEBHOOK_SVIX_SECRET, use --secret-file, or send without by --unsigned")
	}
	invented := c.Job == ""
	if invented {
		c.Job = uuid.NewString()
	}
	client := &http.Client{
		Timeout:       c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // as Reducto
	}
	defer client.CloseIdleConnections()
	out, want, unwanted := u.rows("DELIVERY", "JOB", "ANSWER", "TIME", "VERDICT"), "accepted", ""
	if c.Kind == "forged" {
		want = "refused"
	}
	for n := range times {
		d := triggered{Kind: c.Kind, JobID: c.Job, Number: n + 1}
		d.send(client, webhook.NewTestRequest(c.URL, v, c.Job, status, metadata).WithContext(ctx))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if d.Verdict != want && unwanted == "" {
			unwanted = d.advice()
		}
		answer := d.Error
		if d.StatusCode > 0 {
			answer = strconv.Itoa(d.StatusCode) + " " + http.StatusText(d.StatusCode)
		}
		if err := out.add(d, d.Kind, d.JobID, answer, strconv.FormatInt(d.Millis, 10)+"ms", d.Verdict); err != nil {
			return err
		}
	}
	if err := out.flush(""); err != nil {
		return err
	}
	if unwanted != "" {
		return errors.New(unwanted)
	}
	if invented && c.Kind != "forged" {
		u.note("the receiver may ask the API for the job, which the API does not know, and not call its function: use --job ID")
	}
	return nil
}

// send sends the request and sets the answer.
func (d *triggered) send(client *http.Client, r *http.Request) {
	began := time.Now()
	resp, err := client.Do(r)
	d.Millis = time.Since(began).Milliseconds()
	if err != nil {
		d.Verdict, d.Error = "failed", reason(err)
		return
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	d.StatusCode = resp.StatusCode
	switch resp.StatusCode / 100 {
	case 2:
		d.Verdict = "accepted"
	case 3:
		d.Verdict = "redirected"
	case 4:
		d.Verdict = "refused"
	default:
		d.Verdict = "failed"
	}
}

// reason returns the cause of a failed request, without its URL, which can have a token.
func reason(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return err.Error()
}

// advice says what to do about an answer that is not the one that was wanted.
func (d *triggered) advice() string {
	switch {
	case d.Kind == "forged" && d.Verdict == "accepted":
		return "the receiver accepted a forged delivery: it must verify the secret, and answer 401"
	case d.StatusCode == 0:
		return "the receiver did not answer: " + d.Error
	case d.Verdict == "redirected":
		return "the receiver redirects, which Reducto does not follow: use the exact URL, mind a slash at its end"
	case d.StatusCode == http.StatusUnauthorized:
		return "the receiver refused the secret: it must be the one that the receiver has"
	case d.StatusCode == http.StatusNotFound, d.StatusCode == http.StatusMethodNotAllowed:
		return "there is no receiver at this URL: check its path"
	}
	return fmt.Sprintf("the receiver answered %d: see its log", d.StatusCode)
}

// forger returns a verifier of the same kind as v, with a secret that nobody has.
func forger(v webhook.Verifier) (webhook.Verifier, error) {
	text := rand.Text()
	switch v.(type) {
	case *webhook.Signer:
		return webhook.NewSigner([]webhook.Key{{ID: "forged", Secret: []byte(text)}})
	case *webhook.Svix:
		return webhook.NewSvix("whsec_" + base64.StdEncoding.EncodeToString([]byte(text)))
	}
	return webhook.NewSecret(text)
}
