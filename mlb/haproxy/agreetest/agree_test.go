package agreetest

import (
	"bufio"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/mlb/haproxy"
)

const config = `global
  description x
listen stats
  bind :9090
frontend a_1
  bind :1
backend a_1
  server t1 10.0.0.1:31000 check
  server t2 10.0.0.2:31000 disabled
backend mlb_admin
  server admin unix@/run/admin
`

// worker answers on the stats socket as HAProxy does, with texts by command.
func worker(t *testing.T, answers map[string]string) haproxy.Paths {
	t.Helper()
	dir, err := os.MkdirTemp("", "agree") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	paths, err := haproxy.NewPaths(filepath.Join(dir, "haproxy.cfg"), dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"haproxy.cfg": config, "hosts.map": "a.test a_1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", paths.Stats)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			command, _ := bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, answers[strings.Fields(command)[1]])
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return paths
}

func TestDiffFindsEachKindOfDifference(t *testing.T) {
	agreeing := map[string]string{
		"stat": "# pxname,svname,qcur\nstats,FRONTEND,\nstats,BACKEND,\na_1,FRONTEND,\na_1,BACKEND,\nmlb_admin,BACKEND,\n",
		"servers": "1\n# be_id be_name\n2 a_1 1 t1 10.0.0.1 2 0 1 1 9 1 0 2 0 0 0 0 - 31000 - 0 0 - - 0\n" +
			"2 a_1 2 t2 10.0.0.2 0 5 1 1 9 1 0 2 0 0 0 0 - 31000 - 0 0 - - 0\n",
		"map": "0x55 a.test a_1\n",
	}
	for rule, change := range map[string]struct{ command, from, to string }{
		"nothing":            {},
		"a frontend less":    {"stat", "a_1,FRONTEND,\n", ""},
		"a backend more":     {"stat", "a_1,BACKEND,\n", "a_1,BACKEND,\nb_1,BACKEND,\n"},
		"another address":    {"servers", "10.0.0.1", "10.0.0.9"},
		"another port":       {"servers", "31000", "31001"},
		"not in maintenance": {"servers", "t2 10.0.0.2 0 5", "t2 10.0.0.2 2 4"},
		"in maintenance":     {"servers", "t1 10.0.0.1 2 0", "t1 10.0.0.1 0 1"},
		"a server less":      {"servers", "t2", "t1"},
		"a map entry more":   {"map", "a_1\n", "a_1\n0x56 b.test a_1\n"},
		"another map entry":  {"map", "a_1", "a_2"},
	} {
		answers := map[string]string{}
		for k, v := range agreeing {
			if answers[k] = v; k == change.command {
				answers[k] = strings.Replace(v, change.from, change.to, 1)
			}
		}
		diff, err := Diff(worker(t, answers), []string{"hosts.map", "missing.map"})
		if err != nil || (diff == "") != (rule == "nothing") {
			t.Errorf("%s: %v\n%s", rule, err, diff)
		}
	}
}
