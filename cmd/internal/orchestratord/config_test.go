package orchestratord

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/cmd/internal/cli"
	"berth/orchestrator/httpapi"
)

func TestDefaultsAreValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

// TestMistakesNameTheFlag runs the command line as a user would: exit code 2, the flag, and what was expected.
func TestMistakesNameTheFlag(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("# nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	words := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(words, []byte("write down ann: s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	roles := filepath.Join(t.TempDir(), "roles")
	if err := os.WriteFile(roles, []byte("read good\nread Write t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		rule string
		args []string
		want string
	}{
		{"unknown flag", []string{"--lisen", ":1"}, "--lisen"},
		{"no arguments", []string{"start"}, "start"},
		{"address without port", []string{"--listen", "localhost"}, `--listen "localhost": expected host:port`},
		{"port out of range", []string{"--listen", ":70000"}, `--listen ":70000": expected a port from 0 to 65535`},
		{"no data directory", []string{"--data", ""}, "--data"},
		{"unknown driver", []string{"--driver", "podman"}, `--driver "podman": expected auto, docker or process`},
		{"cluster name", []string{"--cluster", "a b"}, `--cluster "a b"`},
		{"relative engine path", []string{"--engine-data", "x"}, `--engine-data "x": expected an absolute path`},
		{"a name server by name", []string{"--dns", "ns1"}, `--dns "ns1": expected the IP address`},
		{"a name server that is the container itself", []string{"--dns", "127.0.0.1"}, `--dns "127.0.0.1": expected the IP address`},
		{"name servers nobody asks", []string{"--dns", "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4"}, "at most 3"},
		{"agent address is no name", []string{"--agent-ip", "host1"}, `--agent-ip "host1": expected an IP address`},
		{"agent address is one", []string{"--agent-ip", "0.0.0.0"}, `--agent-ip "0.0.0.0"`},
		{"agent host is a name", []string{"--agent-host", "http://h"}, "--agent-host"},
		{"ports", []string{"--ports", "1-x"}, "--ports: "},
		{"dynamic ports", []string{"--dynamic-ports", ""}, "--dynamic-ports"},
		{"negative memory", []string{"--mem", "-1"}, `--mem "-1"`},
		{"not a number", []string{"--cpus", "NaN"}, `--cpus "NaN"`},
		{"attributes", []string{"--attributes", "rack"}, `--attributes "rack": expected key:value`},
		{"attribute twice", []string{"--attributes", "a:1;a:2"}, "--attributes"},
		{"empty service port range", []string{"--local_port_min", "200", "--local-port-max", "100"},
			`--local-port-max "100": expected a port from 200`},
		{"drain", []string{"--drain-seconds", "-1"}, "--drain-seconds"},
		{"retention", []string{"--task-retention", "-1s"}, "--task-retention"},
		{"body", []string{"--max-body", "1"}, `--max-body "1": expected bytes from 1024`},
		{"origins", []string{"--cors-origins", "example.com"}, "--cors-origins"},
		{"credentials", []string{"--credentials", "ann"}, "--credentials: expected user:password"},
		{"user twice", []string{"--credentials", "ann:1", "--credentials", "ann:2"}, `user "ann" is given twice`},
		{"missing file", []string{"--token-file", "/nonexistent/tokens"}, "--token-file: "},
		{"a file without an entry would open the API", []string{"--credentials-file", empty}, "holds no entry"},
		{"a role alone", []string{"--credentials", "read ann"}, "--credentials: expected user:password"},
		{"a role in capitals", []string{"--credentials", "Read ann:1"}, `role "Read": expected read or write, in small letters`},
		{"a role where a token should be", []string{"--token-file", roles}, "entry 2: \"Write\" is a role"},
		{"a token of many words", []string{"--token-file", words}, "entry 1: expected a token"},
		{"key without certificate", []string{"--tls-key", "k"}, "--tls-cert: expected a PEM file"},
		{"no certificate in the file", []string{"--tls-cert", empty}, "--tls-cert " + empty},
		{"requests", []string{"--max-requests", "0"}, `--max-requests "0"`},
		{"connections", []string{"--max-connections", "1"}, `--max-connections "1": expected a number from 16`},
		{"audit size", []string{"--audit-log-size", "0"}, `--audit-log-size "0": expected MiB from 1`},
		{"audit parts", []string{"--audit-log-keep", "0"}, `--audit-log-keep "0"`},
		{"log level", []string{"--log-level", "loud"}, `log level "loud"`},
		{"config file", []string{"--config", "/nonexistent"}, "config file"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			var stderr bytes.Buffer
			code := cli.Run(Command(), tc.args, &stderr, &stderr)
			if code != cli.ExitUsage || !strings.Contains(stderr.String(), tc.want) {
				t.Errorf("exit code %d: %s", code, stderr.String())
			}
			if strings.Contains(stderr.String(), "ann:") {
				t.Errorf("a secret is repeated: %s", stderr.String())
			}
		})
	}
}

func TestLayers(t *testing.T) {
	dir := t.TempDir()
	users := filepath.Join(dir, "users")
	if err := os.WriteFile(users, []byte("# who may\nann:a:b\n\nread bob:c\nread:x y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens := filepath.Join(dir, "tokens")
	if err := os.WriteFile(tokens, []byte("t1\nread\tt2\nread mlb t3\nci t4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.CredentialsFile, c.TokenFile = users, tokens
	c.Credentials = []string{"eve:d"}
	c.Attributes = "rack:1; zone:a"
	c.Listen = ":0"
	r, err := c.resolve()
	if err != nil {
		t.Fatal(err)
	}
	want := []httpapi.Credential{
		{Name: "eve", Password: "d", Role: "write"}, {Name: "ann", Password: "a:b", Role: "write"},
		{Name: "bob", Password: "c", Role: "read"}, {Name: "read", Password: "x y", Role: "write"},
		{Name: "token", Token: "t1", Role: "write"}, {Name: "token", Token: "t2", Role: "read"},
		{Name: "mlb", Token: "t3", Role: "read"}, {Name: "ci", Token: "t4", Role: "write"},
	}
	if diff := cmp.Diff(want, r.credentials); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"rack": "1", "zone": "a"}, r.attributes); diff != "" {
		t.Error(diff)
	}
	if got := advertised(c, r); got != "127.0.0.1" {
		t.Errorf("advertised: %s", got)
	}
}

// TestHelpNamesEverything keeps README.md and the flags together.
func TestHelpNamesEverything(t *testing.T) {
	readme, err := os.ReadFile("../../orchestrator/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var help bytes.Buffer
	if code := cli.Run(Command(), []string{"--help"}, &help, &help); code != cli.ExitOK {
		t.Fatal(help.String())
	}
	for line := range strings.Lines(help.String()) {
		flag, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "-h, "), " ")
		if strings.HasPrefix(flag, "--") && flag != "--help" && !bytes.Contains(readme, []byte("`"+flag)) {
			t.Errorf("README.md does not explain %s", flag)
		}
	}
}
