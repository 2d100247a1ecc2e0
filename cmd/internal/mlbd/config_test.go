package mlbd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func TestMarathonLBsEnvironmentIsTakenOver(t *testing.T) {
	box := t.TempDir()
	if err := os.Mkdir(filepath.Join(box, "templates"), 0o755); err != nil {
		t.Fatal(err)
	}
	vars := env(map[string]string{
		"FRAMEWORK_NAME": "marathon-lb", "HAPROXY_GLOBAL_DEFAULT_OPTIONS": "httplog, redispatch",
		"MARATHON_USER": "joe", "MARATHON_PASSWORD": "a:b", "MESOS_SANDBOX": box,
	})
	c := DefaultConfig()
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	AddFlags(f, &c)
	c.marathonLB(f, vars)
	got := []any{c.Self, c.DefaultOptions, c.Credentials, c.TemplateDir}
	want := []any{"marathon-lb", []string{"httplog", "redispatch"}, "joe:a:b", filepath.Join(box, "templates")}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := f.Parse([]string{"--ignore-app", "me", "--template-dir", "mine", "--auth-credentials", "x:y"}); err != nil {
		t.Fatal(err)
	}
	c.marathonLB(f, vars)
	if c.Self != "me" || c.TemplateDir != "mine" || c.Credentials != "x:y" {
		t.Errorf("flags must win: %q %q %q", c.Self, c.TemplateDir, c.Credentials)
	}
}

func TestFlagsOfMarathonLBMayBeCutShort(t *testing.T) {
	cmd := Command()
	if err := cmd.ParseFlags([]string{"--strict", "--reload=3", "--haproxy-c", "/x.cfg", "--lru", "7", "--http-port", "81"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"strict-mode": "true", "reload-interval": "3", "haproxy-config": "/x.cfg", "lru-cache-capacity": "7", "http-port": "81",
	} {
		if got := cmd.Flags().Lookup(name).Value.String(); got != want {
			t.Errorf("--%s is %q, want %q", name, got, want)
		}
	}
	for _, bad := range []string{"--max=1", "--nothing", "--http=1", "--m=x"} {
		if err := Command().ParseFlags([]string{bad}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestVariablesWithoutEffectAreNamed(t *testing.T) {
	got := withoutEffect([]string{
		"HAPROXY_HEAD=x", "HAPROXY_SSL_CERT7=x", "HAPROXY_GLOBAL_DEFAULT_OPTIONS=x", "PORTS=80", "HAPROXY_VERSION=2.6", "VAULT_TOKEN=",
		"HAPROXY_SYSCTL_PARAMS=a=b", "HAPROXY_BACKEND_HEADD=x", "BACKEND_HEADD=x", "HAPROXY_SSL_CERTS=x",
	})
	want := []string{
		"the variable HAPROXY_BACKEND_HEADD has no effect; HAPROXY_BACKEND_HEAD would",
		"the variable HAPROXY_SSL_CERTS has no effect; HAPROXY_SSL_CERT would",
		"the variable HAPROXY_SYSCTL_PARAMS has no effect: set the kernel's parameters on the host",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestNumberedCertificatesNeedTheFirst(t *testing.T) {
	dir := t.TempDir()
	if got, err := certificatesFromEnvironment(dir, env(map[string]string{"HAPROXY_SSL_CERT0": "x"})); err != nil || got != nil {
		t.Errorf("without the first: %q, %v", got, err)
	}
	got, err := certificatesFromEnvironment(dir, env(map[string]string{
		"HAPROXY_SSL_CERT": `one\ntwo`, "HAPROXY_SSL_CERT100": "x", "HAPROXY_SSL_CERT101": "never",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "cert100.pem")}, got); d != "" {
		t.Error(d)
	}
	if text, _ := os.ReadFile(got[0]); string(text) != "one\ntwo\n" {
		t.Errorf("text %q", text)
	}
}

func TestConfigErrorsNameTheFlag(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no group":               {func(c *Config) { c.Groups = nil }, "--group"},
		"no URL":                 {func(c *Config) { c.Marathon = nil }, "--marathon"},
		"a URL with a password":  {func(c *Config) { c.Marathon = []string{"ftp://joe:secret@x"} }, "--marathon"},
		"ports that clash":       {func(c *Config) { c.StatsPort = c.AppIDPort }, "--stats-port"},
		"two ways to credential": {func(c *Config) { c.Credentials, c.CredentialsFile = "a:b", "f" }, "--auth-credentials"},
		"a line break":           {func(c *Config) { c.HAProxyLog = "stdout\nglobal" }, "--haproxy-log"},
		"a path with a blank":    {func(c *Config) { c.SSLCerts = []string{"/a b"} }, "--ssl-certs"},
		"no address":             {func(c *Config) { c.StatsAddress = "localhost" }, "--stats-address"},
		"negative time":          {func(c *Config) { c.ShutdownTimeout = -1 }, "--shutdown-timeout"},
		"forwarded headers":      {func(c *Config) { c.Forwarded = "keep" }, "--forwarded-headers"},
		"retries below -1":       {func(c *Config) { c.MaxReloadRetries = -2 }, "--max-reload-retries"},
		"no quiet time":          {func(c *Config) { c.Quiet = 0 }, "--quiet"},
		"admin without a port":   {func(c *Config) { c.AdminListen = "127.0.0.1" }, "--admin-listen"},
	} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			config.Groups = []string{"x"}
			c.change(&config)
			err := config.check()
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want an error naming %s", err, c.want)
			}
		})
	}
	c := DefaultConfig()
	c.Groups = []string{"x"}
	if err := c.check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func TestConnectionsLeaveFilesForServices(t *testing.T) {
	for files, want := range map[uint64]int{1 << 20: 50000, 20000: 5000, 1024: 256, 3: 10, ^uint64(0): 50000} {
		if got := connectionsFor(files); got != want {
			t.Errorf("%d files: %d connections, want %d", files, got, want)
		}
	}
}
