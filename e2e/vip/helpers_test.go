//go:build e2e

package vip

import (
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
)

// address is the IPv4 address of a name, once it is known.
func (d *daemon) address(t testing.TB, name string) string  { return d.resolve(t, name, false) }
func (d *daemon) address6(t testing.TB, name string) string { return d.resolve(t, name, true) }

func (d *daemon) resolve(t testing.TB, name string, six bool) (addr string) {
	t.Helper()
	eventually(t, "address of "+name, func() error {
		body, err := d.get("/v2/names")
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
	before := d.updates(t)
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another look", func() error {
		if d.updates(t) == before {
			return errors.New("none yet")
		}
		return nil
	})
}

// updates is the line of the metric that counts them.
func (d *daemon) updates(t testing.TB) string {
	t.Helper()
	body, err := d.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(body, `vip_updates_total{result="ok"} `)
	if !ok {
		t.Fatalf("no vip_updates_total: %s", body)
	}
	line, _, _ := strings.Cut(rest, "\n")
	return line
}
