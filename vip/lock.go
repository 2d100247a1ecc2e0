package vip

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrLocked means that another vip runs in this network namespace.
var ErrLocked = errors.New("another vip runs in this network namespace")

// Lock makes sure that only one vip changes this network namespace: a file in dir, named after the namespace, is locked until
// the process ends or unlock is called. The file stays.
func Lock(dir string) (unlock func(), err error) {
	ns, err := os.Readlink("/proc/self/ns/net") // net:[4026531840]
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	ns = strings.TrimSuffix(strings.TrimPrefix(ns, "net:["), "]")
	name := filepath.Join(dir, "berth-vip-"+ns+".lock")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", name, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return func() { f.Close() }, nil
}
