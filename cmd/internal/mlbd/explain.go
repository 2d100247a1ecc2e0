package mlbd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/mlb"
	"berth/mlb/explain"
	"berth/mlb/model"
	"berth/mlb/offline"
	"berth/mlb/render"
	"berth/mlb/render/check"
)

// Question is what an explanation is asked for.
type Question struct {
	URL     string
	Headers []string // Name=value
	From    string   // address of the client, "" for any
}

// explainCommand is "mlb explain": of a running mlb, or of a document of apps.
func explainCommand() *cobra.Command {
	c := DefaultConfig()
	var file, apps, admin, output string
	var q Question
	cmd := &cobra.Command{
		Use:   "explain --url URL [--header K=V]... [--apps FILE|-]",
		Short: "Say where a request goes and why",
		Long: "explain says which rule takes a request, which ones do not and why, the backend, and what each task gets.\n" +
			"It asks the running mlb, at its statistics port, or works on the document that GET /v2/apps?embed=apps.tasks\n" +
			"returns, with the same flags as the daemon.",
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&q.URL, "url", "", "`URL` of the request")
	f.StringArrayVar(&q.Headers, "header", nil, "`K=V`, a header of the request; repeatable")
	f.StringVar(&q.From, "from", "", "`address` of the client")
	f.StringVar(&apps, "apps", "", "`file` with the apps; - is standard input")
	f.StringVar(&admin, "admin", "", "`URL` of the running mlb's statistics port (default: that of --stats-port on this machine)")
	f.StringVarP(&output, "output", "o", "text", "text or json")
	AddFlags(f, &c)
	warnings := addFormer(f)
	f.StringVar(&file, "config", "", "JSON `file` with flag names as keys; the environment and flags win")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cli.Layer(cmd, EnvPrefix, file); err != nil {
			return err
		}
		if q.URL == "" || output != "text" && output != "json" {
			return cli.Usagef("expected --url, and text or json for --output")
		}
		_ = warnings() // flags without effect need no word here
		a, err := c.explain(cmd, q, apps, admin)
		if err != nil {
			return err
		}
		return WriteAnswer(cmd.OutOrStdout(), a, output == "json")
	}
	return cmd
}

func (c Config) explain(cmd *cobra.Command, q Question, apps, admin string) (explain.Answer, error) {
	if apps == "" {
		if admin == "" {
			admin = fmt.Sprintf("http://127.0.0.1:%d", c.StatsPort)
		}
		return Ask(cmd.Context(), admin, q)
	}
	c.marathonLB(cmd.Flags(), os.LookupEnv)
	c.Groups = cli.SplitList(c.Groups)
	if err := c.check(); err != nil {
		return explain.Answer{}, err
	}
	doc, err := readApps(apps, cmd.InOrStdin())
	if err != nil {
		return explain.Answer{}, err
	}
	return c.explainOffline(doc, q)
}

// explainOffline works on a document of apps. Certificates are not looked at: they decide nothing here.
func (c Config) explainOffline(doc []byte, q Question) (explain.Answer, error) {
	req, err := q.request(c.HTTPPort, c.HTTPSPort)
	if err != nil {
		return explain.Answer{}, err
	}
	list, _, err := offline.Parse(doc)
	if err != nil {
		return explain.Answer{}, err
	}
	ro := c.renderOptions("/", []string{defaultCert})
	ro.Check = check.Fragment
	if ro.Overrides, err = mlb.Templates(c.TemplateDir, environ()); err != nil {
		return explain.Answer{}, err
	}
	mo := c.modelOptions()
	names := newResolver(patienceOnce, nil)
	defer names.close()
	mo.Reserved, mo.Resolve, mo.Certificate = ro.Reserved(), names.lookup, nil
	m, _ := model.Build(list, mo)
	out, _ := render.Files(m, ro)
	return explain.Explain(explain.Input{
		Model: m, Output: out, Apps: list, HTTPPort: c.HTTPPort, HTTPSPort: c.HTTPSPort, StatsPort: c.StatsPort,
		AppIDPort: c.AppIDPort, NoHTTP: c.DontBindHTTP, HealthCheck: c.HealthCheck,
	}, req), nil
}

func (q Question) request(httpPort, httpsPort int) (explain.Request, error) {
	req, err := explain.ParseRequest(q.URL, q.Headers, httpPort, httpsPort)
	if err == nil && q.From != "" {
		req.From, err = netip.ParseAddr(q.From)
	}
	if err != nil {
		return req, cli.UsageError{Err: err}
	}
	return req, nil
}

// maxAnswer bounds what a running mlb may answer, in bytes.
const maxAnswer = 4 << 20

// Ask asks a running mlb; admin is the URL of its statistics port or of its own listener, with user and password if it
// wants them.
func Ask(ctx context.Context, admin string, q Question) (explain.Answer, error) {
	var a explain.Answer
	if _, err := q.request(80, 443); err != nil {
		return a, err
	}
	if !strings.Contains(admin, "://") {
		admin = "http://" + admin
	}
	u, err := url.Parse(admin)
	if err != nil || u.Host == "" {
		return a, cli.Usagef("address of mlb %q: expected http://host:port", redactURL(admin))
	}
	u = u.JoinPath("/_mlb_explain")
	u.RawQuery = url.Values{"url": {q.URL}, "header": q.Headers, "from": {q.From}}.Encode()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return a, fmt.Errorf("ask mlb: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, fmt.Errorf("ask mlb at %s: %w", u.Host, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return a, fmt.Errorf("ask mlb at %s: %w", u.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("ask mlb at %s: %s: %s", u.Host, resp.Status, model.Shorten(strings.TrimSpace(string(body))))
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("ask mlb at %s: the answer is not mlb's: %w", u.Host, err)
	}
	return a, nil
}

// WriteAnswer prints an answer.
func WriteAnswer(w io.Writer, a explain.Answer, asJSON bool) error {
	if !asJSON {
		_, err := io.WriteString(w, a.String())
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(a)
}
