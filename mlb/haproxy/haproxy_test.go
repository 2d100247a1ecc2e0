package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"berth/mlb/plan"
)

func TestNothingOnDiskIsNothingToStart(t *testing.T) {
	b := newBench(t)
	if err := b.Start(t.Context(), nil); !errors.Is(err, ErrNoConfig) {
		t.Fatalf("Start: %v, want ErrNoConfig", err)
	}
	foreign := []byte("global\n  maxconn 1\n")
	if err := os.WriteFile(b.opt.Paths.Config, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context(), nil); !errors.Is(err, ErrNoConfig) {
		t.Fatalf("Start with a foreign configuration: %v, want ErrNoConfig", err)
	}
	b.mustReload(b.output("one"))
	if kept, _ := os.ReadFile(b.opt.Paths.Config + ".before-mlb"); string(kept) != string(foreign) {
		t.Errorf("the foreign configuration is gone: %q", kept)
	}
}

func TestFirstApplyStartsHAProxyWithThisText(t *testing.T) {
	b := newBench(t)
	out := b.output("one")
	b.mustReload(out)
	if code, err := b.get("/"); code != 200 {
		t.Fatalf("get: %d, %v", code, err)
	}
	info, err := b.sock.info(t.Context())
	if err != nil || info.Marker != markerIn(out.Config()) || !b.Does(out) {
		t.Fatalf("worker shows %q, mlb believes %q: want %q (%v)", info.Marker, b.current, Hash(out), err)
	}
	r, err := b.reloadTo(out)
	if err != nil || r.Rung != plan.None {
		t.Fatalf("same output again: %+v, %v: want nothing to happen", r, err)
	}
}

func TestReloadIsConfirmedByANewWorker(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	before := b.procs()
	out := b.output("two")
	b.mustReload(out)
	after := b.procs()
	if len(after.Workers) != 1 || after.Workers[0] == before.Workers[0] || after.Master != before.Master {
		t.Fatalf("processes before %+v, after %+v: want a new worker of the same master", before, after)
	}
	if info, _ := b.sock.infoOf(t.Context(), after.Workers[0]); info.Marker != markerIn(out.Config()) {
		t.Fatalf("new worker shows %q, want %q", info.Marker, markerIn(out.Config()))
	}
	if _, err := os.Stat(b.opt.Paths.Config + ".2"); err != nil {
		t.Errorf("archive: %v", err)
	}
}

func TestReloadsUnderLoadLoseNoRequest(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("0"))
	var sent, failed atomic.Int64
	var clients sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for range 4 {
		clients.Go(func() {
			tr := &http.Transport{MaxIdleConnsPerHost: 1}
			defer tr.CloseIdleConnections()
			c := http.Client{Transport: tr, Timeout: 5 * time.Second}
			for i := 0; ctx.Err() == nil && i < 20000; i++ {
				sent.Add(1)
				r, err := c.Get(b.url("/"))
				if err != nil {
					failed.Add(1)
					t.Log(err)
					continue
				}
				io.Copy(io.Discard, r.Body)
				r.Body.Close()
				if r.StatusCode != 200 {
					failed.Add(1)
				}
			}
		})
	}
	for i := range 8 {
		b.mustReload(b.output(strings.Repeat("x", i+1)))
	}
	stop()
	clients.Wait()
	t.Logf("%d requests over 8 reloads, %d failed", sent.Load(), failed.Load())
	if failed.Load() > 0 || sent.Load() < 100 {
		t.Errorf("%d of %d requests failed", failed.Load(), sent.Load())
	}
}

func TestKilledProcessesAreBack(t *testing.T) {
	for name, victim := range map[string]func(Procs) int{
		"master": func(p Procs) int { return p.Master },
		"worker": func(p Procs) int { return p.Workers[0] },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.mustReload(b.output("one"))
			kill(t, victim(b.procs()))
			took := within(t, 20*time.Second, "serving again", func() bool {
				code, _ := b.get("/")
				return code == 200 && b.Restarts() > 0
			})
			t.Logf("serving again after %s", took)
			select {
			case <-b.Restarted():
			case <-time.After(30 * time.Second):
				t.Error("nobody was told of the restart")
			}
			if p := b.procs(); len(p.PIDs()) != 2 {
				t.Errorf("processes %+v: want one master and one worker", p)
			}
		})
	}
}

