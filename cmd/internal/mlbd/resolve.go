package mlbd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"berth/cmd/internal/cli"
	"berth/mlb/certs"
	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/render"
	"berth/orchestrator/client"
)

// check validates what can be validated without looking outside. Errors name the flag, the value and what was expected.
func (c Config) check() error {
	if len(c.Groups) == 0 {
		return cli.Usagef("--group: expected at least one group, or * for all apps")
	}
	if len(c.Marathon) == 0 {
		return cli.Usagef("--marathon: expected at least one URL")
	}
	for _, m := range c.Marathon {
		if u, err := url.Parse(m); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return cli.Usagef("--marathon %q: expected http://host:port or https://host:port", redactURL(m))
		}
	}
	if c.Credentials != "" && c.CredentialsFile != "" {
		return cli.Usagef("--auth-credentials and --marathon-auth-credential-file: expected one of them")
	}
	if err := c.checkPorts(); err != nil {
		return err
	}
	for flag, n := range map[string]int{
		"--check-timeout": int(c.CheckTimeout), "--reload-timeout": int(c.ReloadTimeout),
		"--quiet": int(c.Quiet), "--ceiling": int(c.Ceiling), "--resync": int(c.Resync), "--stale-after": int(c.StaleAfter),
	} {
		if n <= 0 {
			return cli.Usagef("%s: expected more than 0", flag)
		}
	}
	for flag, n := range map[string]float64{
		"--archive-versions": float64(c.Archive), "--maxconn": float64(c.MaxConn), "--max-old-workers": float64(c.MaxReloads),
		"--hard-stop-after": float64(c.HardStopAfter), "--close-spread-time": float64(c.CloseSpread),
		"--shutdown-delay": float64(c.ShutdownDelay), "--shutdown-timeout": float64(c.ShutdownTimeout),
		"--reload-interval": c.ReloadInterval, "--max-backoff": c.MaxBackoff,
	} {
		if n < 0 {
			return cli.Usagef("%s: must not be negative", flag)
		}
	}
	if c.MaxReloadRetries < -1 {
		return cli.Usagef("--max-reload-retries %d: expected -1, for ever, or a number", c.MaxReloadRetries)
	}
	if c.Archive > maxArchive {
		return cli.Usagef("--archive-versions %d: expected at most %d", c.Archive, maxArchive)
	}
	if c.Forwarded != trust && c.Forwarded != overwrite {
		return cli.Usagef("--forwarded-headers %q: expected %s or %s", c.Forwarded, trust, overwrite)
	}
	if err := c.checkSpares(); err != nil {
		return err
	}
	return c.checkWords()
}

const maxArchive = 1000

// checkWords makes sure that values which are written into the configuration as they are stay one word, or one line.
func (c Config) checkWords() error {
	for flag, v := range map[string]string{
		"--haproxy-user": c.User, "--haproxy-group": c.Group, "--haproxy-config": c.HAProxyConfig, "--run-dir": c.RunDir,
		"--bind-address": c.BindAddress, "--stats-address": c.StatsAddress,
	} {
		if strings.ContainsAny(v, " \t\r\n\"'\\#$") {
			return cli.Usagef("%s %q: must not contain blanks, quotes, \\, # or $", flag, v)
		}
	}
	for _, v := range c.SSLCerts {
		if strings.ContainsAny(v, " \t\r\n\"'\\#$") {
			return cli.Usagef("--ssl-certs %q: must not contain blanks, quotes, \\, # or $", v)
		}
	}
	if strings.ContainsAny(c.HAProxyLog, "\r\n#") {
		return cli.Usagef("--haproxy-log %q: expected one line", c.HAProxyLog)
	}
	for flag, v := range map[string]string{"--bind-address": c.BindAddress, "--stats-address": c.StatsAddress} {
		if v != "" && v != "*" && net.ParseIP(strings.Trim(v, "[]")) == nil {
			return cli.Usagef("%s %q: expected an IP address or *", flag, v)
		}
	}
	if user, password, ok := strings.Cut(c.StatsAuth, ":"); c.StatsAuth != "" &&
		(!ok || user == "" || password == "" || strings.ContainsAny(c.StatsAuth, " \t\r\n\"'\\#$")) {
		return cli.Usagef("--stats-auth: expected user:password without blanks, quotes, \\, # or $")
	}
	if c.AdminListen != "" {
		if _, _, err := net.SplitHostPort(c.AdminListen); err != nil {
			return cli.Usagef("--admin-listen %q: expected host:port", c.AdminListen)
		}
	}
	return nil
}

func (c Config) checkPorts() error {
	ports := map[int]string{}
	for _, p := range c.basePorts() {
		if p.number < 1 || p.number > 65535 {
			return cli.Usagef("%s %d: expected 1 to 65535", p.flag, p.number)
		}
		if other, twice := ports[p.number]; twice {
			return cli.Usagef("%s and %s are both %d", other, p.flag, p.number)
		}
		ports[p.number] = p.flag
	}
	low, high := c.AutoPortMin, c.AutoPortMax
	if (low == 0) != (high == 0) || low < 0 || low > high || high > 65535 {
		return cli.Usagef("--min-serv-port-ip-per-task %d, --max-serv-port-ip-per-task %d: expected a range of ports, or 0 in both",
			low, high)
	}
	return nil
}

// basePort is a port that mlb opens itself.
type basePort struct {
	flag, address string
	number        int
}

func (c Config) basePorts() []basePort {
	stats := c.StatsAddress
	if stats == "" {
		stats = c.BindAddress
	}
	list := []basePort{{"--stats-port", stats, c.StatsPort}, {"--appid-port", c.BindAddress, c.AppIDPort}}
	if !c.DontBindHTTP {
		list = append(list, basePort{"--http-port", c.BindAddress, c.HTTPPort}, basePort{"--https-port", c.BindAddress, c.HTTPSPort})
	}
	return list
}

