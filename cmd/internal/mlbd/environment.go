package mlbd

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/pflag"

	"berth/cmd/internal/cli"
	"berth/mlb"
	"berth/mlb/model"
)

// EnvPrefix begins the environment variable of every flag: MLB_HTTP_PORT.
const EnvPrefix = "MLB"

// marathonLB takes over what marathon-lb and its container read from the environment (marathon-lb.md section 14), where a
// flag, or mlb's own variable, does not say otherwise.
func (c *Config) marathonLB(f *pflag.FlagSet, lookup func(string) (string, bool)) {
	get := func(name string) string { v, _ := lookup(name); return v }
	if name := get("FRAMEWORK_NAME"); name != "" && !f.Changed("ignore-app") {
		c.Self = name
	}
	if v, ok := lookup("HAPROXY_GLOBAL_DEFAULT_OPTIONS"); ok {
		c.DefaultOptions = append([]string{}, cli.SplitList([]string{v})...)
	}
	if v := get("DCOS_SERVICE_ACCOUNT_CREDENTIAL"); v != "" && c.DCOSCredentials == "" {
		c.DCOSCredentials = v
	}
	user, password := get("MARATHON_USER"), get("MARATHON_PASSWORD")
	if user != "" && password != "" && c.Credentials == "" && c.CredentialsFile == "" {
		c.Credentials = user + ":" + password
	}
	if box := get("MESOS_SANDBOX"); box != "" && !f.Changed("template-dir") {
		if dir := filepath.Join(box, "templates"); isDir(dir) {
			c.TemplateDir = dir
		}
	}
}

// formerVariables are of marathon-lb's container and have no effect here, with the reason.
var formerVariables = map[string]string{
	"HAPROXY_RELOAD_SIGTERM_DELAY": "mlb reloads HAProxy itself; see --hard-stop-after",
	"HAPROXY_SYSCTL_PARAMS":        "set the kernel's parameters on the host",
	"HAPROXY_SYSCTL_NONSTRICT":     "set the kernel's parameters on the host",
	"HAPROXY_SYSLOGD":              "HAProxy's log is mlb's own, or goes where --haproxy-log says; --access-log has every request",
	"SYSLOG_SOCKET":                "mlb logs to stderr",
	"POLL_INTERVAL":                "mlb follows events; --resync says how often everything is read anew",
	"VAULT_TOKEN":                  "give credentials in MLB_AUTH_CREDENTIALS or --marathon-auth-credential-file",
}

// withoutEffect says which variables of an environment somebody may expect to do something: marathon-lb's former ones, and
// those that nearly have the name of a template.
func withoutEffect(environ []string) []string {
	known := map[string]bool{"HAPROXY_GLOBAL_DEFAULT_OPTIONS": true, "HAPROXY_SSL_CERT": true}
	for i := range maxNumbered + 1 {
		known["HAPROXY_SSL_CERT"+strconv.Itoa(i)] = true
	}
	for _, name := range mlb.TemplateNames() {
		known["HAPROXY_"+name] = true
	}
	var said []string
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		if value == "" || known[name] {
			continue
		}
		if why := formerVariables[name]; why != "" {
			said = append(said, fmt.Sprintf("the variable %s has no effect: %s", name, why))
			continue
		}
		if near := model.Nearest(name, slices.Sorted(maps.Keys(known))); strings.HasPrefix(name, "HAPROXY_") && near != "" {
			said = append(said, fmt.Sprintf("the variable %s has no effect; %s would", name, near))
		}
	}
	slices.Sort(said)
	return said
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// maxNumbered is the last of the variables HAPROXY_SSL_CERT0, 1, …
const maxNumbered = 100

// certificatesFromEnvironment writes the certificates of HAPROXY_SSL_CERT and, if that is set, HAPROXY_SSL_CERT0 to 100 into
// dir and returns their paths. In the values backslash n stands for a line break.
func certificatesFromEnvironment(dir string, lookup func(string) (string, bool)) ([]string, error) {
	const name = "HAPROXY_SSL_CERT"
	if v, _ := lookup(name); v == "" {
		return nil, nil
	}
	var paths []string
	for i := -1; i <= maxNumbered; i++ {
		number := ""
		if i >= 0 {
			number = strconv.Itoa(i)
		}
		pem, _ := lookup(name + number)
		if pem == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("certificate of %s%s: %w", name, number, err)
		}
		path := filepath.Join(dir, "cert"+number+".pem")
		text := strings.ReplaceAll(pem, `\n`, "\n") + "\n"
		if err := renameio.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("certificate of %s%s: %w", name, number, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}
