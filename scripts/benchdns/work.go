package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"

	"berth/orchestrator/api"
)

// work is a zone and questions about it.
type work struct {
	dir   string
	names int
	doc   []byte // what GET /v2/apps answers
	last  string // a name that is there once the whole zone is
}

// namesPerApp is how many names an app of one task and one port has in the main zone.
const namesPerApp = 7

func (s *settings) prepare(ctx context.Context, dir string, names int) (*work, error) {
	n := names / namesPerApp
	w := &work{dir: dir, names: n * namesPerApp, last: fmt.Sprintf("app-%d.marathon.mesos.", n-1)}
	apps := make([]*api.AppInfo, n)
	for i := range apps {
		id := fmt.Sprintf("/app-%d", i)
		apps[i] = &api.AppInfo{
			App: api.App{ID: id, Networks: []api.Network{{Mode: api.NetworkHost}}, PortDefinitions: []api.PortDefinition{{}}},
			Tasks: []api.Task{{
				ID: fmt.Sprintf("app-%d.1", i), AppID: id, Host: fmt.Sprintf("10.0.%d.%d", i/200%250, i%200+1), SlaveID: "a-S1",
				State: api.TaskRunning, Ports: []int{31000},
			}},
		}
	}
	var err error
	if w.doc, err = json.Marshal(map[string]any{"apps": apps}); err != nil {
		return nil, err
	}
	for kind, form := range map[string]string{"A": "app-%d.marathon.mesos A\n", "SRV": "_app-%d._tcp.marathon.mesos SRV\n"} {
		if err := questions(filepath.Join(dir, "queries-"+kind), form, n); err != nil {
			return nil, err
		}
	}
	return w, w.zoneFile(ctx, s.dnsd)
}

// questions writes each app's once, in an order that no cache likes.
func questions(file, form string, n int) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	b := bufio.NewWriter(f)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		fmt.Fprintf(b, form, i)
	}
	return b.Flush()
}

func (w *work) zoneFile(ctx context.Context, dnsd string) error {
	out, err := os.Create(filepath.Join(w.dir, "mesos.zone"))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, dnsd, "zone", "--apps", "-")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(string(w.doc)), out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("dnsd zone: %w", err)
	}
	return nil
}

// await returns once the server at a port has the zone.
func (w *work) await(ctx context.Context, port int) error {
	c := &dns.Client{Timeout: 500 * time.Millisecond}
	m := new(dns.Msg).SetQuestion(w.last, dns.TypeA)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if in, _, err := c.ExchangeContext(ctx, m, fmt.Sprintf("127.0.0.1:%d", port)); err == nil && len(in.Answer) == 1 {
			return nil
		}
	}
	return fmt.Errorf("does not answer on port %d", port)
}

// marathon serves the apps, and an event stream on which nothing happens, until its process is told to stop.
func (w *work) marathon(ctx context.Context) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/apps", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write(w.doc)
	})
	mux.HandleFunc("GET /v2/events", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(rw, "\r\n")
			_ = http.NewResponseController(rw).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Second):
			}
		}
	})
	inside, cancel := context.WithCancel(ctx)
	s := &http.Server{Handler: mux, BaseContext: func(net.Listener) context.Context { return inside }}
	go func() { _ = s.Serve(l) }()
	return "http://" + l.Addr().String(), func() { cancel(); _ = s.Close() }, nil
}