// redactURL hides a password before a URL is shown.
func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}

// clientOptions are for the watch.
func (c Config) clientOptions(p haproxy.Paths, log *slog.Logger) (client.Options, error) {
	o := client.Options{
		URLs: c.Marathon, CAFile: c.CACert, Insecure: c.Insecure, TokenFile: c.TokenFile, CertFile: c.ClientCert,
		KeyFile: c.ClientKey, UserAgent: "mlb", Role: "mlb", Subscriber: c.Subscriber,
		Quiet: c.Quiet, Ceiling: c.Ceiling, Resync: c.Resync, MaxBackoff: time.Duration(c.MaxBackoff * float64(time.Second)),
		Log: log,
	}
	if c.DCOSCredentials != "" {
		o.ServiceAccount = []byte(c.DCOSCredentials)
	}
	switch c.CacheFile {
	case "":
		o.CacheFile = filepath.Join(p.Dir(), "apps.json")
	case "none":
	default:
		o.CacheFile = c.CacheFile
	}
	if o.Subscriber == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "localhost"
		}
		sum := sha256.Sum256([]byte(p.Config))
		o.Subscriber = "mlb-" + host + "-" + hex.EncodeToString(sum[:3])
	}
	text, err := c.credentials()
	if err == nil && text != "" {
		o.User, o.Password, err = client.ParseCredentials(text)
	}
	if err != nil {
		return o, cli.UsageError{Err: err}
	}
	return o, nil
}

func (c Config) credentials() (string, error) {
	if c.CredentialsFile == "" {
		return c.Credentials, nil
	}
	data, err := os.ReadFile(c.CredentialsFile)
	if err != nil {
		return "", fmt.Errorf("--marathon-auth-credential-file: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line), nil
}

// modelOptions say which apps are served.
func (c Config) modelOptions() model.Options {
	return model.Options{
		Groups: c.Groups, Self: strings.TrimPrefix(c.Self, "/"), HealthCheck: c.HealthCheck, Strict: c.Strict,
		KeepEmpty: c.KeepEmpty, NoTemplates: !c.TemplateLabels, AutoPortMin: c.AutoPortMin, AutoPortMax: c.AutoPortMax,
		Certificate: haproxy.CheckCertificate,
	}
}

// renderOptions say what the configuration holds beside apps. Sockets are left out when there is no daemon.
func (c Config) renderOptions(dir string, certs []string) render.Options {
	user, password, _ := strings.Cut(c.StatsAuth, ":")
	return render.Options{
		StatsUser: user, StatsPassword: password,
		Addr: c.BindAddress, StatsAddr: c.StatsAddress, HTTPPort: c.HTTPPort, HTTPSPort: c.HTTPSPort, StatsPort: c.StatsPort,
		AppIDPort: c.AppIDPort, NoHTTP: c.DontBindHTTP, AcceptProxy: c.AcceptProxy, OverwriteForwarded: c.Forwarded == overwrite, MapDir: dir, Certificates: certs,
		GroupHTTPS: c.GroupHTTPS, CertificateFor: certificateFor(certs), DefaultOptions: c.DefaultOptions,
		MaxConn: c.MaxConn, HardStopAfter: c.HardStopAfter, CloseSpread: c.CloseSpread, MaxReloads: c.MaxReloads,
		User: c.haproxyUser(), Group: c.Group, Log: c.HAProxyLog, AccessLog: c.AccessLog,
	}
}

// haproxyUser resolves auto: HAProxy gives root's rights up when there is a user to become.
func (c Config) haproxyUser() string {
	if c.User != auto {
		return c.User
	}
	if os.Geteuid() == 0 {
		if _, err := user.Lookup("haproxy"); err == nil {
			return "haproxy"
		}
	}
	return ""
}

// certificateFor finds the certificate for a host among the operator's, as far as they can be read. The files are read at
// most once a second.
func certificateFor(list []string) func(string) string {
	var set certs.Set
	var read time.Time
	return func(host string) string {
		if time.Since(read) > time.Second {
			set, read = certs.Scan(list), time.Now()
		}
		return certs.For(set, list, host)
	}
}

// defaultCert is where marathon-lb kept its certificate.
const defaultCert = "/etc/ssl/cert.pem"

// certificates returns the certificates for the TLS port. Without any of the operator's, a self-signed one is made.
func (c Config) certificates(selfSigned string) ([]string, error) {
	if c.DontBindHTTP {
		return nil, nil
	}
	certs := cli.SplitList(c.SSLCerts)
	if len(certs) == 0 {
		if haproxy.CheckCertificate(defaultCert) == nil {
			return []string{defaultCert}, nil
		}
		return []string{selfSigned}, haproxy.SelfSigned(selfSigned, time.Now())
	}
	for i, path := range certs {
		abs, err := filepath.Abs(path)
		if err == nil {
			err = haproxy.CheckCertificate(abs)
		}
		if err != nil {
			return nil, fmt.Errorf("--ssl-certs: %w", err)
		}
		certs[i] = abs
	}
	return certs, nil
}

// preflight says which of the ports cannot be opened, before HAProxy tries; everything it names can be changed by a flag.
func (c Config) preflight(ctx context.Context) error {
	var lc net.ListenConfig
	for _, p := range c.basePorts() {
		host := strings.Trim(strings.TrimPrefix(p.address, "*"), "[]")
		network := "tcp"
		if host == "" {
			network = "tcp4"
		}
		l, err := lc.Listen(ctx, network, net.JoinHostPort(host, strconv.Itoa(p.number)))
		if err == nil {
			_ = l.Close()
			continue
		}
		return portError(p, err)
	}
	return nil
}
