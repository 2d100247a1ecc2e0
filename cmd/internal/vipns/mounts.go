package vipns

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mountResolver makes programs inside ask our name server: files of our own stand before the machine's, in this mount
// namespace only. Name services that ask a daemon of the machine instead are left out (nsswitch.conf).
func mountResolver(dir, server string) error {
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	for name, text := range map[string]string{
		"resolv.conf":   "nameserver " + host + "\n",
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
	} {
		ours, theirs := filepath.Join(dir, name), filepath.Join("/etc", name)
		if _, err := os.Stat(theirs); errors.Is(err, fs.ErrNotExist) {
			continue // nothing to stand before; the C library's defaults do
		}
		if err := os.WriteFile(ours, []byte(text), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(ours, theirs, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", theirs, err)
		}
	}
	return nil
}
