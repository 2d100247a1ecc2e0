package docker

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"berth/internal/porttest"
	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/drivertest/scratch"
)

const patience = 30 * time.Second

// open returns a driver that is closed with the test.
func open(t *testing.T, opt Options) *Driver {
	t.Helper()
	d := newDriver(t, opt)
	t.Cleanup(d.Close)
	return d
}

func specOf(t *testing.T, app *api.App, ports ...int) driver.Spec {
	id := strings.ToLower(strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())) + ".1"
	return driver.Spec{TaskID: id, App: app, Host: "localhost", AgentIP: "127.0.0.1", Ports: ports}
}

// start starts a task that is removed with the test, and returns its status.
func start(t *testing.T, d *Driver, spec driver.Spec) driver.Status {
	t.Helper()
	if err := d.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := d.Stop(ctx, spec.TaskID, 0); err != nil {
			t.Error(err)
		}
		if err := d.Remove(ctx, spec.TaskID); err != nil {
			t.Error(err)
		}
	})
	return statusOf(t, d, spec.TaskID)
}

func statusOf(t *testing.T, d *Driver, id string) driver.Status {
	t.Helper()
	list, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range list {
		if st.TaskID == id {
			return st
		}
	}
	t.Fatalf("task %s is not listed", id)
	return driver.Status{}
}

func awaitEnd(t *testing.T, d *Driver, id string) driver.Status {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		st := statusOf(t, d, id)
		if st.State.Final() {
			return st
		}
		if time.Now().After(deadline) {
			t.Fatalf("no end: %+v", st)
		}
	}
}

// fetch asks until something answers.
func fetch(t *testing.T, url string) string {
	t.Helper()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: 5 * time.Second}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get(url)
		if err == nil {
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(body)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func helloApp(args ...string) *api.App {
	app := imageApp(program.Program{})
	app.Args = args
	app.Container.Docker.Parameters = []api.Parameter{{Key: "entrypoint", Value: "/hello"}}
	return app
}

func TestAPublishedPortAnswers(t *testing.T) {
	scratch.Engine(t)
	d := open(t, Options{})
	app := helloApp("--port", "80")
	app.Container.PortMappings = []api.PortMapping{{ContainerPort: 80, HostPort: intp(0), Protocol: "udp,tcp"}}
	spec := specOf(t, app, porttest.Free(t))
	spec.Env = []string{"MESOS_TASK_ID=" + spec.TaskID}
	st := start(t, d, spec)
	if got := fetch(t, fmt.Sprintf("http://127.0.0.1:%d/", spec.Ports[0])); !strings.Contains(got, spec.TaskID) {
		t.Errorf("answer on the host port: %s", got)
	}
	if len(st.Addresses) != 1 || st.Addresses[0].Protocol != "IPv4" {
		t.Fatalf("addresses %+v", st.Addresses)
	}
	if got := fetch(t, "http://"+st.Addresses[0].IPAddress+"/"); !strings.Contains(got, spec.TaskID) {
		t.Errorf("answer on the container's own address: %s", got)
	}
	if st.Ports[0] != spec.Ports[0] {
		t.Errorf("ports %v", st.Ports)
	}
}

func TestHostMode(t *testing.T) {
	scratch.Engine(t)
	d := open(t, Options{})
	app := helloApp()
	app.Networks, app.PortDefinitions = nil, make([]api.PortDefinition, 1)
	spec := specOf(t, app, porttest.Free(t))
	spec.Env = []string{fmt.Sprintf("PORT0=%d", spec.Ports[0]), "MESOS_TASK_ID=" + spec.TaskID}
	if st := start(t, d, spec); len(st.Addresses) != 0 {
		t.Errorf("addresses in host mode: %+v", st.Addresses)
	}
	if got := fetch(t, fmt.Sprintf("http://127.0.0.1:%d/", spec.Ports[0])); !strings.Contains(got, spec.TaskID) {
		t.Errorf("answer: %s", got)
	}
}

func TestANamedNetwork(t *testing.T) {
	cli := scratch.Engine(t)
	d := open(t, Options{})
	name := testCluster + "-net"
	app := helloApp("--port", "80")
	app.Networks = []api.Network{{Mode: api.NetworkContainer, Name: name}}
	spec := specOf(t, app)
	if err := d.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), `network "`+name+`" does not exist`) {
		t.Errorf("on a network that is not there: %v", err)
	}
	made, err := cli.NetworkCreate(t.Context(), name, network.CreateOptions{Internal: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cli.NetworkRemove(context.Background(), made.ID); err != nil {
			t.Error(err)
		}
	})
	st := start(t, d, spec)
	if len(st.Addresses) != 1 {
		t.Fatalf("addresses %+v", st.Addresses)
	}
	if got := fetch(t, "http://"+st.Addresses[0].IPAddress+"/"); !strings.Contains(got, "Hello from") {
		t.Errorf("answer: %s", got)
	}
}

func TestAPortOfAStrangerIsNamed(t *testing.T) {
	scratch.Engine(t)
	d := open(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	app := helloApp()
	app.Container.PortMappings = []api.PortMapping{{ContainerPort: 80, HostPort: &port}}
	err = d.Start(t.Context(), specOf(t, app, port))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d is bound by another process", port)) {
		t.Errorf("start: %v", err)
	}
}

