//go:build e2e

// Package engines drives the built programs against three Docker engines, each in a network namespace of its own, from a
// namespace without a way out.
//
//	where the test, the orchestrator, mlb and dnsd run     bridge t-net 10.77.0.1
//	  a1 10.77.0.11  rack 1   *             dockerd behind TLS
//	  a2 10.77.0.12  rack 2   *             the same
//	  a3 10.77.0.13  rack 2   slave_public  the same
//
// An agent is cut off by taking its port of the bridge down.
package engines

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"berth/orchestrator/driver/drivertest/scratch"
	"berth/orchestrator/driver/drivertest/tlsfiles"
	"berth/vip/nettest"
)

// programs names the environment variable with the directory of the built programs.
const programs = "BERTH_E2E_ENGINES"

const (
	image   = "berth/e2e-engines"
	cluster = "e2e-engines"
	api     = "http://127.0.0.1:8080" // in the test's own namespace all ports are free
	lb      = "http://127.0.0.1:80"
)

// patience bounds every wait: the machine may be busy.
const patience = time.Minute

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

// buildAndRun builds the programs once, outside the namespace the test runs in.
func buildAndRun(m *testing.M) int {
	if os.Getenv(programs) == "" {
		dir, err := os.MkdirTemp("", "berth-e2e-engines-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", dir+"/", "berth/cmd/berth", "berth/cmd/orchestrator", "berth/cmd/mlb", "berth/cmd/dnsd")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
			return 1
		}
		os.Setenv(programs, dir)
	}
	return nettest.Main(m)
}

// world is the three engines and what drives them.
type world struct {
	*testing.T
	dir     string
	engines []*engine
	brain   *proc
}

// engine is a dockerd in a namespace.
type engine struct {
	name, ip, port string
	cli            *client.Client // by its socket, which no cut reaches
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "Docker engines of our own need root")
	}
	for _, tool := range []string{"dockerd", "docker-proxy", "runc", "iptables", "haproxy"} {
		nettest.Need(t, tool)
	}
	nettest.Isolated(t)
	dir, err := os.MkdirTemp("", "be") // short: socket paths are limited to 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, dir: dir}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil { // HAProxy's user has to get through to its sockets
		t.Fatal(err)
	}
	var here nettest.NS
	here.Bridge(t, "t-net")
	here.Addr(t, "t-net", "10.77.0.1/24")
	files := tlsfiles.Make(t, "10.77.0.11", "10.77.0.12", "10.77.0.13")
	for i := 1; i <= 3; i++ {
		e := &engine{name: fmt.Sprintf("a%d", i), ip: fmt.Sprintf("10.77.0.1%d", i), port: fmt.Sprintf("t-a%d", i)}
		ns := nettest.NewNS(t)
		nettest.Veth(t, here, e.port, ns, "t-up")
		here.Enslave(t, e.port, "t-net")
		ns.Addr(t, "t-up", e.ip+"/24")
		w.startEngine(e, ns, files)
		w.engines = append(w.engines, e)
	}
	w.startOrchestrator(files)
	return w
}

func (w *world) startEngine(e *engine, ns nettest.NS, files tlsfiles.Files) {
	w.Helper()
	dir := filepath.Join(w.dir, e.name)
	if err := os.Mkdir(dir, 0o711); err != nil {
		w.Fatal(err)
	}
	config, socket := filepath.Join(dir, "c.json"), filepath.Join(dir, "s")
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil { // not the machine's own
		w.Fatal(err)
	}
	args := []string{
		"--config-file", config, "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "x"),
		"--pidfile", filepath.Join(dir, "pid"), "--log-level", "error", "-H", "unix://" + socket, "-H", "tcp://" + e.ip + ":2376",
		"--tlsverify", "--tlscacert", files.CA, "--tlscert", files.Engine.Cert, "--tlskey", files.Engine.Key,
	}
	var p *proc
	ns.Must(w, func() error { p = start(w.T, "dockerd", args...); return nil })
	cli, err := client.NewClientWithOpts(client.WithHost("unix://"+socket), client.WithAPIVersionNegotiation())
	if err != nil {
		w.Fatal(err)
	}
	e.cli = cli
	w.eventually(e.name+" answers", func() error {
		select {
		case <-p.done:
			w.Fatalf("dockerd ended:\n%s", p.out)
		default:
		}
		_, err := cli.Ping(w.Context())
		return err
	})
	w.Cleanup(func() { e.empty(w.T); cli.Close() })
	err = scratch.Build(w.Context(), cli, scratch.Image{
		Tag: image, Files: map[string]string{"/berth": program("berth")}, Entrypoint: []string{"/berth", "hello"},
	})
	if err != nil {
		w.Fatal(err)
	}
}

