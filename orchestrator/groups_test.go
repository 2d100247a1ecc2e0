package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
	"berth/orchestrator/httpapi"
)

// groupChange reads a document as PUT does; without one it deletes.
func groupChange(id, doc string) httpapi.GroupChange {
	if doc == "" {
		return httpapi.GroupChange{ID: id}
	}
	u, _, err := api.ParseGroup([]byte(doc), id)
	if err != nil {
		panic(err)
	}
	return httpapi.GroupChange{ID: id, Update: u}
}

// changeGroup makes a write of a group that has to succeed.
func (w *world) changeGroup(id, doc string) httpapi.WriteResult {
	w.t.Helper()
	r, err := w.o.ChangeGroup(context.Background(), groupChange(id, doc), httpapi.WriteOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return r
}

func (w *world) refusedGroup(code api.Code, c httpapi.GroupChange, opt httpapi.WriteOptions) *api.Error {
	w.t.Helper()
	index := w.o.Index()
	_, err := w.o.ChangeGroup(context.Background(), c, opt)
	if api.CodeOf(err) != code {
		w.t.Fatalf("error %v, want code %s", err, code)
	}
	if w.o.Index() != index {
		w.t.Error("a refused write changed something")
	}
	e, _ := err.(*api.Error)
	return e
}

// tree writes a group as one line: "/:[/a:[/a/web×2 → /b]]".
func tree(g *api.GroupInfo) string {
	if g == nil {
		return "none"
	}
	var parts []string
	for _, a := range g.Apps {
		parts = append(parts, fmt.Sprintf("%s×%d", a.ID, a.Instances))
	}
	for _, sub := range g.Groups {
		parts = append(parts, tree(sub))
	}
	deps := ""
	if len(g.Dependencies) > 0 {
		deps = " → " + strings.Join(g.Dependencies, " ")
	}
	return g.ID + ":[" + strings.Join(parts, " ") + deps + "]"
}

func (w *world) tree(id string) string {
	g, _ := w.o.Group(id)
	return tree(g)
}

func (w *world) wantTree(id, want string) {
	w.t.Helper()
	if d := cmp.Diff(want, w.tree(id)); d != "" {
		w.t.Error(d)
	}
}

const shop = `{"apps":[{"id":"web","cmd":"run","cpus":0.1,"mem":16}],"groups":[
	{"id":"back","dependencies":["../store"],"apps":[{"id":"api","cmd":"run","cpus":0.1,"mem":16,"instances":2}]},
	{"id":"store","apps":[{"id":"db","cmd":"run","cpus":0.1,"mem":16}]}]}`

func TestGroupIsMadeReplacedAndDeleted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.changeGroup("/shop", shop)
		w.wantTree("/", "/:[/shop:[/shop/web×1 /shop/back:[/shop/back/api×2 → /shop/store] /shop/store:[/shop/store/db×1]]]")
		w.wantRunning("/shop/back/api", 2)

		w.changeGroup("/shop", `{"dependencies":["/shared"]}`) // what is left out stays
		w.wantTree("/shop", "/shop:[/shop/web×1 /shop/back:[/shop/back/api×2 → /shop/store] /shop/store:[/shop/store/db×1] → /shared]")

		w.changeGroup("/shop", `{"apps":[],"groups":[{"id":"/shop/back"},{"id":"new"}]}`) // what is given replaces
		w.wantTree("/shop", "/shop:[/shop/back:[/shop/back/api×2 → /shop/store] /shop/new:[] → /shared]")
		w.after(20 * time.Second)
		if n := len(w.alive()); n != 2 {
			t.Errorf("%d tasks live, want the 2 of /shop/back/api", n)
		}

		w.changeGroup("/shop/back", "")
		w.wantTree("/shop", "/shop:[/shop/new:[] → /shared]")
		w.changeGroup("/", "")
		w.wantTree("/", "/:[]")
		w.refusedGroup(api.CodeNotFound, groupChange("/shop", ""), httpapi.WriteOptions{})
		w.after(20 * time.Second)
		if got := w.alive(); len(got) != 0 {
			t.Errorf("still alive: %v", got)
		}
	})
}

func TestGroupsAreMadeOnTheFlyAndSurviveTheirApps(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/a/b/web", "")))
		w.wantTree("/", "/:[/a:[/a/b:[/a/b/web×1]]]")
		w.change(gone("/a/b/web"))
		w.after(20 * time.Second)
		w.wantTree("/", "/:[/a:[/a/b:[]]]")
		w.crash()
		w.wantTree("/", "/:[/a:[/a/b:[]]]")
		none := httpapi.WriteOptions{}
		w.refused(api.CodeConflict, none, put(app("/a/b", "")))
		w.change(put(app("/x", "")))
		w.refusedGroup(api.CodeConflict, groupChange("/x", `{}`), none)
		w.refusedGroup(api.CodeInvalid, groupChange("/x/y", `{}`), none)
		made := groupChange("/a/b", `{}`)
		made.Create = true
		w.refusedGroup(api.CodeConflict, made, none)
		w.refusedGroup(api.CodeNotFound, groupChange("/none", `{"scaleBy":2}`), none)
		w.refusedGroup(api.CodeConflict, groupChange("/", `{"groups":[{"id":"x"}]}`), none)
		w.changeGroup("/", `{"apps":[],"groups":[{"id":"x"}]}`) // an app gives way to a group of its name
		w.wantTree("/", "/:[/x:[]]")
	})
}

