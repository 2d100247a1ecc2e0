// Package agreetest is for tests: it compares what a running HAProxy does with the files it would be started from.
//
//	diff, err := agreetest.Diff(paths, mlb.MapNames()) // "" when they agree
package agreetest

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/mlb/haproxy"
	"berth/mlb/render"
)

// Diff says in which frontends, backends, servers and map entries the worker (-) and the files (+) differ. A file of maps
// that does not exist has no entries. Errors are those of the worker's socket and of reading files; one of them may pass
// while HAProxy is being reloaded.
func Diff(paths haproxy.Paths, maps []string) (string, error) {
	text, err := os.ReadFile(paths.Config)
	if err != nil {
		return "", err
	}
	written := read(string(text))
	running := map[string]string{}
	if err := proxies(paths, running); err != nil {
		return "", err
	}
	if err := servers(paths, running); err != nil {
		return "", err
	}
	for _, name := range maps {
		if name == render.CertList { // read at a start only, and no map to HAProxy
			continue
		}
		if err := entries(paths, name, running, written); err != nil {
			return "", err
		}
	}
	return cmp.Diff(running, written), nil
}

// Command sends one command to the worker and returns the answer.
func Command(paths haproxy.Paths, command string) (string, error) {
	c, err := net.Dial("unix", paths.Stats)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, command+"\n"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
}

// own are mlb's own proxies: HAProxy may know them by more than the file says.
func own(name string) bool { return strings.HasPrefix(name, "mlb_") || name == "spare:http" }

// proxies lists frontends and backends.
//
//	# pxname,svname,qcur,…
//	web_10000,FRONTEND,,…
func proxies(paths haproxy.Paths, all map[string]string) error {
	text, err := Command(paths, "show stat -1 3 -1") // all proxies; 1 is frontends and 2 backends
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		f := strings.SplitN(line, ",", 3)
		if len(f) == 3 && line[0] != '#' && !own(f[0]) {
			all[strings.ToLower(f[1])+" "+f[0]] = ""
		}
	}
	return nil
}

// servers lists address and port of each, and "maint" when it is in maintenance. The fields are those of version 1 of
// "show servers state" (management guide, section 9.3).
func servers(paths haproxy.Paths, all map[string]string) error {
	text, err := Command(paths, "show servers state")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 19 || f[0] == "#" || own(f[1]) {
			continue
		}
		what := f[4] + ":" + f[18]
		// Flag 4 only tells that the file had the server disabled when the worker read it.
		if admin, err := strconv.Atoi(f[6]); err != nil || admin&^4 != 0 {
			what += " maint"
		}
		all["server "+f[1]+"/"+f[3]] = what
	}
	return nil
}

// read finds the same in a configuration file.
func read(text string) map[string]string {
	all, proxy := map[string]string{}, ""
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || strings.HasPrefix(f[0], "#"):
		case line[0] != ' ' && line[0] != '\t':
			proxy = ""
			if len(f) < 2 || own(f[1]) {
				continue
			}
			switch proxy = f[1]; f[0] {
			case "frontend", "backend":
				all[f[0]+" "+proxy] = ""
			case "listen":
				all["frontend "+proxy], all["backend "+proxy] = "", ""
			}
		case f[0] == "server" && len(f) > 2 && proxy != "":
			what := f[2]
			for _, word := range f[3:] {
				if word == "disabled" {
					what += " maint"
				}
			}
			all["server "+proxy+"/"+f[1]] = what
		}
	}
	return all
}

// entries adds those of one map: as the worker has them, and as the file does.
func entries(paths haproxy.Paths, name string, running, written map[string]string) error {
	path := filepath.Join(filepath.Dir(paths.Config), name)
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		written[name+" "+strings.TrimSpace(line)] = ""
	}
	text, err := Command(paths, "show map "+path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		// 0x55d0a3e6b2a0 a.test web_10000
		if at, entry, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			if !strings.HasPrefix(at, "0x") {
				return fmt.Errorf("show map %s: %s", path, strings.TrimSpace(text))
			}
			running[name+" "+entry] = ""
		}
	}
	return nil
}
