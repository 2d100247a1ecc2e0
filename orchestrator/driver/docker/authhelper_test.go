package docker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/registry"
	"github.com/google/go-cmp/cmp"
)

// helper puts a credential helper, a shell script, first into PATH.
func helper(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, helperPrefix+name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func decodeAuth(t *testing.T, header string) registry.AuthConfig {
	t.Helper()
	text, err := base64.URLEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	var got registry.AuthConfig
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCredentialHelpers(t *testing.T) {
	const answer = `test "$1" = get && read -r s; echo "{\"ServerURL\":\"$s\",\"Username\":\"of-$0\",\"Secret\":\"$s\"}" | sed 's#of-.*docker-credential-#of-#'`
	helper(t, "one", answer)
	helper(t, "all", answer)
	helper(t, "token", `echo '{"Username":"<token>","Secret":"tok"}'`)
	helper(t, "empty", `echo 'credentials not found in native keychain'; exit 1`)
	const entry = `"auths":{"reg.test":{"username":"file","password":"p"}}`
	for _, c := range []struct {
		rule, text, domain string
		want               registry.AuthConfig
	}{
		{"that of the registry wins", `{"credHelpers":{"reg.test":"one"},"credsStore":"all",` + entry + `}`, "reg.test",
			registry.AuthConfig{Username: "of-one", Password: "reg.test"}},
		{"another registry asks that of all", `{"credHelpers":{"reg.test":"one"},"credsStore":"all"}`, "other.test:5000",
			registry.AuthConfig{Username: "of-all", Password: "other.test:5000"}},
		{"the hub has a name of its own", `{"credsStore":"all"}`, "docker.io",
			registry.AuthConfig{Username: "of-all", Password: hubKey}},
		{"a token", `{"credHelpers":{"https://reg.test":"token"}}`, "reg.test", registry.AuthConfig{IdentityToken: "tok"}},
		{"the file where the helper has nothing", `{"credsStore":"empty",` + entry + `}`, "reg.test",
			registry.AuthConfig{Username: "file", Password: "p"}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.json")
			writeFile(t, file, c.text)
			header, source, err := findAuth(t.Context(), c.domain, nil, file)
			if err != nil || source != file {
				t.Fatalf("from %q: %v", source, err)
			}
			c.want.ServerAddress = serverAddress(c.domain)
			if diff := cmp.Diff(c.want, decodeAuth(t, header)); diff != "" {
				t.Errorf("credentials (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCredentialHelpersThatFail(t *testing.T) {
	helper(t, "broken", `echo no session; echo more; exit 3`)
	helper(t, "silent", `echo why >&2; exit 1`)
	helper(t, "odd", `echo SECRET`)
	file := filepath.Join(t.TempDir(), "config.json")
	for name, want := range map[string]string{
		"broken":  "docker-credential-broken: exit status 3: no session",
		"silent":  "docker-credential-silent: exit status 1: why",
		"odd":     "docker-credential-odd: expected a JSON object",
		"missing": "docker-credential-missing: not found",
		"../x":    "expected a name",
	} {
		writeFile(t, file, `{"credsStore":"`+name+`"}`)
		_, _, err := findAuth(t.Context(), "reg.test", nil, file)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		} else if strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "more") {
			t.Errorf("%s: more than the first line of the complaint: %v", name, err)
		}
	}
}

func TestACredentialHelperThatHangsIsEnded(t *testing.T) {
	helper(t, "slow", `sleep 600`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := askHelper(ctx, "slow", "reg.test"); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("error: %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestAppsNameNoHelpers: what an app fetches into its sandbox must not choose a program that runs with our rights.
func TestAppsNameNoHelpers(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "ran")
	helper(t, "evil", `touch `+mark+`; echo '{"Username":"u","Secret":"s"}'`)
	app, own := filepath.Join(t.TempDir(), ".docker", "config.json"), filepath.Join(t.TempDir(), "config.json")
	writeFile(t, app, `{"credsStore":"evil","credHelpers":{"reg.test":"evil"}}`)
	header, _, err := findAuth(t.Context(), "reg.test", []string{app}, own)
	if header != "" || err != nil {
		t.Errorf("%q, %v", header, err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the helper ran")
	}
}
