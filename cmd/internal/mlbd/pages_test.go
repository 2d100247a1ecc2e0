package mlbd

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/mlb/model"
)

var update = flag.Bool("update", false, "rewrite the reference pages in docs")

// The pages in docs are those that the tables give.
func TestPages(t *testing.T) {
	var flags bytes.Buffer
	cmd := Command()
	if err := writeFlags(&flags, cmd.Flags()); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"labels.md": labelsPage(), "templates.md": templatesPage(), "mlb-flags.md": flags.String(),
	} {
		file := filepath.Join("..", "..", "..", "docs", name)
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(have), text); d != "" {
			t.Errorf("%s: run go test ./cmd/internal/mlbd -run Pages -update (-have +want):\n%s", name, d)
		}
	}
}

func TestEverySettingHasAnExample(t *testing.T) {
	for _, l := range model.Labels {
		if l.Type != model.Template && (l.Example == "" || l.Doc == "") {
			t.Errorf("label %s lacks an example or words", l.Key())
		}
	}
}
