package orchestrator

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/store"
)

// crowd is a driver that counts the stops under way, each of which takes a second.
type crowd struct {
	instant
	mu    sync.Mutex
	now   map[string]int // by app; "" for all
	most  map[string]int
	stops int
}

func (c *crowd) count(by int, keys ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		c.now[k] += by
		c.most[k] = max(c.most[k], c.now[k])
	}
}

func (c *crowd) Stop(_ context.Context, task string, _ time.Duration) error {
	app := store.AppOfTask(task)
	c.count(1, "", app)
	time.Sleep(time.Second)
	c.count(-1, "", app)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stops++
	return nil
}

func TestStopsAreBoundedForEachDriverAndApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, other := crowd{now: map[string]int{}, most: map[string]int{}}, crowd{now: map[string]int{}, most: map[string]int{}}
		o, err := New(Options{DataDir: t.TempDir(), noSync: true, Agents: []Agent{
			{ID: "a1", IP: "127.0.0.1", CPUs: 1, Mem: 1, Drivers: map[driver.Kind]driver.Driver{driver.KindProcess: &slow}},
			{ID: "a2", IP: "127.0.0.2", CPUs: 1, Mem: 1, Drivers: map[driver.Kind]driver.Driver{driver.KindProcess: &other}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		ctx, cancel := context.WithCancel(t.Context())
		o.ops.begin(ctx)
		stop := func(agent, app string, n int) {
			for i := range n {
				task := &store.Task{ID: taskID(app, fmt.Sprint(agent, i)), AppID: app, Def: &api.App{ID: app}}
				o.ops.stop(o.link(agent, "process"), task)
			}
		}
		stop("a1", "/big", 300)
		for i := range 10 {
			stop("a1", fmt.Sprintf("/app%d", i), 50)
		}
		time.Sleep(10 * time.Millisecond)
		stop("a2", "/big", 1)
		time.Sleep(1100 * time.Millisecond)
		other.mu.Lock()
		if other.stops != 1 {
			t.Error("a stop on another agent waits")
		}
		other.mu.Unlock()
		o.ops.wait()
		cancel()
		if slow.stops != 800 || slow.most[""] != maxStops || slow.most["/big"] != maxStopsPerApp {
			t.Errorf("%d stops, %d at a time, %d of one app; want 800, %d, %d",
				slow.stops, slow.most[""], slow.most["/big"], maxStops, maxStopsPerApp)
		}
	})
}
