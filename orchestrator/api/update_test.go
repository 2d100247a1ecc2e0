package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	hostApp = `{"id":"/g/host","cmd":"serve","portDefinitions":[{"port":10001,"name":"http","labels":{"VIP_0":"/a:80"}}],
		"env":{"A":"1","B":"2"},"labels":{"x":"y"},"requirePorts":true,"instances":3}`
	bridgeApp = `{"id":"/g/bridge","networks":[{"mode":"container/bridge"}],"container":{"docker":{"image":"nginx:1"},
		"portMappings":[{"containerPort":80,"hostPort":0,"servicePort":10000}]},"healthChecks":[{}]}`
	containerApp = `{"id":"/g/container","networks":[{"mode":"container","name":"dcos"}],"container":{"docker":{"image":"nginx:1"},
		"portMappings":[{"containerPort":80,"servicePort":10000}]}}`
)

func TestGivenFieldsReplaceWholly(t *testing.T) {
	stored := mustParse(t, hostApp)
	stored.Version, stored.VersionInfo = 7, &VersionInfo{5, 6}
	for _, c := range []struct {
		name, update string
		change       func(*App)
	}{
		{"nothing given", `{}`, func(*App) {}},
		{"null keeps", `{"env":null,"labels":null,"instances":null,"portDefinitions":null}`, func(*App) {}},
		{"a number", `{"instances":5}`, func(a *App) { a.Instances = 5 }},
		{"zero is given", `{"instances":0}`, func(a *App) { a.Instances = 0 }},
		{"false is given", `{"requirePorts":false}`, func(a *App) { a.RequirePorts = false }},
		{"maps are not merged", `{"env":{"C":"3"}}`, func(a *App) { a.Env = map[string]string{"C": "3"} }},
		{"an empty map unsets", `{"env":{},"labels":{}}`, func(a *App) { a.Env, a.Labels = nil, map[string]string{} }},
		{"objects are not merged", `{"upgradeStrategy":{"minimumHealthCapacity":0.2}}`,
			func(a *App) { a.UpgradeStrategy = UpgradeStrategy{0.2, 1} }},
		{"port definitions", `{"portDefinitions":[{"port":80}]}`, func(a *App) {
			a.PortDefinitions = []PortDefinition{{Port: 80, Protocol: "tcp", Labels: map[string]string{}}}
		}},
		{"no ports", `{"portDefinitions":[]}`, func(a *App) { a.PortDefinitions = []PortDefinition{} }},
		{"ports in the old style", `{"ports":[80]}`, func(a *App) {
			a.PortDefinitions = []PortDefinition{{Port: 80, Protocol: "tcp", Labels: map[string]string{}}}
		}},
		{"uris in the old style", `{"uris":["http://a/b.zip"]}`,
			func(a *App) { a.Fetch = []Fetch{{URI: "http://a/b.zip", Extract: true}} }},
		{"dependencies are relative to the app's group", `{"dependencies":["db"]}`,
			func(a *App) { a.Dependencies = []string{"/g/db"} }},
		{"args displace cmd", `{"args":["a"]}`, func(a *App) { a.Cmd, a.Args = "", []string{"a"} }},
		{"empty args do not", `{"args":[]}`, func(*App) {}},
		{"read-only fields are dropped", `{"instances":4,"tasks":[],"versionInfo":{"lastScalingAt":"2024-01-01T00:00:00.000Z"}}`,
			func(a *App) { a.Instances = 4 }},
		{"the id is the stored one", `{"id":"/other"}`, func(*App) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := stored.Clone()
			got, _ := mustApply(t, stored, c.update)
			want := stored.Clone()
			c.change(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, stored); diff != "" {
				t.Errorf("stored was changed:\n%s", diff)
			}
		})
	}
}

func TestCmdDisplacesArgs(t *testing.T) {
	stored := mustParse(t, `{"id":"/x","args":["a","b"]}`)
	got, _ := mustApply(t, stored, `{"cmd":"sleep 1"}`)
	if got.Cmd != "sleep 1" || got.Args != nil {
		t.Errorf("cmd %q, args %q", got.Cmd, got.Args)
	}
	_, err := update(stored, `{"cmd":"a","args":["b"]}`)
	wantPaths(t, err, "/")
	_, err = update(stored, `{"cmd":""}`)
	wantPaths(t, err, "/cmd")
}

