package docker

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/registry"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCredentialsAreFoundInDockersOwnFile(t *testing.T) {
	auth := base64.StdEncoding.EncodeToString([]byte("me:se:cret"))
	for name, c := range map[string]struct {
		file, text, domain string
		want               registry.AuthConfig
	}{
		"by host": {
			"config.json", `{"auths":{"reg.test:5000":{"auth":"` + auth + `"}}}`, "reg.test:5000",
			registry.AuthConfig{Username: "me", Password: "se:cret", ServerAddress: "reg.test:5000"},
		},
		"by address": {
			"config.json", `{"auths":{"https://reg.test/v2/":{"username":"u","password":"p"}}}`, "reg.test",
			registry.AuthConfig{Username: "u", Password: "p", ServerAddress: "reg.test"},
		},
		"docker hub": {
			"config.json", `{"auths":{"https://index.docker.io/v1/":{"auth":"` + auth + `"}}}`, "docker.io",
			registry.AuthConfig{Username: "me", Password: "se:cret", ServerAddress: "https://index.docker.io/v1/"},
		},
		"old file": {
			".dockercfg", `{"https://reg.test":{"auth":"` + auth + `","email":"x"}}`, "reg.test",
			registry.AuthConfig{Username: "me", Password: "se:cret", ServerAddress: "reg.test"},
		},
		"token": {
			"config.json", `{"auths":{"reg.test":{"identitytoken":"t"}}}`, "reg.test",
			registry.AuthConfig{IdentityToken: "t", ServerAddress: "reg.test"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), c.file)
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			header, source, err := findAuth(t.Context(), c.domain, []string{"/no/such/file"}, file)
			if err != nil || source != file {
				t.Fatalf("from %q: %v", source, err)
			}
			text, err := base64.URLEncoding.DecodeString(header)
			if err != nil {
				t.Fatal(err)
			}
			var got registry.AuthConfig
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("credentials (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCredentialsOfOthersAndBrokenOnes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	for text, want := range map[string]string{
		`{}`: "",
		`{"auths":{"other.test":{"auth":"YTpi"}}}`: "",
		`{"auths":{"reg.test":{}}}`:                "",
		`{`:                                        "read registry credentials in",
		`{"auths":{"reg.test":{"auth":"%"}}}`:      "not base64",
		`{"auths":{"reg.test":{"auth":"YWI="}}}`:   "not base64 of user:password",
		strings.Repeat(" ", maxAuthFile+1):         "larger than",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		header, _, err := findAuth(t.Context(), "reg.test", nil, file)
		if header != "" || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %q, %v; want %q", text, header, err, want)
		}
	}
}

func TestPullErrorsSayAuthentication(t *testing.T) {
	d := &Driver{opt: Options{ConfigFile: "/cfg"}}
	for _, c := range []struct{ text, source, want string }{
		{
			"unauthorized: authentication required", "", "authentication required: unauthorized: authentication required (no credentials for r in /cfg)",
		},
		{
			"pull access denied for x", "/f", "authentication required: pull access denied for x (credentials for r from /f were refused)",
		},
		{"manifest unknown", "", "pull image i: manifest unknown"},
	} {
		if got := d.pullError("i", "r", c.source, errors.New(c.text)).Error(); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", c.text, got)
		}
	}
}

func TestPullProgress(t *testing.T) {
	p := progress{layers: map[string]pullMessage{}}
	if p.String() != "" {
		t.Errorf("nothing known: %q", p)
	}
	for _, text := range []string{
		`{"status":"Pulling from library/x","id":"latest"}`, `{"status":"Already exists","id":"a"}`,
		`{"status":"Downloading","id":"b","progressDetail":{"current":1000000,"total":4000000}}`,
		`{"status":"Waiting","id":"c"}`, `{"status":"Status: done"}`,
	} {
		var m pullMessage
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		p.add(m)
	}
	if got, want := p.String(), ": 1 of 3 layers, 1MB of 4MB"; got != want {
		t.Errorf("progress %q, want %q", got, want)
	}
}

// TestStampsDoNotDependOnHowTheTextArrives also holds that the last lines' times are kept.
func TestStampsDoNotDependOnHowTheTextArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.IntRange(0, 20).Draw(t, "lines")
		keep := rapid.IntRange(0, 10).Draw(t, "keep")
		var text string
		var times []string
		for i := range lines {
			times = append(times, fmt.Sprintf("2026-01-02T15:04:05.%09dZ", i))
			text += times[i] + " " + rapid.StringMatching(`[a-z ]{0,40}`).Draw(t, "line") + "\n"
		}
		s := newStamps(keep)
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			_, _ = io.WriteString(s, rest[:n])
			rest = rest[n:]
		}
		if s.lines != lines {
			t.Fatalf("%d lines, want %d", s.lines, lines)
		}
		if keep > 0 && lines >= keep && s.start() != times[lines-keep] {
			t.Errorf("start %s, want %s", s.start(), times[lines-keep])
		}
		if keep == 0 && lines > 0 && !(s.start() > times[lines-1][:29]) {
			t.Errorf("start %s is not after %s", s.start(), times[lines-1])
		}
	})
}