func TestNewSupervisorAdoptsARunningHAProxy(t *testing.T) {
	b := newBench(t)
	out := b.output("one")
	b.mustReload(out)
	before := b.procs()
	b.abandon()
	if code, err := b.get("/"); code != 200 {
		t.Fatalf("without supervisor: %d, %v", code, err)
	}
	b.open()
	if !b.Adopt(t.Context(), []string{"domain2backend.map"}) {
		t.Fatal("not adopted")
	}
	if r, err := b.reloadTo(out); err != nil || r.Rung != plan.None {
		t.Fatalf("same text: %+v, %v: want no reload", r, err)
	}
	if after := b.procs(); after.Master != before.Master || after.Workers[0] != before.Workers[0] {
		t.Fatalf("processes before %+v, after %+v: want the same", before, after)
	}
	kill(t, before.Master)
	within(t, time.Second, "an adopted master is replaced, too", func() bool {
		code, _ := b.get("/")
		return code == 200 && b.Restarts() == 1
	})
	b.mustReload(b.output("two"))
}

func TestNewSupervisorTrustsRuntimeChangesThatWereWrittenDown(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	addr := b.back.Listener.Addr().String()
	next := b.output("one", "    server s2 "+addr)
	r, err := b.Apply(t.Context(), Change{Output: next, Plan: plan.Plan{Rung: plan.Runtime, Commands: []plan.Command{
		{Line: "add server app_1/s2 " + addr, Want: []string{"New server registered."}}, {Line: "enable server app_1/s2"},
	}}})
	if err != nil || r.Rung != plan.Runtime || !r.Pending {
		t.Fatalf("Apply: %+v, %v", r, err)
	}
	if err := b.Persist(t.Context(), next, nil); err != nil {
		t.Fatal(err)
	}
	worker := b.procs().Workers[0]
	b.abandon()
	b.open()
	if !b.Adopt(t.Context(), []string{"domain2backend.map"}) {
		t.Fatal("not adopted")
	}
	if r, err := b.reloadTo(next); err != nil || r.Rung != plan.None || b.procs().Workers[0] != worker {
		t.Fatalf("what runs embodies the text on disk: %+v, %v", r, err)
	}
}

func TestHangingMasterIsReplacedAtStart(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	old := b.procs()
	b.abandon()
	os.Remove(b.opt.Paths.Master) // nobody can talk to it any more
	b.open()
	if b.Adopt(t.Context(), nil) {
		t.Fatal("adopted")
	}
	if err := b.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if now := b.procs(); now.Master == old.Master {
		t.Error("the old master still runs")
	}
	if code, err := b.get("/"); code != 200 {
		t.Errorf("get: %d, %v", code, err)
	}
}

