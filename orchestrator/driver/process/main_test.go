package process

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest"
	"berth/orchestrator/driver/drivertest/program"
)

// testTask is the path of the binary that tasks run.
var testTask string

func TestMain(m *testing.M) {
	if data := os.Getenv("BERTH_TEST_ORCHESTRATOR"); data != "" {
		victim(data)
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "berth-process-")
		if err == nil {
			defer os.RemoveAll(dir)
			testTask, err = drivertest.Build(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		code := m.Run()
		if err := goleak.Find(); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}())
}

func open(t *testing.T, data string) *Driver {
	t.Helper()
	d, err := New(Options{Cluster: "test", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func appOf(p program.Program) *api.App {
	return &api.App{ID: "/a", Args: append([]string{testTask}, p.Args()...)}
}

func TestSuite(t *testing.T) {
	data := t.TempDir()
	drivertest.Run(t, drivertest.Harness{
		Open: func(t *testing.T) driver.Driver {
			d, err := New(Options{Cluster: "test", Data: data})
			if err != nil {
				t.Fatal(err)
			}
			return d
		},
		Close:  func(d driver.Driver) { d.(*Driver).Close() },
		App:    appOf,
		Broken: func() (*api.App, string) { return &api.App{Args: []string{"/no/such/program"}}, "not found" },
		Alive: func(pid int) bool {
			p, err := readProc(pid)
			return err == nil && !p.zombie
		},
	})
}
