package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// The key and the secret of dev are fixed, so that exports and commands stay valid after a
// restart. They protect nothing: the Reducto is a fake, and listens on loopback.
const (
	devKey    = "reducto-hooks-dev-key"
	devSecret = "reducto-hooks-dev-secret"
)

type devCmd struct {
	Addr    string        `default:"127.0.0.1:8700" help:"The address of the local Reducto."`
	AppAddr string        `default:"127.0.0.1:8701" help:"The address of the app."`
	DB      string        `name:"db" placeholder:"FILE" help:"The file of SQLite (default: a temporary one)."`
	JobTime time.Duration `default:"1s" help:"How long a job takes."`
	faultFlags
}

// faultFlags are the faults that the flags of dev and its page switch on.
type faultFlags struct {
	Lose      bool          `help:"Lose all webhooks. The Inbox then polls."`
	Duplicate bool          `help:"Send each webhook three times."`
	Forge     bool          `help:"Send a forged webhook before each one."`
	Delay     time.Duration `help:"Send each webhook so much later."`
	Break     bool          `help:"Break the app's function. Records become dead."`
}

// Help implements kong.HelpProvider.
func (devCmd) Help() string {
	return `It needs no key and no service. It runs a local Reducto, and an app with an Inbox on
SQLite. Open the app in a browser, drop a document on it, and see its webhook and its
result. The page also switches faults.

Your own programs can use the local Reducto too. The command prints what to export for
them, and logs their submissions and webhooks. The local Reducto forgets all jobs when it
ends. It downloads no URLs: upload documents to it. It reads text.

Examples:

    reducto-hooks dev
    reducto-hooks dev --lose
    reducto-hooks dev --duplicate --forge --delay 5s --db inbox.db

Ctrl-C stops it. The exit status is 0 then.`
}

// place is where dev runs, as --json prints it.
type place struct {
	API       string `json:"api_url"`
	Key       string `json:"api_key"`
	App       string `json:"app_url"`
	Dashboard string `json:"dashboard_url"`
	Webhook   string `json:"webhook_url"`
	Secret    string `json:"webhook_secret"`
	DB        string `json:"db"`
}

func (c *devCmd) Run(ctx context.Context, u *ui) (err error) {
	if c.Delay < 0 || c.JobTime < 0 {
		return usageError("--delay and --job-time cannot be negative")
	}
	srv, err := reductotest.Start(reductotest.OnTCPAt(c.Addr), reductotest.WithAPIKey(devKey), reductotest.WithProcessingTime(c.JobTime))
	if err != nil {
		return inUse(err, "--addr")
	}
	defer srv.Close()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.AppAddr)
	if err != nil {
		return inUse(err, "--app-addr")
	}
	defer listener.Close()
	file := c.DB
	if file == "" {
		dir, err := os.MkdirTemp("", "reducto-hooks-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		file = filepath.Join(dir, "inbox.db")
	} else if file, err = filepath.Abs(file); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dataSource(file))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	app := "http://" + strings.NewReplacer("0.0.0.0", "127.0.0.1", "[::]", "127.0.0.1").Replace(listener.Addr().String())
	a := &devApp{ui: u, srv: srv, place: place{
		API: srv.URL(), Key: devKey, App: app, Dashboard: app + "/dashboard/",
		Webhook: app + "/webhook", Secret: devSecret, DB: file,
	}}
	if err := a.wire(store); err != nil {
		return err
	}
	defer a.client.CloseIdleConnections()
	a.setFaults(c.faultFlags)
	handler, stop, err := a.handler()
	if err != nil {
		return err
	}
	defer stop()
	if err := a.welcome(); err != nil {
		return err
	}
	var logging sync.WaitGroup
	defer logging.Wait()
	logCtx, endLog := context.WithCancel(ctx)
	defer endLog()
	logging.Go(func() { a.logReducto(logCtx) })
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }, // pages that follow events end with ctx
	}
	if err := a.in.ServeListener(ctx, server, listener, a.client); err != nil {
		return err
	}
	if c.DB == "" {
		u.note("stopped; the records are gone, --db FILE keeps them")
	} else {
		u.note("stopped; go on with: reducto-hooks dev --db %s", c.DB)
	}
	return nil
}

// inUse says which flag changes an address that is in use.
func inUse(err error, flag string) error {
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("%w: choose another address with %s", err, flag)
	}
	return usageError("%w", err)
}

// devApp is the app of dev: it submits documents, and receives their webhooks.
type devApp struct {
	*ui
	place
	srv    *reductotest.Server
	client *reducto.Client
	in     *inbox.Inbox

	mu     sync.Mutex
	faults faultFlags
}

