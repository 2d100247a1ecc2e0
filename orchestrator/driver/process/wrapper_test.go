package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

// TestNothingRunsBeforeTheGateOpens: an orchestrator that dies between fork and record leaves no unknown task.
func TestNothingRunsBeforeTheGateOpens(t *testing.T) {
	tk := newTask(t.TempDir(), record{TaskID: "x.1"})
	if err := os.Mkdir(tk.work(), 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := startWrapper(tk, []string{"/bin/sh", "-c", "touch ran"}, []string{"PATH=" + defaultPath}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := readProc(w.pid)
	if err != nil {
		t.Fatal(err)
	}
	h, err := openHandle(p.pid, p.start)
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	w.gate.Close() // as the kernel does when the daemon dies
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.wait(ctx); err != nil {
		t.Fatal(err)
	}
	h.reap()
	if _, err := os.Stat(filepath.Join(tk.work(), "ran")); err == nil {
		t.Error("the command ran")
	}
}

// BenchmarkStart measures the driver's own time for a start, and for the end that follows.
func BenchmarkStart(b *testing.B) {
	d, err := New(Options{Cluster: "bench", Data: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	ctx := context.Background()
	var ids []string
	for b.Loop() {
		id := fmt.Sprintf("bench.%d", len(ids))
		if err := d.Start(ctx, driver.Spec{TaskID: id, App: &api.App{ID: "/bench", Args: []string{"/bin/true"}}}); err != nil {
			b.Fatal(err)
		}
		ids = append(ids, id)
	}
	b.StopTimer()
	for _, id := range ids {
		if err := d.Stop(ctx, id, 0); err != nil {
			b.Error(err)
		}
	}
}
