package vipd

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"berth/cmd/internal/cli"
	"berth/vip/nettest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { os.Exit(nettest.Main(m)) }

// Each case holds apps.json, perhaps flags, and what comes out.
func TestRulesOfApps(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]string{}
			for _, f := range a.Files {
				parts[f.Name] = string(f.Data)
			}
			cmd := Command()
			var stdout, stderr bytes.Buffer
			cmd.SetIn(strings.NewReader(parts["apps.json"]))
			args := append([]string{"rules", "--apps", "-"}, strings.Fields(parts["flags"])...)
			if code := cli.Run(cmd, args, &stdout, &stderr); code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr.String())
			}
			// The constant part is the same everywhere; a test of its own compares it with what netlink makes.
			_, elements, _ := strings.Cut(stdout.String(), "\n}\n")
			got := map[string]string{"elements": elements, "problems": stderr.String()}
			for name, text := range got {
				if d := cmp.Diff(parts[name], text); d != "" && !*update {
					t.Errorf("%s: %s", name, d)
				}
				parts[name] = text
			}
			if *update {
				rewrite(t, file, a, parts)
			}
			loads(t, stdout.String())
		})
	}
}

func rewrite(t *testing.T, file string, a *txtar.Archive, parts map[string]string) {
	t.Helper()
	out := &txtar.Archive{Comment: a.Comment}
	for _, name := range []string{"flags", "apps.json", "elements", "problems"} {
		if text, ok := parts[name]; ok {
			out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
		t.Fatal(err)
	}
}

// loads feeds the text to nft in a network namespace of the test's own.
func loads(t *testing.T, text string) {
	t.Helper()
	nettest.Need(t, "nft")
	nettest.Isolated(t)
	for range 2 { // the second time it replaces itself
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("nft -f: %v\n%s", err, out)
		}
	}
}

func TestWrongUsageIsToldWithExitCode2(t *testing.T) {
	for args, want := range map[string]string{
		"start": "expected flags only", "rules": "expected --apps FILE", "--range 1.2.3.4": "--range", "--node-address x": "--node-address",
		"--no-healthy-backends some": "expected reject or all", "--listen here": "--listen", "--range 10.0.0.0/4": "from /8 to /28",
		"--reserved 1.2.3": "--reserved", "--nope": "unknown flag",
	} {
		var stdout, stderr bytes.Buffer
		if code := cli.Run(Command(), strings.Fields(args), &stdout, &stderr); code != cli.ExitUsage || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: exit code %d, %q; want 2 and %q", args, code, stderr.String(), want)
		}
	}
}
