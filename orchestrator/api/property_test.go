package api

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Generated documents are valid by construction, in the styles clients use.

func genLabels(t *rapid.T, name string) map[string]string {
	keys := rapid.SampledFrom([]string{"a", "VIP_0", "HAPROXY_GROUP", "", "é"})
	return rapid.MapOfN(keys, rapid.StringN(0, 8, 20), 0, 3).Draw(t, name)
}

// genSome draws the fields that are given: each with even odds.
func genSome(t *rapid.T, all map[string]any) map[string]any {
	given := map[string]any{}
	for name, v := range sorted(all) {
		if rapid.Bool().Draw(t, "give "+name) {
			given[name] = v
		}
	}
	return given
}

func genMappings(t *rapid.T) []any {
	mappings := []any{}
	for i := range rapid.IntRange(0, 4).Draw(t, "mappings") {
		mappings = append(mappings, genSome(t, map[string]any{
			"containerPort": rapid.IntRange(0, 65535).Draw(t, "containerPort"),
			"hostPort":      rapid.SampledFrom([]any{nil, 0, 2000 + i}).Draw(t, "hostPort"),
			"servicePort":   rapid.IntRange(0, 65535).Draw(t, "servicePort"),
			"protocol":      rapid.SampledFrom([]string{"tcp", "udp", "udp,tcp", "tcp,udp"}).Draw(t, "protocol"),
			"name":          fmt.Sprintf("port-%d", i),
			"labels":        genLabels(t, "port labels"),
		}))
	}
	return mappings
}

func genDefinitions(t *rapid.T) []any {
	definitions := []any{}
	for i := range rapid.IntRange(0, 4).Draw(t, "definitions") {
		definitions = append(definitions, genSome(t, map[string]any{
			"port":     rapid.SampledFrom([]int{0, 10000 + i}).Draw(t, "port"),
			"protocol": rapid.SampledFrom([]string{"tcp", "udp", "udp,tcp"}).Draw(t, "protocol"),
			"name":     fmt.Sprintf("port-%d", i),
			"labels":   genLabels(t, "port labels"),
		}))
	}
	return definitions
}

func genHealthCheck(t *rapid.T, protocols ...string) map[string]any {
	return genSome(t, map[string]any{
		"protocol":               rapid.SampledFrom(protocols).Draw(t, "check protocol"),
		"path":                   rapid.SampledFrom([]string{"", "/", "/health?x=y"}).Draw(t, "path"),
		"gracePeriodSeconds":     rapid.Float64Range(0, 1000).Draw(t, "grace"),
		"intervalSeconds":        rapid.IntRange(0, 100).Draw(t, "interval"),
		"maxConsecutiveFailures": rapid.IntRange(0, 10).Draw(t, "failures"),
		"delaySeconds":           rapid.IntRange(0, 2).Draw(t, "delay"),
		"ignoreHttp1xx":          rapid.Bool().Draw(t, "1xx"),
		"ipProtocol":             rapid.SampledFrom([]string{"IPv4", "IPv6"}).Draw(t, "ipProtocol"),
		"port":                   rapid.IntRange(1, 65535).Draw(t, "literal port"),
	})
}

func genChecks(t *rapid.T) []any {
	checks := []any{}
	for range rapid.IntRange(0, 2).Draw(t, "checks") {
		h := genHealthCheck(t, "HTTP", "HTTPS", "TCP")
		h["port"] = 80
		checks = append(checks, h)
	}
	if rapid.Bool().Draw(t, "a check beside the task") {
		h := genHealthCheck(t, "MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP")
		h["port"] = 80
		checks = append(checks, h)
	}
	return checks
}

// genNetwork puts the ports where the drawn style has them.
func genNetwork(t *rapid.T, doc map[string]any) {
	docker := genSome(t, map[string]any{
		"forcePullImage": rapid.Bool().Draw(t, "pull"), "privileged": rapid.Bool().Draw(t, "privileged"),
		"parameters": []any{map[string]any{"key": "label", "value": "a=b"}},
	})
	docker["image"] = "nginx"
	container := genSome(t, map[string]any{
		"type":      rapid.SampledFrom([]string{"DOCKER", "MESOS"}).Draw(t, "type"),
		"volumes":   []any{map[string]any{"containerPath": "/a", "hostPath": "b"}},
		"linuxInfo": map[string]any{"seccomp": map[string]any{"unconfined": true, "list": []any{1, nil}}},
	})
	container["docker"] = docker
	switch rapid.SampledFrom([]string{"process", "ports", "host", "BRIDGE", "bridge", "container", "USER"}).Draw(t, "style") {
	case "process":
		doc["cmd"], doc["portDefinitions"] = "sleep 1", genDefinitions(t)
	case "ports":
		doc["args"], doc["ports"] = []string{"a"}, []int{rapid.IntRange(0, 1).Draw(t, "p"), 10000}
	case "host":
		docker["network"], doc["container"], doc["portDefinitions"] = "HOST", container, genDefinitions(t)
	case "BRIDGE":
		docker["network"], docker["portMappings"], doc["container"] = "BRIDGE", genMappings(t), container
	case "bridge":
		container["portMappings"], doc["container"] = genMappings(t), container
		doc["networks"] = []any{map[string]any{"mode": "container/bridge", "labels": genLabels(t, "network labels")}}
	case "container":
		container["portMappings"], doc["container"] = genMappings(t), container
		doc["networks"] = []any{map[string]any{"name": "dcos"}}
	case "USER":
		docker["network"], doc["container"] = "USER", container
		doc["ipAddress"] = map[string]any{"networkName": "dcos", "labels": genLabels(t, "network labels")}
	}
}

