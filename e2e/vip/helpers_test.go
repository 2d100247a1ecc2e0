//go:build e2e

package vip

import (
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"
)

// address is the IPv4 address of a name, once it is known.
func (d *daemon) address(t testing.TB, name string) string  { return d.resolve(t, name, false) }
func (d *daemon) address6(t testing.TB, name string) string { return d.resolve(t, name, true) }

func (d *daemon) resolve(t testing.TB, name string, six bool) (addr string) {
	t.Helper()
	eventually(t, "address of "+name, func() error {
		body, err := get(d.http + "/v2/names")
		if err != nil {
			return err
		}
		var doc struct{ Names map[string][]string }
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			return err
		}
		for _, a := range doc.Names[name] {
			if strings.Contains(a, ":") == six {
				addr = a
				return nil
			}
		}
		return errors.New(body)
	})
	return addr
}

// look waits until the daemon has seen what changed about bridges.
func (d *daemon) look(t testing.TB) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
}
