package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*App)
		want   Change
		fields []string
	}{
		{"nothing", func(*App) {}, ChangeNone, nil},
		{"version and versionInfo", func(a *App) { a.Version, a.VersionInfo = 9, &VersionInfo{1, 2} }, ChangeNone, nil},
		{"nil and empty where both are left out", func(a *App) { a.Fetch = []Fetch{} }, ChangeNone, nil},
		{"instances", func(a *App) { a.Instances++ }, ChangeScale, []string{"instances"}},
		{"a label", func(a *App) { a.Labels["new"] = "" }, ChangeConfig, []string{"labels"}},
		{"instances and a label", func(a *App) { a.Instances, a.Labels["x"] = 0, "z" }, ChangeConfig, []string{"instances", "labels"}},
		{"a port's label", func(a *App) { a.PortDefinitions[0].Labels["a"] = "b" }, ChangeConfig, []string{"portDefinitions"}},
		{"ports to none", func(a *App) { a.PortDefinitions = []PortDefinition{} }, ChangeConfig, []string{"portDefinitions"}},
		{"a pointer's value", func(a *App) { a.TTY = new(bool) }, ChangeConfig, []string{"tty"}},
		{"a field that appears", func(a *App) { a.User = "nobody" }, ChangeConfig, []string{"user"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			old := mustParse(t, hostApp)
			changed := old.Clone()
			c.change(changed)
			for _, pair := range [][2]*App{{old, changed}, {changed, old}} {
				if got := Compare(pair[0], pair[1]); got != c.want {
					t.Errorf("found %v, expected %v", got, c.want)
				}
				if diff := cmp.Diff(c.fields, ChangedFields(pair[0], pair[1])); diff != "" {
					t.Errorf("fields (-want +got):\n%s", diff)
				}
			}
		})
	}
	app := mustParse(t, hostApp)
	if Compare(nil, app) != ChangeConfig || Compare(app, nil) != ChangeConfig || Compare(nil, nil) != ChangeNone {
		t.Error("comparison with none")
	}
}

// Whether a write changes anything must not depend on the style it is written in.
func TestOldAndNewStyleCompareEqual(t *testing.T) {
	old := mustParse(t, `{"id":"/x","container":{"docker":{"image":"a","network":"BRIDGE","portMappings":[{"containerPort":80}]}},
		"uris":["http://a/b.zip"]}`)
	current := mustParse(t, `{"id":"x","networks":[{"mode":"container/bridge"}],"container":{"type":"DOCKER","docker":{"image":"a"},
		"portMappings":[{"containerPort":80,"hostPort":0}]},"fetch":[{"uri":"http://a/b.zip"}]}`)
	if Compare(old, current) != ChangeNone {
		t.Error(cmp.Diff(old, current))
	}
}

func TestCloneSharesNothing(t *testing.T) {
	full := mustParse(t, `{"id":"/x","cmd":"a","env":{"a":"b"},"labels":{"a":"b"},"networks":[{"name":"n","labels":{"a":"b"}}],
		"container":{"type":"MESOS","portMappings":[{"hostPort":1,"labels":{"a":"b"}}],"linuxInfo":{"a":{"b":["c"]}}},
		"constraints":[["a","UNIQUE"]],"taskKillGracePeriodSeconds":1}`)
	want := string(mustMarshal(t, full))
	c := full.Clone()
	if diff := cmp.Diff(full, c); diff != "" {
		t.Fatal(diff)
	}
	c.Env["a"], c.Labels["a"], c.Networks[0].Labels["a"] = "x", "x", "x"
	*c.Container.PortMappings[0].HostPort = 2
	c.Container.PortMappings[0].Labels["a"] = "x"
	c.Container.LinuxInfo["a"].(map[string]any)["b"].([]any)[0] = "x"
	c.Constraints[0][0] = "x"
	*c.TaskKillGracePeriodSeconds = 2
	if got := string(mustMarshal(t, full)); got != want {
		t.Errorf("the original changed:\n%s\n%s", want, got)
	}
	if (*App)(nil).Clone() != nil {
		t.Error("nil clones to nil")
	}
	empty := (&App{Args: []string{}}).Clone()
	if empty.Args == nil || empty.Fetch != nil {
		t.Error("nil and empty stay what they are")
	}
}
