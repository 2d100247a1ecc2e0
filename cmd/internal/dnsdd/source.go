package dnsdd

import (
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"berth/cmd/internal/cli"
	"berth/orchestrator/client"
)

// clientOptions are the part of c about the source.
func (c *Config) clientOptions(listening []netip.AddrPort, log *slog.Logger) (client.Options, error) {
	o := client.Options{
		URLs: cli.SplitList(c.Marathon), CAFile: c.CACert, Insecure: c.Insecure, TokenFile: c.TokenFile,
		CertFile: c.ClientCert, KeyFile: c.ClientKey, UserAgent: "dnsd", Role: "dnsd",
		Subscriber: c.Subscriber, Quiet: c.Quiet, Ceiling: c.Ceiling, Resync: c.Resync, CacheFile: c.state(fileApps),
		DiskAfter: 100 * time.Millisecond, Log: log,
	}
	if c.DCOSCredentials != "" {
		o.ServiceAccount = []byte(c.DCOSCredentials)
	}
	if o.Subscriber == "" {
		name, err := os.Hostname()
		if err != nil {
			name = "localhost"
		}
		o.Subscriber = "dnsd-" + name
		if len(listening) > 0 {
			o.Subscriber += "-" + strings.NewReplacer("[", "", "]", "", ":", "-").Replace(listening[0].String())
		}
	}
	text := c.Credentials
	if c.CredentialsFile != "" {
		data, err := os.ReadFile(c.CredentialsFile)
		if err != nil {
			return o, cli.Usagef("--marathon-auth-credential-file: %v", err)
		}
		text, _, _ = strings.Cut(string(data), "\n")
	}
	if text = strings.TrimSpace(text); text != "" {
		var err error
		if o.User, o.Password, err = client.ParseCredentials(text); err != nil {
			return o, cli.UsageError{Err: err}
		}
	}
	return o, nil
}
