package fake

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest"
	"berth/orchestrator/driver/drivertest/program"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) {
	h := NewHost(driver.KindProcess)
	t.Cleanup(h.Close)
	script := func(b Behaviour) *api.App {
		// The suite gives ids to apps only later; all names it uses get the script.
		for _, id := range []string{"/a", "/b", "/group/web"} {
			h.Script(id, b)
		}
		return &api.App{}
	}
	drivertest.Run(t, drivertest.Harness{
		Open: func(*testing.T) driver.Driver { return New(h) },
		App:  func(p program.Program) *api.App { return script(Behaviour{Program: p}) },
		Broken: func() (*api.App, string) {
			return script(Behaviour{StartError: errors.New("command not found")}), "command not found"
		},
	})
}

func spec(id string, ports ...int) driver.Spec {
	app := &api.App{ID: "/app", PortDefinitions: make([]api.PortDefinition, len(ports))}
	return driver.Spec{TaskID: id, App: app, Ports: ports}
}

func TestStartDelayIsSeenAsStagingAndHeedsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHost(driver.KindProcess)
		defer h.Close()
		h.Script("/app", Behaviour{StartDelay: time.Minute, Staging: []string{"pulling"}, Program: program.Program{Run: true}})
		d := New(h)
		watch, _ := d.Watch(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Start(ctx, spec("x.1")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("start with a second of time: %v", err)
		}
		begin := time.Now()
		if err := d.Start(t.Context(), spec("x.2")); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("start took %s: %v", time.Since(begin), err)
		}
		var states []string
		for range 5 {
			st := <-watch
			states = append(states, string(st.State)+" "+st.Message)
		}
		want := "TASK_STAGING |TASK_STAGING pulling|TASK_STAGING |TASK_STAGING pulling|TASK_RUNNING "
		if got := strings.Join(states, "|"); got != want {
			t.Errorf("watch: %s\nwant:  %s", got, want)
		}
	})
}

func TestAHostPortIsHeldOnce(t *testing.T) {
	h := NewHost(driver.KindProcess)
	defer h.Close()
	d := New(h)
	if err := d.Start(t.Context(), spec("x.1", 2000)); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), spec("x.2", 2000)); err == nil || !strings.Contains(err.Error(), "port 2000 is bound") {
		t.Errorf("second holder: %v", err)
	}
	if err := h.Crash("x.1"); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), spec("x.2", 2000)); err != nil {
		t.Errorf("after the first ended: %v", err)
	}
	if got := h.Specs(); len(got) != 1 || got[0].TaskID != "x.2" {
		t.Errorf("living: %+v", got)
	}
}

func TestAHostThatGoesAwayKeepsItsTasks(t *testing.T) {
	h := NewHost(driver.KindDocker)
	defer h.Close()
	d := New(h)
	watch, err := d.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), spec("x.1")); err != nil {
		t.Fatal(err)
	}
	h.GoAway()
	for range watch { //nolint:revive // drained until closed
	}
	if _, err := d.List(t.Context()); !errors.Is(err, ErrAway) {
		t.Errorf("list: %v", err)
	}
	if err := d.Start(t.Context(), spec("x.2")); !errors.Is(err, ErrAway) {
		t.Errorf("start: %v", err)
	}
	if err := h.End("x.1", 7); err != nil {
		t.Fatal(err)
	}
	h.ComeBack()
	list, err := d.List(t.Context())
	if err != nil || len(list) != 1 || list[0].ExitCode != 7 || list[0].State != api.TaskFailed {
		t.Errorf("list after the return: %+v, %v", list, err)
	}
}