func genDocument(t *rapid.T) []byte {
	doc := genSome(t, map[string]any{
		"instances":                  rapid.IntRange(0, math.MaxInt32).Draw(t, "instances"),
		"cpus":                       rapid.Float64Range(0.001, 1000).Draw(t, "cpus"),
		"mem":                        rapid.Float64Range(0, 1e6).Draw(t, "mem"),
		"disk":                       rapid.Float64Range(0, 1e6).Draw(t, "disk"),
		"env":                        map[string]any{"A": rapid.StringMatching(`[^\x00]{0,5}`).Draw(t, "env"), "B": nil},
		"user":                       rapid.SampledFrom([]string{"", "nobody"}).Draw(t, "user"),
		"labels":                     genLabels(t, "labels"),
		"constraints":                [][]string{{"hostname", "unique"}, {"hostname", "UNIQUE", ""}, {"rack", "like", "a.*"}},
		"acceptedResourceRoles":      []string{"*", "slave_public"},
		"requirePorts":               rapid.Bool().Draw(t, "requirePorts"),
		"uris":                       []string{"http://a/b.zip"},
		"dependencies":               []string{"db", "/other"},
		"upgradeStrategy":            genSome(t, map[string]any{"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0}),
		"backoffSeconds":             rapid.Float64Range(0, 100).Draw(t, "backoff"),
		"backoffFactor":              rapid.Float64Range(1, 10).Draw(t, "factor"),
		"taskKillGracePeriodSeconds": rapid.IntRange(0, 100).Draw(t, "grace period"),
		"killSelection":              "OLDEST_FIRST",
		"unreachableStrategy": rapid.SampledFrom([]any{"disabled", map[string]any{}, map[string]any{"inactiveAfterSeconds": 1,
			"expungeAfterSeconds": 2}}).Draw(t, "unreachable"),
		"tty":               rapid.Bool().Draw(t, "tty"),
		"role":              rapid.SampledFrom([]string{"", "*", "web"}).Draw(t, "role"),
		"healthChecks":      genChecks(t),
		"resourceLimits":    map[string]any{"cpus": "unlimited"},
		"executorResources": rapid.SampledFrom([]map[string]any{{}, {"cpus": 0.5}}).Draw(t, "executorResources"),
		"unknown":           map[string]any{"x": nil},
	})
	doc["id"] = rapid.SampledFrom([]string{"x", "/g/x", "g/h/x-1"}).Draw(t, "id")
	genNetwork(t, doc)
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func genApp(t *rapid.T) *App {
	document := genDocument(t)
	app, _, err := ParseApp(document)
	if err != nil {
		t.Fatalf("generated document %s: %v", document, err)
	}
	return app
}

// nullsIn returns the path of the first null in a JSON value, or "".
func nullsIn(v any, path string) string {
	switch v := v.(type) {
	case nil:
		return path
	case []any:
		for i, e := range v {
			if at := nullsIn(e, item(path, i)); at != "" {
				return at
			}
		}
	case map[string]any:
		for k, e := range v {
			if at := nullsIn(e, child(path, k)); at != "" {
				return at
			}
		}
	}
	return ""
}

// checkStored holds what is true of every definition that was accepted.
func checkStored(app *App) error {
	text, err := json.Marshal(app)
	if err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return err
	}
	if at := nullsIn(tree, "/"); at != "" {
		return fmt.Errorf("null at %s: %s", at, text)
	}
	again, notes, err := ParseApp(text)
	if err != nil {
		return fmt.Errorf("what is read cannot be sent: %w: %s", err, text)
	}
	if diff := cmp.Diff(app, again); diff != "" {
		return fmt.Errorf("round trip (-stored +again):\n%s", diff)
	}
	if len(notes.Unknown) > 0 {
		return fmt.Errorf("own fields are unknown: %q", notes.Unknown)
	}
	return checkUpdates(app, text)
}

// checkUpdates: what was read changes nothing when sent as an update, and neither does an empty one.
func checkUpdates(app *App, text []byte) error {
	for _, document := range [][]byte{text, []byte(`{}`)} {
		u, _, err := ParseUpdate(document)
		if err != nil {
			return err
		}
		same, _, err := u.Apply(app)
		if err != nil {
			return fmt.Errorf("update by %s: %w", document, err)
		}
		if diff := cmp.Diff(app, same); diff != "" {
			return fmt.Errorf("update by %s (-stored +updated):\n%s", document, diff)
		}
		if c := Compare(app, same); c != ChangeNone {
			return fmt.Errorf("compare: %v", c)
		}
	}
	return nil
}

func TestStoredDefinitionsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := checkStored(genApp(t)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestReadRepresentationIsReadTheSameByClients(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		app := genApp(t)
		info, err := DecodeAppInfo([]byte(mustText(t, app)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(app, &info.App); diff != "" {
			t.Fatalf("(-stored +read):\n%s", diff)
		}
		slow := new(AppInfo)
		if err := decodeLenient([]byte(mustText(t, app)), slow); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(info, slow); diff != "" {
			t.Fatalf("(-fast +slow):\n%s", diff)
		}
	})
}

func mustText(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An update made of one app's fields, applied to any other app, gives the first one's values in every field it shows.
func TestUpdatesReplaceWhateverWasStored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stored, want := genApp(t), genApp(t)
		u, _, err := ParseUpdate([]byte(mustText(t, want)))
		if err != nil {
			t.Fatal(err)
		}
		before := mustText(t, stored)
		got, _, err := u.Apply(stored)
		if after := mustText(t, stored); after != before {
			t.Fatalf("stored was changed:\n%s\n%s", before, after)
		}
		if err != nil {
			return // the two do not go together, for instance a stored health check and no ports
		}
		shown, merged := fieldTexts(want), fieldTexts(got)
		for name := range u.given {
			if name != "id" && string(shown[name]) != string(merged[name]) {
				t.Fatalf("%s: want %s, got %s", name, shown[name], merged[name])
			}
		}
	})
}

func TestScalingIsToldFromConfiguration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		app, other := genApp(t), genApp(t)
		scaled := app.Clone()
		scaled.Instances++
		if c := Compare(app, scaled); c != ChangeScale {
			t.Fatalf("scaled: %v", c)
		}
		if a, b := Compare(app, other), Compare(other, app); a != b {
			t.Fatalf("not symmetric: %v, %v", a, b)
		}
		if (Compare(app, other) == ChangeNone) != (len(ChangedFields(app, other)) == 0) {
			t.Fatal("Compare and ChangedFields disagree")
		}
	})
}

