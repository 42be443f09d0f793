package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/cmd/reducto-hooks/internal/listen"
)

type listenCmd struct {
	ForwardTo   string   `required:"" placeholder:"URL" help:"The URL of your receiver, such as http://localhost:8080/webhook."`
	DB          string   `name:"db" placeholder:"DSN" help:"The database of your Inbox, which has the metadata: a file of SQLite, or a postgres:// or mysql:// URL."`
	Namespace   string   `default:"${namespace}" help:"The namespace of the store."`
	All         bool     `help:"Forward all jobs of the last 24 hours, not only new and recorded ones."`
	Only        []string `placeholder:"TYPE" help:"Forward jobs of these types only, such as Parse."`
	Job         string   `placeholder:"ID" help:"Forward this job only."`
	FromNow     bool     `help:"Do not catch up with the jobs since the last run."`
	RetryFailed bool     `help:"Forward the jobs again that an earlier run gave up."`
	Replay      string   `placeholder:"ID" help:"Forward this job once more, and exit. It works beside a running listener."`
	Unsigned    bool     `help:"Forward without a secret or a signature."`
	signing
}

// Help implements kong.HelpProvider.
func (listenCmd) Help() string {
	return `It delivers webhooks to a local URL, without a tunnel and a public URL. It polls the
account's jobs, and sends what Reducto would have sent: at most 4 attempts for each job, with
pauses of 1, 2 and 4 seconds.

Each run continues where the last one of this URL and key stopped. After a lost network or a
sleep it forwards the jobs that ended meanwhile. "ended 3h ago" tells how late a delivery is.
A job ended at that time at the earliest, because the API does not tell how long it was queued.

The list of jobs has no metadata. The metadata is what your Inbox recorded at submission (--db),
else what the API repeats of the request. If both have none, it is the secret alone.

The key of an account shows the jobs of all its users. By default the jobs are forwarded that
were submitted after the first run, or that --db has. Cancelled jobs have no webhook.

Examples:

    reducto-hooks listen --forward-to http://localhost:8080/webhook
    reducto-hooks listen --forward-to http://localhost:8080/webhook --db inbox.db
    reducto-hooks listen --forward-to http://localhost:8080/webhook --all --only Parse
    reducto-hooks listen --forward-to http://localhost:8080/webhook --replay ID

The secret is in WEBHOOK_SECRET, WEBHOOK_KEYS or WEBHOOK_SVIX_SECRET, or in a file.`
}

// forwarded is an attempt as --json prints it.
type forwarded struct {
	Time       time.Time         `json:"time"`
	JobID      string            `json:"job_id"`
	Type       reducto.JobType   `json:"type,omitzero"`
	Status     reducto.JobStatus `json:"status"`
	Attempt    int               `json:"attempt"`
	StatusCode int               `json:"status_code,omitzero"`
	Error      string            `json:"error,omitzero"`
	Millis     int64             `json:"duration_ms"`
	AgeMillis  *int64            `json:"age_ms,omitzero"` // since the job's end, at most
	RetryIn    int64             `json:"retry_in_ms,omitzero"`
	Metadata   listen.Origin     `json:"metadata"`
	Verdict    string            `json:"verdict"` // accepted, retried or failed
}

func newForwarded(a listen.Attempt) forwarded {
	f := forwarded{
		Time: time.Now().UTC(), JobID: a.JobID, Type: a.Type, Status: a.Status, Attempt: a.Number, StatusCode: a.Code,
		Millis: a.Took.Milliseconds(), RetryIn: a.Retry.Milliseconds(), Metadata: a.Origin, Verdict: "retried",
	}
	if a.Err != nil {
		f.Error = a.Err.Error()
	}
	if a.Age >= 0 {
		age := a.Age.Milliseconds()
		f.AgeMillis = &age
	}
	switch {
	case a.Delivered():
		f.Verdict = "accepted"
	case a.Failed():
		f.Verdict = "failed"
	}
	return f
}

