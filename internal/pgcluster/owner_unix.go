//go:build unix

package pgcluster

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// owner returns the user of the server, zero if that is the user of this process.
// PostgreSQL refuses to run as root.
func owner() (uid, gid int, err error) {
	if os.Geteuid() != 0 {
		return 0, 0, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return 0, 0, fmt.Errorf("PostgreSQL does not run as root: add a user postgres: %w", err)
		}
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

// giveAway makes the user of the server own a directory.
func giveAway(dir string) error {
	uid, gid, err := owner()
	if err != nil || uid == 0 {
		return err
	}
	return os.Chown(dir, uid, gid)
}

// runAsOwner makes a program run as the user of the server.
func runAsOwner(cmd *exec.Cmd) error {
	uid, gid, err := owner()
	if err != nil || uid == 0 {
		return err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return nil
}
