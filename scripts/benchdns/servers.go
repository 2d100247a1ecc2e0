package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// server is one to be measured.
type server struct {
	name  string
	port  int
	start func(ctx context.Context, dir string) (*process, error)
}

// servers lists what can be measured here; dnsd first, as the others are compared with it.
func (s *settings) servers(w *work) []server {
	list := []server{
		{"dnsd", 5301, func(ctx context.Context, dir string) (*process, error) {
			url, stop, err := w.marathon(ctx)
			if err != nil {
				return nil, err
			}
			p, err := run(ctx, dir, s.dnsd, "--marathon", url, "--listen", "127.0.0.1:5301", "--http", "", "--state-dir", "",
				"--external=false", "--log-level", "error")
			if err != nil {
				stop()
				return nil, err
			}
			p.after = stop
			return p, nil
		}},
		{"knot", 5302, knot},
		{"nsd", 5303, nsd},
	}
	if s.coredns != "" {
		list = append(list, server{"coredns", 5304, func(ctx context.Context, dir string) (*process, error) {
			return coredns(ctx, dir, s.coredns)
		}})
	}
	return list
}

func config(dir, name, text string) (string, error) {
	file := filepath.Join(dir, name)
	return file, os.WriteFile(file, []byte(text), 0o644)
}

func find(name string) (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no " + name + " on this machine")
}

func knot(ctx context.Context, dir string) (*process, error) {
	program, err := find("knotd")
	if err != nil {
		return nil, err
	}
	work := filepath.Join(dir, "knot")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return nil, err
	}
	file, err := config(dir, "knot.conf", fmt.Sprintf(`server:
    rundir: %[2]q
    listen: 127.0.0.1@5302
    udp-workers: 2
    tcp-workers: 1
    background-workers: 1
database:
    storage: %[2]q
log:
  - target: stderr
    any: error
zone:
  - domain: mesos.
    file: %[1]q
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
`, filepath.Join(dir, "mesos.zone"), work))
	if err != nil {
		return nil, err
	}
	return run(ctx, dir, program, "-c", file)
}

func nsd(ctx context.Context, dir string) (*process, error) {
	program, err := find("nsd")
	if err != nil {
		return nil, err
	}
	file, err := config(dir, "nsd.conf", strings.NewReplacer("DIR", dir).Replace(`server:
    server-count: 2
    reuseport: yes
    ip-address: 127.0.0.1@5303
    username: ""
    chroot: ""
    database: ""
    zonesdir: "DIR"
    pidfile: "DIR/nsd.pid"
    xfrdfile: "DIR/xfrd.state"
    zonelistfile: "DIR/zone.list"
    xfrdir: "DIR"
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: mesos
    zonefile: "DIR/mesos.zone"
`))
	if err != nil {
		return nil, err
	}
	return run(ctx, dir, program, "-d", "-c", file)
}

func coredns(ctx context.Context, dir, program string) (*process, error) {
	file, err := config(dir, "Corefile", fmt.Sprintf("mesos:5304 {\n    bind 127.0.0.1\n    file %s\n}\n",
		filepath.Join(dir, "mesos.zone")))
	if err != nil {
		return nil, err
	}
	return run(ctx, dir, program, "-conf", file)
}
