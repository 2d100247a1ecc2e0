package orchestratord

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/cmd/internal/cli"
	"berth/orchestrator/driver/docker"
	"berth/orchestrator/reconcile"
)

func ports(t *testing.T, text string) reconcile.Ports {
	t.Helper()
	p, err := reconcile.ParsePorts(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAgents(t *testing.T) {
	c := DefaultConfig()
	c.Agents = []string{
		"name=a1,engine=tcp://10.0.0.11:2376,attributes=rack:1;ssd:yes,roles=*;slave_public,ports=1-21;23-100,cpus=4,mem=2048," +
			"tls-ca=ca,tls-cert=c,tls-key=k,zone=z1\n name=a2, engine=ssh://bob@far, address=10.0.0.12, host=far ",
		"name=me,engine=local",
	}
	r, err := c.resolve()
	if err != nil {
		t.Fatal(err)
	}
	wide, dynamic := ports(t, "1-32000"), ports(t, "31000-32000")
	want := []agent{
		{
			name: "a1", engine: "tcp://10.0.0.11:2376", address: "10.0.0.11", attributes: map[string]string{"rack": "1", "ssd": "yes"},
			roles: []string{"*", "slave_public"}, ports: ports(t, "1-21,23-100"), dynamicPorts: dynamic, cpus: 4, mem: 2048,
			tls: docker.TLSFiles{CA: "ca", Cert: "c", Key: "k"}, zone: "z1",
		},
		{name: "a2", engine: "ssh://bob@far", address: "10.0.0.12", host: "far", roles: []string{"*"}, ports: wide, dynamicPorts: dynamic},
		{name: "me", engine: "local", address: "127.0.0.1", roles: []string{"*"}, ports: wide, dynamicPorts: dynamic},
	}
	if d := cmp.Diff(want, r.agents, cmp.AllowUnexported(agent{})); d != "" {
		t.Error(d)
	}
}

func TestWithoutAgentsThisMachineIsOne(t *testing.T) {
	c := DefaultConfig()
	c.Attributes, c.AgentHost = "rack:1", "me"
	r, err := c.resolve()
	if err != nil {
		t.Fatal(err)
	}
	want := []agent{{
		name: "agent-1", engine: "local", address: "127.0.0.1", host: "me", attributes: map[string]string{"rack": "1"},
		roles: []string{"*", "slave_public"}, ports: ports(t, "1-32000"), dynamicPorts: ports(t, "31000-32000"),
	}}
	if d := cmp.Diff(want, r.agents, cmp.AllowUnexported(agent{})); d != "" {
		t.Error(d)
	}
}

func TestMistakesInAnAgentAreNamed(t *testing.T) {
	many := make([]string, 0, 2*maxAgents+2)
	for range maxAgents + 1 {
		many = append(many, "--agent", "x")
	}
	for _, tc := range []struct {
		rule, want string
		args       []string
	}{
		{"no name", "name is missing", []string{"--agent", "engine=local"}},
		{"no engine", "engine is missing: expected unix:///path", []string{"--agent", "name=a"}},
		{"unknown key", `"colour=red": expected key=value with one of the keys address, attributes`, []string{"--agent", "name=a,colour=red"}},
		{"no value", `"name": expected key=value`, []string{"--agent", "name"}},
		{"a key twice", "name is given twice", []string{"--agent", "name=a,name=b"}},
		{"bad name", `name "a b": expected 1 to 63`, []string{"--agent", "name=a b,engine=local"}},
		{"bad engine", `engine "10.0.0.1": expected unix:///path`, []string{"--agent", "name=a,engine=10.0.0.1"}},
		{"bad address", `address "host": expected an IP address`, []string{"--agent", "name=a,engine=local,address=host"}},
		{"no address to be found", "address is missing", []string{"--agent", "name=a,engine=tcp://host:1"}},
		{"bad attributes", `attributes "rack": expected key:value`, []string{"--agent", "name=a,engine=local,attributes=rack"}},
		{"no role", `roles ";": expected at least one`, []string{"--agent", "name=a,engine=local,roles=;"}},
		{"bad ports", `ports: `, []string{"--agent", "name=a,engine=local,ports=9-1"}},
		{"no ports", `dynamic-ports "": expected ranges`, []string{"--agent", "name=a,engine=local,dynamic-ports="}},
		{"bad amount", `cpus "-1": expected a number from 0`, []string{"--agent", "name=a,engine=local,cpus=-1"}},
		{"TLS of a socket", "only for an engine at tcp://", []string{"--agent", "name=a,engine=unix:///s,tls-ca=x"}},
		{"half of TLS", "expected all three", []string{"--agent", "name=a,engine=tcp://10.0.0.1:1,tls-ca=x"}},
		{"a name twice", "name a is given twice", []string{"--agent", "name=a,engine=local", "--agent", "name=a,engine=unix:///s"}},
		{"an engine twice", "engine local is also that of agent a", []string{"--agent", "name=a,engine=local", "--agent", "name=b,engine=local"}},
		{"too many", "expected at most 1000", many},
		{"timeout", `--agent-timeout "10ms": expected a duration from 1s`, []string{"--agent-timeout", "10ms"}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			var out bytes.Buffer
			code := cli.Run(Command(), tc.args, &out, &out)
			if code != cli.ExitUsage || !strings.Contains(out.String(), tc.want) {
				t.Errorf("exit code %d: %s", code, out.String())
			}
		})
	}
}

// Any text is an agent that can be used, or an error.
func FuzzAgent(f *testing.F) {
	for _, s := range []string{
		"name=a1,engine=tcp://10.0.0.11:2376,attributes=rack:1;ssd:yes,roles=*;slave_public,ports=1-21;23-100,cpus=4", "name=a,engine=local",
		"name=a,engine=ssh://bob@far:22,address=::1,host=far", "name=,engine=", "name=a,name=b", "=,=", "name=a,engine=unix:///\x00",
	} {
		f.Add(s)
	}
	c := DefaultConfig()
	f.Fuzz(func(t *testing.T, text string) {
		a, err := c.parseAgent(&resolved{ports: ports(t, "1-100"), dynamicPorts: ports(t, "90-100")}, text)
		if err != nil {
			return
		}
		if a.name == "" || a.engine == "" || a.address == "" || len(a.roles) == 0 || a.ports.Len() == 0 || a.dynamicPorts.Len() == 0 {
			t.Errorf("%q was taken: %+v", text, a)
		}
	})
}
