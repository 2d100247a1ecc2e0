package api

import (
	"strings"
	"testing"
)

// TestRules states the rules of sections 3, 5.2, 11 and 12.3: a document and the places refused in it. An empty list
// means accepted.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name, document string
		want           []string
	}{
		{"cmd must not be empty", `{"id":"/x","cmd":""}`, []string{"/cmd"}},
		{"cmd and args exclude each other", plain(`"args":["a"]`), []string{"/"}},
		{"a process needs cmd or args", `{"id":"/x"}`, []string{"/"}},
		{"a process in an empty MESOS container needs cmd or args", `{"id":"/x","container":{"type":"MESOS"}}`, []string{"/"}},
		{"an image needs neither", `{"id":"/x","container":{"docker":{"image":"a"}}}`, nil},
		{"a process with args", `{"id":"/x","args":["/bin/true"]}`, nil},
		{"empty args are no args", `{"id":"/x","args":[]}`, []string{"/"}},
		{"NUL in a command", `{"id":"/x","cmd":"a\u0000b"}`, []string{"/cmd"}},
		{"NUL in an argument", `{"id":"/x","args":["a","\u0000"]}`, []string{"/args(1)"}},

		{"environment names", plain(`"env":{"":"a","A=B":"b","C":"","D":"\u0000"}`), []string{"/env/", "/env/A=B", "/env/D"}},
		{"instances from 0", plain(`"instances":-1`), []string{"/instances"}},
		{"no instance", plain(`"instances":0`), nil},
		{"cpus from 0.001", plain(`"cpus":0.0009`), []string{"/cpus"}},
		{"a thousandth of a CPU", plain(`"cpus":0.001`), nil},
		{"mem and disk from 0", plain(`"mem":-1,"disk":-0.1`), []string{"/disk", "/mem"}},
		{"resources have an upper limit", plain(`"cpus":1e7,"mem":1e13,"disk":1e13`), []string{"/cpus", "/disk", "/mem"}},
		{"executor //cmd", plain(`"executor":"//cmd"`), nil},
		{"other executors", plain(`"executor":"/bin/x"`), []string{"/executor"}},
		{"resource limits below the resource", plain(`"mem":128,"resourceLimits":{"mem":64,"cpus":true}`),
			[]string{"/resourceLimits/cpus", "/resourceLimits/mem"}},
		{"executor resources are numbers", plain(`"executorResources":{"cpus":0.1,"mem":"32"}`), []string{"/executorResources/mem"}},

		{"backoff", plain(`"backoffSeconds":-1,"backoffFactor":0.9,"maxLaunchDelaySeconds":-1`),
			[]string{"/backoffFactor", "/backoffSeconds", "/maxLaunchDelaySeconds"}},
		{"constant backoff", plain(`"backoffSeconds":0,"backoffFactor":1,"maxLaunchDelaySeconds":0`), nil},
		{"grace period", plain(`"taskKillGracePeriodSeconds":-1`), []string{"/taskKillGracePeriodSeconds"}},
		{"capacities from 0 to 1", plain(`"upgradeStrategy":{"minimumHealthCapacity":1.1,"maximumOverCapacity":-0.1}`),
			[]string{"/upgradeStrategy/maximumOverCapacity", "/upgradeStrategy/minimumHealthCapacity"}},
		{"unreachable: inactive after expunge", plain(`"unreachableStrategy":{"inactiveAfterSeconds":2,"expungeAfterSeconds":1}`),
			[]string{"/unreachableStrategy"}},
		{"unreachable: below 0", plain(`"unreachableStrategy":{"inactiveAfterSeconds":-1}`),
			[]string{"/unreachableStrategy/inactiveAfterSeconds"}},
		{"kill selection", plain(`"killSelection":"YoungestFirst"`), []string{"/killSelection"}},
		{"kill selection of the oldest", plain(`"killSelection":"OLDEST_FIRST"`), nil},
		{"roles given but none", plain(`"acceptedResourceRoles":[]`), []string{"/acceptedResourceRoles"}},
		{"roles repeated", plain(`"acceptedResourceRoles":["*","a","*"]`), []string{"/acceptedResourceRoles(2)"}},

		{"fetch", plain(`"fetch":[{"uri":""},{"uri":"http://a/` + strings.Repeat("b", 1024) + `"},{"uri":"http://[/"},
			{"uri":"a","destPath":"/abs"},{"uri":"a","destPath":"a/../../b"},{"uri":"a","destPath":".."},
			{"uri":"file:///a","destPath":"b/../c"}]`),
			[]string{"/fetch(0)/uri", "/fetch(1)/uri", "/fetch(2)/uri", "/fetch(3)/destPath", "/fetch(4)/destPath",
				"/fetch(5)/destPath"}},
		{"fetch without uri", plain(`"fetch":[{}]`), []string{"/fetch(0)/uri"}},
		{"uris", plain(`"uris":["http://a","http://[/"]`), []string{"/uris(1)"}},

		{"dependencies are ids", plain(`"dependencies":["/a","B","/"]`), []string{"/dependencies(1)", "/dependencies(2)"}},
		{"an app depending on itself", plain(`"dependencies":["x"]`), []string{"/dependencies(0)"}},

		{"single instance app", plain(`"labels":{"MARATHON_SINGLE_INSTANCE_APP":"true"},"instances":2`),
			[]string{"/instances", "/upgradeStrategy"}},
		{"single instance app done right", plain(`"labels":{"MARATHON_SINGLE_INSTANCE_APP":"true"},
			"upgradeStrategy":{"minimumHealthCapacity":0,"maximumOverCapacity":0}`), nil},
		{"single instance label of another value", plain(`"labels":{"MARATHON_SINGLE_INSTANCE_APP":"false"},"instances":2`), nil},

		{"a container without docker", `{"id":"/x","container":{}}`, []string{"/container/docker"}},
		{"container type", `{"id":"/x","cmd":"a","container":{"type":"docker"}}`, []string{"/container/type"}},
		{"image", `{"id":"/x","container":{"docker":{}}}`, []string{"/container/docker/image"}},
		{"image with a blank", `{"id":"/x","container":{"docker":{"image":"a b"}}}`, []string{"/container/docker/image"}},
		{"network NONE", `{"id":"/x","container":{"docker":{"image":"a","network":"NONE"}}}`, []string{"/container/docker/network"}},
		{"network in lower case", `{"id":"/x","container":{"docker":{"image":"a","network":"bridge"}}}`,
			[]string{"/container/docker/network"}},
		{"docker parameters", `{"id":"/x","container":{"docker":{"image":"a","parameters":[{"key":"label","value":"a=b"},
			{"key":"pid","value":"host"},{"key":"","value":""},{"key":"init","value":"true"}]}}}`,
			[]string{"/container/docker/parameters(1)/key", "/container/docker/parameters(2)/key"}},
		{"volumes", docker(`"volumes":[{"containerPath":"","hostPath":""},{"containerPath":"/a","hostPath":"b","mode":"rw"}]`),
			[]string{"/container/volumes(0)/containerPath", "/container/volumes(0)/hostPath", "/container/volumes(1)/mode"}},

		{"network modes", plain(`"networks":[{"mode":"bridge"}]`), []string{"/networks(0)/mode"}},
		{"host takes neither name nor labels", plain(`"networks":[{"mode":"host","name":"a","labels":{"a":"b"}}]`),
			[]string{"/networks(0)/labels", "/networks(0)/name"}},
		{"bridge takes no name", plain(`"networks":[{"mode":"container/bridge","name":"a"}]`), []string{"/networks(0)/name"}},
		{"container needs a name", plain(`"networks":[{}]`), []string{"/networks(0)/name"}},
		{"container name characters", plain(`"networks":[{"name":"a.b"}]`), []string{"/networks(0)/name"}},
		{"container name length", plain(`"networks":[{"name":"` + strings.Repeat("a", 64) + `"}]`), []string{"/networks(0)/name"}},
		{"no mixing", plain(`"networks":[{"mode":"host"},{"name":"a"}]`), []string{"/networks"}},
		{"two bridges", plain(`"networks":[{"mode":"container/bridge"},{"mode":"container/bridge"}]`), []string{"/networks"}},
		{"repeated network", plain(`"networks":[{"name":"a"},{"name":"a"}]`), []string{"/networks(1)"}},
		{"Docker takes one network", `{"id":"/x","networks":[{"name":"a"},{"name":"b"}],"container":{"docker":{"image":"a"}}}`,
			[]string{"/networks"}},

		{"port numbers", docker(`"portMappings":[{"containerPort":-1,"hostPort":65536,"servicePort":70000},
			{"containerPort":65535,"hostPort":65535,"servicePort":65535}]`),
			[]string{"/container/portMappings(0)/containerPort", "/container/portMappings(0)/hostPort",
				"/container/portMappings(0)/servicePort"}},
		{"port names", docker(`"portMappings":[{"name":"web"},{"name":"Web"},{"name":"web"},{"name":"-a"},{"name":"a.b"},
			{"name":"` + strings.Repeat("a", 64) + `"}]`),
			[]string{"/container/portMappings(1)/name", "/container/portMappings(2)/name", "/container/portMappings(3)/name",
				"/container/portMappings(4)/name", "/container/portMappings(5)/name"}},
		{"protocols", docker(`"portMappings":[{"protocol":"tcp"},{"protocol":"udp"},{"protocol":"udp,tcp"},
			{"protocol":"TCP"},{"protocol":"sctp"}]`),
			[]string{"/container/portMappings(3)/protocol", "/container/portMappings(4)/protocol"}},
		{"errors point to the old home of mappings", `{"id":"/x","container":{"docker":{"image":"a","network":"BRIDGE",
			"portMappings":[{"name":"A"}]}}}`, []string{"/container/docker/portMappings(0)/name"}},
		{"errors point to discovery ports", plain(`"ipAddress":{"networkName":"n","discovery":{"ports":[{"number":80,"name":"A"}]}}`),
			[]string{"/ipAddress/discovery/ports(0)/name"}},
		{"fixed host port twice", docker(`"portMappings":[{"hostPort":2000},{"hostPort":2000,"protocol":"udp"},
			{"hostPort":2000,"protocol":"udp,tcp"},{"hostPort":0},{"hostPort":0}]`),
			[]string{"/container/portMappings(2)/hostPort"}},
		{"network names of a mapping", plain(`"networks":[{"name":"a"},{"name":"b"}],"container":{"type":"MESOS","portMappings":[
			{"hostPort":1,"networkNames":["a"]},{"hostPort":2},{"networkNames":["a","b"]},{"networkNames":["c"]},
			{"hostPort":3,"networkNames":["a","b"]}]}`),
			[]string{"/container/portMappings(1)/networkNames", "/container/portMappings(3)/networkNames(0)",
				"/container/portMappings(4)/networkNames"}},
		{"port definitions", plain(`"portDefinitions":[{"port":80,"name":"a"},{"port":80,"name":"a"},{"port":-1},
			{"protocol":"icmp"},{"port":0},{"port":0}]`),
			[]string{"/portDefinitions(1)/name", "/portDefinitions(1)/port", "/portDefinitions(2)/port",
				"/portDefinitions(3)/protocol"}},
		{"ports", plain(`"ports":[80,80,65536]`), []string{"/ports(1)", "/ports(2)"}},

		{"health check protocol", plain(`"healthChecks":[{"protocol":"http"}]`), []string{"/healthChecks(0)/protocol"}},
		{"health check times", plain(`"healthChecks":[{"gracePeriodSeconds":-1,"intervalSeconds":-1,"timeoutSeconds":-1,
			"maxConsecutiveFailures":-1},{"protocol":"MESOS_TCP","delaySeconds":-1}]`),
			[]string{"/healthChecks(0)/gracePeriodSeconds", "/healthChecks(0)/intervalSeconds",
				"/healthChecks(0)/maxConsecutiveFailures", "/healthChecks(0)/timeoutSeconds", "/healthChecks(1)/delaySeconds"}},
		{"port and portIndex", plain(`"healthChecks":[{"port":80,"portIndex":0}]`), []string{"/healthChecks(0)/port"}},
		{"port index must exist", plain(`"ports":[1,2],"healthChecks":[{"portIndex":1},{"portIndex":2},{"portIndex":-1}]`),
			[]string{"/healthChecks(1)/portIndex", "/healthChecks(2)/portIndex"}},
		{"no port to check", plain(`"ports":[],"healthChecks":[{},{"port":80}]`), []string{"/healthChecks(0)"}},
		{"literal port", plain(`"healthChecks":[{"port":0},{"port":65536}]`), []string{"/healthChecks(0)/port", "/healthChecks(1)/port"}},
		{"command check", plain(`"healthChecks":[{"protocol":"COMMAND"}]`), []string{"/healthChecks(0)/command"}},
		{"empty command check", plain(`"healthChecks":[{"protocol":"COMMAND","command":{}}]`), []string{"/healthChecks(0)/command/value"}},
		{"command of another check", plain(`"healthChecks":[{"command":{"value":"a"}}]`), []string{"/healthChecks(0)/command"}},
		{"command check without ports", plain(`"ports":[],"healthChecks":[{"protocol":"COMMAND","command":{"value":"true"}}]`), nil},
		{"IP protocol", plain(`"healthChecks":[{"protocol":"MESOS_HTTP","ipProtocol":"ipv4"}]`), []string{"/healthChecks(0)/ipProtocol"}},
		{"line break in a path", plain(`"healthChecks":[{"path":"/a\nb"}]`), []string{"/healthChecks(0)/path"}},
		{"one check beside the task", plain(`"healthChecks":[{"protocol":"MESOS_HTTP"},{},{"protocol":"COMMAND","command":{"value":"a"}}]`),
			[]string{"/healthChecks"}},

		{"two readiness checks", plain(`"portDefinitions":[{"name":"http-api"}],"readinessChecks":[{},{}]`), []string{"/readinessChecks"}},
		{"readiness check of an unknown port", plain(`"readinessChecks":[{}]`), []string{"/readinessChecks(0)/portName"}},
		{"readiness check", plain(`"readinessChecks":[{"name":"","protocol":"TCP","portName":"default","intervalSeconds":10,
			"timeoutSeconds":10,"httpStatusCodesForReady":[],"path":"\n"}]`),
			[]string{"/readinessChecks(0)/httpStatusCodesForReady", "/readinessChecks(0)/name", "/readinessChecks(0)/path",
				"/readinessChecks(0)/protocol", "/readinessChecks(0)/timeoutSeconds"}},
		{"readiness codes", plain(`"readinessChecks":[{"portName":"default","timeoutSeconds":0,"httpStatusCodesForReady":[200,99]}]`),
			[]string{"/readinessChecks(0)/httpStatusCodesForReady(1)", "/readinessChecks(0)/timeoutSeconds"}},

		{"everything at once", `{"id":"/A","cpus":0,"mem":-1,"container":{"docker":{"image":""}},"killSelection":"x"}`,
			[]string{"/container/docker/image", "/cpus", "/id", "/killSelection", "/mem"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := ParseApp([]byte(c.document))
			if c.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantPaths(t, err, c.want...)
			if CodeOf(err) != CodeInvalid || !strings.HasPrefix(err.Error(), "Object is not valid") {
				t.Errorf("code %s: %v", CodeOf(err), err)
			}
		})
	}
}

