package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/reducto-go/reducto/internal/pgcluster"
)

// ownDatabase is a server or a disk of the run's own, so that the run may break it.
type ownDatabase struct {
	cluster *pgcluster.Cluster // of PostgreSQL
	disk    string             // under SQLite: the directory at which it is mounted
}

var errNoMount = errors.New("no small disk: run this as root on Linux")

// start starts the server, or mounts the disk in dir. It returns the directory for the
// database.
func (o *ownDatabase) start(ctx context.Context, kind, dir string) (_ string, err error) {
	if kind == onPostgres {
		o.cluster, err = pgcluster.New(ctx)
		return dir, err
	}
	disk := filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		return "", err
	}
	output, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: mount: %w: %s", errNoMount, err, output)
	}
	o.disk = disk
	return disk, nil
}

func (o *ownDatabase) made() bool { return o.cluster != nil || o.disk != "" }

// remove stops the server, or unmounts the disk.
func (o *ownDatabase) remove() error {
	if o.cluster != nil {
		return o.cluster.Close()
	}
	if o.disk == "" {
		return nil
	}
	if output, err := exec.Command("umount", o.disk).CombinedOutput(); err != nil {
		return fmt.Errorf("umount: %w: %s", err, output)
	}
	return nil
}

// crash ends the server as a crash does, and starts it again. It returns how many
// connections that broke.
func (d *database) crash(ctx context.Context) (n int, err error) {
	err = d.server.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE $1`, d.schema+`\_%`).Scan(&n)
	if err != nil {
		return 0, err
	}
	if err := d.own.cluster.Stop(ctx, "immediate"); err != nil {
		return 0, err
	}
	return n, d.own.cluster.Start(context.WithoutCancel(ctx))
}

// fillDisk fills the disk of the database for a time.
func (d *database) fillDisk(ctx context.Context, length time.Duration) error {
	name := filepath.Join(d.own.disk, "another-program")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	for size := 1 << 20; size > 0; { // until not even a byte has space
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	sleep(ctx, length)
	return errors.Join(f.Close(), os.Remove(name))
}
