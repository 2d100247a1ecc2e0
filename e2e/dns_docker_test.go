//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
)

const fetchImage = "berth/e2e-fetch"

// fetcher builds an image FROM scratch with berth and testdata/fetch.
func fetcher(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("docker", "version", "--format", "{{.Server.Version}}").CombinedOutput(); err != nil {
		missing(t, "no Docker Engine answers: "+strings.TrimSpace(string(out)))
	}
	fetch := filepath.Join(t.TempDir(), "fetch")
	build := exec.Command("go", "build", "-o", fetch, "./testdata/fetch")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build fetch: %v\n%s", err, out)
	}
	var context bytes.Buffer
	w := tar.NewWriter(&context)
	add := func(name string, data []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	add("Dockerfile", []byte("FROM scratch\nCOPY berth fetch /\nENTRYPOINT [\"/berth\", \"hello\"]\n"))
	for name, path := range map[string]string{"berth": bin + "/berth", "fetch": fetch} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		add(name, data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	image := exec.Command("docker", "build", "-q", "-t", fetchImage, "-")
	image.Stdin, image.Env = &context, append(os.Environ(), "DOCKER_BUILDKIT=0")
	if out, err := image.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", fetchImage, err, out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", "-f", fetchImage).Run() })
}

// docker runs the engine's command line and returns what it prints.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// A task finds another by name, as `curl marathon-lb.marathon.mesos:10101`: the orchestrator gives its containers dnsd as their
// name server. Orchestrator and dnsd run in the network of a container of their own, so that all traffic is between containers.
func TestDNSInsideATask(t *testing.T) {
	need(t, "nsenter")
	if os.Geteuid() != 0 {
		missing(t, "only root can enter a container's network")
	}
	fetcher(t)
	cluster := fmt.Sprint("e2e-dns-", os.Getpid())
	t.Cleanup(func() {
		out, err := exec.Command("docker", "ps", "-aq", "--filter", "label=berth.cluster="+cluster).Output()
		if ids := strings.Fields(string(out)); err == nil && len(ids) > 0 {
			_ = exec.Command("docker", append([]string{"rm", "-f"}, ids...)...).Run()
		}
	})
	node := docker(t, "run", "-d", "--label", "berth.cluster="+cluster, fetchImage, "--port", "9999")
	pid, ip := docker(t, "inspect", "-f", "{{.State.Pid}}", node), docker(t, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", node)
	inside := []string{"nsenter", "--net=/proc/" + pid + "/ns/net", bin + "/"}
	dir, ports := t.TempDir(), porttest.Range(t, 4)
	startCommand(t, "orchestrator", inside, "--listen", "127.0.0.1:8080", "--data", dir, "--driver", "docker", "--cluster", cluster,
		"--dynamic-ports", fmt.Sprintf("%d-%d", ports, ports+3), "--dns", ip)
	startCommand(t, "dnsd", inside, "--listen", ip+":53", "--http", "", "--state-dir", "", "--external=false")

	image := app{"type": "DOCKER", "docker": app{"image": fetchImage}}
	lb := app{
		"id": "/marathon-lb", "cpus": 0.01, "mem": 32, "args": []string{"--port", "10101"}, "labels": app{"BERTH_DNS_SOURCE": "netinfo"},
		"networks":  []app{{"mode": "container/bridge"}},
		"container": app{"type": "DOCKER", "docker": image["docker"], "portMappings": []app{{"containerPort": 10101, "hostPort": 0}}},
	}
	client := app{
		"id": "/client", "cpus": 0.01, "mem": 32, "networks": []app{{"mode": "container/bridge"}},
		"args": []string{"http://marathon-lb.marathon.mesos:10101/"},
		"container": app{"type": "DOCKER", "docker": app{
			"image": fetchImage, "parameters": []app{{"key": "entrypoint", "value": "/fetch"}},
		}},
	}
	for _, a := range []app{lb, client} {
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		retry(t, "the orchestrator takes "+fmt.Sprint(a["id"]), func() (string, bool) {
			add := exec.Command(inside[0], inside[1], inside[2]+"berth", "app", "add", "-")
			add.Stdin = bytes.NewReader(text)
			out, err := add.CombinedOutput()
			return string(out), err == nil || strings.Contains(string(out), "exist")
		})
	}
	retry(t, "an answer inside the task", func() (string, bool) {
		out, err := exec.Command("docker", "ps", "-q", "--filter", "label=berth.cluster="+cluster, "--filter", "label=berth.app=/client").Output()
		ids := strings.Fields(string(out))
		if err != nil || len(ids) != 1 {
			return fmt.Sprintf("containers %v: %v", ids, err), false
		}
		log, _ := exec.Command("docker", "logs", ids[0]).CombinedOutput()
		return string(log), strings.Contains(string(log), "status 200") && strings.Contains(string(log), "/marathon-lb")
	})
}

// retry calls f until it is content, and fails with what it said last.
func retry(t *testing.T, what string, f func() (string, bool)) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		said, ok := f()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s\n%s", what, said)
		}
	}
}
