package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// makeMySQL makes a database and a user of the same name for one run. Parent and children
// connect as that user, who may do nothing else.
func (d *database) makeMySQL(ctx context.Context) error {
	config, err := mysql.ParseDSN(cmp.Or(os.Getenv("TEST_MYSQL_URL"), "root@tcp(127.0.0.1:3306)/test"))
	if err != nil {
		return errors.New("TEST_MYSQL_URL is not user:password@tcp(host:port)/database") // it may hold a password
	}
	if err := mysql.SetLogger(&mysql.NopLogger{}); err != nil { // sessions end all the time
		return err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	d.server = sql.OpenDB(connector)
	soon, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := d.server.PingContext(soon); err != nil {
		return fmt.Errorf("no MySQL or MariaDB: start one, or name it in TEST_MYSQL_URL (user:password@tcp(host:port)/database): %w", err)
	}
	password := rand.Text() + "-1aA" // as policies demand
	for _, query := range []string{
		"CREATE DATABASE " + d.schema,
		"CREATE USER " + d.schema + " IDENTIFIED BY '" + password + "'",
		"GRANT ALL ON " + d.schema + ".* TO " + d.schema,
	} {
		if _, err := d.server.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	config = config.Clone()
	config.User, config.Passwd, config.DBName, config.InterpolateParams = d.schema, password, d.schema, true
	d.DSN = config.FormatDSN()
	return nil
}

// dropMySQL removes the database and the user.
func (d *database) dropMySQL(ctx context.Context) error {
	_, err := d.server.ExecContext(ctx, "DROP DATABASE IF EXISTS "+d.schema)
	_, userErr := d.server.ExecContext(ctx, "DROP USER IF EXISTS "+d.schema)
	return errors.Join(err, userErr)
}

// killMySQL ends the sessions of the run, and returns their number.
func (d *database) killMySQL(ctx context.Context) (int, error) {
	var list sql.NullString
	err := d.server.QueryRowContext(ctx, `SELECT group_concat(id) FROM information_schema.processlist WHERE user = ?`, d.schema).Scan(&list)
	if err != nil || !list.Valid {
		return 0, err
	}
	n := 0
	for id := range strings.SplitSeq(list.String, ",") {
		if _, err := d.server.ExecContext(ctx, "KILL "+id); err == nil { // it may have ended
			n++
		}
	}
	return n, nil
}
