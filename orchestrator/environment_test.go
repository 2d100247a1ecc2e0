package orchestrator

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

func parse(t *testing.T, text string) *api.App {
	t.Helper()
	a, _, err := api.ParseApp([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestEnvironmentOfABridgedImage(t *testing.T) {
	def := parse(t, `{"id":"/prod/web","cpus":0.5,"mem":128,"networks":[{"mode":"container/bridge"}],
		"env":{"PORT1":"mine","X":"y"},"labels":{"HAPROXY_0_VHOST":"a.b","odd-name.x y":"v"},
		"container":{"docker":{"image":"nginx"},"portMappings":[
			{"containerPort":80,"hostPort":0,"name":"http-api"},{"containerPort":8443,"hostPort":2000},{"containerPort":0,"hostPort":0}]}}`)
	def.Version, _ = api.ParseTimestamp("2026-01-02T03:04:05.678Z")
	got := Environment(driver.Spec{TaskID: "prod_web.1", App: def, Host: "node1", Ports: []int{31005, 2000, 31006}}, "")
	want := []string{
		"HOST=node1",
		"MARATHON_APP_DOCKER_IMAGE=nginx",
		"MARATHON_APP_ID=/prod/web",
		"MARATHON_APP_LABELS=HAPROXY_0_VHOST ODD_NAME_X_Y",
		"MARATHON_APP_LABEL_HAPROXY_0_VHOST=a.b",
		"MARATHON_APP_LABEL_ODD_NAME_X_Y=v",
		"MARATHON_APP_RESOURCE_CPUS=0.5",
		"MARATHON_APP_RESOURCE_DISK=0.0",
		"MARATHON_APP_RESOURCE_GPUS=0.0",
		"MARATHON_APP_RESOURCE_MEM=128.0",
		"MARATHON_APP_VERSION=2026-01-02T03:04:05.678Z",
		"MESOS_SANDBOX=/mnt/mesos/sandbox",
		"MESOS_TASK_ID=prod_web.1",
		"PORT0=31005",
		"PORT1=mine",
		"PORT2=31006",
		"PORT=31005",
		"PORTS=31005,2000,31006",
		"PORT_31006=31006",
		"PORT_80=31005",
		"PORT_8443=2000",
		"PORT_HTTP-API=31005",
		"PORT_HTTP_API=31005",
		"X=y",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEnvironmentOfAProcess(t *testing.T) {
	def := parse(t, `{"id":"/web","cmd":"x","portDefinitions":[{"port":10001,"name":"admin"},{"port":0}]}`)
	got := Environment(driver.Spec{TaskID: "web.1", App: def, Host: "h", Ports: []int{31000, 31001}}, "M_")
	for _, want := range []string{
		"M_HOST=h", "M_PORT=31000", "M_PORT0=31000", "M_PORT1=31001", "M_PORT_10001=31000", "M_PORT_31001=31001",
		"M_PORT_ADMIN=31000", "M_PORTS=31000,31001", "MESOS_TASK_ID=web.1", "MARATHON_APP_LABELS=",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing in %q", want, got)
		}
	}
	for _, e := range got {
		if strings.HasPrefix(e, "MESOS_SANDBOX=") || strings.HasPrefix(e, "MARATHON_APP_DOCKER_IMAGE=") || strings.HasPrefix(e, "PORT") {
			t.Errorf("unexpected %s", e)
		}
	}
}

func TestEnvironmentWithoutHostPorts(t *testing.T) {
	def := parse(t, `{"id":"/web","networks":[{"mode":"container","name":"n"}],
		"container":{"docker":{"image":"i"},"portMappings":[{"containerPort":80}]}}`)
	got := Environment(driver.Spec{App: def}, "")
	if !slices.Contains(got, "PORT0=80") || !slices.Contains(got, "PORT_80=80") {
		t.Errorf("%q", got)
	}
	def = parse(t, `{"id":"/web","cmd":"x","portDefinitions":[]}`)
	for _, e := range Environment(driver.Spec{App: def}, "") {
		if strings.HasPrefix(e, "PORT") {
			t.Errorf("unexpected %s", e)
		}
	}
}

func TestLongLabelsStayOut(t *testing.T) {
	long := strings.Repeat("x", 512)
	def := parse(t, `{"id":"/web","cmd":"x","labels":{"`+long+`":"v","b":"`+long+`","c":"`+long[1:]+`"}}`)
	got := Environment(driver.Spec{App: def}, "")
	if !slices.Contains(got, "MARATHON_APP_LABELS=C") {
		t.Errorf("%q", got)
	}
}
