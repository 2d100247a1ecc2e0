package health

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/orchestrator/api"
)

// clinic is a Manager with scripted probes, in fake time.
type clinic struct {
	*Manager
	mu      sync.Mutex
	sick    map[string]bool          // tasks and apps
	slow    map[string]time.Duration // apps
	flying  map[string]int           // probes under way by app
	most    map[string]int
	reports []Report
	deaf    bool                       // reports are refused
	times   map[string][]time.Duration // of probes, since the start
}

func inClinic(t *testing.T, opt Options, test func(c *clinic)) {
	synctest.Test(t, func(t *testing.T) {
		c := &clinic{sick: map[string]bool{}, slow: map[string]time.Duration{}, flying: map[string]int{},
			most: map[string]int{}, times: map[string][]time.Duration{}}
		start := time.Now()
		opt.Report = func(r Report) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.deaf {
				return errors.New("deaf")
			}
			c.reports = append(c.reports, r)
			return nil
		}
		opt.Probe = func(ctx context.Context, check *Check) error { return c.probe(ctx, check, start) }
		c.Manager = New(opt)
		ctx, cancel := context.WithCancel(context.Background())
		var run sync.WaitGroup
		run.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		test(c)
		cancel()
		run.Wait()
	})
}

func (c *clinic) probe(ctx context.Context, check *Check, start time.Time) error {
	c.mu.Lock()
	c.times[check.Task] = append(c.times[check.Task], time.Since(start))
	c.flying[check.App]++
	c.most[check.App] = max(c.most[check.App], c.flying[check.App])
	sick, slow := c.sick[check.App] || c.sick[check.Task] || c.sick["all"], c.slow[check.App]
	c.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(slow):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flying[check.App]--
	if sick {
		return errors.New("sick")
	}
	return ctx.Err()
}

func (c *clinic) set(name string, sick bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sick[name] = sick
}

func (c *clinic) count(match func(Report) bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, r := range c.reports {
		if match(r) {
			n++
		}
	}
	return n
}

func kills(r Report) bool { return r.Kill }

// wait lets time pass and everything that is due finish.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

var every10 = &api.HealthCheck{Protocol: "HTTP", IntervalSeconds: 10, MaxConsecutiveFailures: 2}

func (c *clinic) admit(app string, tasks int, def *api.HealthCheck) {
	for i := range tasks {
		id := fmt.Sprintf("%s.%d", app, i)
		c.Set(id, []Check{{App: app, Task: id, Def: def, Started: time.Now()}})
	}
}

func TestRhythm(t *testing.T) {
	inClinic(t, Options{}, func(c *clinic) {
		c.admit("a", 20, every10)
		wait(time.Minute)
		second := map[time.Duration]bool{}
		for task, at := range c.times {
			if at[0] != 5*time.Second {
				t.Errorf("%s: first probe after %s, want min(interval, 5 s)", task, at[0])
			}
			if gap := at[1] - at[0]; gap < 5*time.Second || gap > 10*time.Second {
				t.Errorf("%s: second probe %s after the first", task, gap)
			}
			second[at[1]] = true
			for i := 2; i < len(at); i++ {
				if gap := at[i] - at[i-1]; gap != 10*time.Second {
					t.Errorf("%s: %s between probes", task, gap)
				}
			}
		}
		if len(second) < 15 {
			t.Errorf("20 tasks are probed at only %d moments", len(second))
		}
	})
}

func TestFirstProbeBesideTheTaskComesAfterItsDelay(t *testing.T) {
	inClinic(t, Options{}, func(c *clinic) {
		c.admit("a", 1, &api.HealthCheck{Protocol: "MESOS_HTTP", IntervalSeconds: 60, DelaySeconds: 15})
		wait(20 * time.Second)
		if at := c.times["a.0"]; !slices.Equal(at, []time.Duration{15 * time.Second}) {
			t.Errorf("probes at %v", at)
		}
	})
}

func TestVerdictFromBeforeARestartStands(t *testing.T) {
	inClinic(t, Options{}, func(c *clinic) {
		prior := &api.HealthResult{Alive: true, FirstSuccess: 1, LastSuccess: 1}
		c.Set("a.0", []Check{{App: "a", Task: "a.0", Def: every10, Prior: prior}})
		wait(6 * time.Second)
		if c.count(func(r Report) bool { return !r.Changed && r.Result.Alive && r.Result.FirstSuccess == 1 }) != 1 {
			t.Errorf("reports %+v", c.reports)
		}
	})
}

func TestRemovedTaskIsNotReported(t *testing.T) {
	inClinic(t, Options{}, func(c *clinic) {
		c.slow["a"] = 3 * time.Second
		c.admit("a", 1, every10)
		wait(6 * time.Second) // the probe is under way
		c.Remove("a.0")
		wait(time.Minute)
		if len(c.reports) != 0 || len(c.times["a.0"]) != 1 {
			t.Errorf("%d reports, probes at %v", len(c.reports), c.times["a.0"])
		}
	})
}

