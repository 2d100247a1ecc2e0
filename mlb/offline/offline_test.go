package offline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/mlb/model"
	"berth/mlb/render"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		rule, doc      string
		apps, problems int
		fails          bool
	}{
		{"the document of the API", `{"apps":[{"id":"/a"},{"id":"/b"}]}`, 2, 0, false},
		{"the list in it", ` [{"id":"/a"}]`, 1, 0, false},
		{"null counts as absent", `{"apps":[{"id":"/a","container":null,"labels":null,"instances":null}]}`, 1, 0, false},
		{"an app that cannot be read is left out", `{"apps":[{"id":"/a","instances":"x"},{"id":"/b"},7,{}]}`, 1, 3, false},
		{"no apps", `{"apps":[]}`, 0, 0, false},
		{"no list", `{"message":"unauthorized"}`, 0, 0, true},
		{"a null list", `{"apps":null}`, 0, 0, true},
		{"no JSON", `<html>`, 0, 0, true},
		{"nothing", ``, 0, 0, true},
	} {
		apps, found, err := Parse([]byte(c.doc))
		if len(apps) != c.apps || len(found) != c.problems || (err != nil) != c.fails {
			t.Errorf("%s: %d apps, problems %v, error %v", c.rule, len(apps), found, err)
		}
	}
}

func TestRenderAndWrite(t *testing.T) {
	doc := `{"apps":[{"id":"/a","ports":[9090],"tasks":[{"id":"t","host":"10.0.0.1","ports":[1]}]}]}`
	out, found, err := Render([]byte(doc), model.Options{Groups: []string{"*"}}, render.Options{})
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Reason, "(stats)") {
		t.Fatalf("problems %v, error %v", found, err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	for range 2 {
		if err := Write(dir, out); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1+len(out.Maps) {
		t.Fatalf("files %v, error %v", files, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, ConfigName))
	if err != nil || string(text) != string(out.Config()) {
		t.Errorf("the file differs from the output, or %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, ConfigName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the configuration may hold hashes, and its mode is %v, %v", info.Mode(), err)
	}
}

func TestWriteSaysWhatItCouldNotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, &render.Output{}); err == nil || !strings.HasPrefix(err.Error(), "write configuration: ") {
		t.Errorf("error %v", err)
	}
}
