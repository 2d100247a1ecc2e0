package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// marathonApp is an app as a real Marathon serves it, with embedded tasks and places for odd values.
func marathonApp(env, instances string, tasks int) []byte {
	var list []string
	for i := range tasks {
		list = append(list, fmt.Sprintf(`{"id":"prod_web.%08d","slaveId":"s-%d","host":"10.0.0.%d","state":"TASK_RUNNING",
			"startedAt":"2024-01-01T00:00:00.000Z","stagedAt":"2024-01-01T00:00:00.000Z","ports":[%d],"appId":"/prod/web",
			"version":"2024-01-01T00:00:00.000Z","ipAddresses":[{"ipAddress":"172.17.0.2","protocol":"IPv4"}],"localVolumes":[],
			"healthCheckResults":[{"alive":true,"consecutiveFailures":0,"firstSuccess":"2024-01-01T00:00:00.000Z",
			"lastFailure":null,"lastSuccess":"2024-01-01T00:00:00.000Z","taskId":"t","instanceId":"i"}]}`, i, i, i, 31000+i))
	}
	return []byte(`{"id":"/prod/web","acceptedResourceRoles":["*"],"backoffFactor":1.15,"backoffSeconds":1,"cpus":0.1,"disk":0,
		"executor":"","instances":` + instances + `,"labels":{"HAPROXY_GROUP":"external"},"env":` + env + `,
		"networks":[{"mode":"container/bridge"}],"container":{"type":"DOCKER","docker":{"image":"nginx","parameters":[]},
		"volumes":[],"portMappings":[{"containerPort":80,"hostPort":0,"servicePort":10000,"protocol":"tcp","labels":{}}]},
		"unreachableStrategy":{"inactiveAfterSeconds":0,"expungeAfterSeconds":0},"killSelection":"YOUNGEST_FIRST",
		"upgradeStrategy":{"minimumHealthCapacity":1,"maximumOverCapacity":1},"tasksStaged":0,"tasksRunning":1,
		"version":"2024-01-01T00:00:00.000Z","deployments":[{"id":"d1"}],"tasks":[` + strings.Join(list, ",") + `]}`)
}

func TestAppInfoOfMarathon(t *testing.T) {
	info, err := DecodeAppInfo(marathonApp(`{"A":"b"}`, "1", 2))
	if err != nil {
		t.Fatal(err)
	}
	if info.ID != "/prod/web" || len(info.Tasks) != 2 || info.Tasks[1].Ports[0] != 31001 || !info.Tasks[0].Healthy(1) {
		t.Errorf("%+v", info)
	}
	if info.Env["A"] != "b" || *info.TasksRunning != 1 || info.Deployments[0].ID != "d1" || info.Version.IsZero() {
		t.Errorf("%+v", info)
	}
}

// The slow path must read what it can read exactly as the fast one does.
func TestOneOddFieldCostsOnlyItself(t *testing.T) {
	for _, c := range []struct {
		name string
		data []byte
		odd  func(*AppInfo)
	}{
		{"a secret in the environment", marathonApp(`{"A":"b","S":{"secret":"s"}}`, "1", 2), func(*AppInfo) {}},
		{"a number in the environment", marathonApp(`{"A":"b","N":1}`, "1", 2), func(*AppInfo) {}},
		{"an environment of another type", marathonApp(`["A"]`, "1", 2), func(i *AppInfo) { i.Env = nil }},
		{"an integer written as a fraction", marathonApp(`{"A":"b"}`, "1.0", 2), func(*AppInfo) {}},
		{"a text for an integer", marathonApp(`{"A":"b"}`, `"1"`, 2), func(i *AppInfo) { i.Instances = 0 }},
		{"depth beyond reason", marathonApp(`{"A":"b","D":`+strings.Repeat(`[{"x":`, 100)+"1"+strings.Repeat("}]", 100)+"}", "1", 2),
			func(*AppInfo) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, err := DecodeAppInfo(marathonApp(`{"A":"b"}`, "1", 2))
			if err != nil {
				t.Fatal(err)
			}
			c.odd(want)
			got, err := DecodeAppInfo(c.data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOddFieldsOfTasksKeepPositions(t *testing.T) {
	info, err := DecodeAppInfo([]byte(`{"id":"x","cpus":"many","tasks":[{"id":"x.1","ports":[31000,"31001",31002],"startedAt":"soon",
		"healthCheckResults":[null,{"alive":true}]},7,{"id":"x.2","state":{}}],"healthChecks":"none","unreachableStrategy":"never",
		"lastTaskFailure":{"message":1,"state":"TASK_FAILED"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if info.ID != "/x" || len(info.Tasks) != 3 || info.Tasks[2].ID != "x.2" || info.Tasks[1].ID != "" {
		t.Errorf("%+v", info)
	}
	if diff := cmp.Diff([]int{31000, 0, 31002}, info.Tasks[0].Ports); diff != "" {
		t.Error(diff)
	}
	if len(info.Tasks[0].HealthCheckResults) != 2 || !info.Tasks[0].HealthCheckResults[1].Alive || info.Tasks[0].StartedAt != 0 {
		t.Errorf("%+v", info.Tasks[0])
	}
	if !info.UnreachableStrategy.Disabled || info.LastTaskFailure.State != TaskFailed || info.HealthChecks != nil {
		t.Errorf("%+v", info)
	}
}

func TestLegacyFieldsOfOldMarathonsAreKept(t *testing.T) {
	info, err := DecodeAppInfo([]byte(`{"id":"/x","ports":[10000],"uris":["a"],"ipAddress":{"networkName":"n","discovery":{"ports":[]}},
		"container":{"docker":{"image":"a","network":"BRIDGE","portMappings":[{"containerPort":80,"servicePort":10000}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if info.Ports[0] != 10000 || info.Mode() != NetworkBridge || info.Mappings()[0].ServicePort != 10000 || info.URIs[0] != "a" {
		t.Errorf("%+v", info)
	}
}

func TestDocumentsThatAreNoApp(t *testing.T) {
	for _, s := range []string{
		"", "null", "[]", "7", `"x"`, "{", "{}", `{"id":null}`, `{"id":""}`, `{"id":"/"}`, `{"id":"///"}`, `{"id":7}`,
		`{"id":["/x"]}`, `{"id":"/a b"}`, `{"id":"/a\nb"}`, `{"id":"/\u00e9"}`, `{"id":"/` + strings.Repeat("a", 5000) + `"}`,
		`{"id":"/x"} x`,
	} {
		if info, err := DecodeAppInfo([]byte(s)); err == nil {
			t.Errorf("%.40s: read as %+v", s, info)
		}
	}
}

func FuzzDecodeAppInfo(f *testing.F) {
	f.Add(marathonApp(`{"A":{"secret":"s"}}`, "1.0", 1))
	f.Add([]byte(`{"id":"x","tasks":[{"ports":[null,"1"]}],"unreachableStrategy":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := DecodeAppInfo(data)
		if err != nil {
			return
		}
		if !strings.HasPrefix(info.ID, "/") || strings.ContainsAny(info.ID, " \r\n\t") {
			t.Fatalf("id %q", info.ID)
		}
		if _, err := json.Marshal(info); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkDecodeAppInfo(b *testing.B) {
	for name, data := range map[string][]byte{
		"fast": marathonApp(`{"A":"b"}`, "1", 4),
		"slow": marathonApp(`{"A":"b","S":{"secret":"s"}}`, "1", 4),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeAppInfo(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseApp(b *testing.B) {
	data := []byte(marathonLB)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseApp(data); err != nil {
			b.Fatal(err)
		}
	}
}
