package mlbd

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"berth/cmd/internal/cli"
	"berth/mlb"
)

func environ() map[string]string { return mlb.EnvironmentTemplates(os.LookupEnv) }

// writeReference prints flags, labels and templates as Markdown (marathon-lb's --longhelp).
func writeReference(w io.Writer, flags *pflag.FlagSet) error {
	if err := writeFlags(w, flags); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n"+labelsPage()+"\n"+templatesPage())
	return err
}

// writeFlags prints the flags, those of marathon-lb that have no effect included.
func writeFlags(w io.Writer, flags *pflag.FlagSet) error {
	var b strings.Builder
	b.WriteString("# Flags of mlb\n" + generated + "\n| flag | environment | default | meaning |\n|---|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
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
	_, err := io.WriteString(w, b.String())
	return err
}