func TestOutOfMemoryIsSaid(t *testing.T) {
	scratch.Engine(t)
	d := open(t, Options{})
	app := imageApp(program.Program{Alloc: 200, Run: true})
	app.Mem = 32
	spec := specOf(t, app)
	start(t, d, spec)
	st := awaitEnd(t, d, spec.TaskID)
	if st.State != api.TaskFailed || !strings.HasPrefix(st.Message, "out of memory: it was killed at its limit of 32 MiB") {
		t.Errorf("%+v", st)
	}
}

func TestCmdRunsByTheShell(t *testing.T) {
	scratch.Engine(t)
	d := open(t, Options{})
	app := imageApp(program.Program{})
	app.Args, app.Cmd = nil, "exit 9"
	spec := specOf(t, app)
	start(t, d, spec)
	if st := awaitEnd(t, d, spec.TaskID); st.ExitCode != 9 {
		t.Errorf("%+v", st)
	}
}

func TestATerminalHasOneOutput(t *testing.T) {
	scratch.Engine(t)
	d := open(t, Options{})
	yes := true
	app := imageApp(program.Program{Stdout: "out", Stderr: "err", Exit: 3})
	app.TTY = &yes
	spec := specOf(t, app)
	start(t, d, spec)
	if st := awaitEnd(t, d, spec.TaskID); !strings.Contains(st.Message, "exit code 3; stderr ends with:\nout\nerr") {
		t.Errorf("message %q", st.Message)
	}
	r, err := d.Logs(t.Context(), spec.TaskID, driver.LogOptions{Stream: driver.Stdout, Lines: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); string(text) != "err\r\n" || err != nil {
		t.Errorf("last line %q, %v", text, err)
	}
}

func TestTheSandboxIsMounted(t *testing.T) {
	scratch.Engine(t)
	d := open(t, Options{})
	file := filepath.Join(t.TempDir(), "program")
	data, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(file, data[:100], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	app := imageApp(program.Program{Run: true})
	app.User = "1234"
	app.Fetch = []api.Fetch{{URI: "file://" + file, Executable: true}}
	app.Container.Volumes = []api.Volume{{ContainerPath: "/vol", HostPath: "vol", Mode: "RW"}}
	spec := specOf(t, app)
	start(t, d, spec)
	// The engine refuses to run what is not there, and what may not be run, in different words.
	res, err := d.Exec(t.Context(), spec.TaskID, "/mnt/mesos/sandbox/program")
	if err != nil || !strings.Contains(string(res.Output), "exec format error") {
		t.Errorf("run the fetched file: %q, %v", res.Output, err)
	}
	for _, dir := range []string{"", "vol"} {
		info, err := os.Stat(filepath.Join(d.dir(spec.TaskID), sandboxDir, dir))
		if err != nil || info.Mode().Perm() != 0o777 {
			t.Errorf("directory %q: %v, %v", dir, info, err)
		}
	}
}

func TestStderrIsQuotedBehindMuchStdout(t *testing.T) {
	scratch.Engine(t)
	d := open(t, Options{})
	spec := specOf(t, imageApp(program.Program{Stderr: "the cause", Lines: 3000, Exit: 1}))
	start(t, d, spec)
	if st := awaitEnd(t, d, spec.TaskID); !strings.HasSuffix(st.Message, "the cause") {
		t.Errorf("message %q", st.Message)
	}
}

func TestAContainerRemovedByHandIsAFailure(t *testing.T) {
	cli := scratch.Engine(t)
	d := open(t, Options{})
	watch, err := d.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	spec := specOf(t, imageApp(program.Program{Run: true}))
	if err := d.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	rm := container.RemoveOptions{Force: true}
	if err := cli.ContainerRemove(t.Context(), containerName(testCluster, spec.TaskID), rm); err != nil {
		t.Fatal(err)
	}
	timeout := time.After(patience)
	for {
		select {
		case st := <-watch:
			if st.TaskID != spec.TaskID || !st.State.Final() {
				continue
			}
			if st.State != api.TaskFailed || st.AppID != "/a" || st.ExitCode != 137 {
				t.Errorf("%+v", st)
			}
			if err := d.Remove(t.Context(), spec.TaskID); err != nil {
				t.Errorf("remove what is left: %v", err)
			}
			return
		case <-timeout:
			t.Fatal("nothing was said")
		}
	}
}

func TestPrivilegeCanBeForbidden(t *testing.T) {
	scratch.Engine(t)
	d := open(t, Options{ForbidPrivilege: true})
	app := imageApp(program.Program{})
	app.Container.Docker.Privileged = true
	if err := d.Start(t.Context(), specOf(t, app)); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("start: %v", err)
	}
}

func TestDetect(t *testing.T) {
	scratch.Engine(t)
	info, err := Detect(t.Context())
	if err != nil || info.CPUs < 1 || info.Memory < 64 || info.Version == "" || info.OS != "linux" {
		t.Errorf("%+v, %v", info, err)
	}
}
