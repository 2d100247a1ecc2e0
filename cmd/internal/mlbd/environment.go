package mlbd

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/pflag"

	"berth/cmd/internal/cli"
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
