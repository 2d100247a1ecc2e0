package process

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// credential is the user a task runs as; nil means the daemon's own.
type credential struct {
	syscall.Credential
	name, home string
}

func (c *credential) sys() *syscall.Credential {
	if c == nil {
		return nil
	}
	return &c.Credential
}

// lookupUser finds a user by name or number. Only root can start a task as another.
func lookupUser(name string) (*credential, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	var unknown user.UnknownUserError
	if errors.As(err, &unknown) {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return nil, fmt.Errorf("run as user %q: no such user on this host", name)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("run as user %q: %w", name, err)
	}
	if int(uid) == os.Geteuid() {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("run as user %q: the orchestrator would have to run as root", name)
	}
	c := &credential{name: name, home: u.HomeDir}
	c.Uid, c.Gid = uint32(uid), uint32(gid)
	c.Groups, err = supplementary(u)
	if err != nil {
		return nil, fmt.Errorf("run as user %q: %w", name, err)
	}
	return c, nil
}

func supplementary(u *user.User) ([]uint32, error) {
	ids, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	var out []uint32
	for _, id := range ids {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, err
		}
		out = append(out, uint32(n))
	}
	return out, nil
}
