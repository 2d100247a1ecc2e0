package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shape is the part of a definition that normalisation moves around.
type shape struct {
	Networks     []Network        `json:"networks"`
	Definitions  []PortDefinition `json:"portDefinitions,omitzero"`
	Mappings     []PortMapping    `json:"portMappings,omitzero"`
	Type         string           `json:"type,omitempty"`
	RequirePorts bool             `json:"requirePorts"`
}

func shapeOf(a *App) shape {
	s := shape{Networks: a.Networks, Definitions: a.PortDefinitions, RequirePorts: a.RequirePorts}
	if a.Container != nil {
		s.Mappings, s.Type = a.Container.PortMappings, a.Container.Type
	}
	return s
}

const (
	defaultMapping    = `{"containerPort":0,"servicePort":0,"protocol":"tcp","name":"default","labels":{}}`
	defaultBridge     = `{"containerPort":0,"hostPort":0,"servicePort":0,"protocol":"tcp","name":"default","labels":{}}`
	paddedBridge      = `{"containerPort":0,"hostPort":0,"servicePort":0,"protocol":"tcp","labels":{}}`
	defaultDefinition = `{"port":0,"protocol":"tcp","name":"default","labels":{}}`
)

// TestNormalisation goes through the table of section 4, row by row.
func TestNormalisation(t *testing.T) {
	for _, c := range []struct {
		name, fields, want string
		warnings           int
	}{
		{name: "docker.network HOST",
			fields: `"container":{"docker":{"image":"a","network":"HOST"}}`,
			want: `{"networks":[{"mode":"host"}],"type":"DOCKER","portMappings":[],"requirePorts":false,
				"portDefinitions":[` + defaultDefinition + `]}`},
		{name: "docker.network BRIDGE, no mappings",
			fields: `"container":{"docker":{"image":"a","network":"BRIDGE"}}`,
			want: `{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,
				"portMappings":[` + defaultBridge + `]}`},
		{name: "docker.network USER with ipAddress.networkName",
			fields: `"container":{"docker":{"image":"a","network":"USER"}},"ipAddress":{"networkName":"dcos","labels":{"l":"m"}}`,
			want: `{"networks":[{"mode":"container","name":"dcos","labels":{"l":"m"}}],"type":"DOCKER","requirePorts":false,
				"portMappings":[` + defaultMapping + `]}`},
		{name: "ipAddress without docker.network becomes a container network; discovery ports become mappings",
			fields: `"cmd":"a","ipAddress":{"networkName":"n","groups":["x"],"discovery":{"ports":[
				{"number":80,"name":"http","protocol":"tcp","labels":{"VIP_0":"/a:80"}}]}}`,
			want: `{"networks":[{"mode":"container","name":"n"}],"type":"MESOS","requirePorts":false,
				"portMappings":[{"containerPort":80,"servicePort":0,"protocol":"tcp","name":"http","labels":{"VIP_0":"/a:80"}}]}`},
		{name: "ipAddress of a DOCKER container with an empty discovery",
			fields: `"container":{"docker":{"image":"a"}},"ipAddress":{"networkName":"n","discovery":{"ports":[]}}`,
			want: `{"networks":[{"mode":"container","name":"n"}],"type":"DOCKER","requirePorts":false,
				"portMappings":[` + defaultMapping + `]}`},
		{name: "docker.portMappings move; members are filled in; bridge gets hostPort 0",
			fields: `"container":{"docker":{"image":"a","network":"BRIDGE","portMappings":[{"containerPort":80},
				{"containerPort":53,"protocol":"tcp,udp","servicePort":5353,"hostPort":2000,"name":"dns","labels":{"a":"b"}}]}}`,
			want: `{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":80,"hostPort":0,"servicePort":0,"protocol":"tcp","labels":{}},
				{"containerPort":53,"hostPort":2000,"servicePort":5353,"protocol":"udp,tcp","name":"dns","labels":{"a":"b"}}]}`},
		{name: "an empty list in one home does not contradict the other",
			fields: `"networks":[{"mode":"container/bridge"}],"container":{"docker":{"image":"a","portMappings":[]},
				"portMappings":[{"containerPort":80}]}`,
			want: `{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":80,"hostPort":0,"servicePort":0,"protocol":"tcp","labels":{}}]}`},
		{name: "container mode mapping without hostPort keeps none",
			fields: `"networks":[{"name":"n"}],"container":{"docker":{"image":"a"},"portMappings":[{"containerPort":80}]}`,
			want: `{"networks":[{"mode":"container","name":"n"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":80,"servicePort":0,"protocol":"tcp","labels":{}}]}`},
		{name: "ports in host mode",
			fields: `"cmd":"a","ports":[80,0]`,
			want: `{"networks":[{"mode":"host"}],"requirePorts":false,"portDefinitions":[
				{"port":80,"protocol":"tcp","labels":{}},{"port":0,"protocol":"tcp","labels":{}}]}`},
		{name: "ports equal to portDefinitions",
			fields: `"cmd":"a","ports":[80],"portDefinitions":[{"port":80,"name":"http"}]`,
			want: `{"networks":[{"mode":"host"}],"requirePorts":false,"portDefinitions":[
				{"port":80,"protocol":"tcp","name":"http","labels":{}}]}`},
		{name: "no ports at all, the new way",
			fields: `"cmd":"a","portDefinitions":[]`,
			want:   `{"networks":[{"mode":"host"}],"requirePorts":false,"portDefinitions":[]}`},
		{name: "no ports at all, the old way",
			fields: `"cmd":"a","ports":[]`,
			want:   `{"networks":[{"mode":"host"}],"requirePorts":false,"portDefinitions":[]}`},
		{name: "an empty list of networks is none",
			fields: `"cmd":"a","networks":[],"requirePorts":true`,
			want:   `{"networks":[{"mode":"host"}],"requirePorts":true,"portDefinitions":[` + defaultDefinition + `]}`},
		{name: "no mappings, explicitly",
			fields: `"networks":[{"mode":"container/bridge"}],"container":{"docker":{"image":"a"},"portMappings":[]}`,
			want:   `{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[]}`},
		{name: "mappings in host mode are dropped", warnings: 1,
			fields: `"container":{"docker":{"image":"a"},"portMappings":[{"containerPort":80}]}`,
			want: `{"networks":[{"mode":"host"}],"type":"DOCKER","requirePorts":false,"portMappings":[],
				"portDefinitions":[` + defaultDefinition + `]}`},
		{name: "old mappings in host mode are dropped", warnings: 1,
			fields: `"container":{"docker":{"image":"a","network":"HOST","portMappings":[{"containerPort":80}]}},"ports":[1]`,
			want: `{"networks":[{"mode":"host"}],"type":"DOCKER","requirePorts":false,"portMappings":[],
				"portDefinitions":[{"port":1,"protocol":"tcp","labels":{}}]}`},
		{name: "ports in bridge mode only count", warnings: 1,
			fields: `"networks":[{"mode":"container/bridge"}],"container":{"docker":{"image":"a"},
				"portMappings":[{"containerPort":80,"name":"http"}]},"ports":[1000,1001,1002],"requirePorts":true`,
			want: `{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":80,"hostPort":0,"servicePort":0,"protocol":"tcp","name":"http","labels":{}},
				` + paddedBridge + `,` + paddedBridge + `]}`},
		{name: "port definitions in bridge mode only count", warnings: 1,
			fields: `"networks":[{"mode":"container/bridge"}],"container":{"docker":{"image":"a"}},
				"portDefinitions":[{"port":1000},{"port":1001}]`,
			want: `{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				` + defaultBridge + `,` + paddedBridge + `]}`},
		{name: "fewer ports than mappings",
			warnings: 1,
			fields: `"networks":[{"mode":"container/bridge"}],"container":{"docker":{"image":"a"},
				"portMappings":[{"containerPort":80},{"containerPort":81}]},"ports":[0]`,
			want: `{"networks":[{"mode":"container/bridge"}],"type":"DOCKER","requirePorts":false,"portMappings":[
				{"containerPort":80,"hostPort":0,"servicePort":0,"protocol":"tcp","labels":{}},
				{"containerPort":81,"hostPort":0,"servicePort":0,"protocol":"tcp","labels":{}}]}`},
		{name: "bridge without a container is a MESOS container",
			fields: `"cmd":"a","networks":[{"mode":"container/bridge"}]`,
			want: `{"networks":[{"mode":"container/bridge"}],"type":"MESOS","requirePorts":false,
				"portMappings":[` + defaultBridge + `]}`},
		{name: "MESOS with an image stays MESOS",
			fields: `"container":{"type":"MESOS","docker":{"image":"a"}}`,
			want: `{"networks":[{"mode":"host"}],"type":"MESOS","requirePorts":false,"portMappings":[],
				"portDefinitions":[` + defaultDefinition + `]}`},
		{name: "several container networks",
			fields: `"cmd":"a","networks":[{"mode":"container","name":"a"},{"mode":"container","name":"b"}],
				"container":{"type":"MESOS","portMappings":[{"containerPort":80,"hostPort":0,"networkNames":["b"]}]}`,
			want: `{"networks":[{"mode":"container","name":"a"},{"mode":"container","name":"b"}],"type":"MESOS",
				"requirePorts":false,"portMappings":[{"containerPort":80,"hostPort":0,"servicePort":0,"protocol":"tcp",
				"labels":{},"networkNames":["b"]}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			app, notes, err := ParseApp([]byte(`{"id":"/x",` + c.fields + `}`))
			if err != nil {
				t.Fatal(err)
			}
			sameDocument(t, c.want, mustMarshal(t, shapeOf(app)))
			if len(notes.Warnings) != c.warnings {
				t.Errorf("warnings %q, expected %d", notes.Warnings, c.warnings)
			}
			text := string(mustMarshal(t, app))
			for _, legacy := range []string{`"ports"`, `"uris"`, `"ipAddress"`, `"network":`} {
				if strings.Contains(text, legacy) {
					t.Errorf("%s is shown: %s", legacy, text)
				}
			}
		})
	}
}

func TestContradictions(t *testing.T) {
	for _, c := range []struct {
		name, fields string
		want         []string
	}{
		{"ports with other portDefinitions", `"cmd":"a","ports":[1],"portDefinitions":[{"port":2}]`, []string{"/ports"}},
		{"ports with fewer portDefinitions", `"cmd":"a","ports":[1,2],"portDefinitions":[{"port":1}]`, []string{"/ports"}},
		{"docker.network with networks",
			`"container":{"docker":{"image":"a","network":"HOST"}},"networks":[{"mode":"host"}]`,
			[]string{"/container/docker/network"}},
		{"networks with ipAddress", `"cmd":"a","networks":[{"mode":"host"}],"ipAddress":{}`, []string{"/ipAddress"}},
		{"ipAddress with docker.network BRIDGE",
			`"container":{"docker":{"image":"a","network":"BRIDGE"}},"ipAddress":{"networkName":"n"}`, []string{"/ipAddress"}},
		{"ipAddress with ports", `"cmd":"a","ipAddress":{"networkName":"n"},"ports":[1]`, []string{"/ports"}},
		{"ipAddress with portDefinitions", `"cmd":"a","ipAddress":{"networkName":"n"},"portDefinitions":[{"port":1}]`,
			[]string{"/portDefinitions"}},
		{"discovery with type DOCKER",
			`"container":{"docker":{"image":"a"}},"ipAddress":{"networkName":"n","discovery":{"ports":[{"number":80}]}}`,
			[]string{"/ipAddress/discovery"}},
		{"discovery with mappings", `"cmd":"a","container":{"type":"MESOS","portMappings":[{"containerPort":1}]},
			"ipAddress":{"networkName":"n","discovery":{"ports":[{"number":80}]}}`, []string{"/ipAddress/discovery"}},
		{"both homes of mappings", `"networks":[{"mode":"container/bridge"}],"container":{"docker":{"image":"a",
			"portMappings":[{"containerPort":1}]},"portMappings":[{"containerPort":1}]}`,
			[]string{"/container/docker/portMappings"}},
		{"uris with fetch", `"cmd":"a","uris":["http://a/b"],"fetch":[{"uri":"http://a/b"}]`, []string{"/uris"}},
		{"several at once", `"uris":["http://a/b"],"fetch":[{"uri":"http://a/b"}],"ports":[1],
			"container":{"docker":{"image":"a","network":"USER"}},"networks":[{"mode":"container","name":"n"}],
			"ipAddress":{"networkName":"n"}`,
			[]string{"/container/docker/network", "/ipAddress", "/ports", "/uris"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := ParseApp([]byte(`{"id":"/x",` + c.fields + `}`))
			wantPaths(t, err, c.want...)
		})
	}
}

func TestURIsBecomeFetches(t *testing.T) {
	endings := map[string]bool{
		".tar": true, ".tar.gz": true, ".tar.bz2": true, ".tar.xz": true, ".gz": true, ".tgz": true, ".tbz2": true,
		".txz": true, ".zip": true, ".jar": false, "": false, ".bz2": false, ".dockercfg": false, ".zip?x": false,
	}
	for ending, extract := range endings {
		app := mustParse(t, plain(`"uris":["http://a/b`+ending+`"]`))
		want := []Fetch{{URI: "http://a/b" + ending, Extract: extract}}
		if diff := cmp.Diff(want, app.Fetch); diff != "" {
			t.Error(diff)
		}
	}
	app := mustParse(t, plain(`"fetch":[{"uri":"http://a/b"},{"uri":"x","extract":false,"executable":true,"cache":true,"destPath":"a/b"}]`))
	want := []Fetch{{URI: "http://a/b", Extract: true}, {URI: "x", Executable: true, Cache: true, DestPath: "a/b"}}
	if diff := cmp.Diff(want, app.Fetch); diff != "" {
		t.Error(diff)
	}
}

func TestConstraintsAreNormalised(t *testing.T) {
	app := mustParse(t, plain(`"constraints":[["hostname","unique"],["hostname","UNIQUE",""],["rack","Group_By","3"],
		["hostname","UNIQUE"],["rack","cluster"]]`))
	want := [][]string{{"hostname", "UNIQUE"}, {"rack", "GROUP_BY", "3"}, {"rack", "CLUSTER"}}
	if diff := cmp.Diff(want, app.Constraints); diff != "" {
		t.Error(diff)
	}
}

// Marathon shows every member for every protocol, so what has no meaning is dropped rather than refused.
func TestHealthChecksShowOnlyWhatTheyUse(t *testing.T) {
	const all = `"path":"/p","delaySeconds":0,"ignoreHttp1xx":true,"ipProtocol":"IPv6"`
	for protocol, want := range map[string]string{
		"HTTP":        `"path":"/p","ignoreHttp1xx":true,"portIndex":0`,
		"HTTPS":       `"path":"/p","ignoreHttp1xx":true,"portIndex":0`,
		"TCP":         `"portIndex":0`,
		"MESOS_HTTP":  `"path":"/p","delaySeconds":0,"ipProtocol":"IPv6","portIndex":0`,
		"MESOS_HTTPS": `"path":"/p","delaySeconds":0,"ipProtocol":"IPv6","portIndex":0`,
		"MESOS_TCP":   `"delaySeconds":0,"ipProtocol":"IPv6","portIndex":0`,
	} {
		app := mustParse(t, plain(`"healthChecks":[{"protocol":"`+protocol+`",`+all+`}]`))
		sameDocument(t, `[{"protocol":"`+protocol+`","gracePeriodSeconds":300,"intervalSeconds":60,"timeoutSeconds":20,
			"maxConsecutiveFailures":3,`+want+`}]`, mustMarshal(t, app.HealthChecks))
	}
	app := mustParse(t, plain(`"healthChecks":[{"protocol":"COMMAND","portIndex":7,"command":{"value":"true"},`+all+`}]`))
	sameDocument(t, `[{"protocol":"COMMAND","gracePeriodSeconds":300,"intervalSeconds":60,"timeoutSeconds":20,
		"maxConsecutiveFailures":3,"delaySeconds":0,"command":{"value":"true"}}]`, mustMarshal(t, app.HealthChecks))
}

func TestHealthCheckDefaults(t *testing.T) {
	app := mustParse(t, plain(`"healthChecks":[{},{"protocol":"MESOS_TCP","port":80}]`))
	sameDocument(t, `[
		{"protocol":"HTTP","path":"/","portIndex":0,"gracePeriodSeconds":300,"intervalSeconds":60,"timeoutSeconds":20,
			"maxConsecutiveFailures":3},
		{"protocol":"MESOS_TCP","port":80,"gracePeriodSeconds":300,"intervalSeconds":60,"timeoutSeconds":20,
			"maxConsecutiveFailures":3,"delaySeconds":15,"ipProtocol":"IPv4"}]`, mustMarshal(t, app.HealthChecks))
}

func TestReadinessCheckDefaults(t *testing.T) {
	app := mustParse(t, plain(`"portDefinitions":[{"name":"http-api"}],"readinessChecks":[{}]`))
	sameDocument(t, `[{"name":"readinessCheck","protocol":"HTTP","path":"/","portName":"http-api","intervalSeconds":30,
		"timeoutSeconds":10,"httpStatusCodesForReady":[200],"preserveLastResponse":false}]`,
		mustMarshal(t, app.ReadinessChecks))
}

func TestOtherDefaults(t *testing.T) {
	app := mustParse(t, `{"id":"/g/x","container":{"docker":{"image":"a"},"volumes":[{"containerPath":"c","hostPath":"h"}]},
		"upgradeStrategy":{"minimumHealthCapacity":0.5},"unreachableStrategy":{"expungeAfterSeconds":5},
		"dependencies":["y","/z","../w"],"tty":false,"taskKillGracePeriodSeconds":0,"env":{},"args":[],
		"resourceLimits":{"cpus":"unlimited","mem":256}}`)
	if app.Container.Volumes[0].Mode != VolumeReadWrite {
		t.Errorf("volume: %+v", app.Container.Volumes)
	}
	if app.UpgradeStrategy != (UpgradeStrategy{0.5, 1}) {
		t.Errorf("strategy: %+v", app.UpgradeStrategy)
	}
	if app.UnreachableStrategy != (UnreachableStrategy{ExpungeAfterSeconds: 5}) {
		t.Errorf("unreachable: %+v", app.UnreachableStrategy)
	}
	if diff := cmp.Diff([]string{"/g/y", "/z", "/w"}, app.Dependencies); diff != "" {
		t.Error(diff)
	}
	if app.TTY == nil || *app.TTY || app.TaskKillGracePeriodSeconds == nil || app.Env != nil || app.Args != nil {
		t.Errorf("%+v", app)
	}
	sameDocument(t, `{"cpus":"unlimited","mem":256}`, mustMarshal(t, app.ResourceLimits))
	disabled := mustParse(t, plain(`"unreachableStrategy":"disabled"`))
	if !disabled.UnreachableStrategy.Disabled {
		t.Error("disabled strategy")
	}
}

func TestServicePortsInEitherMode(t *testing.T) {
	for document, want := range map[string][]int{
		plain(`"ports":[80,0]`):                             {80, 0},
		plain(`"ports":[]`):                                 {},
		docker(`"portMappings":[{"servicePort":10000},{}]`): {10000, 0},
	} {
		if diff := cmp.Diff(want, mustParse(t, document).ServicePorts()); diff != "" {
			t.Error(diff)
		}
	}
	if ports := (&App{Networks: []Network{{Mode: NetworkBridge}}}).ServicePorts(); len(ports) != 0 {
		t.Errorf("app without a container: %v", ports)
	}
}

// Reading back what was stored must not change it, whatever the encoding did to nil and empty lists.
func TestStoredFormSurvivesPlainDecoding(t *testing.T) {
	for _, document := range []string{marathonLB, plain(`"ports":[]`), docker(`"portMappings":[]`)} {
		app := mustParse(t, document)
		var back App
		if err := json.Unmarshal(mustMarshal(t, app), &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(app, &back); diff != "" {
			t.Errorf("plain decoding (-stored +read):\n%s", diff)
		}
	}
}
