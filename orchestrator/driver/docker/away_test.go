package docker

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/drivertest/scratch"
)

func TestAnEngineThatIsNotThereIsNamed(t *testing.T) {
	host := "unix://" + filepath.Join(t.TempDir(), "no.sock")
	d := open(t, Options{Host: host})
	ctx := t.Context()
	_, list := d.List(ctx)
	_, watch := d.Watch(ctx)
	_, logs := d.Logs(ctx, "x.1", driver.LogOptions{Stream: driver.Stdout})
	_, exec := d.Exec(ctx, "x.1", "true")
	_, found := detect(ctx, host)
	for what, err := range map[string]error{
		"list": list, "logs": logs, "exec": exec, "detect": found, "watch": watch,
		"start": d.Start(ctx, specOf(t, imageApp(program.Program{}))),
		"stop":  d.Stop(ctx, "x.1", time.Second), "remove": d.Remove(ctx, "x.1"),
	} {
		if err == nil || !strings.Contains(err.Error(), host) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// relayTo listens on a socket and passes connections on to the engine until the returned function cuts all.
func relayTo(t *testing.T, engine string) (host string, cut func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "engine.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", engine)
			if err != nil {
				in.Close()
				continue
			}
			context.AfterFunc(ctx, func() { in.Close(); out.Close() })
			work.Go(func() { _, _ = io.Copy(out, in); out.Close() })
			work.Go(func() { _, _ = io.Copy(in, out); in.Close() })
		}
	})
	cut = func() { l.Close(); cancel(); work.Wait() }
	t.Cleanup(cut)
	return "unix://" + path, cut
}

func TestAWatchEndsWhenTheEngineHangsUp(t *testing.T) {
	cli := scratch.Engine(t)
	socket, ok := strings.CutPrefix(cli.DaemonHost(), "unix://")
	if !ok {
		t.Skip("the engine is not at a local socket")
	}
	host, cut := relayTo(t, socket)
	d := open(t, Options{Host: host})
	watch, err := d.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cut()
	select {
	case st, open := <-watch:
		if open {
			t.Errorf("got %+v", st)
		}
	case <-time.After(patience):
		t.Error("the channel is still open")
	}
	if _, err := d.Watch(t.Context()); err == nil {
		t.Error("watching again succeeded although nobody answers")
	}
}