func TestRefusedConfigurationLeavesEverythingAsItWas(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	want, _ := os.ReadFile(b.opt.Paths.Config)
	before := b.procs()
	_, err := b.reloadTo(b.output("two", "backend bad_2", "    bogus directive"))
	var refused *CheckError
	if !errors.As(err, &refused) || len(refused.Reasons) == 0 {
		t.Fatalf("Apply: %v, want reasons", err)
	}
	if r := refused.Reasons[0]; r.Section != "bad_2" || r.Line == 0 || !strings.Contains(r.Message, "bogus") {
		t.Errorf("reason %+v: want section bad_2 and the word bogus", r)
	}
	if got, _ := os.ReadFile(b.opt.Paths.Config); string(got) != string(want) {
		t.Error("the file on disk has changed")
	}
	if after := b.procs(); after.Workers[0] != before.Workers[0] {
		t.Error("the worker has changed")
	}
	if left, _ := filepath.Glob(b.opt.Paths.Run + "/check-*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestAddressInUseIsFoundBeforeTheReload(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	before := b.procs()
	_, err := b.reloadTo(b.output("two", "frontend taken_2", "    bind "+b.back.Listener.Addr().String(),
		"    default_backend app_1"))
	var refused *CheckError
	if !errors.As(err, &refused) || refused.Reasons[0].Section != "taken_2" {
		t.Fatalf("Apply: %v, want a reason for section taken_2", err)
	}
	if after := b.procs(); after.Reloads != before.Reloads || after.Workers[0] != before.Workers[0] {
		t.Error("a reload was tried")
	}
}

func TestReloadThatFailsPutsTheFilesBack(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	want, _ := os.ReadFile(b.opt.Paths.Config)
	// Passes haproxy -c, but cannot start: the directory of the socket does not exist.
	_, err := b.reloadTo(b.output("two", "frontend nowhere", "    bind /nonexistent/dir/sock", "    default_backend app_1"))
	if err == nil {
		t.Fatal("Apply succeeded")
	}
	t.Log(err)
	if got, _ := os.ReadFile(b.opt.Paths.Config); string(got) != string(want) {
		t.Error("the old file is not back")
	}
	if code, err := b.get("/"); code != 200 {
		t.Errorf("get: %d, %v", code, err)
	}
	b.mustReload(b.output("three"))
}

func TestSessionsOfOldWorkersCount(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	r, err := http.Get(b.url("/hold"))
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer r.Body.Close()
	s1 := Server{"app_1", "s1"}
	count := func() int {
		n, err := b.Sessions(t.Context(), []Server{s1, {"app_1", "nobody"}, {"gone", "s1"}})
		if err != nil {
			t.Fatal(err)
		}
		return n[s1]
	}
	if n := count(); n != 1 {
		t.Fatalf("sessions %d, want 1", n)
	}
	b.mustReload(b.output("two"))
	if p := b.procs(); len(p.Old) != 1 {
		t.Fatalf("processes %+v: want one old worker", p)
	}
	if n := count(); n != 1 {
		t.Errorf("sessions %d after a reload, want 1 on the old worker", n)
	}
	b.release()
	io.Copy(io.Discard, r.Body)
	within(t, 30*time.Second, "no session left", func() bool { return count() == 0 })
}

func TestRuntimeCommandThatFailsBecomesAReload(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	out := b.output("two")
	r, err := b.Apply(t.Context(), Change{Output: out, Plan: plan.Plan{Rung: plan.Runtime, Commands: []plan.Command{
		{Line: "set server app_1/s1 state drain"}, {Line: "set server app_1/nobody state drain"},
	}}})
	if err != nil || r.Rung != plan.Reload || !strings.Contains(r.Reasons[0], "nobody") {
		t.Fatalf("Apply: %+v, %v: want a reload because of server nobody", r, err)
	}
	if !b.Does(out) {
		t.Error("the new text does not run")
	}
}

func TestStopLetsRequestsFinishWithinTheBound(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get(b.url("/hold"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	master := b.master
	time.AfterFunc(200*time.Millisecond, b.release)
	if err := b.Stop(t.Context(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != "ok" {
		t.Errorf("request under way: %q, %v", body, err)
	}
	if syscall.Kill(master.pid, 0) == nil && master.alive() {
		t.Error("the master still runs")
	}
}

func TestMapsAndServersChangeWithoutAReload(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	worker := b.procs().Workers[0]
	file := b.opt.Paths.Dir() + "/domain2backend.map"
	var entries strings.Builder
	for i := range 300 {
		fmt.Fprintf(&entries, "h%d.test app_1\n", i)
	}
	out := b.output("one")
	out.Maps[0].Data = []byte(entries.String())
	r, err := b.Apply(t.Context(), Change{Output: out, Plan: plan.Plan{Rung: plan.Runtime, Commands: []plan.Command{
		{Line: "prepare map " + file, Want: []string{"New version created: "}},
		{Line: "add map @{version} " + file, Payload: entries.String()},
		{Line: "commit map @{version} " + file},
		{Line: "add map " + file, Payload: "more.test app_1\n"},
		{Line: "set map " + file + " more.test app_1"},
		{Line: "del map " + file + " more.test"},
	}}})
	if err != nil || r.Rung != plan.Runtime || b.procs().Workers[0] != worker {
		t.Fatalf("Apply: %+v, %v", r, err)
	}
	text, err := b.sock.worker(t.Context(), "show map "+file)
	if err != nil || strings.Count(text, "app_1") != 300 {
		t.Errorf("the map has %d entries, want 300 (%v)", strings.Count(text, "app_1"), err)
	}
	if err := b.Persist(t.Context(), out, nil); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(file); string(data) != entries.String() {
		t.Error("the map on disk differs from the running one")
	}
}

func TestServerWithSessionsIsDeletedLater(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	r, err := http.Get(b.url("/hold"))
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer r.Body.Close()
	res, err := b.Apply(t.Context(), Change{Output: b.output("two"), Plan: plan.Plan{Rung: plan.Runtime,
		Commands: []plan.Command{{Line: "set server app_1/s1 state maint"}, plan.Delete("app_1/s1")}}})
	if err != nil || len(res.Waiting) != 1 {
		t.Fatalf("Apply: %+v, %v: want one command to wait", res, err)
	}
	if left, err := b.Send(t.Context(), res.Waiting); err != nil || len(left) != 1 {
		t.Fatalf("Send: %v, %v: want it to wait on", left, err)
	}
	b.release()
	io.Copy(io.Discard, r.Body)
	within(t, 30*time.Second, "the server is gone", func() bool {
		left, err := b.Send(t.Context(), res.Waiting)
		return err == nil && len(left) == 0
	})
}

func TestChangesGoOnWhereNothingCanBeNoted(t *testing.T) {
	b := newBench(t)
	one, two := b.output("one"), b.output("two")
	b.mustReload(one)
	// A directory in the place of the note: as on a full disk, it cannot be made.
	if err := os.Mkdir(b.opt.Paths.Doubt, 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := b.Apply(t.Context(), Change{Output: two, Plan: plan.Plan{Rung: plan.Runtime,
		Commands: []plan.Command{{Line: "set server app_1/s1 weight 50%"}}}})
	if err != nil || r.Rung != plan.Runtime || !r.Pending {
		t.Fatalf("%+v, %v: want commands", r, err)
	}
	if got := b.opt.Paths.readRecord(); got != (record{}) {
		t.Errorf("the record %+v would be believed by the next mlb", got)
	}
	again, err := b.Apply(t.Context(), Change{Output: two})
	if err != nil || again.Rung != plan.None || !again.Pending {
		t.Errorf("the same once more: %+v, %v: want nothing but the files", again, err)
	}
	if err := os.Remove(b.opt.Paths.Doubt); err != nil {
		t.Fatal(err)
	}
	if err := b.Persist(t.Context(), two, nil); err != nil {
		t.Fatal(err)
	}
	if again, err = b.Apply(t.Context(), Change{Output: two}); err != nil || again.Pending {
		t.Errorf("with the files written: %+v, %v", again, err)
	}
}

func TestSlowCheckIsARefusal(t *testing.T) {
	b := newBench(t)
	slow := b.output("slow", "    server-template many 1-50000 127.0.0.1:1")
	err := b.opt.Binary.Check(t.Context(), b.opt.Paths, slow, 100*time.Millisecond)
	var refused *CheckError
	if !errors.As(err, &refused) || !refused.NoVerdict {
		t.Fatalf("%v: want a refusal without a verdict", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.opt.Binary.Check(gone, b.opt.Paths, slow, time.Minute); errors.As(err, &refused) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v: nobody refused anything", err)
	}
}
