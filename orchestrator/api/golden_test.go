package api

import "testing"

// The blog's first app, as it is sent and as it is read back before a service port is assigned.
func TestBlogsFirstApp(t *testing.T) {
	app, notes, err := ParseApp([]byte(`{"id":"web","instances":1,"cpus":0.1,"mem":64,"container":{"type":"DOCKER",
		"docker":{"image":"nginx","network":"BRIDGE","portMappings":[{"containerPort":80,"hostPort":0}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(notes.Unknown)+len(notes.Warnings) > 0 {
		t.Errorf("notes: %+v", notes)
	}
	sameDocument(t, `{
		"id": "/web", "instances": 1, "cpus": 0.1, "mem": 64, "disk": 0, "gpus": 0, "executor": "", "labels": {},
		"networks": [{"mode": "container/bridge"}],
		"container": {
			"type": "DOCKER", "volumes": [],
			"docker": {"image": "nginx", "forcePullImage": false, "privileged": false, "parameters": []},
			"portMappings": [{"containerPort": 80, "hostPort": 0, "labels": {}, "protocol": "tcp", "servicePort": 0}]
		},
		"requirePorts": false,
		"upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1},
		"backoffSeconds": 1, "backoffFactor": 1.15, "maxLaunchDelaySeconds": 300,
		"killSelection": "YOUNGEST_FIRST",
		"unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
		"role": "*"
	}`, mustMarshal(t, app))
}

// The shape of the marathon-lb package, all of it in the style of Marathon 1.4.
const marathonLB = `{
	"id": "/marathon-lb", "instances": 1, "cpus": 2, "mem": 1024, "maintainer": "support@mesosphere.io",
	"args": ["sse", "-m", "http://marathon.mesos:8080", "--health-check", "--group", "external"],
	"container": {"type": "DOCKER", "docker": {
		"image": "mesosphere/marathon-lb:v1.12.3", "network": "HOST", "privileged": true,
		"parameters": [{"key": "label", "value": "created_by=marathon"}]}},
	"ports": [80, 443, 9090, 9091, 10000, 10001], "requirePorts": true,
	"acceptedResourceRoles": ["slave_public"],
	"upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.2},
	"healthChecks": [{"protocol": "MESOS_HTTP", "path": "/_haproxy_health_check", "portIndex": 2,
		"gracePeriodSeconds": 60, "intervalSeconds": 5, "timeoutSeconds": 2, "maxConsecutiveFailures": 2}],
	"uris": [], "dependencies": null
}`

func TestMarathonLBPackage(t *testing.T) {
	app, notes, err := ParseApp([]byte(marathonLB))
	if err != nil {
		t.Fatal(err)
	}
	if len(notes.Unknown) != 1 || notes.Unknown[0] != "/maintainer" || len(notes.Warnings) > 0 {
		t.Errorf("notes: %+v", notes)
	}
	sameDocument(t, `{
		"id": "/marathon-lb", "instances": 1, "cpus": 2, "mem": 1024, "disk": 0, "gpus": 0, "executor": "", "labels": {},
		"args": ["sse", "-m", "http://marathon.mesos:8080", "--health-check", "--group", "external"],
		"networks": [{"mode": "host"}],
		"container": {
			"type": "DOCKER", "volumes": [], "portMappings": [],
			"docker": {"image": "mesosphere/marathon-lb:v1.12.3", "forcePullImage": false, "privileged": true,
				"parameters": [{"key": "label", "value": "created_by=marathon"}]}
		},
		"portDefinitions": [
			{"port": 80, "protocol": "tcp", "labels": {}}, {"port": 443, "protocol": "tcp", "labels": {}},
			{"port": 9090, "protocol": "tcp", "labels": {}}, {"port": 9091, "protocol": "tcp", "labels": {}},
			{"port": 10000, "protocol": "tcp", "labels": {}}, {"port": 10001, "protocol": "tcp", "labels": {}}],
		"requirePorts": true, "acceptedResourceRoles": ["slave_public"],
		"upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.2},
		"healthChecks": [{"protocol": "MESOS_HTTP", "path": "/_haproxy_health_check", "portIndex": 2,
			"gracePeriodSeconds": 60, "intervalSeconds": 5, "timeoutSeconds": 2, "maxConsecutiveFailures": 2,
			"delaySeconds": 15, "ipProtocol": "IPv4"}],
		"backoffSeconds": 1, "backoffFactor": 1.15, "maxLaunchDelaySeconds": 300,
		"killSelection": "YOUNGEST_FIRST",
		"unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
		"role": "*"
	}`, mustMarshal(t, app))
}

// A plain process in its smallest form shows the defaults of host mode.
func TestSmallestApp(t *testing.T) {
	sameDocument(t, `{
		"id": "/sleep", "cmd": "sleep 1000", "instances": 1, "cpus": 1, "mem": 128, "disk": 0, "gpus": 0,
		"executor": "", "labels": {}, "networks": [{"mode": "host"}], "requirePorts": false,
		"portDefinitions": [{"port": 0, "name": "default", "protocol": "tcp", "labels": {}}],
		"upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1},
		"backoffSeconds": 1, "backoffFactor": 1.15, "maxLaunchDelaySeconds": 300,
		"killSelection": "YOUNGEST_FIRST",
		"unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
		"role": "*"
	}`, mustMarshal(t, mustParse(t, `{"id":"sleep","cmd":"sleep 1000"}`)))
}

// What go-marathon sends: nulls for what is not set, floats for some seconds.
func TestGoMarathonsDocument(t *testing.T) {
	app := mustParse(t, `{"id":"/x","cmd":"serve","args":null,"ports":null,"dependencies":null,"env":null,"uris":null,
		"constraints":null,"fetch":null,"container":null,"instances":2.0,
		"healthChecks":[{"protocol":"TCP","gracePeriodSeconds":3.5,"intervalSeconds":2e0,"portIndex":0.0}]}`)
	if app.Instances != 2 || app.HealthChecks[0].GracePeriodSeconds != 3.5 || app.HealthChecks[0].IntervalSeconds != 2 {
		t.Errorf("numbers: %+v", app)
	}
	if len(app.PortDefinitions) != 1 || app.Labels == nil {
		t.Errorf("null must mean absent: %+v", app)
	}
}
