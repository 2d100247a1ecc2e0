package dnsdd

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"berth/cmd/internal/cli"
)

// account is who the process becomes.
type account struct{ uid, gid int }

// account looks the user up; nil stays who we are.
func (c *Config) account() (*account, error) {
	if c.User == "" {
		return nil, nil
	}
	u, err := user.Lookup(c.User)
	if err != nil {
		return nil, cli.Usagef("--user: %v", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, cli.Usagef("--user %s: %v", c.User, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, cli.Usagef("--user %s: %v", c.User, err)
	}
	if os.Geteuid() != 0 && os.Geteuid() != uid {
		return nil, cli.Usagef("--user %s: only root can become somebody else", c.User)
	}
	return &account{uid, gid}, nil
}

// own gives the state directory to the user, with what an earlier run as another user left there.
func (a *account) own(dir string, frameworks []string) error {
	if err := os.Chown(dir, a.uid, a.gid); err != nil {
		return err
	}
	files := slices.Clone(stateFiles)
	for _, f := range frameworks {
		files = append(files, appsFileOf(f))
	}
	for _, name := range files {
		if err := os.Lchown(filepath.Join(dir, name), a.uid, a.gid); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// become gives everything up that only the present user may; dir goes to the new one.
func (a *account) become(dir string, frameworks []string) error {
	if a == nil || os.Geteuid() == a.uid {
		return nil
	}
	if dir != "" {
		if err := a.own(dir, frameworks); err != nil {
			return fmt.Errorf("state directory: %w", err)
		}
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("drop groups: %w", err)
	}
	if err := syscall.Setgid(a.gid); err != nil {
		return fmt.Errorf("become group %d: %w", a.gid, err)
	}
	if err := syscall.Setuid(a.uid); err != nil {
		return fmt.Errorf("become user %d: %w", a.uid, err)
	}
	return nil
}