// TestUpdateAgainstTheStoredMode is the last paragraph of section 4.
func TestUpdateAgainstTheStoredMode(t *testing.T) {
	for _, c := range []struct{ name, stored, update, want string }{
		{"container alone keeps the bridge", bridgeApp,
			`{"container":{"type":"DOCKER","docker":{"image":"nginx:2"},"portMappings":[{"containerPort":8080}]}}`,
			`{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":8080,"hostPort":0,"servicePort":0,"protocol":"tcp","labels":{}}]}`},
		{"container alone keeps the container network", containerApp,
			`{"container":{"docker":{"image":"nginx:2"},"portMappings":[{"containerPort":8080}]}}`,
			`{"networks":[{"mode":"container","name":"dcos"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":8080,"servicePort":0,"protocol":"tcp","labels":{}}]}`},
		{"container in the old style decides the mode itself", containerApp,
			`{"container":{"docker":{"image":"nginx:2","network":"BRIDGE","portMappings":[{"containerPort":80}]}}}`,
			`{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":80,"hostPort":0,"servicePort":0,"protocol":"tcp","labels":{}}]}`},
		{"container replaced without mappings gets the default one", bridgeApp,
			`{"container":{"docker":{"image":"nginx:2"}}}`,
			`{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[` + defaultBridge + `]}`},
		{"container of a host app", hostApp,
			`{"container":{"docker":{"image":"nginx:2"},"portMappings":[]}}`,
			`{"networks":[{"mode":"host"}],"type":"DOCKER","requirePorts":true,"portMappings":[],"portDefinitions":[
				{"port":10001,"protocol":"tcp","name":"http","labels":{"VIP_0":"/a:80"}}]}`},
		{"from host to bridge", hostApp,
			`{"networks":[{"mode":"container/bridge"}],"container":{"docker":{"image":"a"},"portMappings":[{"containerPort":80}]}}`,
			`{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":80,"hostPort":0,"servicePort":0,"protocol":"tcp","labels":{}}]}`},
		{"from host to bridge without a container", hostApp, `{"networks":[{"mode":"container/bridge"}]}`,
			`{"networks":[{"mode":"container/bridge"}],"type":"MESOS","requirePorts":false,"portMappings":[` + defaultBridge + `]}`},
		{"from bridge to host", bridgeApp, `{"networks":[{"mode":"host"}]}`,
			`{"networks":[{"mode":"host"}],"type":"DOCKER","requirePorts":false,"portMappings":[],
				"portDefinitions":[` + defaultDefinition + `]}`},
		{"an empty list of networks goes back to host", containerApp, `{"networks":[],"portDefinitions":[]}`,
			`{"networks":[{"mode":"host"}],"type":"DOCKER","requirePorts":false,"portMappings":[],"portDefinitions":[]}`},
		{"from container to bridge the host port appears", containerApp, `{"networks":[{"mode":"container/bridge"}]}`,
			`{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":80,"hostPort":0,"servicePort":10000,"protocol":"tcp","labels":{}}]}`},
		{"requirePorts of a bridge app", bridgeApp, `{"requirePorts":true}`,
			`{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":80,"hostPort":0,"servicePort":10000,"protocol":"tcp","labels":{}}]}`},
		{"old ports of a bridge app only count", bridgeApp, `{"ports":[0,0]}`,
			`{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":80,"hostPort":0,"servicePort":10000,"protocol":"tcp","labels":{}},` + paddedBridge + `]}`},
		{"ipAddress with discovery", `{"id":"/x","cmd":"a"}`,
			`{"ipAddress":{"networkName":"n","discovery":{"ports":[{"number":80}]}}}`,
			`{"networks":[{"mode":"container","name":"n"}],"type":"MESOS","requirePorts":false,"portMappings":[
				{"containerPort":80,"servicePort":0,"protocol":"tcp","labels":{}}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := mustApply(t, mustParse(t, c.stored), c.update)
			sameDocument(t, c.want, mustMarshal(t, shapeOf(got)))
		})
	}
}

func TestUpdatesThatDoNotFitTheStoredApp(t *testing.T) {
	for _, c := range []struct {
		name, stored, update string
		want                 []string
	}{
		{"mappings for a host app", hostApp, `{"container":{"docker":{"image":"a"},"portMappings":[{"containerPort":80}]}}`,
			[]string{"/container/portMappings"}},
		{"old mappings for a host app", hostApp, `{"container":{"docker":{"image":"a","portMappings":[{"containerPort":80}]}}}`,
			[]string{"/container/docker/portMappings"}},
		{"port definitions for a bridge app", bridgeApp, `{"portDefinitions":[{"port":80}]}`, []string{"/portDefinitions"}},
		{"discovery for a Docker app", bridgeApp, `{"ipAddress":{"networkName":"n","discovery":{"ports":[{"number":80}]}}}`,
			[]string{"/ipAddress/discovery"}},
		{"a port index that no longer exists", bridgeApp, `{"container":{"docker":{"image":"a"},"portMappings":[]}}`,
			[]string{"/healthChecks(0)/portIndex"}},
		{"a broken rule and a refused field", hostApp, `{"cpus":0,"residency":{}}`, []string{"/cpus", "/residency"}},
		{"types", hostApp, `{"instances":"2","env":[]}`, []string{"/env", "/instances"}},
		{"not JSON", hostApp, `{`, []string{"malformed"}},
		{"a list", hostApp, `[]`, []string{"/"}},
		{"a bad id", hostApp, `{"id":"/A"}`, []string{"/id"}},
		{"an empty id", hostApp, `{"id":""}`, []string{"/id"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := update(mustParse(t, c.stored), c.update)
			wantPaths(t, err, c.want...)
		})
	}
}

func TestUpdateTellsItsIDAndFields(t *testing.T) {
	u, _, err := ParseUpdate([]byte(`{"id":"g//x","instances":1,"env":null,"tasks":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if u.ID != "/g/x" || u.Rollback != 0 {
		t.Errorf("id %q, rollback %v", u.ID, u.Rollback)
	}
	if !u.Given("instances") || u.Given("env") || u.Given("tasks") || u.Given("cpus") {
		t.Error("given: expected instances, not env, tasks or cpus")
	}
}

func TestRollback(t *testing.T) {
	const v = `"version":"2024-03-01T12:00:00.123Z"`
	want, err := ParseTimestamp("2024-03-01T12:00:00.123Z")
	if err != nil {
		t.Fatal(err)
	}
	for name, document := range map[string]string{
		"alone":                 `{` + v + `}`,
		"with an id":            `{"id":"/x",` + v + `}`,
		"with read-only fields": `{"id":"/x",` + v + `,"versionInfo":{},"tasks":[],"tasksRunning":1,"deployments":[],"taskStats":{}}`,
		"with nulls":            `{` + v + `,"instances":null}`,
	} {
		u, _, err := ParseUpdate([]byte(document))
		if err != nil || u.Rollback != want {
			t.Errorf("%s: %v, %+v", name, err, u)
			continue
		}
		stored := mustParse(t, hostApp)
		app, _, err := u.Apply(stored)
		if diff := cmp.Diff(stored, app); err != nil || diff != "" {
			t.Errorf("%s: apply: %v %s", name, err, diff)
		}
	}
	for name, document := range map[string]string{
		"with a real field":     `{` + v + `,"instances":2}`,
		"with an unknown field": `{` + v + `,"Instances":2}`,
		"unparsable":            `{"version":"latest"}`,
		"the beginning of time": `{"version":"1970-01-01T00:00:00.000Z"}`,
		"a number":              `{"version":1}`,
	} {
		_, _, err := ParseUpdate([]byte(document))
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		wantPaths(t, err, "/version")
	}
}

// Creation by PUT, and full replacement, are an update applied to nothing.
func TestUpdateOfNothingIsAWholeDefinition(t *testing.T) {
	u, _, err := ParseUpdate([]byte(`{"cmd":"sleep 1","instances":2}`))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = u.Apply(nil)
	wantPaths(t, err, "/id")
	u.ID = "/g/x"
	app, _, err := u.Apply(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := mustParse(t, `{"id":"/g/x","cmd":"sleep 1","instances":2}`)
	if diff := cmp.Diff(want, app); diff != "" {
		t.Error(diff)
	}
}

func TestApplyingTwiceGivesSeparateApps(t *testing.T) {
	u, _, err := ParseUpdate([]byte(`{"id":"/x","cmd":"a","ports":[0],"labels":{"a":"b"}}`))
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := u.Apply(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := first.Clone()
	first.Labels["a"], first.PortDefinitions[0].Port, first.PortDefinitions[0].Labels["x"] = "changed", 10000, "y"
	second, _, err := u.Apply(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, second); diff != "" {
		t.Error(diff)
	}
}