func TestHangingAppHurtsOnlyItself(t *testing.T) {
	inClinic(t, Options{Parallel: 20, PerApp: 10}, func(c *clinic) {
		c.slow["hanging"] = 20 * time.Second
		c.admit("hanging", 100, every10)
		c.admit("quick", 5, every10)
		wait(31 * time.Second)
		if c.most["hanging"] != 10 {
			t.Errorf("%d probes of the hanging app at one time, want 10", c.most["hanging"])
		}
		if n := c.count(func(r Report) bool { return r.Check.App == "quick" }); n < 15 {
			t.Errorf("%d probes of the quick app", n)
		}
		wait(10 * time.Minute)
		for i := range 100 {
			if id := fmt.Sprintf("hanging.%d", i); len(c.times[id]) < 2 {
				t.Errorf("%s was probed %d times", id, len(c.times[id]))
			}
		}
	})
}

func TestParkedChecksOutliveRemovedOnes(t *testing.T) {
	inClinic(t, Options{Parallel: 20, PerApp: 2}, func(c *clinic) {
		c.slow["a"] = 8 * time.Second
		c.admit("a", 10, every10)
		wait(6 * time.Second)
		for i := range 8 {
			c.Remove(fmt.Sprintf("a.%d", i))
		}
		wait(2 * time.Minute)
		for _, id := range []string{"a.8", "a.9"} {
			if len(c.times[id]) < 3 {
				t.Errorf("%s was probed %d times", id, len(c.times[id]))
			}
		}
	})
}

func TestOutcomeThatCouldNotBeReportedIsMeasuredAgainSoon(t *testing.T) {
	for name, check := range map[string]Check{
		"health":    {Def: &api.HealthCheck{Protocol: "HTTP", IntervalSeconds: 600, MaxConsecutiveFailures: 2}},
		"readiness": {Readiness: &api.ReadinessCheck{IntervalSeconds: 30}},
	} {
		t.Run(name, func(t *testing.T) {
			inClinic(t, Options{}, func(c *clinic) {
				c.deaf = true
				check.App, check.Task, check.Started = "a", "a.0", time.Now()
				c.Set("a.0", []Check{check})
				wait(10 * time.Second)
				c.mu.Lock()
				c.deaf = false
				c.mu.Unlock()
				wait(2 * time.Second)
				if n := c.count(func(r Report) bool { return r.Changed }); n != 1 || len(c.reports) != 1 {
					t.Errorf("%d changes in %d reports, want 1", n, len(c.reports))
				}
			})
		})
	}
}

func TestReadinessIsAskedUntilItIsThere(t *testing.T) {
	inClinic(t, Options{}, func(c *clinic) {
		c.set("a", true)
		c.Set("a.0", []Check{{App: "a", Task: "a.0", Readiness: &api.ReadinessCheck{IntervalSeconds: 2}}})
		wait(5 * time.Second)
		c.set("a", false)
		wait(time.Minute)
		for i, r := range c.reports {
			if last := i == len(c.reports)-1; r.Changed != last || (r.Cause == "") != last {
				t.Errorf("report %d of %d: %+v", i, len(c.reports), r)
			}
		}
		if n := len(c.times["a.0"]); n < 3 || n > 5 || n != len(c.reports) {
			t.Errorf("%d probes, %d reports", n, len(c.reports))
		}
	})
}

func TestWhenEverythingFailsTheProberIsSuspected(t *testing.T) {
	for _, tt := range []struct {
		apps, tasks int
		paused      bool
	}{{3, 4, true}, {2, 10, false}, {3, 3, false}} {
		inClinic(t, Options{}, func(c *clinic) {
			for i := range tt.apps {
				c.admit(strings.Repeat("x", i+1), tt.tasks, every10)
			}
			wait(30 * time.Second)
			c.set("all", true)
			wait(2 * time.Minute)
			if paused := c.count(kills) == 0; paused != tt.paused {
				t.Errorf("%d apps of %d tasks: paused %v, want %v", tt.apps, tt.tasks, paused, tt.paused)
			}
			c.set("all", false)
			wait(30 * time.Second)
			c.set("x", true)
			before := c.count(kills)
			wait(time.Minute)
			if c.count(kills) == before {
				t.Error("a single sick app is not killed after that")
			}
		})
	}
}

// 10,000 checks cost a bounded share of a processor.
func BenchmarkSchedule(b *testing.B) {
	m := New(Options{Report: func(Report) error { return nil }, Probe: func(context.Context, *Check) error { return nil }})
	for i := range 10000 {
		id := fmt.Sprint(i)
		m.Set(id, []Check{{App: fmt.Sprint(i / 4), Task: id, Def: every10, Started: time.Now()}})
	}
	for b.Loop() {
		m.mu.Lock()
		e := m.due[0]
		m.mu.Unlock()
		_, _ = m.finish(context.Background(), e, nil)
		m.mu.Lock()
		e.at = e.next(e.at)
		e.first = false
		heap.Fix(&m.due, 0)
		m.mu.Unlock()
	}
}