func TestGroupStartsInTheOrderOfDependenciesAndStopsInReverse(t *testing.T) {
	inWorld(t, func(w *world) {
		w.slowly("/shop/store/db", 10*time.Second)
		r := w.changeGroup("/shop", shop)
		want := "[[StartApplication /shop/back/api StartApplication /shop/store/db StartApplication /shop/web] " +
			"[ScaleApplication /shop/store/db ScaleApplication /shop/web] [ScaleApplication /shop/back/api]]"
		if got := actions(r.Steps); got != want {
			t.Errorf("steps %s", got)
		}
		w.after(5 * time.Second)
		if n := len(w.info("/shop/back/api").Tasks); n != 0 {
			t.Errorf("/shop/back/api has %d tasks before what its group depends on runs", n)
		}
		w.after(6 * time.Second)
		w.wantRunning("/shop/back/api", 2)

		r = w.changeGroup("/shop", "")
		if got := actions(r.Steps); got != "[[StopApplication /shop/back/api] [StopApplication /shop/store/db StopApplication /shop/web]]" {
			t.Errorf("steps %s", got)
		}
		w.after(30 * time.Second)
		if got, left := w.alive(), w.o.Deployments(); len(got)+len(left) != 0 {
			t.Errorf("still alive: %v; deployments %s", got, toJSON(left))
		}
	})
}

func actions(steps []api.DeploymentStep) string {
	var out [][]string
	for _, s := range steps {
		var step []string
		for _, a := range s.Actions {
			step = append(step, a.Action+" "+a.App)
		}
		out = append(out, step)
	}
	return fmt.Sprint(out)
}

func TestGroupIsScaled(t *testing.T) {
	inWorld(t, func(w *world) {
		w.changeGroup("/shop", shop)
		w.change(put(app("/other", "")))
		w.changeGroup("/shop", `{"scaleBy":1.5}`)
		w.wantTree("/", "/:[/other×1 /shop:[/shop/web×2 /shop/back:[/shop/back/api×3 → /shop/store] /shop/store:[/shop/store/db×2]]]")
		w.after(time.Second)
		w.wantRunning("/shop/back/api", 3)
		w.changeGroup("/shop", `{"scaleBy":0}`)
		w.wantTree("/shop", "/shop:[/shop/web×0 /shop/back:[/shop/back/api×0 → /shop/store] /shop/store:[/shop/store/db×0]]")

		w.change(put(app("/one/x", `,"labels":{"MARATHON_SINGLE_INSTANCE_APP":"true"},
			"upgradeStrategy":{"minimumHealthCapacity":0,"maximumOverCapacity":0}`)))
		w.refusedGroup(api.CodeInvalid, groupChange("/one", `{"scaleBy":2}`), httpapi.WriteOptions{})
		w.change(put(app("/big/x", `,"instances":2000000`)))
		w.refusedGroup(api.CodeInvalid, groupChange("/big", `{"scaleBy":10000}`), httpapi.WriteOptions{})
	})
}

func TestGroupCyclesAreRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		w.changeGroup("/a", `{"apps":[{"id":"x","cmd":"run"}],"dependencies":["/b"]}`)
		none := httpapi.WriteOptions{}
		for _, c := range []httpapi.GroupChange{
			groupChange("/b", `{"apps":[{"id":"y","cmd":"run","dependencies":["/a/x"]}]}`),
			groupChange("/b", `{"apps":[{"id":"y","cmd":"run"}],"dependencies":["/a"]}`),
			groupChange("/a", `{"dependencies":["/a"]}`),
			groupChange("/", `{"dependencies":["/a/x"]}`),
		} {
			if e := w.refusedGroup(api.CodeInvalid, c, none); !strings.Contains(e.Error(), "cyclic dependencies") {
				t.Errorf("%s: %v", c.ID, e)
			}
		}
		w.refused(api.CodeInvalid, none, put(app("/b/z", `,"dependencies":["/a"]`)))
		w.change(put(app("/b/z", "")))
	})
}

