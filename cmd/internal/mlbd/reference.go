package mlbd

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"berth/cmd/internal/cli"
	"berth/mlb"
	"berth/mlb/model"
	"berth/mlb/render"
)

func environ() map[string]string { return mlb.EnvironmentTemplates(os.LookupEnv) }

// writeReference prints flags and templates as Markdown (marathon-lb's --longhelp).
func writeReference(w io.Writer, flags *pflag.FlagSet) error {
	var b strings.Builder
	b.WriteString("# mlb\n\n## Flags\n\n| flag | environment | default | meaning |\n|---|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		_, usage := pflag.UnquoteUsage(f)
		usage = strings.ReplaceAll(strings.ReplaceAll(usage, "\n", " "), "|", "\\|")
		fmt.Fprintf(&b, "| `--%s` | `%s` | `%s` | %s |\n", f.Name, cli.EnvName(EnvPrefix, f.Name), f.DefValue, usage)
	})
	b.WriteString("\n## Flags of marathon-lb without effect\n\n| flag | reason |\n|---|---|\n")
	for _, o := range former {
		fmt.Fprintf(&b, "| `--%s` | %s |\n", o.name, o.why)
	}
	b.WriteString("\n## Templates\n\nFrom the directory of `--template-dir` or an environment variable `HAPROXY_<NAME>`; those " +
		"marked \"label\" also per\nservice port as `HAPROXY_<n>_<NAME>`.\n\n| name | label | variables | meaning |\n|---|---|---|---|\n")
	for _, t := range render.Templates {
		label := ""
		if t.Label {
			label = "yes"
		}
		if !t.Fixed {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", t.Name, label, strings.Join(t.Vars, ", "), strings.ReplaceAll(t.Doc, "|", "\\|"))
		}
	}
	b.WriteString("\n## Labels\n\n| label | type | default | meaning |\n|---|---|---|---|\n")
	for _, l := range model.Labels {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", l.Key(), l.Type, l.Default, strings.ReplaceAll(l.Doc, "|", "\\|"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