func TestCyclicDependencyIsCalledThat(t *testing.T) {
	_, _, err := ParseApp([]byte(plain(`"dependencies":["/x"]`)))
	if err == nil || !strings.Contains(err.Error(), "cyclic dependencies") {
		t.Errorf("found %v", err)
	}
}

func TestConstraints(t *testing.T) {
	for constraint, ok := range map[string]bool{
		`["hostname","UNIQUE"]`:                            true,
		`["hostname","UNIQUE",""]`:                         true,
		`["hostname","UNIQUE","x"]`:                        false,
		`["@zone","CLUSTER"]`:                              true,
		`["rack","CLUSTER","r1"]`:                          true,
		`["rack","GROUP_BY"]`:                              true,
		`["@region","GROUP_BY","3"]`:                       true,
		`["rack","GROUP_BY","three"]`:                      false,
		`["rack","GROUP_BY","-1"]`:                         false,
		`["rack","LIKE","r[1-3]"]`:                         true,
		`["rack","LIKE"]`:                                  false,
		`["rack","LIKE",""]`:                               false,
		`["rack","LIKE","r[1-"]`:                           false,
		`["rack","LIKE","(?!r1).*"]`:                       false,
		`["rack","UNLIKE","r.*"]`:                          true,
		`["rack","UNLIKE"]`:                                false,
		`["rack","UNLIKE","(a)\\1"]`:                       false,
		`["rack","MAX_PER","2"]`:                           true,
		`["rack","MAX_PER"]`:                               false,
		`["rack","MAX_PER","2.5"]`:                         false,
		`["rack","IS","r1_a/b.c-d"]`:                       true,
		`["cores","IS","-1.5e3"]`:                          true,
		`["rack","IS"]`:                                    false,
		`["rack","IS","a b"]`:                              false,
		`["rack","is","a"]`:                                true,
		`["rack","EQUALS","a"]`:                            false,
		`["","UNIQUE"]`:                                    false,
		`[]`:                                               false,
		`["hostname"]`:                                     false,
		`["a","IS","b","c"]`:                               false,
		`["a","LIKE","` + strings.Repeat("a", 1001) + `"]`: false,
	} {
		_, _, err := ParseApp([]byte(plain(`"constraints":[["hostname","UNIQUE"],` + constraint + `]`)))
		if ok && err != nil {
			t.Errorf("%s: %v", constraint, err)
		}
		if !ok {
			wantPaths(t, err, "/constraints(1)")
		}
	}
	for _, pattern := range []string{"(?=a)b", `(a)\\1`} {
		_, _, err := ParseApp([]byte(plain(`"constraints":[["a","LIKE","` + pattern + `"]]`)))
		if err == nil || !strings.Contains(err.Error(), "look-around and back-references are not supported") {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

func TestEveryAllowedDockerParameter(t *testing.T) {
	for _, key := range DockerParameters {
		mustParse(t, `{"id":"/x","container":{"docker":{"image":"a","parameters":[{"key":"`+key+`","value":"v"}]}}}`)
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		name, document string
		want           int
	}{
		{"memory below what Docker takes", `{"id":"/x","mem":5.9,"container":{"docker":{"image":"a"}}}`, 1},
		{"just enough memory", `{"id":"/x","mem":6,"container":{"docker":{"image":"a"}}}`, 0},
		{"little memory for a process", plain(`"mem":1`), 0},
		{"a service port twice in one app", docker(`"portMappings":[{"servicePort":80},{"servicePort":80},{},{}]`), 1},
		{"VIPs that parse", docker(`"portMappings":[{"labels":{"VIP_0":"1.1.1.1:80","VIP_1":"/web:80","vip_2":"a.b-c:1",
			"VIP_3":"fd01:c::1:80","VIP_4":"[fd01:c::1]:80","VIP_5":"/group/app:65535","other":"x"}}]`), 0},
		{"VIPs that do not", docker(`"portMappings":[{"labels":{"VIP_0":"1.1.1.1","VIP_1":"/x:","VIP_2":"/x:0","VIP_3":"/x:http",
			"VIP_4":":80","VIP_5":"/:80","VIP_6":"/x:70000","VIP_7":"a b:80","VIP_8":""}}]`), 9},
		{"odd VIP keys", plain(`"portDefinitions":[{"labels":{"VIPER":"1.1.1.1:80","VIP_x":"/a:1","Vip_0":"nonsense"}}]`), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, notes, err := ParseApp([]byte(c.document))
			if err != nil {
				t.Fatal(err)
			}
			if len(notes.Warnings) != c.want {
				t.Errorf("found %d warnings %q, expected %d", len(notes.Warnings), notes.Warnings, c.want)
			}
		})
	}
}

func TestErrorInPutsThePositionFirst(t *testing.T) {
	_, _, err := ParseApp([]byte(`{"id":"/A"}`))
	e := err.(*Error)
	wantPaths(t, e.In("(3)"), "(3)/", "(3)/id")
	wantPaths(t, e, "/", "/id")
	if (*Error)(nil).In("(3)") != nil {
		t.Error("nil stays nil")
	}
}
