//go:build compose

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
)

// The way of docs/compose.md: the services come up, an app's JSON is posted, and it answers by service port and by Host
// header; the stats page shows it. It builds the image, and the base images where no registry answers, which takes
// minutes: run it with make compose-test.
func TestCompose(t *testing.T) {
	e := composeEnv{t: t, ports: map[string]int{}}
	for _, name := range []string{"API", "HTTP", "HTTPS", "STATS", "APPID", "DNS", "DNS_HTTP"} {
		e.ports[name] = porttest.Free(t)
	}
	e.data = t.TempDir()
	e.run("make", "images")
	if exec.Command("docker", "image", "inspect", "debian:bookworm-slim", "golang:1.26-bookworm").Run() != nil {
		e.run("make", "base-images")
	}
	t.Cleanup(func() {
		if t.Failed() {
			e.run(e.compose("logs", "--tail=50")...)
		}
		e.run(e.compose("down", "--volumes")...)
		e.removeContainers()
	})
	e.run(e.compose("up", "-d", "--build")...)

	eventually(t, time.Minute, "the API is ready", func() error {
		code, body, err := get(e.url("API", "/readyz"), "")
		if err != nil {
			return err
		}
		return expect(code == 200, "%d %s", code, body)
	})
	for _, name := range []string{"test6", "test4", "test5"} {
		e.post("../examples/docker/" + name + ".json")
	}
	c := &cluster{t: t}
	c.answers(e.url("HTTP", "/"), "testing6.test", "/test6")
	c.answers(c.port(10106), "", "/test6")
	c.answers(e.url("DNS_HTTP", "/v1/hosts/test6.marathon.mesos"), "", "127.0.0.1")
	c.answers(e.url("STATS", "/haproxy?stats;csv"), "", "test6_10106")
	e.virtual("test4.marathon.l4lb.thisdcos.directory", "/test4")
	e.virtual("1.1.1.1", "/test5")
}

// post adds an app.
func (e *composeEnv) post(file string) {
	e.t.Helper()
	doc, err := os.ReadFile(file)
	if err != nil {
		e.t.Fatal(err)
	}
	resp, err := http.Post(e.url("API", "/v2/apps"), "application/json", bytes.NewReader(doc))
	if err != nil {
		e.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		e.t.Fatalf("POST /v2/apps %s: %s", file, resp.Status)
	}
}

// virtual dials a VIP in the container from which nothing leaves, by what the image has: bash.
func (e *composeEnv) virtual(host, app string) {
	e.t.Helper()
	script := fmt.Sprintf(`exec 3<>/dev/tcp/%s/80 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && timeout 5 cat <&3`, host)
	eventually(e.t, time.Minute, "an answer of "+host, func() error {
		args := e.compose("exec", "-T", "vip", "bash", "-c", script)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = ".."
		cmd.Env = e.environ()
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return expect(strings.Contains(string(out), app), "%s", out)
	})
}

type composeEnv struct {
	t     *testing.T
	ports map[string]int
	data  string
}

func (e *composeEnv) url(port, path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", e.ports[port], path)
}

func (e *composeEnv) name() string {
	return "e2e" + strings.ToLower(filepath.Base(filepath.Dir(e.data)))
}

// compose is the command line of whichever Compose is installed.
func (e *composeEnv) compose(args ...string) []string {
	base := []string{"docker", "compose"}
	if exec.Command("docker", "compose", "version").Run() != nil {
		base = []string{"docker-compose"}
	}
	return append(append(base, "-p", e.name()), args...)
}

func (e *composeEnv) run(args ...string) {
	e.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ".."
	cmd.Env = e.environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		e.t.Errorf("%v: %v\n%s", args, err, out)
	} else if e.t.Failed() {
		e.t.Logf("%v:\n%s", args, out)
	}
}

func (e *composeEnv) environ() []string {
	env := append(os.Environ(), "BERTH_CLUSTER="+e.name(), "BERTH_DATA="+e.data)
	for name, port := range e.ports {
		env = append(env, fmt.Sprintf("BERTH_%s_PORT=%d", name, port))
	}
	return env
}

// removeContainers removes what the orchestrator started; compose down leaves it running, as documented.
func (e *composeEnv) removeContainers() {
	out, err := exec.Command("docker", "ps", "-aq", "--filter", "label=berth.cluster="+e.name()).Output()
	if err != nil {
		e.t.Errorf("list containers: %v", err)
	}
	for _, id := range strings.Fields(string(out)) {
		e.run("docker", "rm", "-f", id)
	}
}