// empty removes every container: dockerd would leave their processes behind.
func (e *engine) empty(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := e.cli.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		t.Errorf("%s: %v", e.name, err)
	}
	for _, c := range list {
		if err := e.cli.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			t.Errorf("%s: remove %s: %v", e.name, c.ID, err)
		}
	}
}

// tasks are the ids of the tasks that really run there.
func (e *engine) tasks(t *testing.T) []string {
	t.Helper()
	list, err := e.cli.ContainerList(t.Context(), container.ListOptions{
		Filters: filters.NewArgs(filters.Arg("label", "berth.cluster="+cluster)),
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range list {
		out = append(out, c.Labels["MESOS_TASK_ID"])
	}
	return out
}

func (w *world) startOrchestrator(files tlsfiles.Files) {
	w.Helper()
	args := []string{"--listen", "127.0.0.1:8080", "--data", filepath.Join(w.dir, "o"), "--cluster", cluster, "--agent-timeout", "3s"}
	for i, e := range w.engines {
		args = append(args, "--agent", fmt.Sprintf(
			"name=%s,engine=tcp://%s:2376,attributes=rack:%d,roles=%s,mem=4096,cpus=4,tls-ca=%s,tls-cert=%s,tls-key=%s", e.name, e.ip,
			min(i+1, 2), []string{"*", "*", "slave_public"}[i], files.CA, files.Client.Cert, files.Client.Key))
	}
	w.brain = start(w.T, program("orchestrator"), args...)
	w.eventually("the orchestrator is ready", func() error { return w.read("/readyz", nil) })
}

// restartOrchestrator kills it and starts it anew.
func (w *world) restartOrchestrator() {
	w.Helper()
	w.brain.kill()
	w.brain = start(w.T, w.brain.cmd.Path, w.brain.cmd.Args[1:]...)
	w.eventually("the orchestrator answers", func() error { return w.read("/ping", nil) })
}

func (w *world) startMLB() {
	w.Helper()
	start(w.T, program("mlb"), "--marathon", api, "--group", "external", "--haproxy-config", filepath.Join(w.dir, "l", "haproxy.cfg"))
	w.eventually("HAProxy serves", func() error {
		_, err := fetch("http://127.0.0.1:9090/_haproxy_health_check", "")
		return err
	})
}

func (w *world) startDNS() {
	w.Helper()
	start(w.T, program("dnsd"), "--marathon", api, "--listen", "127.0.0.1:53", "--http", "127.0.0.1:8123")
}

// cut takes an agent's cable away; heal puts it back.
func (w *world) cut(e *engine)  { w.link(e, "down") }
func (w *world) heal(e *engine) { w.link(e, "up") }

func (w *world) link(e *engine, state string) {
	w.Helper()
	if out, err := exec.Command("ip", "link", "set", e.port, state).CombinedOutput(); err != nil {
		w.Fatalf("set %s %s: %v %s", e.port, state, err, out)
	}
}

// read decodes an answer of the API.
func (w *world) read(path string, into any) error {
	text, err := fetch(api+path, "")
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}

// write sends a document that has to be accepted.
func (w *world) write(method, path string, doc any) {
	w.Helper()
	body, err := json.Marshal(doc)
	if err != nil {
		w.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.Context(), method, api+path, bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		w.Fatalf("%s %s: %s %s %v", method, path, resp.Status, text, err)
	}
}

type taskView struct {
	ID, Host, SlaveID, State string
	Ports                    []int
	HealthCheckResults       []struct{ Alive bool }
}

type appView struct {
	ID          string
	Instances   int
	Deployments []any
	Tasks       []taskView
}

func (w *world) app(id string) appView {
	w.Helper()
	var v struct{ App appView }
	if err := w.read("/v2/apps"+id+"?embed=app.tasks&embed=app.deployments", &v); err != nil {
		w.Fatal(err)
	}
	return v.App
}

// on lists an app's tasks by agent and state, "a1:RUNNING a2:UNREACHABLE".
func (a appView) on() string {
	var out []string
	for _, t := range a.Tasks {
		out = append(out, t.SlaveID+":"+strings.TrimPrefix(t.State, "TASK_"))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// settled waits until an app's tasks are on these agents in these states, and healthy where they run.
func (w *world) settled(id, want string) appView {
	w.Helper()
	var a appView
	w.eventually(id+" is "+want, func() error {
		a = w.app(id)
		if got := a.on(); got != want || len(a.Deployments) > 0 {
			return fmt.Errorf("%s, %d deployments", got, len(a.Deployments))
		}
		for _, t := range a.Tasks {
			if t.State == "TASK_RUNNING" && (len(t.HealthCheckResults) == 0 || !t.HealthCheckResults[0].Alive) {
				return fmt.Errorf("%s is not healthy", t.ID)
			}
		}
		return nil
	})
	return a
}

// nodes lists the agents' states.
func (w *world) nodes() (string, error) {
	var v struct{ Nodes []struct{ ID, State string } }
	err := w.read("/v1/nodes", &v)
	var out []string
	for _, n := range v.Nodes {
		out = append(out, n.ID+":"+n.State)
	}
	return strings.Join(out, " "), err
}

func (w *world) nodesAre(want string) {
	w.Helper()
	w.eventually("nodes are "+want, func() error {
		got, err := w.nodes()
		if err == nil && got != want {
			err = fmt.Errorf("nodes are %s", got)
		}
		return err
	})
}

// nothingLostOrDoubled waits until what the engines run is what the API lists, each task once, where it says.
func (w *world) nothingLostOrDoubled() {
	w.Helper()
	w.eventually("what runs is what is known to run", func() error {
		var v struct{ Tasks []taskView }
		if err := w.read("/v2/tasks", &v); err != nil {
			return err
		}
		var known, runs []string
		for _, t := range v.Tasks {
			known = append(known, t.SlaveID+" "+t.ID)
		}
		for _, e := range w.engines {
			for _, id := range e.tasks(w.T) {
				runs = append(runs, e.name+" "+id)
			}
		}
		slices.Sort(known)
		slices.Sort(runs)
		if !slices.Equal(known, runs) {
			return fmt.Errorf("known:\n%s\nrunning:\n%s", strings.Join(known, "\n"), strings.Join(runs, "\n"))
		}
		return nil
	})
}

func (w *world) eventually(what string, f func() error) {
	w.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("%s: not within %v: %v", what, patience, err)
		}
	}
}

var browser = &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// fetch returns the body of a successful answer.
func fetch(url, host string) (string, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Host = host
	resp, err := browser.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, text)
	}
	return string(text), err
}

func program(name string) string { return filepath.Join(os.Getenv(programs), name) }

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s; in CI nothing may be missing", what)
	}
	t.Skipf("SKIPPED, NOT TESTED: %s", what)
}

// proc is a program under test. It ends with the test.
type proc struct {
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

func start(t *testing.T, path string, args ...string) *proc {
	t.Helper()
	p := &proc{cmd: exec.Command(path, args...), out: &output{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = time.Second // what outlives the program holds its output open
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(30 * time.Second):
			t.Errorf("%s did not stop within 30 s of SIGTERM", path)
			p.kill()
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", path, p.out)
		}
	})
	return p
}

func (p *proc) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// output keeps the last 32 KiB that a program says.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	o.text = o.text[max(0, len(o.text)-32<<10):]
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
