package mlb_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"berth/mlb/model"
	"berth/mlb/offline"
	"berth/mlb/render"
	"berth/mlb/render/check"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden holds what the apps of each case give: configuration, maps and problems. The comment of a case says what
// it shows. Every configuration must also be valid for the HAProxy that is installed.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("golden files: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in := make(map[string][]byte)
	for _, f := range archive.Files {
		in[f.Name] = f.Data
	}
	mo, ro := caseOptions(t, in["options"])
	ro.MapDir = "/etc/mlb"
	got := generate(t, in["apps.json"], mo, ro)
	checkHAProxy(t, in["apps.json"], mo, ro)
	if *update {
		writeGolden(t, file, archive, got)
		return
	}
	want := make(map[string]string)
	for name, data := range in {
		if name != "apps.json" && name != "options" {
			want[name] = string(data)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("run go test ./mlb -update if this is meant (-want +got):\n%s", d)
	}
}

// caseOptions reads lines such as "group external" and "health-check".
func caseOptions(t *testing.T, text []byte) (model.Options, render.Options) {
	mo := model.Options{
		AutoPortMin: 10050, AutoPortMax: 10100,
		Resolve: func(host string) (string, bool) {
			n := 0
			if _, err := fmt.Sscanf(host, "agent%d", &n); err != nil {
				return "", false
			}
			return fmt.Sprintf("10.0.0.%d", n), true
		},
	}
	ro := render.Options{Check: check.Fragment, Certificates: []string{"/etc/mlb/cert.pem"}}
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "group":
			mo.Groups = append(mo.Groups, rest)
		case "health-check":
			mo.HealthCheck = true
		case "keep-empty":
			mo.KeepEmpty = true
		case "strict":
			mo.Strict = true
		case "no-http":
			ro.NoHTTP = true
		case "override":
			name, value, _ := strings.Cut(rest, " ")
			ro.Overrides = append(ro.Overrides, render.Override{
				Name: name, Text: strings.ReplaceAll(value, `\n`, "\n"), Source: "HAPROXY_" + name,
			})
		default:
			t.Fatalf("option %q of the case is unknown", word)
		}
	}
	if mo.Groups == nil {
		mo.Groups = []string{"external"}
	}
	return mo, ro
}

func generate(t *testing.T, doc []byte, mo model.Options, ro render.Options) map[string]string {
	out, problems, err := offline.Render(doc, mo, ro)
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, p := range problems {
		list.WriteString(p.String() + "\n")
	}
	got := map[string]string{"problems": list.String(), "haproxy.cfg": services(out)}
	for _, m := range out.Maps {
		got[m.Name] = string(m.Data)
	}
	if !bytes.HasSuffix(out.Config(), []byte("\n")) || !bytes.Contains(out.Config(), []byte("description "+out.Marker+"\n")) {
		t.Errorf("the configuration lacks its last line break or its marker %s", out.Marker)
	}
	return got
}

// services is the part of a configuration that tells cases apart: everything but the sections that are the same in all
// of them. The case "zero_dropped" shows those.
func services(out *render.Output) string {
	text := string(out.Config())
	for _, s := range out.Shared {
		switch s.Name {
		case "head":
			text = strings.Replace(text, s.Text+"\n", "", 1)
		case "http", "https", "appid":
			if len(out.Fragments) > 0 && !strings.Contains(s.Text, "  acl ") {
				text = strings.Replace(text, s.Text+"\n", "", 1)
			}
		}
	}
	if len(out.Fragments) == 0 {
		return strings.Replace(string(out.Config()), out.Marker, "mlb:marker", 1)
	}
	_, text, _ = strings.Cut(text, "description "+out.Marker+"\n\n")
	return text
}

func writeGolden(t *testing.T, file string, archive *txtar.Archive, got map[string]string) {
	out := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		if f.Name == "options" || f.Name == "apps.json" {
			out.Files = append(out.Files, f)
		}
	}
	for _, name := range []string{
		"problems", "haproxy.cfg", render.DomainMap, render.PathMap, render.RedirectMap, render.AppMap, render.OwnMap,
	} {
		if _, ok := got[name]; !ok && name == render.OwnMap {
			continue // where nobody has rules of its own
		}
		out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(got[name])})
	}
	if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
		t.Fatal(err)
	}
}

// checkHAProxy runs haproxy -c on the configuration, written with its maps to a directory of its own.
func checkHAProxy(t *testing.T, doc []byte, mo model.Options, ro render.Options) {
	bin := haproxy(t)
	dir := t.TempDir()
	cert := certificate(t, dir)
	ro.MapDir, ro.Certificates = dir, []string{cert}
	ro.StatsSocket, ro.AdminSocket = filepath.Join(dir, "s"), filepath.Join(dir, "a")
	out, _, err := offline.Render(doc, mo, ro)
	if err != nil {
		t.Fatal(err)
	}
	if err := offline.Write(dir, out); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-c", "-f", filepath.Join(dir, offline.ConfigName))
	if text, err := cmd.CombinedOutput(); err != nil || bytes.Contains(text, []byte("[WARNING]")) {
		t.Errorf("haproxy -c: %v\n%s", err, text)
	}
}

// haproxy is that of BERTH_HAPROXY, or the installed one: a missing one skips on a laptop and fails in CI.
func haproxy(t testing.TB) string {
	if bin := os.Getenv("BERTH_HAPROXY"); bin != "" {
		return bin
	}
	bin, err := exec.LookPath("haproxy")
	if err != nil {
		if bin = "/usr/sbin/haproxy"; !exists(bin) {
			if os.Getenv("CI") != "" {
				t.Fatal("haproxy is not installed, and CI must not skip its check")
			}
			t.Skip("SKIPPED: haproxy is not installed, so no configuration was checked by it")
		}
	}
	return bin
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
