package main

import (
	"context"
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
	ForwardTo   string        `required:"" placeholder:"URL" help:"The local URL that receives the webhooks."`
	All         bool          `help:"Forward all jobs of the last 24 hours, not only those submitted after the first start."`
	Only        []string      `placeholder:"TYPE" help:"Forward jobs of these types only, such as Parse."`
	Job         string        `placeholder:"ID" help:"Forward this job only."`
	Replay      []string      `placeholder:"ID" help:"Forward the webhooks of these jobs now, also if they were forwarded before, and end."`
	FromNow     bool          `help:"Do not catch up with jobs that were submitted before this start."`
	RetryFailed bool          `help:"Forward the jobs again that an earlier run gave up."`
	Interval    time.Duration `default:"2s" help:"The pause between two requests for the list of jobs."`
	StateDir    string        `type:"path" placeholder:"DIR" help:"Where to remember what was forwarded (default: reducto-hooks in the user's configuration)."`
	database
	signing
}

// Help implements kong.HelpProvider.
func (listenCmd) Help() string {
	return `It needs no tunnel and no public URL. It polls the account's jobs, and posts to the URL
what Reducto would have sent: up to four attempts with backoff.

It remembers on disk what it forwarded. After a lost network, a sleep or a restart it
catches up. A key shows the jobs of all its users, so by default it forwards only jobs that
were submitted after its first start, or that the Inbox in --db recorded.

The list of jobs has no metadata. With --db the metadata is what the Inbox recorded at
submission. Otherwise it is what the API repeats of the request, or the secret alone. Each
line says which.

Examples:

    reducto-hooks listen --forward-to http://localhost:8080/webhook
    reducto-hooks listen --forward-to http://localhost:8080/webhook --db inbox.db --only Parse
    reducto-hooks listen --forward-to http://localhost:8080/webhook --replay ID

The secret is in WEBHOOK_SECRET, WEBHOOK_KEYS or WEBHOOK_SVIX_SECRET, or in a file.
Ctrl-C stops it. The exit status is 0 then.`
}

// forwarded is an attempt, as --json prints it. Times are in seconds.
type forwarded struct {
	Time       time.Time         `json:"time"`
	JobID      string            `json:"job_id"`
	Type       reducto.JobType   `json:"type"`
	Status     reducto.JobStatus `json:"status"`
	Attempt    int               `json:"attempt"`
	StatusCode int               `json:"status_code,omitzero"`
	Error      string            `json:"error,omitzero"`
	Duration   float64           `json:"duration"`
	Age        float64           `json:"age,omitzero"` // since the job's end
	Metadata   listen.Origin     `json:"metadata"`
	Retry      float64           `json:"retry_after,omitzero"`
}

func (c *listenCmd) Run(ctx context.Context, u *ui) error {
	target, err := url.Parse(c.ForwardTo)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return usageError("--forward-to must begin with http:// or https://, such as http://localhost:8080/webhook")
	}
	if c.Interval <= 0 {
		return usageError("--interval must be positive")
	}
	client, key, err := connectWithKey(u)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	l := &listen.Listener{
		Client: client, Forward: target, All: c.All, JobID: c.Job, FromNow: c.FromNow, RetryFailed: c.RetryFailed,
		Interval: c.Interval, OnAttempt: func(a listen.Attempt) { printAttempt(u, a) }, OnTrouble: func(t listen.Trouble) { printTrouble(u, t) },
	}
	for _, name := range c.Only {
		l.Types = append(l.Types, reducto.JobType(name))
	}
	if l.Sign, err = c.verifier(u); err != nil {
		return err
	}
	origin := "what the API repeats, or the secret alone"
	if c.DB != "" {
		in, closeDB, err := c.open(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = closeDB() }()
		l.Records, origin = in, "what the Inbox recorded"
	}
	if l.State, err = c.state(client, key, target); err != nil {
		return err
	}
	for _, id := range c.Replay {
		if err := l.Replay(ctx, id); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
	}
	if len(c.Replay) > 0 {
		return nil
	}
	if l.Sign == nil {
		u.note("the webhooks are not signed: set WEBHOOK_SECRET, WEBHOOK_KEYS or WEBHOOK_SVIX_SECRET if the receiver verifies them")
	}
	u.note("forwarding to %s, until Ctrl-C; the metadata is %s", target.Redacted(), origin)
	if err := l.Run(ctx); err != nil {
		return err
	}
	u.note("stopped; the next start catches up")
	return nil
}

// state returns the path of the state file, and makes its directory.
func (c *listenCmd) state(client *reducto.Client, key string, target *url.URL) (string, error) {
	dir := c.StateDir
	if dir == "" {
		config, err := os.UserConfigDir()
		if err != nil {
			return "", usageError("%w: use --state-dir", err)
		}
		dir = filepath.Join(config, "reducto-hooks")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// A client prints with its base URL.
	return listen.StatePath(dir, fmt.Sprint(client), key, target), nil
}

func printAttempt(u *ui, a listen.Attempt) {
	now := time.Now()
	f := forwarded{
		Time: now.UTC(), JobID: a.JobID, Type: a.Type, Status: a.Status, Attempt: a.Number, StatusCode: a.Code,
		Duration: a.Took.Seconds(), Age: max(a.Age, 0).Seconds(), Metadata: a.Origin, Retry: a.Retry.Seconds(),
	}
	answer := strconv.Itoa(a.Code)
	if a.Err != nil {
		f.Error = a.Err.Error()
		answer = f.Error
	}
	if u.json {
		_ = u.object(f)
		return
	}
	what := []string{"metadata: " + string(a.Origin)}
	if a.Number > 1 || !a.Delivered() {
		what = append(what, fmt.Sprintf("attempt %d of %d", a.Number, listen.Attempts))
	}
	if a.Age >= 0 {
		what = append(what, "ended "+span(a.Age)+" ago")
	}
	switch {
	case a.Retry > 0:
		what = append(what, "again in "+a.Retry.Round(time.Second).String())
	case a.Failed():
		what = append(what, "given up: use --replay "+a.JobID)
	}
	took := a.Took.Round(time.Millisecond).String()
	if !u.people {
		fmt.Println(strings.Join([]string{now.UTC().Format(time.RFC3339), clean(answer), took, clean(a.JobID), clean(string(a.Type)), clean(string(a.Status)), clean(strings.Join(what, ", "))}, "\t"))
		return
	}
	colour := u.paint("failed")
	if a.Delivered() {
		colour = u.paint("done")
	}
	fmt.Printf("%s  %s  %-6s %s  %s %s  %s\n", now.Format(time.TimeOnly), colour.Render(clean(answer)), took, clean(a.JobID),
		clean(string(a.Type)), u.paint(string(a.Status)).Render(clean(string(a.Status))), u.style.NewStyle().Faint(true).Render(strings.Join(what, ", ")))
}

func printTrouble(u *ui, t listen.Trouble) {
	if t.Err == nil {
		u.note("%s works again after %s; catching up", t.What, span(t.Lost))
		return
	}
	u.note("%s fails: %v; trying again, nothing is lost", t.What, t.Err)
}
