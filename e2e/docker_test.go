//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/porttest"
)

const helloImage = "berth/e2e-hello"

// needDocker skips where no engine answers, builds the image from our own static binary, and removes it in the end.
func needDocker(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("docker", "version", "--format", "{{.Server.Version}}").CombinedOutput(); err != nil {
		missing(t, "no Docker Engine answers: "+strings.TrimSpace(string(out)))
	}
	program, err := os.ReadFile(bin + "/berth")
	if err != nil {
		t.Fatal(err)
	}
	var context bytes.Buffer
	w := tar.NewWriter(&context)
	for name, data := range map[string][]byte{
		"Dockerfile": []byte("FROM scratch\nCOPY berth /berth\nENTRYPOINT [\"/berth\", \"hello\"]\n"),
		"berth":      program,
	} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("docker", "build", "-q", "-t", helloImage, "-")
	build.Stdin = &context
	build.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", helloImage, err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("docker", "rmi", "-f", helloImage).CombinedOutput(); err != nil {
			t.Logf("remove %s: %v %s", helloImage, err, out)
		}
	})
}

// newDockerCluster is newCluster with the docker driver; ended containers, which are kept for their logs, go with it.
func newDockerCluster(t *testing.T) *cluster {
	t.Helper()
	needDocker(t)
	var c *cluster
	t.Cleanup(func() {
		if c == nil {
			return
		}
		if ids := c.containers(); len(ids) > 0 {
			if out, err := exec.Command("docker", append([]string{"rm", "-f"}, ids...)...).CombinedOutput(); err != nil {
				t.Errorf("remove containers: %v %s", err, out)
			}
		}
	})
	c = newCluster(t, "docker")
	return c
}

// containers lists the cluster's containers by id, those for which the given docker ps filters hold.
func (c *cluster) containers(filters ...string) []string {
	c.t.Helper()
	args := []string{"ps", "-aq", "--filter", "label=berth.cluster=" + filepath.Base(c.dir)}
	for _, f := range filters {
		args = append(args, "--filter", f)
	}
	out, err := exec.Command("docker", args...).Output()
	if err != nil {
		c.t.Fatalf("docker %v: %v", args, err)
	}
	return strings.Fields(string(out))
}

// bridged is an app that runs the image on Docker's bridge, in the old style of the blog's JSON when old is set.
func bridged(id string, instances, hostPort, servicePort int, labels, portLabels map[string]string, old bool) app {
	mapping := app{"containerPort": 8080, "hostPort": hostPort, "servicePort": servicePort, "labels": portLabels}
	docker := app{"image": helloImage}
	container := app{"type": "DOCKER", "docker": docker}
	a := hello(id, instances, labels, app{"cmd": nil, "args": []string{"--port", "8080"}, "container": container})
	if old {
		docker["network"], docker["portMappings"] = "BRIDGE", []app{mapping}
	} else {
		container["portMappings"], a["networks"] = []app{mapping}, []app{{"mode": "container/bridge"}}
	}
	return a
}

// The same six apps as containers on the real engine's bridge.
func TestBlogOnDocker(t *testing.T) {
	c := newDockerCluster(t)
	fixed, asked := porttest.Free(t), porttest.Free(t)
	c.deploy(
		bridged("/test1", 1, 0, 0, nil, nil, true),
		bridged("/test2", 1, fixed, 0, nil, nil, true),
		bridged("/test3", 2, 0, 0, external(), nil, false),
		bridged("/test4", 1, 0, 0, nil, map[string]string{"VIP_0": "/test4:80"}, false),
		bridged("/test5", 1, 0, 0, nil, map[string]string{"VIP_0": "1.1.1.1:80"}, true),
		bridged("/test6", 1, 0, asked, external("HAPROXY_0_VHOST", "testing6.test"), nil, false),
	)
	blog(t, c, fixed, asked)
}

// Containers outlive the orchestrator like processes do.
func TestKillOrchestratorOnDocker(t *testing.T) {
	c := newDockerCluster(t)
	c.deploy(bridged("/web", 2, 0, 0, external("HAPROXY_0_VHOST", "web.test"), nil, false))
	before := c.settled("/web", 2)
	c.answers(c.front("/"), "web.test", "/web")
	c.orchestrator.kill9()
	c.answers(c.front("/"), "web.test", "/web")
	c.startOrchestrator()
	after := c.settled("/web", 2)
	for id := range before.taskIDs() {
		if !after.taskIDs()[id] {
			t.Errorf("task %s was not adopted: %v", id, after.taskIDs())
		}
	}
	c.must("DELETE", "/v2/apps/web", nil)
	c.removeAll()
	if ids := c.containers("status=running"); len(ids) > 0 {
		t.Errorf("containers left running: %v", ids)
	}
}
