package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// database says where the records of an Inbox are.
type database struct {
	DB        string `name:"db" env:"DATABASE_URL" placeholder:"DSN" help:"A file of SQLite, or a postgres:// URL."`
	Namespace string `default:"${namespace}" help:"The namespace of the store."`
}

// open opens the Inbox of the database. It receives and runs nothing. Its tables must
// exist, and are not changed.
func (d database) open(ctx context.Context) (_ *inbox.Inbox, closeDB func(), err error) {
	if d.DB == "" {
		return nil, nil, usageError("no database: use --db, or set DATABASE_URL")
	}
	driver, dsn, dialect := "sqlite", d.DB, sqlstore.SQLite
	hide := strings.NewReplacer()
	if strings.HasPrefix(d.DB, "postgres://") || strings.HasPrefix(d.DB, "postgresql://") {
		u, err := url.Parse(d.DB)
		if err != nil {
			return nil, nil, usageError("the database's URL is not valid: check its password, in which special characters need %%-encoding")
		}
		driver, dialect = "pgx", sqlstore.PostgreSQL
		if password, ok := u.User.Password(); ok && password != "" {
			hide = strings.NewReplacer(password, "xxxxx", url.QueryEscape(password), "xxxxx")
		}
	} else {
		if info, err := os.Stat(d.DB); err != nil || info.IsDir() {
			// Opening it would make one. The text can be a data source name with a password.
			return nil, nil, usageError("there is no database file of this name: use a file of SQLite, or a postgres:// URL")
		}
		dsn = dataSource(d.DB)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, errors.New(hide.Replace(err.Error()))
	}
	fail := func(err error) (*inbox.Inbox, func(), error) {
		_ = db.Close()
		if e, ok := errors.AsType[*sqlstore.SchemaError](err); ok && e.Have == 0 {
			return nil, nil, usageError("%w: the database has no Inbox", err)
		}
		return nil, nil, errors.New(hide.Replace(err.Error()))
	}
	store, err := sqlstore.Open(ctx, db, dialect, sqlstore.WithoutMigrate(), sqlstore.WithNamespace(d.Namespace))
	if err != nil {
		return fail(err)
	}
	secret, err := webhook.NewSecret(rand.Text()) // no delivery arrives here
	if err != nil {
		return fail(err)
	}
	in, err := inbox.New(secret, store, func(context.Context, *webhook.Delivery) error {
		return errors.New("reducto-hooks does not run the function")
	}, inbox.WithHistory()) // for the command replay
	if err != nil {
		return fail(err)
	}
	return in, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), historyTimeout)
		defer cancel()
		_ = in.Shutdown(ctx)
		_ = db.Close()
	}, nil
}

// historyTimeout is how long the end of a command waits for the history's last entries.
const historyTimeout = 5 * time.Second

// dataSource returns the data source name of a file, with the settings that sqlstore
// needs.
func dataSource(file string) string {
	path := (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath()
	return "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate"
}