func FuzzParseApp(f *testing.F) {
	f.Add([]byte(marathonLB))
	f.Add([]byte(hostApp))
	f.Add([]byte(bridgeApp))
	f.Add([]byte(`{"id":"x","cmd":"a","healthChecks":[{"protocol":"MESOS_TCP","delaySeconds":0}],"env":{"A":{"secret":"x"}}}`))
	f.Add([]byte(`{"id":"x","ipAddress":{"networkName":"n","discovery":{"ports":[{"number":80}]}},"cmd":"a"}`))
	f.Add([]byte(`{"a":[[[{"b":1e999}]]],"a":"\ud800"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		app, _, err := ParseApp(data)
		if err != nil {
			if CodeOf(err) == CodeInternal || app != nil {
				t.Fatalf("%v, %v", app, err)
			}
			return
		}
		if err := checkStored(app); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzUpdate(f *testing.F) {
	f.Add([]byte(hostApp), []byte(`{"networks":[{"mode":"container/bridge"}]}`))
	f.Add([]byte(bridgeApp), []byte(`{"ports":[1,2],"container":{"docker":{"image":"a","network":"HOST"}}}`))
	f.Add([]byte(containerApp), []byte(`{"ipAddress":{"networkName":"n"},"args":["x"]}`))
	f.Add([]byte(hostApp), []byte(`{"version":"2024-01-01T00:00:00.000Z"}`))
	f.Fuzz(func(t *testing.T, document, update []byte) {
		stored, _, err := ParseApp(document)
		if err != nil {
			return
		}
		u, _, err := ParseUpdate(update)
		if err != nil {
			return
		}
		app, _, err := u.Apply(stored)
		if err != nil {
			if CodeOf(err) != CodeInvalid {
				t.Fatal(err)
			}
			return
		}
		if err := checkStored(app); err != nil {
			t.Fatal(err)
		}
	})
}