// wire makes the Inbox and the client. The Inbox polls sooner than by default, so that a
// lost webhook does not take a minute.
func (a *devApp) wire(store inbox.Store) error {
	secret, err := webhook.NewSecret(devSecret)
	if err != nil {
		return err
	}
	a.in, err = inbox.New(secret, store, a.process, inbox.WithHistory(),
		inbox.WithPollAfter(5*time.Second), inbox.WithPollRate(20), inbox.WithShutdownTimeout(5*time.Second))
	if err != nil {
		return err
	}
	a.client = a.srv.Client(
		reducto.WithWebhook(reducto.DirectWebhook(a.Webhook)), reducto.WithSubmitHook(a.in), reducto.WithoutWebhookWarning())
	return nil
}

// process is the function of the Inbox.
func (a *devApp) process(ctx context.Context, d *webhook.Delivery) error {
	if a.currentFaults().Break {
		err := errors.New("the function is broken: switch it on again on the app's page, then replay")
		a.event("function", d.JobID, "failed: "+err.Error())
		return webhook.Permanent(err)
	}
	if _, err := d.Job(ctx); err != nil && !errors.Is(err, reducto.ErrExpired) {
		a.event("function", d.JobID, "failed: "+err.Error())
		return err
	}
	a.event("function", d.JobID, "done: "+string(d.Outcome))
	return nil
}

// event prints what happens.
func (a *devApp) event(what, id, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.json {
		_ = a.object(map[string]string{"time": now.UTC().Format(time.RFC3339Nano), "event": what, "job_id": id, "text": text})
		return
	}
	fmt.Printf("%s  %-8s  %s  %s\n", now.Format(time.TimeOnly), what, clean(id), clean(text))
}

func (a *devApp) currentFaults() faultFlags {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.faults
}

func (a *devApp) setFaults(f faultFlags) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = f
	list := []reductotest.WebhookFault{reductotest.DelayBy(f.Delay)}
	if f.Lose {
		list = append(list, reductotest.Lose())
	}
	if f.Duplicate {
		list = append(list, reductotest.Duplicate(2))
	}
	if f.Forge {
		list = append(list, reductotest.ForgeBefore(reductotest.Forgery{Secret: "the secret of a forger"}))
	}
	a.srv.SetWebhookFault(reductotest.Combine(list...))
}

// parseCommand and uploadCommand are commands that submit a document.
func (p place) parseCommand() string {
	return fmt.Sprintf(`curl -sS %s/parse_async -H "Authorization: Bearer %s" -H "Content-Type: application/json" `+
		`-d '{"input":"https://example.com/a.pdf","async":{"metadata":{"secret":"%s"},"webhook":{"mode":"direct","url":"%s"}}}'`,
		p.API, p.Key, p.Secret, p.Webhook)
}

func (p place) uploadCommand() string {
	return fmt.Sprintf("curl -sSL -F 'document=Total: 12;filename=note.txt' %s/documents", p.App)
}

// recordsCommand is the command that lists the records of the app's Inbox. The database is
// not among the exports, as a program with an Inbox would then take the app's jobs.
func (p place) recordsCommand() string {
	return "reducto-hooks inbox list --db '" + strings.ReplaceAll(p.DB, "'", `'\''`) + "'"
}

// programNote says where the exported WEBHOOK_URL leads. It is no comment of the shell, as
// an interactive zsh has none.
const programNote = "WEBHOOK_URL leads to your program, here on port 8080 as in the README. It must receive the webhooks."

// exports are the settings for a program in another shell.
func (p place) exports() []string {
	return []string{
		"export REDUCTO_BASE_URL=" + p.API,
		"export REDUCTO_API_KEY=" + p.Key,
		"export WEBHOOK_URL=http://127.0.0.1:8080/webhook",
		"export WEBHOOK_SECRET=" + p.Secret,
	}
}

// welcome says where everything is.
func (a *devApp) welcome() error {
	if a.json {
		return a.object(a.place)
	}
	heading := a.style.NewStyle().Bold(true)
	link := a.style.NewStyle().Foreground(colours["claimed"])
	_, err := fmt.Printf(`%s
  app        %s  drop a document here
  dashboard  %s
  Reducto    %s  a local fake, the key is %s
  database   %s

%s
  %s

  %s

%s
  %s
  %s

%s
  %s

%s

`,
		heading.Render("Running, until Ctrl-C"),
		link.Render(a.App), link.Render(a.Dashboard), link.Render(a.API), a.Key, a.DB,
		heading.Render("Settings for your program, in another shell"),
		strings.Join(a.exports(), "\n  "), programNote,
		heading.Render("Submit a document to the app"), a.parseCommand(), a.uploadCommand(),
		heading.Render("Look at the app's records"), a.recordsCommand(),
		heading.Render("What happens"))
	return err
}
