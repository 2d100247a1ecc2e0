package mlbd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/mlb"
	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/offline"
	"berth/mlb/render"
	"berth/mlb/render/check"
)

// maxApps bounds the document that render reads, in bytes.
const maxApps = 1 << 30

// renderCommand is "mlb render": files without a daemon.
func renderCommand() *cobra.Command {
	c := DefaultConfig()
	var file, apps, out string
	var strict bool
	cmd := &cobra.Command{
		Use:   "render --apps FILE|- --group NAME --out DIR",
		Short: "Write the configuration for a document of apps; no daemon, no HAProxy is touched",
		Long: "render writes haproxy.cfg and its maps into a directory, for the document that GET /v2/apps?embed=apps.tasks\n" +
			"returns. What was left out is told on stderr, one problem a line. If HAProxy is installed it checks the result.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&apps, "apps", "", "`file` with the apps; - is standard input")
	cmd.Flags().StringVar(&out, "out", "", "`directory` to write into; made if it is missing")
	cmd.Flags().BoolVar(&strict, "strict", false, "exit 1 if anything was left out")
	AddFlags(cmd.Flags(), &c)
	warnings := addFormer(cmd.Flags())
	cmd.Flags().StringVar(&file, "config", "", "JSON `file` with flag names as keys; the environment and flags win")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cli.Layer(cmd, EnvPrefix, file); err != nil {
			return err
		}
		c.marathonLB(cmd.Flags(), os.LookupEnv)
		c.Groups = cli.SplitList(c.Groups)
		stderr := cmd.ErrOrStderr()
		for _, w := range warnings() {
			fmt.Fprintln(stderr, w)
		}
		if apps == "" || out == "" {
			return cli.Usagef("expected --apps and --out")
		}
		doc, err := readApps(apps, cmd.InOrStdin())
		if err != nil {
			return err
		}
		problems, err := Render(cmd.Context(), c, doc, out, stderr)
		if err != nil {
			return err
		}
		if strict && slices.ContainsFunc(problems, func(p model.Problem) bool { return p.Severity == model.SeverityError }) {
			return cli.ErrSilent
		}
		return nil
	}
	return cmd
}

func readApps(name string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--apps: %w", err)
		}
		defer f.Close()
		in = f
	}
	doc, err := io.ReadAll(io.LimitReader(in, maxApps+1))
	if err != nil {
		return nil, fmt.Errorf("read apps: %w", err)
	}
	if len(doc) > maxApps {
		return nil, fmt.Errorf("read apps: more than %d bytes", maxApps)
	}
	return doc, nil
}

// Render writes haproxy.cfg and maps for a document of apps into dir, and tells on w what was left out. Apps that HAProxy,
// if it is installed, refuses are left out as well.
func Render(ctx context.Context, c Config, doc []byte, dir string, w io.Writer) ([]model.Problem, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	apps, problems, err := offline.Parse(doc)
	if err != nil {
		return nil, err
	}
	binary, err := haproxy.Find(ctx, c.HAProxyBinary)
	if err != nil && !errors.Is(err, haproxy.ErrNoBinary) {
		return nil, err
	}
	certs, err := c.certificates(filepath.Join(dir, "self-signed.pem"))
	if err != nil {
		return nil, err
	}
	ro := c.renderOptions(dir, certs)
	ro.Check = check.Fragment
	if binary != nil {
		ro.HAProxy = render.Version{Major: binary.Version.Major, Minor: binary.Version.Minor}
	}
	if ro.Overrides, err = mlb.Templates(c.TemplateDir, environ()); err != nil {
		return nil, err
	}
	mo := c.modelOptions()
	names := newResolver(patienceOnce, nil)
	defer names.close()
	mo.Reserved, mo.Resolve = ro.Reserved(), names.lookup
	m, more := model.Build(apps, mo)
	problems = append(problems, more...)
	var refuse func(context.Context, *render.Output) error
	if binary != nil && !c.SkipValidation {
		run, err := os.MkdirTemp("", "mlb-render-")
		if err != nil {
			return nil, fmt.Errorf("check configuration: %w", err)
		}
		defer os.RemoveAll(run)
		paths, err := haproxy.NewPaths(filepath.Join(dir, offline.ConfigName), run)
		if err != nil {
			return nil, err
		}
		refuse = func(ctx context.Context, out *render.Output) error {
			return binary.Check(ctx, paths, *out, c.CheckTimeout)
		}
	}
	out, found, err := mlb.Offline(ctx, m, ro, refuse)
	problems = append(problems, found...)
	for _, p := range problems {
		fmt.Fprintln(w, p)
	}
	if err != nil {
		return problems, err
	}
	if binary == nil {
		fmt.Fprintln(w, "haproxy is not installed: the configuration was not checked")
	}
	return problems, offline.Write(dir, out)
}
