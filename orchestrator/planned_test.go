package orchestrator

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"berth/orchestrator/api"
	"berth/orchestrator/httpapi"
)

// plan makes a dry run and checks that nothing changes.
func (w *world) plan(changes ...httpapi.AppChange) []api.Placement {
	w.t.Helper()
	index := w.o.Index()
	r, err := w.o.Change(context.Background(), changes, httpapi.WriteOptions{DryRun: true})
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	if w.o.Index() != index {
		w.t.Error("a dry run changed something")
	}
	return r.Placements
}

// counts are what a placement keeps, stops and starts, and what waits.
func counts(p api.Placement) [4]int { return [4]int{len(p.Keep), len(p.Stop), len(p.Start), p.Waits} }

func TestPlacementsOfAPlan(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"instances":3`)), put(app("/old", "")))
		w.wantRunning("/web", 3)
		for _, tc := range []struct {
			rule   string
			change httpapi.AppChange
			action string
			want   [4]int
		}{
			{"nothing", edit("/web", func(*api.App) {}), "", [4]int{3, 0, 0, 0}},
			{"scaled up", edit("/web", func(a *api.App) { a.Instances = 5 }), api.ActionScale, [4]int{3, 0, 2, 0}},
			{"scaled down", edit("/web", func(a *api.App) { a.Instances = 1 }), api.ActionScale, [4]int{1, 2, 0, 0}},
			{"changed", edit("/web", func(a *api.App) { a.Cmd = "other" }), api.ActionRestart, [4]int{0, 3, 3, 0}},
			{"changed and more", edit("/web", func(a *api.App) { a.Cmd, a.Instances = "other", 4 }), api.ActionRestart, [4]int{0, 3, 4, 0}},
			{"removed", gone("/old"), api.ActionStop, [4]int{0, 1, 0, 0}},
			{"new", put(app("/new", `,"instances":2`)), api.ActionScale, [4]int{0, 0, 2, 0}},
			{"larger than the agent", put(app("/large", `,"mem":1000000`)), api.ActionScale, [4]int{0, 0, 0, 1}},
			{"some fit", put(app("/some", `,"instances":3,"mem":40000`)), api.ActionScale, [4]int{0, 0, 2, 1}},
		} {
			p := w.plan(tc.change)
			if len(p) != 1 || p[0].Action != tc.action || counts(p[0]) != tc.want {
				t.Errorf("%s: %+v", tc.rule, p)
				continue
			}
			if (p[0].Waits > 0) != (len(p[0].Explain) > 0) {
				t.Errorf("%s: %q", tc.rule, p[0].Explain)
			}
			for _, s := range p[0].Start {
				if s.Agent != "a1" || s.Host != "node1" || s.IP != "127.0.0.1" || len(s.Ports) != 1 {
					t.Errorf("%s: start %+v", tc.rule, s)
				}
			}
		}
		large := w.plan(put(app("/large", `,"mem":1000000`)))[0]
		if want := "memory: a task needs 1000000 MiB, agent a1 has "; !strings.HasPrefix(large.Explain[0], want) {
			t.Errorf("explained: %q", large.Explain)
		}
	})
}

// TestAPlanCountsWhatItsOtherAppsTake: what one change frees another may use, and two do not get the same room.
func TestAPlanCountsWhatItsOtherAppsTake(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"mem":60000`)))
		w.wantRunning("/web", 1)
		if p := w.plan(put(app("/b", `,"mem":60000`))); p[0].Waits != 1 {
			t.Errorf("beside the other: %+v", p)
		}
		if p := w.plan(gone("/web"), put(app("/b", `,"mem":60000`))); p[1].Waits != 0 {
			t.Errorf("in the place of the other: %+v", p)
		}
		if p := w.plan(gone("/web"), put(app("/b", `,"mem":60000`)), put(app("/c", `,"mem":60000`))); p[1].Waits+p[2].Waits != 1 {
			t.Errorf("two in the place of one: %+v", p)
		}
	})
}

func TestAPlanSeesAStandstill(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/big", `,"mem":60000`)))
		w.wantRunning("/big", 1)
		p := w.plan(edit("/big", func(a *api.App) { a.Cmd = "other" }))[0]
		if !p.Standstill || p.Waits != 0 || !strings.Contains(strings.Join(p.Explain, "\n"), "the update cannot go on") {
			t.Errorf("under the default strategy: %+v", p)
		}
		p = w.plan(edit("/big", func(a *api.App) {
			a.Cmd, a.UpgradeStrategy.MinimumHealthCapacity = "other", 0
		}))[0]
		if p.Standstill || len(p.Explain) != 0 {
			t.Errorf("with minimumHealthCapacity 0: %+v", p)
		}
	})
}
