package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// database says where the records of an Inbox are.
type database struct {
	DB        string `name:"db" env:"DATABASE_URL" placeholder:"DSN" help:"A file of SQLite, or a postgres:// or mysql:// URL."`
	Namespace string `default:"${namespace}" help:"The namespace of the store."`
}

// open opens the Inbox of the database. It receives and runs nothing. Its tables must
// exist, and are not changed.
func (d database) open(ctx context.Context) (_ *inbox.Inbox, closeDB func(), err error) {
	db, dialect, password, err := openPool(d.DB)
	if err != nil {
		return nil, nil, err
	}
	hide := strings.NewReplacer()
	if password != "" {
		hide = strings.NewReplacer(password, "xxxxx", url.QueryEscape(password), "xxxxx")
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

// openPool opens the pool of a database, and returns its password too.
func openPool(text string) (db *sql.DB, dialect sqlstore.Dialect, password string, err error) {
	switch {
	case text == "":
		return nil, 0, "", usageError("no database: use --db, or set DATABASE_URL")
	case strings.HasPrefix(text, "postgres://"), strings.HasPrefix(text, "postgresql://"):
		db, password, err = openPostgres(text)
		return db, sqlstore.PostgreSQL, password, err
	case strings.HasPrefix(text, "mysql://"), mysqlAddress.MatchString(text):
		db, password, err = openMySQL(text)
		return db, sqlstore.MySQL, password, err
	}
	if info, err := os.Stat(text); err != nil || info.IsDir() {
		// Opening it would make one. The text can be a data source name with a password.
		return nil, 0, "", usageError("there is no database file of this name: use a file of SQLite, or a postgres:// or mysql:// URL")
	}
	db, err = sql.Open("sqlite", dataSource(text))
	return db, sqlstore.SQLite, "", err
}

func openPostgres(text string) (db *sql.DB, password string, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, "", usageError("the database's URL is not valid: check its password, in which special characters need %%-encoding")
	}
	password, _ = u.User.Password()
	db, err = sql.Open("pgx", text)
	return db, password, err
}

// mysqlAddress is in data source names of github.com/go-sql-driver/mysql, such as
// user:password@tcp(host:3306)/database.
var mysqlAddress = regexp.MustCompile(`@(tcp6?|unix)\(`)

// openMySQL takes a URL or a data source name. Errors have no part of it, because any
// can be a password.
func openMySQL(text string) (db *sql.DB, password string, err error) {
	config, err := mysqlConfig(text)
	if err != nil || hasPassword(config.Params) {
		return nil, "", usageError("the database's URL is not valid: use mysql://user:password@host:3306/database with %%-encoding, " +
			"or user:password@tcp(host:3306)/database, and parameters of github.com/go-sql-driver/mysql")
	}
	if config.DBName == "" {
		return nil, "", usageError("the database's URL ends without a database: use mysql://user:password@host:3306/database")
	}
	config.InterpolateParams, config.Logger = true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, "", err
	}
	return sql.OpenDB(connector), config.Passwd, nil
}

// hasPassword reports whether a parameter is a password, as in URLs of PostgreSQL. The
// driver would send it as SET password = ..., and the server's error would repeat it.
func hasPassword(params map[string]string) bool {
	for name := range params {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(name)), "pass") {
			return true
		}
	}
	return false
}

func mysqlConfig(text string) (*mysql.Config, error) {
	if !strings.HasPrefix(text, "mysql://") {
		return mysql.ParseDSN(text)
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	// Only the last slash may stand before the database.
	config, err := mysql.ParseDSN("tcp(" + u.Host + ")/" + strings.TrimPrefix(u.EscapedPath(), "/") + "?" + strings.ReplaceAll(u.RawQuery, "/", "%2F"))
	if err != nil {
		return nil, err
	}
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	return config, nil
}

// historyTimeout is how long the end of a command waits for the history's last entries.
const historyTimeout = 5 * time.Second

// dataSource returns the data source name of a file, with the settings that sqlstore
// needs.
func dataSource(file string) string {
	path := (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath()
	return "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate"
}