func TestGroupLocksAndForce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.slowly("/shop/web", time.Hour)
		r := w.changeGroup("/shop", shop)
		e := w.refusedGroup(api.CodeLocked, groupChange("/shop", ""), httpapi.WriteOptions{})
		if d := cmp.Diff([]api.DeploymentRef{{ID: r.DeploymentID}}, e.Deployments); d != "" {
			t.Error(d)
		}
		if _, err := w.o.ChangeGroup(context.Background(), groupChange("/shop", ""), httpapi.WriteOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
		w.after(30 * time.Second)
		w.wantTree("/", "/:[]")
	})
}

func TestDryRunOfAGroupChangesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		index := w.o.Index()
		r, err := w.o.ChangeGroup(context.Background(), groupChange("/shop", shop), httpapi.WriteOptions{DryRun: true})
		if err != nil || len(r.Steps) != 3 || w.o.Index() != index {
			t.Errorf("%s, %v", toJSON(r), err)
		}
		w.wantTree("/", "/:[]")
	})
}

func TestGroupReturnsToAVersion(t *testing.T) {
	inWorld(t, func(w *world) {
		first := w.changeGroup("/shop", shop).Version
		was := w.tree("/shop")
		w.after(time.Second)
		w.change(edit("/shop/web", func(a *api.App) { a.Instances = 5 }))
		w.after(time.Second)
		w.change(put(app("/elsewhere", "")))
		second := w.changeGroup("/shop/back", `{"dependencies":[]}`).Version
		w.after(time.Second)
		third := w.changeGroup("/shop", `{"groups":[{"id":"new","apps":[{"id":"x","cmd":"run","cpus":0.1,"mem":16}]}]}`).Version
		w.after(30 * time.Second)

		versions, err := w.o.GroupVersions("/shop")
		if err != nil || len(versions) != 4 || versions[0] != third || versions[1] != second || versions[3] != first {
			t.Errorf("versions %v, %v", versions, err)
		}
		if g, err := w.o.GroupVersion("/shop", first); err != nil || tree(g) != was || g.Version != first {
			t.Errorf("version %s: %s, %v", first, tree(g), err)
		}
		between, err := w.o.GroupVersion("/shop", second)
		if want := "/shop:[/shop/web×5 /shop/back:[/shop/back/api×2] /shop/store:[/shop/store/db×1]]"; err != nil || tree(between) != want {
			t.Errorf("version %s: %s, %v", second, tree(between), err)
		}
		if _, err := w.o.GroupVersion("/shop", 12345); api.CodeOf(err) != api.CodeInvalid {
			t.Errorf("unknown version: %v", err)
		}
		if _, err := w.o.GroupVersion("/none", first); api.CodeOf(err) != api.CodeNotFound {
			t.Errorf("unknown group: %v", err)
		}

		w.crash() // the history is on disk
		back := w.changeGroup("/shop", `{"version":"`+first.String()+`"}`)
		w.wantTree("/shop", was)
		w.after(30 * time.Second)
		w.wantRunning("/shop/store/db", 1)
		if _, ok := w.o.App("/elsewhere"); !ok || back.Version <= third {
			t.Error("what lies elsewhere was touched, or the version is an old one")
		}
		w.refusedGroup(api.CodeInvalid, groupChange("/shop", `{"version":"2001-01-01T00:00:00.000Z"}`), httpapi.WriteOptions{})
	})
}

func TestRollbackOfADeploymentRestoresGroups(t *testing.T) {
	inWorld(t, func(w *world) {
		w.changeGroup("/shop", shop)
		was := w.tree("/")
		w.slowly("/fresh/x", time.Hour)
		r := w.changeGroup("/", `{"groups":[{"id":"fresh","apps":[{"id":"x","cmd":"run","cpus":0.1,"mem":16}]}]}`)
		w.wantTree("/", "/:[/fresh:[/fresh/x×1]]")
		if _, err := w.o.CancelDeployment(context.Background(), r.DeploymentID, httpapi.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.after(30 * time.Second)
		w.wantTree("/", was)
		w.wantRunning("/shop/back/api", 2)
	})
}

func TestGroupChangesAreTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.heard()
		w.changeGroup("/empty", `{}`)
		if d := cmp.Diff([]string{"group_change_success", "deployment_success"}, w.heard()); d != "" {
			t.Error(d)
		}
		w.refusedGroup(api.CodeConflict, httpapi.GroupChange{ID: "/empty", Update: &api.GroupUpdate{ID: "/empty"}, Create: true},
			httpapi.WriteOptions{})
		synctest.Wait()
		if d := cmp.Diff([]string{"group_change_failed A group with id [/empty] already exists."}, w.heard()); d != "" {
			t.Error(d)
		}
		w.changeGroup("/shop", shop)
		if got := w.heard(api.EventAPIPost); len(got) != 3 {
			t.Errorf("one event for each app, got %v", got)
		}
	})
}

