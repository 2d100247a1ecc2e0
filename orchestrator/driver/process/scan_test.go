package process

import (
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/orchestrator/driver/drivertest/program"
)

func TestScanIsSharedAndBeginsAfterTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var scans atomic.Int32
		s := newScanner(func() ([]proc, error) {
			n := scans.Add(1)
			time.Sleep(time.Second)
			return []proc{{pid: int(n)}}, nil
		})
		var all sync.WaitGroup
		ask := func(want int) {
			all.Go(func() {
				if got, err := s.look(); err != nil || got[0].pid != want {
					t.Errorf("scan %v %v, want %d", got, err, want)
				}
			})
		}
		ask(1)
		time.Sleep(time.Millisecond)
		for range 500 { // the first began before they asked
			ask(2)
		}
		time.Sleep(time.Second)
		for range 500 {
			ask(3)
		}
		all.Wait()
		if n := scans.Load(); n != 3 {
			t.Errorf("%d scans for 1001 questions, want 3", n)
		}
	})
}

// Stopping many tasks at once looks through /proc a few times in all, not a few times for each.
func TestManyStopsShareTheirScans(t *testing.T) {
	const tasks = 20
	d := open(t, t.TempDir())
	var ids []string
	for i := range tasks {
		id := "many." + string(rune('a'+i))
		start(t, d, specOf(id, appOf(program.Program{Stdout: "up 1", Run: true})))
		line(t, d, id, "up ")
		ids = append(ids, id)
	}
	var scans atomic.Int32
	d.procs.read = func() ([]proc, error) {
		scans.Add(1)
		time.Sleep(20 * time.Millisecond) // as on a host with many processes
		return processes()
	}
	var stops sync.WaitGroup
	for _, id := range ids {
		stops.Go(func() {
			if err := d.Stop(t.Context(), id, 5*time.Second); err != nil {
				t.Error(err)
			}
		})
	}
	stops.Wait()
	if n := scans.Load(); n > tasks {
		t.Errorf("%d scans for %d stops", n, tasks)
	}
}

func TestScanFindsMarks(t *testing.T) {
	t.Setenv(marker, "/somewhere") // seen by processes started from here on
	d := open(t, t.TempDir())
	tk := start(t, d, specOf("x.1", appOf(program.Program{Run: true})))
	all, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	marked := func(pid int) string {
		i := slices.IndexFunc(all, func(p proc) bool { return p.pid == pid })
		if i < 0 {
			t.Fatalf("process %d is not listed", pid)
		}
		return all[i].mark
	}
	if got := marked(tk.rec.PID); got != tk.dir {
		t.Errorf("mark %q, want %q", got, tk.dir)
	}
	if got := marked(os.Getpid()); got != "" {
		t.Errorf("mark %q of the test itself", got)
	}
}
