package docker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/drivertest/scratch"
)

// Names of this run alone: several runs may share an engine.
var (
	testImage   = fmt.Sprintf("berth-driver-test:%d", os.Getpid())
	testCluster = fmt.Sprintf("driver-test-%d", os.Getpid())
)

func TestMain(m *testing.M) {
	if socket := os.Getenv(stdioSocket); socket != "" {
		os.Exit(dialStdio(socket))
	}
	os.Exit(withImage(m))
}

// withImage builds the image of the tests where an engine answers, and removes it with every container of this run.
func withImage(m *testing.M) int {
	cli, err := scratch.Connect()
	if err != nil {
		return m.Run() // each test that needs the engine skips, or fails in CI
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "berth-docker-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = buildTestImage(ctx, cli, dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer cleanUp(ctx, cli)
	return m.Run()
}

func buildTestImage(ctx context.Context, cli *client.Client, dir string) error {
	task, err := drivertest.Build(dir)
	if err != nil {
		return err
	}
	hello, err := drivertest.BuildPackage("berth/cmd/berth/hello/standalone", filepath.Join(dir, "hello"))
	if err != nil {
		return err
	}
	return scratch.Build(ctx, cli, scratch.Image{
		Tag: testImage, Entrypoint: []string{"/task"},
		Files: map[string]string{"/task": task, "/bin/sh": task, "/hello": hello},
	})
}

func cleanUp(ctx context.Context, cli *client.Client) {
	left, err := cli.ContainerList(ctx, container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", labelCluster+"="+testCluster)),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "list containers that are left:", err)
	}
	for _, c := range left {
		if err := cli.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			fmt.Fprintln(os.Stderr, "remove container:", err)
		}
	}
	if err := scratch.Remove(ctx, cli, testImage); err != nil {
		fmt.Fprintln(os.Stderr, "remove image:", err)
	}
}

func newDriver(t *testing.T, opt Options) *Driver {
	t.Helper()
	opt.Cluster = testCluster
	if opt.Data == "" {
		opt.Data = t.TempDir()
	}
	d, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// imageApp is an app on the test image in bridge mode.
func imageApp(p program.Program) *api.App {
	return &api.App{
		ID: "/a", Args: p.Args(), CPUs: 0.1, Mem: 64,
		Networks:  []api.Network{{Mode: api.NetworkBridge}},
		Container: &api.Container{Type: api.ContainerDocker, Docker: &api.Docker{Image: testImage}},
	}
}

func TestSuite(t *testing.T) {
	scratch.Engine(t)
	data := t.TempDir()
	drivertest.Run(t, drivertest.Harness{
		Open:  func(t *testing.T) driver.Driver { return newDriver(t, Options{Data: data}) },
		Close: func(d driver.Driver) { d.(*Driver).Close() },
		App:   imageApp,
		Broken: func() (*api.App, string) {
			app := imageApp(program.Program{})
			app.Container.Docker.Parameters = []api.Parameter{{Key: "entrypoint", Value: "/no/such/program"}}
			return app, "not found"
		},
	})
}