// TestGroupVersionsAreWhatTheyWere makes random writes and holds every version against a copy taken at the time, before
// and after a restart.
func TestGroupVersionsAreWhatTheyWere(t *testing.T) {
	inWorld(t, func(w *world) {
		docs := []string{
			`{"apps":[{"id":"x","cmd":"run"}]}`, `{"apps":[]}`, `{"groups":[{"id":"s","apps":[{"id":"y","cmd":"run"}]}]}`,
			`{"groups":[]}`, `{"dependencies":["/other"]}`, `{"dependencies":[]}`, `{"scaleBy":2}`, `{"scaleBy":0.5}`, "",
		}
		ids := []string{"/g", "/g/s", "/h"}
		gen := rapid.SampledFrom(docs)
		at := rapid.SampledFrom(ids)
		type moment struct {
			version api.Timestamp
			tree    string
		}
		seen := map[string][]moment{}
		for seed := range 60 {
			id := at.Example(seed)
			opt := httpapi.WriteOptions{Force: true}
			r, err := w.o.ChangeGroup(context.Background(), groupChange(id, gen.Example(seed*7+1)), opt)
			if err != nil {
				if c := api.CodeOf(err); c != api.CodeNotFound {
					t.Fatal(err)
				}
				continue
			}
			synctest.Wait()
			for _, id := range append(ids, "/") {
				if g, ok := w.o.Group(id); ok && g.Version == r.Version {
					seen[id] = append(seen[id], moment{r.Version, tree(g)})
				} else if !ok {
					seen[id] = nil // another life begins
				}
			}
		}
		check := func() {
			n := 0
			for id, all := range seen {
				versions, err := w.o.GroupVersions(id)
				if len(all) > 0 && err != nil {
					t.Fatal(err)
				}
				for _, m := range all {
					n++
					if !slices.Contains(versions, m.version) {
						t.Errorf("%s: version %s is not listed", id, m.version)
					}
					if g, err := w.o.GroupVersion(id, m.version); err != nil || tree(g) != m.tree {
						t.Errorf("%s in %s: %s, %v; want %s", id, m.version, tree(g), err, m.tree)
					}
				}
			}
			if n < 30 {
				t.Errorf("only %d versions were compared", n)
			}
		}
		check()
		w.crash()
		check()
	})
}

// TestErrorsBetweenAppsSayWhereInTheDocument holds for the rules that only the whole write can be held against.
func TestErrorsBetweenAppsSayWhereInTheDocument(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/x", "")))
		none := httpapi.WriteOptions{}
		path := func(e *api.Error) string { return e.Details[0].Path }
		placed := func(c httpapi.AppChange, path string) httpapi.AppChange {
			c.Path = path
			return c
		}
		many := `,"portDefinitions":[` + strings.Repeat(`{"port":0},`, 10001) + `{"port":0}]`
		for want, e := range map[string]*api.Error{
			"(1)/id": w.refused(api.CodeInvalid, none, put(app("/y", "")), placed(put(app("/x/y", "")), "(1)")),
			"(2)/dependencies": w.refused(api.CodeInvalid, none, put(app("/z", "")),
				placed(put(app("/y", `,"dependencies":["/w"]`)), "(1)"), placed(put(app("/w", `,"dependencies":["/y"]`)), "(2)")),
			"(0)/portDefinitions(10000)/port": w.refused(api.CodeInvalid, none, placed(put(app("/y", many)), "(0)")),
			"/groups(1)/groups(0)/id": w.refusedGroup(api.CodeInvalid,
				groupChange("/", `{"groups":[{"id":"a"},{"id":"x","groups":[{"id":"s"}]}]}`), none),
			"/groups(0)/apps(0)/dependencies": w.refusedGroup(api.CodeInvalid,
				groupChange("/", `{"groups":[{"id":"g","apps":[{"id":"a","cmd":"run","dependencies":["/g"]}]}]}`), none),
		} {
			if got := path(e); got != want {
				t.Errorf("path %s, want %s: %v", got, want, e)
			}
		}
	})
}

func TestRollbackOfADeploymentLeavesWhatOthersDidSince(t *testing.T) {
	inWorld(t, func(w *world) {
		w.changeGroup("/kept", `{"dependencies":["/x"]}`)
		w.changeGroup("/gone", `{}`)
		w.slowly("/made/app", time.Hour)
		r := w.changeGroup("/", `{"groups":[{"id":"kept","dependencies":["/y"]},{"id":"made","apps":[{"id":"app","cmd":"run"}]},{"id":"free"}]}`)
		w.changeGroup("/made/by-others", `{}`)
		w.changeGroup("/kept", "")
		if _, err := w.o.CancelDeployment(context.Background(), r.DeploymentID, httpapi.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.after(30 * time.Second)
		w.wantTree("/", "/:[/gone:[] /made:[/made/by-others:[]]]")
	})
}