// answer describes the receiver's answer and the next step.
func (f forwarded) answer() string {
	text := strconv.Itoa(f.StatusCode)
	if f.Error != "" {
		text = f.Error
	}
	text += fmt.Sprintf(" in %dms", f.Millis)
	if f.Attempt > 1 || f.Verdict != "accepted" {
		text += fmt.Sprintf(", attempt %d of %d", f.Attempt, listen.Attempts)
	}
	if f.RetryIn > 0 {
		text += fmt.Sprintf(", next in %ds", f.RetryIn/1000)
	}
	return text
}

func (f forwarded) age() string {
	if f.AgeMillis == nil {
		return ""
	}
	return "ended " + span(time.Duration(*f.AgeMillis)*time.Millisecond) + " ago"
}

func (c *listenCmd) Run(ctx context.Context, u *ui) error {
	target, err := url.Parse(c.ForwardTo)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return usageError("--forward-to must begin with http:// or https://, such as http://localhost:8080/webhook")
	}
	sign, err := c.verifier(u)
	switch {
	case err != nil:
		return err
	case c.Unsigned:
		sign = nil
	case sign == nil:
		return usageError("no secret: set WEBHOOK_SECRET, WEBHOOK_KEYS or WEBHOOK_SVIX_SECRET, use --secret-file, or forward without by --unsigned")
	}
	client, key, err := connectWithKey(u)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	dir, err := os.UserConfigDir()
	if err != nil {
		return usageError("there is no directory for what was forwarded: %w", err)
	}
	l := &listen.Listener{
		Client: client, Forward: target, Sign: sign, All: c.All, JobID: c.Job, FromNow: c.FromNow, RetryFailed: c.RetryFailed,
		State:     listen.StatePath(filepath.Join(dir, "reducto-hooks"), os.Getenv(reducto.EnvBaseURL), key, target),
		OnAttempt: func(a listen.Attempt) { c.print(u, newForwarded(a)) },
		OnTrouble: func(t listen.Trouble) { notice(u, t) },
	}
	for _, t := range c.Only {
		l.Types = append(l.Types, reducto.JobType(t))
	}
	if c.DB != "" {
		in, closeDB, err := database{c.DB, c.Namespace}.open(ctx)
		if err != nil {
			return err
		}
		defer closeDB()
		l.Records = in
	}
	if c.Replay != "" {
		return l.Replay(ctx, c.Replay)
	}
	u.note("forwarding to %s%s%s, Ctrl-C stops", target.Scheme+"://", target.Host, target.Path)
	err = l.Run(ctx)
	if errors.Is(err, listen.ErrLocked) {
		return usageError("%w", err)
	}
	if err == nil {
		u.note("stopped: the same command goes on, and forwards what has ended meanwhile")
	}
	return err
}

func (c *listenCmd) print(u *ui, f forwarded) {
	var err error
	cells := []string{f.JobID, string(f.Type), string(f.Status), f.Verdict, f.answer(), f.age()}
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	switch {
	case u.json:
		err = u.object(f)
	case u.people:
		status := u.paint(cells[2]).Render(fmt.Sprintf("%-9s", cells[2]))
		_, err = fmt.Printf("%s  %s  %-8s %s  %s  %s\n", time.Now().Format(time.TimeOnly), cells[0], cells[1], status,
			u.paint(cells[3]).Render(cells[4]), u.style.NewStyle().Faint(true).Render(cells[5]))
	default:
		_, err = fmt.Println(strings.Join(append([]string{f.Time.Format(time.RFC3339)}, cells...), "\t"))
	}
	if err != nil {
		u.note("the output cannot be written: %v", err)
	}
	if f.Verdict == "failed" {
		u.note("job %s was given up: send it again with --replay %s, or all of them with --retry-failed", f.JobID, f.JobID)
	}
}

// notice prints that the API or the database fails, and that it works again.
func notice(u *ui, t listen.Trouble) {
	if t.Err == nil {
		u.note("%s works again, after %s", t.What, span(t.Lost))
		return
	}
	u.note("%s fails; the next request is in %s, and forwards what ends until then: %v", t.What, max(t.Retry.Round(time.Second), time.Second), t.Err)
}
